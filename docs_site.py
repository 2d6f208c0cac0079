"""Hooks of the documentation site (mkdocs.yml): files beside ``docs`` become part of it, and links to them work.

In the repository a page links to files of the repository. In the site those are below ``project/``; a link to a folder
becomes its text.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent
PROJECT = "project"
PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
_LINK = re.compile(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)#:\s]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages of the repository, and every file that a page links to."""
    for name in PAGES:
        files.append(File.generated(config, f"{PROJECT}/{name}", content=(ROOT / name).read_text(encoding="utf-8")))
    linked = {
        target
        for file in files.documentation_pages()
        for _, link, _ in _LINK.findall(file.content_string)
        if not (target := _target(file.src_uri, link)).startswith("docs/")
    }
    for target in sorted(linked - set(PAGES)):
        if (ROOT / target).is_file():
            files.append(File.generated(config, f"{PROJECT}/{target}", abs_src_path=str(ROOT / target)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Lead links to where the files are in the site."""
    here = page.file.src_uri

    def led(found: re.Match[str]) -> str:
        text, link, anchor = found.groups()
        target = _target(here, link)
        if (ROOT / target).is_dir() and not (ROOT / target / "README.md").exists():
            return str(text)
        place = target.removeprefix("docs/") if target.startswith("docs/") else f"{PROJECT}/{target}"
        return f"[{text}]({posixpath.relpath(place, posixpath.dirname(here) or '.')}{anchor or ''})"

    return _LINK.sub(led, markdown)


def _target(page: str, link: str) -> str:
    """The path from the repository's root of a link in a page of the site."""
    place = page.removeprefix(f"{PROJECT}/") if page.startswith(f"{PROJECT}/") else f"docs/{page}"
    return posixpath.normpath(posixpath.join(posixpath.dirname(place), link))
