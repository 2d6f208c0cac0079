"""The manual pages are those of the commands, roff reads them without a warning, and an installation has them."""

from __future__ import annotations

import os

import pytest

from imagegate.cli.main import COMMANDS
from tests.distribution.man_pages import FOLDER, escaped, pages
from tests.support.programs import program, run

PAGES = pages()


def test_the_files_are_the_pages_of_the_commands() -> None:
    shipped = {file.name: file.read_text(encoding="utf-8") for file in FOLDER.iterdir()}
    assert shipped == PAGES, "run: python -m tests.distribution.man_pages"


def test_every_command_has_a_page() -> None:
    assert {f"imagegate-{command}.1" for command in COMMANDS} <= PAGES.keys()
    assert {
        "imagegate.1",
        "imagegate-key-create.1",
        "imagegate-image-import.1",
        "imagegate-store-migrate.1",
    } <= PAGES.keys()


@pytest.mark.programs
@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_page_has_no_mistake(name: str) -> None:
    """A page without a date is meant: it changes only when the command does."""
    done = run([program("mandoc"), "-T", "lint", "-W", "warning", FOLDER / name], check=False)
    assert [line for line in done.stdout.splitlines() if "missing date" not in line] == []


@pytest.mark.programs
def test_the_page_is_read_as_it_is_meant() -> None:
    plain = {**os.environ, "MANWIDTH": "100", "LC_ALL": "C"}
    done = run([program("mandoc"), "-T", "ascii", "-O", "width=100", FOLDER / "imagegate-check.1"], env=plain)
    text = done.stdout.replace("_\b", "")
    for each in ("imagegate check", "--settings", "EXIT STATUS", "imagegate(1)"):
        assert each in "".join(_without_bold(text)), each


def _without_bold(text: str) -> list[str]:
    """mandoc writes a bold letter as the letter, a backspace and the letter again."""
    parts = text.split("\b")
    return [part[:-1] for part in parts[:-1]] + [parts[-1]]


def test_escaped_text_is_no_request() -> None:
    assert escaped(".TH evil\n'so /etc/passwd\na\\b") == "\\&.TH evil\n\\&'so /etc/passwd\na\\eb"
