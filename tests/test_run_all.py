"""Which failures of a whole run are excused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests import run_all

PARALLEL = "-n 2 --dist loadfile"


class Runs:
    """In place of pytest and conformance: exit codes, and the tests that are remembered as failed after each run."""

    def __init__(self, remembered: Path, *outcomes: Sequence[str], conformance: int = 0) -> None:
        self.remembered = remembered
        self.outcomes = list(outcomes)
        self.conformance = conformance
        self.asked: list[tuple[str, ...]] = []

    def __call__(self, module: str, *arguments: str) -> int:
        self.asked.append((module, *arguments))
        if module == "tests.conformance":
            return self.conformance
        failed = self.outcomes.pop(0)
        self.remembered.write_text(json.dumps(dict.fromkeys(failed, True)))
        return run_all.SOME_FAILED if failed else 0


@pytest.fixture
def remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(run_all, "CACHE", tmp_path)
    monkeypatch.setattr(run_all, "LAST_FAILED", tmp_path / "lastfailed")
    return tmp_path / "lastfailed"


def outcome(monkeypatch: pytest.MonkeyPatch, runs: Runs) -> int:
    monkeypatch.setattr(run_all, "run", runs)
    return run_all.main(PARALLEL, "-k", "x")


def test_a_green_run_is_not_repeated(remembered: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Runs(remembered, [])
    assert outcome(monkeypatch, runs) == 0
    assert [each[0] for each in runs.asked] == ["pytest", "tests.conformance"]
    assert runs.asked[0] == ("pytest", "-q", "-n", "2", "--dist", "loadfile", "-k", "x")


def test_what_passes_alone_is_named(
    remembered: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = Runs(remembered, ["a.py::one", "b.py::two"], [])
    assert outcome(monkeypatch, runs) == 0
    assert "-n" not in runs.asked[1]
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "failed beside others and passed alone, look for a race: a.py::one",
        "failed beside others and passed alone, look for a race: b.py::two",
    ]


def test_how_it_failed_is_printed_again(
    remembered: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failures = remembered.parent / run_all.FAILURES
    failures.parent.mkdir()
    lines = [f"line {number}" for number in range(run_all.TEXT_LINES)]
    failures.write_text(json.dumps({"a.py::one": "\n".join(["cut off", *lines])}))
    assert outcome(monkeypatch, Runs(remembered, ["a.py::one"], [])) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[-len(lines) - 2 : -1] == ["a.py::one had failed:", *lines]
    assert "cut off" not in told


def test_pytest_remembers_how_tests_and_fixtures_failed(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("from tests.conftest import pytest_terminal_summary\n")
    (tmp_path / "test_three.py").write_text(
        "import pytest\n\n\n@pytest.fixture\ndef broken():\n    raise OSError('no port')\n\n\n"
        "def test_a():\n    assert 5 >= 7\n\n\ndef test_b(broken):\n    pass\n\n\ndef test_c():\n    pass\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-c", "/dev/null", "--rootdir", str(tmp_path), "."]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == run_all.SOME_FAILED, done.stdout + done.stderr
    texts = json.loads((tmp_path / run_all.CACHE / run_all.FAILURES).read_text())
    assert texts.keys() == {"test_three.py::test_a", "test_three.py::test_b"}
    assert "assert 5 >= 7" in texts["test_three.py::test_a"]
    assert "OSError: no port" in texts["test_three.py::test_b"]


def test_what_fails_twice_fails(
    remembered: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert outcome(monkeypatch, Runs(remembered, ["a.py::one", "b.py::two"], ["b.py::two"])) == run_all.SOME_FAILED
    assert capsys.readouterr().out.splitlines()[-1].endswith("look for a race: a.py::one")


def test_many_failures_are_no_accident(remembered: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Runs(remembered, [f"a.py::{index}" for index in range(run_all.EXCUSED_MAX + 1)])
    assert outcome(monkeypatch, runs) == run_all.SOME_FAILED
    assert [each[0] for each in runs.asked] == ["pytest", "tests.conformance"]


def test_conformance_counts(remembered: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert outcome(monkeypatch, Runs(remembered, [], conformance=1)) == 1


def test_a_run_that_did_not_end_is_not_repeated(remembered: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remembered.write_text('{"a.py::one": true}')
    asked: list[str] = []

    def run(module: str, *_: str) -> int:
        asked.append(module)
        return 2 if module == "pytest" else 0

    monkeypatch.setattr(run_all, "run", run)
    assert run_all.main(PARALLEL) == 2
    assert asked == ["pytest", "tests.conformance"]
