"""Every citation of a specification names a section, a row or a step that docs/spec has."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SPECS = ROOT / "docs/spec"
SEARCHED = ("imagegate", "tests", "bench", "docs", "config", "openshift")
ENDINGS = {".py", ".yaml", ".md", ".toml"}

NUMBER = r"\d+(?:\.\d+)*"
ENTRY = rf"{NUMBER}(?: (?:row|case|step) \d+| (?:rows|cases|steps) \d+(?:(?:, | and | to )\d+)*)?"
CITATION = re.compile(rf"\bdocs/spec/(?P<page>[a-z-]+)\.md (?P<entries>{ENTRY}(?:(?:, | and | to ){ENTRY})*)")
UNREADABLE = re.compile(r"\bdocs/spec/[a-z-]+\.md (?:section|row|step|case|item|§)")
OLD_FORMS = re.compile(
    r"\bspec:? (?:cise|image[- ]policy|import[- ]gate)\b"
    r"|(?<!-)\bspec (?:sections? )?\d"
    r"|\bspec/cise\b"
    r"|(?<!RFC \d{4} )\bsections? \d"
    r"|\bdocuments? 00\d"
    r"|\(rows? \d",
    re.IGNORECASE,
)
MODULE = re.compile(r"``(?:imagegate\.)?((?:adapters|cli|core|ports|service|web|wiring)(?:\.[a-z_]+)+)``")
NOT_OURS = {*sys.stdlib_module_names, "runtime"}  # Kubernetes' runtime.Unknown
SHORT_NAME = re.compile(r"``([a-z_]+)\.([A-Za-z_]+)(?:\(\))?``")
OWN_SECTION = re.compile(rf"\b[Ss]ections? (?P<entries>{NUMBER}(?:(?:, | and | to ){NUMBER})*)")


def files() -> Iterator[Path]:
    """Text files of the repository that may cite a specification, without the specifications themselves."""
    places = [path for folder in SEARCHED for path in sorted((ROOT / folder).rglob("*"))]
    for path in [*places, *sorted(ROOT.glob("*.md"))]:
        if path.suffix in ENDINGS and SPECS not in path.parents and path != Path(__file__):
            yield path


@cache
def numbered(page: str) -> dict[str, set[str]]:
    """Sections of a specification; of each, the numbers that its table rows or list items begin with."""
    sections: dict[str, set[str]] = {}
    here: set[str] = set()
    for line in (SPECS / f"{page}.md").read_text(encoding="utf-8").splitlines():
        if heading := re.match(rf"#+ (?P<number>{NUMBER})\.? ", line):
            here = sections[heading["number"]] = set()
        elif row := re.match(r"\s*(?:\| (?P<row>\d+) \||(?P<item>\d+)\. )", line):
            here.add(row["row"] or row["item"])
    return sections


def wrong(page: str, entries: str) -> list[str]:
    """The entries of one citation that the page does not have."""
    if not (SPECS / f"{page}.md").is_file():
        return [f"docs/spec/{page}.md"]
    known, missing = numbered(page), []
    for entry in re.findall(ENTRY, entries):
        section, _, rows = entry.partition(" ")
        if section not in known:
            missing.append(f"{page} {section}")
        else:
            missing += [f"{page} {section} row {row}" for row in re.findall(r"\d+", rows) if row not in known[section]]
    return missing


def test_every_citation_resolves() -> None:
    seen, missing = 0, []
    for path in files():
        text = " ".join(path.read_text(encoding="utf-8").split())  # a citation may be broken over two lines
        for citation in CITATION.finditer(text):
            seen += 1
            missing += [(str(path.relative_to(ROOT)), entry) for entry in wrong(*citation.group("page", "entries"))]
        missing += [(str(path.relative_to(ROOT)), found[0]) for found in UNREADABLE.finditer(text)]
    assert missing == []
    assert seen > 250


def test_no_other_form_is_used() -> None:
    """A section number without a file, or a file that is not in the repository, tells a reader nothing."""
    others = []
    for path in files():
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if found := OLD_FORMS.search(CITATION.sub("", line)):
                others.append(f"{path.relative_to(ROOT)}:{number}: {found[0]}")
    assert others == []


def test_modules_named_in_docstrings_exist() -> None:
    gone = []
    for path in files():
        if path.suffix == ".py":
            for name in MODULE.findall(path.read_text(encoding="utf-8")):
                *folders, last = name.split(".")
                place = ROOT.joinpath("imagegate", *folders)
                if not (
                    (place / last).is_dir() or place.with_suffix(".py").is_file() or (place / f"{last}.py").is_file()
                ):
                    gone.append(f"{path.relative_to(ROOT)}: {name}")
    assert gone == []


@cache
def top_level_names() -> dict[str, set[str]]:
    """Functions, classes and constants of the package, each with the short names of the modules that define it."""
    modules: dict[str, set[str]] = {}
    for path in sorted((ROOT / "imagegate").rglob("*.py")):
        module = path.parent.name if path.stem == "__init__" else path.stem
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                modules.setdefault(node.name, set()).add(module)
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                    if isinstance(target, ast.Name):
                        modules.setdefault(target.id, set()).add(module)
    return modules


@cache
def folders_and_modules() -> set[tuple[str, str]]:
    """Folder and short name of every module and folder of the package: ``ports``, ``registry``."""
    return {(path.parent.name, path.stem) for path in (ROOT / "imagegate").rglob("*")}


def misplaced(text: str) -> list[str]:
    """Short names such as ``identity.image_identity`` whose module does not define the name, while another does."""
    return [
        f"{module}.{name}"
        for module, name in SHORT_NAME.findall(text)
        if module not in NOT_OURS
        and module not in top_level_names().get(name, {module})
        and (module, name) not in folders_and_modules()
    ]


def test_short_names_in_docstrings_name_the_right_module() -> None:
    wrong_names = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in files()
        if path.suffix == ".py"
        for name in misplaced(path.read_text(encoding="utf-8"))
    ]
    assert wrong_names == []


def test_old_short_names_are_caught() -> None:
    old = "``signed_identity.image_identity`` ``matching.Wildcard`` ``identity.image_identity`` ``ipaddress.is_global``"
    assert misplaced(old) == ["signed_identity.image_identity", "matching.Wildcard"]


@pytest.mark.parametrize("page", ["image-policy", "import-gate", "enforcement"])
def test_sections_named_inside_a_specification_exist(page: str) -> None:
    text = (SPECS / f"{page}.md").read_text(encoding="utf-8")
    missing = [entry for found in OWN_SECTION.finditer(text) for entry in wrong(page, found["entries"])]
    assert missing == []


@pytest.mark.parametrize(
    "entries, missing",
    [
        ("12.7", []),
        ("17 row 1", ["enforcement 17 row 1"]),
        ("16.3 rows 1, 2 and 999", ["enforcement 16.3 row 999"]),
        ("13.5 step 3 and 99", ["enforcement 99"]),
    ],
)
def test_the_check_itself(entries: str, missing: list[str]) -> None:
    assert wrong("enforcement", entries) == missing
