"""Commands of the README and of the pages in docs are run, and must print what the page shows; links resolve.

In a ``console`` block a line that begins with ``$ `` is a command; the lines after it are its output. ``...`` alone
on a line stands for anything. The documented address 127.0.0.1:8080 is a server started for the test.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagegate.core.admission.decision import DenialCode
from tests.support.processes import free_port, started

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
ELSEWHERE = {"tutorial.md"}
"""Run by ``test_tutorial``: its commands share a folder and a server of its own."""
WITH_COMMANDS = [
    page for page in PAGES if page.name not in ELSEWHERE and "```console\n" in page.read_text(encoding="utf-8")
]
DOCUMENTED = "127.0.0.1:8080"
BIN = Path(sys.executable).parent
ACTIVATE = ". .venv/bin/activate"


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Every command with the output that is printed below it."""
    for block in re.findall(r"^```console\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            while command.endswith("\\"):
                more, _, output = output.partition("\n")
                command = command.removesuffix("\\") + more
            yield command, output


def pattern(output: str) -> re.Pattern[str]:
    """The expected output; ``...`` alone on a line matches any lines."""
    parts = (re.escape(part) for part in re.split(r"^\.\.\.\n", output, flags=re.MULTILINE))
    return re.compile(r"(?:.*\n)*?".join(parts))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``make run``, on another port and with a store of its own."""
    port = free_port()
    home = tmp_path_factory.mktemp("home")
    environment = {**os.environ, "XDG_STATE_HOME": str(home), "HOME": str(home)}
    command = [str(BIN / "imagegate"), "serve", "--bind", f"127.0.0.1:{port}"]
    with started(command, port=port, log=home / "serve.log", env=environment):
        yield f"127.0.0.1:{port}"


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=name)
def test_every_command_prints_what_the_page_shows(page: Path, served: str) -> None:
    path = [each for each in os.environ["PATH"].split(os.pathsep) if Path(each) != BIN]
    if page.name != "README.md":
        path.insert(0, str(BIN))  # the README says how imagegate gets on the PATH
    environment = {**os.environ, "PATH": os.pathsep.join(path)}
    tried, status = 0, 0
    for command, expected in commands(page.read_text(encoding="utf-8")):
        if command == ACTIVATE:
            environment["PATH"] = os.pathsep.join([str(ROOT / ".venv/bin"), *path])
            continue
        if command == "echo $?":
            assert expected == f"{status}\n"
            continue
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command.replace(DOCUMENTED, served)],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        status = done.returncode
        printed = (done.stdout + done.stderr).replace(served, DOCUMENTED)
        assert pattern(expected).fullmatch(printed), f"$ {command}\n{printed}"
        tried += 1
    assert tried >= 2


def test_pages_with_commands() -> None:
    assert {name(page) for page in WITH_COMMANDS} >= {"README.md", "docs/walkthrough.md"}


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 130


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for link, anchor in re.findall(r"\]\(([^)#:\s]*)(?:#([^)]*))?\)", page.read_text(encoding="utf-8")):
        target = page.parent / link if link else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), f"{link}#{anchor}"


def test_the_index_names_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    assert [page.name for page in sorted((ROOT / "docs").glob("*.md")) if f"({page.name})" not in index] == [
        "README.md"
    ]


def test_the_site_names_every_page() -> None:
    site = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = [str(page.relative_to(ROOT / "docs")) for page in sorted((ROOT / "docs").rglob("*.md"))]
    assert [page for page in pages if f" {page}\n" not in site] == []


def test_every_denial_code_is_explained() -> None:
    page = (ROOT / "docs" / "exit-codes.md").read_text(encoding="utf-8")
    first_columns = re.findall(r"^\| (`[^|]*) \|", page.partition("## Denial codes")[2], re.MULTILINE)
    assert set(re.findall(r"`([a-z-]+)`", " ".join(first_columns))) == {code.value for code in DenialCode}


FOLDERS = "imagegate|tests|docs|bench|config|openshift|requirements"
GUIDES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/architecture.md", "docs/walkthrough.md")


@pytest.mark.parametrize("page", GUIDES)
def test_every_path_that_a_guide_names_exists(page: str) -> None:
    """``FAMILY``, ``AREA`` and ``<module>`` are for the reader to fill in."""
    for path in re.findall(rf"`((?:{FOLDERS})/[^`\s]*)`", (ROOT / page).read_text(encoding="utf-8")):
        pattern = re.sub(r"<[a-z ]+>|[A-Z]{3,}", "*", path)
        assert list(ROOT.glob(pattern.rstrip("/"))), path


def test_modules_that_a_page_runs_exist() -> None:
    for page in PAGES:
        for module in re.findall(r"python -m ((?:imagegate|tests|bench)[a-z_.]*)", page.read_text(encoding="utf-8")):
            place = ROOT / module.rstrip(".").replace(".", "/")
            assert (place / "__main__.py").exists() or place.with_suffix(".py").exists(), f"{name(page)}: {module}"
