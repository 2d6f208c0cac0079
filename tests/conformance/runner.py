"""Runs every case of every family and counts."""

from __future__ import annotations

import importlib
import importlib.util
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from tests.conformance.context import Context

Run: TypeAlias = Callable[[dict[str, Any], Context], str | None]

OWN_COPY = Path(__file__).resolve().parent.parent / "vectors" / "upstream"
SHARED = Path("..") / "shared" / "vectors"


class BadVectors(Exception):
    """The directory, a family or a case does not have the form it must have."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One case that came out otherwise than the original's answer."""

    id: str
    text: str


@dataclass(slots=True)
class FamilyResult:
    """How one family went."""

    family: str
    total: int = 0
    differing: list[Difference] = field(default_factory=list)

    @property
    def passed(self) -> int:
        """How many cases came out as the original's answer."""
        return self.total - len(self.differing)


def default_directory() -> Path:
    """``../shared/vectors`` if it is there, else the project's own copy."""
    return SHARED if SHARED.is_dir() else OWN_COPY


def families_in(directory: Path, chosen: Sequence[str] = ()) -> list[str]:
    """The families to run: all in ``directory``, or the chosen ones in the order given.

    Raises:
        BadVectors: no such directory, no families in it, or no file for a chosen one.
    """
    there = sorted(path.stem for path in directory.glob("*.jsonl"))
    if not there:
        raise BadVectors(f"{directory}: no *.jsonl there")
    for family in chosen:
        if family not in there:
            raise BadVectors(f"{directory}: no {family}.jsonl there")
    return list(dict.fromkeys(chosen)) or there


def run_family(family: str, context: Context) -> FamilyResult:
    """Run all cases of ``family``.

    Raises:
        BadVectors: an unknown family, a file without cases, or a case that is no JSON object with an id.
    """
    run = _runner_of(family)
    result = FamilyResult(family)
    for case in _cases(context.directory / f"{family}.jsonl"):
        result.total += 1
        text = _run_safely(run, case, context)
        if text is not None:
            result.differing.append(Difference(case["id"], text))
    if not result.total:
        raise BadVectors(f"{family}.jsonl: no cases")
    return result


def _runner_of(family: str) -> Run:
    name = f"tests.conformance.{family}"
    if family in {"context", "runner"} or not family.isidentifier() or importlib.util.find_spec(name) is None:
        raise BadVectors(f"unknown family {family}: there is no tests/conformance/{family}.py")
    try:
        run = getattr(importlib.import_module(name), "run", None)
    except ImportError as error:
        raise BadVectors(f"tests/conformance/{family}.py cannot be imported: {error}") from error
    if not callable(run):
        raise BadVectors(f"tests/conformance/{family}.py has no function run(case, context)")
    function: Run = run
    return function


def _cases(path: Path) -> Iterator[dict[str, Any]]:
    seen: set[str] = set()
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                case = json.loads(line)
            except ValueError as error:
                raise BadVectors(f"{path.name}:{number}: {error}") from error
            if not isinstance(case, dict) or not isinstance(case.get("id"), str):
                raise BadVectors(f"{path.name}:{number}: not an object with an id")
            if case["id"] in seen:
                raise BadVectors(f"{path.name}:{number}: id {case['id']} twice")
            seen.add(case["id"])
            yield case


def _run_safely(run: Run, case: dict[str, Any], context: Context) -> str | None:
    """A case that raises has failed, and the others are still run."""
    try:
        return run(case, context)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is this case's failure
        return f"raised {type(error).__name__}: {error}"
