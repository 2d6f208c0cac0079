"""The differences between the result of ``check`` and what a case expects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from imagegate.cli.check.run import Problem, Result, Rewrite
from imagegate.core.admission.patch import changes_annotations
from imagegate.documents.policy_tests.suite import Case, ExpectedDenial, ExpectedWarning, Place


class Failure(NamedTuple):
    """One difference, with the place of the expectation in the suite."""

    place: Place
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


def failures_of(case: Case, result: Result) -> Iterator[Failure]:
    """Every difference between the result for one object and the case's expectation."""
    expect = case.expect
    at = expect.place
    if result.verdict != expect.verdict:
        because = "".join(f"; {denial_text(each)}" for each in result.problems[:3])
        yield Failure(_below(at, "verdict"), f"expected {expect.verdict}, got {result.verdict}{because}")
    if expect.denials is not None:
        yield from _denials(_below(at, "denials"), expect.denials, result.problems)
    if expect.rewrites is not None:
        wanted = {each.at: each for each in expect.rewrites}
        got = {each.path: str(each.after) for each in compared_rewrites(result)}
        for path, rewrite in wanted.items():
            if got.get(path) != rewrite.to:
                yield Failure(rewrite.place, f"expected {path} -> {rewrite.to}, got {got.get(path, 'no change there')}")
        for path in got.keys() - wanted.keys():
            yield Failure(_below(at, "rewrites"), f"not expected: {path} -> {got[path]}")
    if expect.warnings is not None:
        yield from _warnings(_below(at, "warnings"), expect.warnings, result.warnings)


def compared_rewrites(result: Result) -> tuple[Rewrite, ...]:
    """The changes without annotations: imagegate's records of rewritten images are signed anew every time."""
    return tuple(each for each in result.rewrites if not changes_annotations(each.path))


def denial_text(problem: Problem) -> str:
    """A denial as failures show it."""
    place = f"{problem.at}: " if problem.at else ""
    mode = "" if problem.mode == "enforce" else f" (mode {problem.mode})"
    return f"{place}{problem.image}: {problem.text} [{problem.plugin}: {problem.code}]{mode}"


def _denials(at: Place, wanted: Sequence[ExpectedDenial], got: Sequence[Problem]) -> Iterator[Failure]:
    met: set[int] = set()
    for each in wanted:
        fitting = {index for index, problem in enumerate(got) if _fits(each, problem)}
        if not fitting:
            shown = "; ".join(map(denial_text, got)) or "none"
            yield Failure(each.place, f"no denial with {_words(each)}; denials: {shown}")
        met |= fitting
    for index, problem in enumerate(got):
        if index not in met:
            yield Failure(at, f"not expected: {denial_text(problem)}")


def _fits(wanted: ExpectedDenial, got: Problem) -> bool:
    pairs = (
        (wanted.image, got.image),
        (wanted.plugin, got.plugin),
        (wanted.code, got.code),
        (wanted.rule, got.rule),
        (wanted.at, got.at),
    )
    return (
        wanted.mode == got.mode
        and all(not expected or expected == value for expected, value in pairs)
        and wanted.text in ("", got.because, got.text)
        and wanted.contains in got.text
    )


def _words(wanted: ExpectedDenial) -> str:
    fields = ("image", "plugin", "code", "rule", "at", "text", "contains")
    named = [f"{name} {getattr(wanted, name)!r}" for name in fields if getattr(wanted, name)]
    return ", ".join([*named, *([f"mode {wanted.mode}"] if wanted.mode != "enforce" else [])])


def _warnings(at: Place, wanted: Sequence[ExpectedWarning], got: Sequence[str]) -> Iterator[Failure]:
    met: set[str] = set()
    for each in wanted:
        fitting = {text for text in got if (text == each.text if each.text else each.contains in text)}
        if not fitting:
            yield Failure(each.place, f"no such warning; warnings: {'; '.join(got) or 'none'}")
        met |= fitting
    yield from (Failure(at, f"not expected: {text}") for text in got if text not in met)


def _below(place: Place, name: str) -> Place:
    return place._replace(path=f"{place.path}.{name}")
