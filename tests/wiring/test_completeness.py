"""Documents that say that they are whole."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from imagegate.adapters.files.documents import DiskDocuments
from imagegate.errors import InvalidPolicy
from imagegate.wiring.completeness import REQUIREMENTS, check_whole, checksum_file, has_marker
from tests.support.in_force import FORBIDS, PERMITS

MARKED = f"{PERMITS}# imagegate: end\n"


def check(path: Path, ending: str = "optional") -> str:
    """What is wrong; empty where nothing is."""
    try:
        check_whole([path], DiskDocuments(), ending)
    except InvalidPolicy as error:
        return str(error).replace(f"{path.parent}/", "")
    return ""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "p.yaml"
    path.write_text(PERMITS)
    return path


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("length", range(0, len(MARKED) - 1, 7))
def test_no_part_of_a_marked_document_is_whole(file: Path, length: int) -> None:
    file.write_text(MARKED)
    assert check(file, "marker") == ""
    file.write_text(MARKED[:length])
    assert "the last line is not '# imagegate: end'" in check(file, "marker")


@pytest.mark.parametrize(
    "text, is_marked",
    [
        (MARKED, True),
        (MARKED[:-1], True),
        (f"{MARKED}\n \n", True),
        (f"{MARKED}more: 1\n", False),
        (PERMITS + "## imagegate: end\n", False),
        ("# imagegate: end", True),
        ("", False),
    ],
)
def test_the_marker_is_the_last_line(text: str, is_marked: bool) -> None:
    assert has_marker(text.encode()) is is_marked


def test_json_needs_no_marker(file: Path) -> None:
    file.write_text(' {"kind": "List"}')
    assert check(file, "marker") == ""


@pytest.mark.parametrize("ending", REQUIREMENTS)
@pytest.mark.parametrize(
    "form", ["{0}  p.yaml\n", "{0} *p.yaml\n", "{0}  ./some/where/p.yaml\n", "{0}\n", "{1}  q.yaml\n{0}  p.yaml\n"]
)
def test_a_checksum_beside_a_document_must_fit(file: Path, form: str, ending: str) -> None:
    file.write_text(MARKED)
    checksum_file(file).write_text(form.format(sha256(MARKED), sha256("other")))
    assert check(file, ending) == ""
    file.write_text(MARKED.replace("quay.io", "evil.io"))
    assert "p.yaml: its SHA-256 is not the one in p.yaml.sha256" in check(file, ending)


@pytest.mark.parametrize(
    "text", ["", "no digest\n", f"{sha256(PERMITS)}  other.yaml\n", f"{sha256(PERMITS)}  p.yaml\nx"]
)
def test_a_checksum_file_that_is_none_is_refused(file: Path, text: str) -> None:
    checksum_file(file).write_text(text)
    assert check(file) == "p.yaml.sha256:1: expected the SHA-256 of p.yaml, as sha256sum writes it"


def test_a_checksum_that_is_required_must_be_there(file: Path) -> None:
    assert check(file) == ""
    assert "no p.yaml.sha256 beside it, which documents.ending requires" in check(file, "checksum")


def test_every_document_of_a_folder_is_looked_at(file: Path) -> None:
    other = file.with_name("q.yaml")
    other.write_text(FORBIDS)
    checksum_file(other).write_text(sha256(PERMITS))
    with pytest.raises(InvalidPolicy, match=r"q\.yaml: its SHA-256"):
        check_whole([file.parent], DiskDocuments(), "optional")
