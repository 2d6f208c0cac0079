"""The documentation as a site: it builds without a warning, links and anchors lead somewhere, nothing is loaded."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from tests.support.programs import run
from tests.support.service import ROOT

_LOADED = re.compile(
    r"<(?:script|img|iframe|source)[^>]*\ssrc=\"([^\"]*)\"|<link[^>]*rel=\"stylesheet\"[^>]*href=\"([^\"]*)\""
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as ``make docs`` builds it: a link or an anchor that leads nowhere is an error."""
    folder = tmp_path_factory.mktemp("site")
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file", str(ROOT / "mkdocs.yml")]
    run([*command, "--site-dir", str(folder)], cwd=ROOT, env=environment)
    return folder


def test_every_page_is_in_it(site: Path) -> None:
    pages = {path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")}
    pages = {path.with_name("index.html") if path.name == "README.html" else path for path in pages}
    assert [str(path) for path in pages if not (site / path).is_file()] == []


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    """The site works from a disk without a network, and tells no other server who reads it."""
    loaded = 0
    for page in site.rglob("*.html"):
        for source, style in _LOADED.findall(page.read_text(encoding="utf-8")):
            target = (source or style).partition("?")[0]
            assert not re.match(r"(https?:)?//", target), f"{page}: {target}"
            if page.name != "404.html" and not target.startswith("data:"):
                assert (page.parent / target).is_file(), f"{page}: {target}"
            loaded += 1
    assert loaded > 100


def test_diagrams_are_in_it(site: Path) -> None:
    text = (site / "architecture.html").read_text(encoding="utf-8")
    assert text.count("diagrams/") >= 7
    assert 'alt="Floors, from above' in text
