"""The project's own copy of the vectors, and the runner itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conformance.__main__ import main
from tests.conformance.context import Context, differences
from tests.conformance.runner import OWN_COPY, families_in, run_family

CASE = {"id": "x-1", "s": "abc", "p": "a*", "match": True}


@pytest.mark.parametrize("family", families_in(OWN_COPY))
def test_every_case_comes_out_as_the_original_answered(family: str) -> None:
    result = run_family(family, Context(OWN_COPY))
    assert [f"{item.id}: {item.text}" for item in result.differing[:10]] == []
    assert result.total > 100


def write(directory: Path, name: str, *cases: object) -> Path:
    (directory / name).write_text("".join(json.dumps(case) + "\n" for case in cases), encoding="utf-8")
    return directory


def test_a_good_directory_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, "wildcard.jsonl", CASE, {**CASE, "id": "x-2", "p": "?bc"})
    assert main(["--vectors", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "wildcard 2/2\n"


def test_one_differing_case_fails_the_run_and_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, "wildcard.jsonl", CASE, {**CASE, "id": "x-2", "match": False})
    assert main(["--vectors", str(tmp_path)]) == 1
    assert capsys.readouterr().out == "wildcard 1/2\n  x-2: match: expected false, got true\n"


def test_show_limits_what_is_printed_not_what_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, "wildcard.jsonl", *({**CASE, "id": f"x-{n}", "match": False} for n in range(4)))
    assert main(["--vectors", str(tmp_path), "--show", "1"]) == 1
    assert capsys.readouterr().out.splitlines()[0] == "wildcard 0/4"


def test_json_says_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, "wildcard.jsonl", CASE, {**CASE, "id": "x-2", "match": False})
    assert main(["--vectors", str(tmp_path), "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["families"] == [
        {
            "family": "wildcard",
            "passed": 1,
            "total": 2,
            "differing": [{"id": "x-2", "text": "match: expected false, got true"}],
        }
    ]


def test_a_case_that_raises_has_failed_and_the_others_still_run(tmp_path: Path) -> None:
    write(tmp_path, "wildcard.jsonl", {"id": "x-1"}, CASE | {"id": "x-2"})
    result = run_family("wildcard", Context(tmp_path))
    assert (result.passed, result.total) == (1, 2)
    assert result.differing[0].text == "raised KeyError: 'match'"


@pytest.mark.parametrize("name", ["no_such_family", "runner", "context", "not-a-name"])
def test_an_unknown_family_is_an_error(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, f"{name}.jsonl", CASE)
    write(tmp_path, "wildcard.jsonl", CASE)
    assert main(["--vectors", str(tmp_path)]) == 2
    captured = capsys.readouterr()
    assert "wildcard 1/1" in captured.out
    assert f"unknown family {name}" in captured.err


def test_a_chosen_family_without_a_file_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, "wildcard.jsonl", CASE)
    assert main(["--vectors", str(tmp_path), "--family", "wildcard"]) == 0
    assert main(["--vectors", str(tmp_path), "--family", "reference"]) == 2
    assert "no reference.jsonl" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "\n\n", "[1]\n", '{"id": 1}\n', "{\n", '{"id":"a"}\n{"id":"a"}\n'])
def test_unusable_files_are_errors(text: str, tmp_path: Path) -> None:
    (tmp_path / "wildcard.jsonl").write_text(text, encoding="utf-8")
    assert main(["--vectors", str(tmp_path)]) == 2


def test_an_empty_directory_is_an_error(tmp_path: Path) -> None:
    assert main(["--vectors", str(tmp_path)]) == 2
    assert main(["--vectors", str(tmp_path / "absent")]) == 2


def test_differences_name_missing_and_surplus_keys() -> None:
    assert differences({"a": 1}, {"a": 1}) is None
    assert differences({"a": 1, "b": 2}, {"a": 1, "c": 3}) == "b: expected 2, got nothing; c: expected nothing, got 3"
