"""Pages made from the code are those that the code makes."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from imagegate.core.admission.decision import DenialCode
from tests.reference_pages import messages_page
from tests.reference_pages.diagrams import FOLDER, contracts, diagrams, sources
from tests.reference_pages.pages import PAGES
from tests.support.service import ROOT


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_the_one_that_the_code_makes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == PAGES[name](), "run: make pages"


def test_the_pages_list_something() -> None:
    for name in ("commands.md", "fidelity.md", "http.md", "metrics.md"):
        assert (ROOT / "docs" / name).read_text(encoding="utf-8").count("\n| `") > 20


@pytest.mark.parametrize("name", diagrams())
def test_the_diagram_is_made_from_its_text(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == diagrams()[name], "run: make pages"


def test_every_code_has_an_example() -> None:
    assert {code for code, sentences in messages_page.examples().items() if sentences} == set(DenialCode)


def test_no_other_diagram_is_shipped() -> None:
    assert {file.name for file in FOLDER.glob("*.svg")} == set(diagrams())


@pytest.mark.parametrize("name", diagrams())
def test_a_diagram_needs_nothing_and_says_what_it_shows(name: str) -> None:
    text = diagrams()[name]
    root = ElementTree.fromstring(text)
    assert root.get("role") == "img"
    assert all(root.findtext(f"{{http://www.w3.org/2000/svg}}{each}") for each in ("title", "desc"))
    assert "prefers-color-scheme: dark" in text
    assert "<script" not in text
    assert "href" not in text
    assert f"(diagrams/{name})" in (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def packages(value: Any) -> Iterator[str]:
    match value:
        case dict():
            if "code" in value:
                yield value["code"]
            for each in value.values():
                yield from packages(each)
        case list():
            for each in value:
                yield from packages(each)


@pytest.mark.parametrize("source", sources(), ids=lambda path: str(path.stem))
def test_packages_in_a_diagram_are_those_of_the_tree(source: Any) -> None:
    named = set(packages(yaml.safe_load(source.read_text(encoding="utf-8"))))
    assert named
    assert [each for each in named if not package_exists(each)] == []


def package_exists(place: str) -> bool:
    path = ROOT / "imagegate" / place
    return path.is_dir() or path.with_suffix(".py").is_file()


@pytest.mark.parametrize("container", ["imagegate", "imagegate.core"])
def test_floors_hold_every_package(container: str) -> None:
    folder = ROOT.joinpath(*container.split("."))
    found = {each.name.removesuffix(".py") for each in folder.iterdir() if each.is_dir() or each.suffix == ".py"}
    assert {part for layer in contracts(container) for part in layer} == {
        each for each in found if not each.startswith("__")
    }
