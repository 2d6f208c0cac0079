"""The images of a scan, each with what is known of its trust and its vulnerabilities: as registries list them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import click

from imagegate.cli.check.run import ALLOWED, DENIED, NOT_COVERED, REWRITTEN, UNKNOWN, Problem, Result
from imagegate.cli.output import safe_line
from imagegate.core.admission.decision import LACK_OF_EVIDENCE
from imagegate.core.references.openshift import ImageReference
from imagegate.errors import InvalidReference

IMAGES_MAX = 10_000
"""Images that are kept; objects of further ones are counted."""
SHORT_DIGEST = 12
"""Hex digits that the table shows."""
NOT_CHECKED = "-"
"""No policy asks, or an earlier requirement denied already."""
SIGNED, NOT_SIGNED, NOT_KNOWN, NO_ISSUES = "signed", "not signed", "not known", "No Issues"
_SIGNING, _SCANNING = ("trust", "simple"), "vulnerability"
_WORST = (DENIED, UNKNOWN, REWRITTEN, ALLOWED, NOT_COVERED)
_COLOURS = {
    DENIED: "red",
    UNKNOWN: "yellow",
    NOT_SIGNED: "red",
    NOT_KNOWN: "yellow",
    SIGNED: "green",
    NO_ISSUES: "green",
}
_HEADER = ("REPOSITORY", "TAG", "DIGEST", "NAMESPACES", "OBJECTS", "TRUST", "SECURITY STATUS", "VERDICT")


@dataclass(slots=True)
class ImageRow:
    """One image as it is written."""

    image: str
    digest: str = ""
    trust: str = NOT_CHECKED
    security: str = NOT_CHECKED
    verdict: str = NOT_COVERED
    reason: str = ""
    """Code of the denial."""
    objects: int = 0
    namespaces: Counter[str] = field(default_factory=Counter)

    @property
    def parts(self) -> tuple[str, str]:
        """Repository and tag as they are written; a name that is no reference is a repository."""
        try:
            reference = ImageReference.parse(self.image)
        except InvalidReference:
            return self.image, ""
        return reference.as_repository().exact, reference.tag

    def to_json(self) -> dict[str, Any]:
        """For ``-o json``."""
        return {
            "image": self.image,
            "digest": self.digest,
            "trust": self.trust,
            "securityStatus": self.security,
            "verdict": self.verdict,
            "reason": self.reason,
            "objects": self.objects,
            "namespaces": dict(sorted(self.namespaces.items())),
        }


@dataclass(slots=True)
class ImageRows:
    """The images of all objects that were judged."""

    rows: dict[str, ImageRow] = field(default_factory=dict)
    left_out: int = 0
    """Objects with images beyond ``IMAGES_MAX``."""

    def add(self, result: Result) -> None:
        """Add the images of one object."""
        for image in dict.fromkeys(image for _, image in result.images):
            row = self.rows.get(image)
            if row is None:
                if len(self.rows) >= IMAGES_MAX:
                    self.left_out += 1
                    continue
                row = self.rows[image] = ImageRow(image)
            row.objects += 1
            row.namespaces[result.namespace] += 1
            for place, used in result.images:
                if used == image:
                    _add_state(row, result, place)

    def ordered(self) -> Iterator[ImageRow]:
        """Denied ones first, then those of most objects."""
        yield from sorted(self.rows.values(), key=lambda row: (_WORST.index(row.verdict), -row.objects, row.image))


def _add_state(row: ImageRow, result: Result, place: str) -> None:
    """The verdict at one place; of several places and objects, the worst counts."""
    problem = next((each for each in result.problems if each.at == place and each.mode == "enforce"), None)
    verdict = _verdict(result, place, problem)
    if _WORST.index(verdict) < _WORST.index(row.verdict):
        row.verdict, row.reason = verdict, "" if problem is None else problem.code
    steps = [step for step in result.steps if step["at"] == place and step["what"] == "requirement"]
    for step in steps:
        detail = step.get("detail", {})
        row.digest = detail.get("digest", "") or row.digest
        if step["subject"] in _SIGNING:
            row.trust = _worse(row.trust, _trust(step["outcome"], detail), (NOT_SIGNED, NOT_KNOWN, SIGNED))
        elif step["subject"] == _SCANNING:
            row.security = _security(step["outcome"], detail)


def _worse(one: str, other: str, order: Sequence[str]) -> str:
    return next((each for each in order if each in (one, other)), other)


def _verdict(result: Result, place: str, problem: Problem | None) -> str:
    if problem is not None:
        return UNKNOWN if problem.code in LACK_OF_EVIDENCE else DENIED
    if result.verdict == NOT_COVERED:
        return NOT_COVERED
    pointer = "/" + place.replace("[", ".").replace("]", "").replace(".", "/")
    return REWRITTEN if any(each.path == pointer for each in result.rewrites) else ALLOWED


def _trust(outcome: str, detail: Mapping[str, str]) -> str:
    if outcome == "holds":
        return SIGNED
    return NOT_SIGNED if detail.get("code") in _SIGNING or detail.get("code") == "signature" else NOT_KNOWN


def _security(outcome: str, detail: Mapping[str, str]) -> str:
    """``No Issues``, ``2 Issues``; the word of Vulnerability Advisor, where that is asked."""
    if "status" in detail:
        return detail["status"]
    if outcome == "holds":
        return NO_ISSUES if detail.get("outcome") == "passed" else NOT_KNOWN
    count = detail.get("issues", "")
    if not count:
        return NOT_KNOWN
    return "1 Issue" if count == "1" else f"{count} Issues"


def image_table(rows: ImageRows, *, colour: bool) -> Iterator[str]:
    """The table's lines."""
    listed = [_HEADER, *map(_cells, rows.ordered())]
    widths = [max(len(line[column]) for line in listed) for column in range(len(_HEADER))]
    for number, line in enumerate(listed):
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        if colour and number:
            cells = [_coloured(cell, written) for cell, written in zip(cells, line, strict=True)]
        yield "  ".join(cells).rstrip()
    if rows.left_out:
        yield f"{rows.left_out:,} objects of more images are not shown"


def _cells(row: ImageRow) -> tuple[str, ...]:
    repository, tag = row.parts
    digest = row.digest.partition(":")[2][:SHORT_DIGEST] or NOT_CHECKED
    namespaces = next(iter(row.namespaces)) if len(row.namespaces) == 1 else f"{len(row.namespaces):,}"
    verdict = f"{row.verdict} ({row.reason})" if row.reason else row.verdict
    cells = (
        repository or '""',
        tag or NOT_CHECKED,
        digest,
        namespaces,
        f"{row.objects:,}",
        row.trust,
        row.security,
        verdict,
    )
    return tuple(map(safe_line, cells))


def _coloured(cell: str, written: str) -> str:
    has_issues = written.endswith((" Issue", " Issues")) and written != NO_ISSUES
    colour = "red" if has_issues else _COLOURS.get(written.partition(" (")[0])
    return click.style(cell, fg=colour) if colour else cell
