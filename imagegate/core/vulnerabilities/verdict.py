"""The verdict on one image from its reports.

An image of several platforms passes if the image of every platform does. Every fresh report about an image counts, of
each scanner and format the newest: a finding that denies in any of them denies. A report about another image, found
where one about this image belongs, is a refusal of its own.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from datetime import time as day_time

from imagegate.core.registry.manifest import Platform
from imagegate.core.vulnerabilities.openvex import VexDocument, deciding_statement
from imagegate.core.vulnerabilities.report import Finding, Report
from imagegate.core.vulnerabilities.rules import ScanRules

CLOCK_SKEW = timedelta(minutes=5)
"""A report may be this much younger than now."""
KEPT = 50
"""Findings of each sort that a verdict keeps, for its explanation: verdicts are cached, and worded in every review."""


class Outcome(enum.StrEnum):
    """The result for an image."""

    PASSED = "passed"
    VULNERABLE = "vulnerable"
    OTHER_IMAGE = "other-image"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class PlatformImage:
    """One image to judge: of a multi-platform image that of one platform."""

    digest: str
    config_digest: str = ""
    """Digest of its configuration; empty where it has none."""
    platform: Platform | None = None
    """Its platform in the list; None for an image without a list."""
    list_digest: str = ""

    @property
    def shown(self) -> str:
        """``linux/arm64 sha256:...``."""
        return self.digest if self.platform is None else f"{_platform_text(self.platform)} {self.digest}"


@dataclass(frozen=True, slots=True)
class PlacedReport:
    """A report and where it was found."""

    place: str
    report: Report | None
    """None if it cannot be read."""
    problem: str = ""
    """Why it cannot be read."""
    names_image: bool = False
    """True if the place names the digest: the file's name, the URL, the subject of an artifact."""
    modified: datetime | None = None
    """When the place says that it was written; used where the report does not say."""
    is_attached: bool = False
    """True if whoever may push the image may have written it."""

    @property
    def created(self) -> datetime | None:
        """When the image was scanned."""
        return (self.report.created if self.report is not None else None) or self.modified


@dataclass(frozen=True, slots=True)
class Suppressed:
    """A finding that does not deny, and why."""

    finding: Finding
    why: str


@dataclass(frozen=True, slots=True)
class ScanVerdict:
    """The verdict, with all that its explanation needs."""

    outcome: Outcome
    findings: tuple[Finding, ...] = ()
    """Those that deny, the worst first; each once, at most ``KEPT``."""
    count: int = 0
    """Number of all that deny, also of those that are not kept."""
    suppressed: tuple[Suppressed, ...] = ()
    """At most ``KEPT``."""
    problems: tuple[str, ...] = ()
    """Why the image is unknown, or which report is about another image."""
    reports: tuple[tuple[str, str, datetime | None], ...] = ()
    """Of each report that counted: scanner, place, time."""
    valid_until: datetime | None = None
    """When the verdict may change though no report does; None: never."""
    judged: datetime | None = None
    """When it was made, for the ages of reports."""


@dataclass(slots=True)
class _Collected:
    """The verdict over the images of all platforms."""

    findings: dict[tuple[str, str, str], Finding] = field(default_factory=dict)
    suppressed: dict[tuple[str, str, str], Suppressed] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    reports: dict[str, PlacedReport] = field(default_factory=dict)
    changes: list[datetime] = field(default_factory=list)


def judge(
    images: Sequence[PlatformImage],
    reports: Sequence[PlacedReport],
    vex: Sequence[VexDocument],
    rules: ScanRules,
    *,
    repository: str,
    now: datetime,
    unread: Iterable[str] = (),
) -> ScanVerdict:
    """The verdict.

    Args:
        images: the image, or the images of all platforms that count; at least one.
        repository: ``HOST/PATH``.
        unread: places that could not be read, with the reason: what they hold is not known.
    """
    collected = _Collected()
    strays = [
        (placed.place, placed.report)
        for placed in reports
        if placed.names_image and placed.report is not None and _is_of_another(placed.report, images)
    ]
    for image in images:
        _judge_image(image, reports, vex, rules, repository, now, collected)
    collected.unknown += [f"{report.place}: {report.problem}" for report in reports if report.report is None]
    collected.unknown += unread
    outcome = Outcome.PASSED
    problems = list(dict.fromkeys(collected.unknown))
    if collected.findings:
        outcome = Outcome.VULNERABLE
    elif strays:
        outcome = Outcome.OTHER_IMAGE
        problems = [f"{place} is about another image ({_named(report)})" for place, report in strays]
    elif problems:
        outcome = Outcome.UNKNOWN
    worst = sorted(
        collected.findings.values(), key=lambda each: (-each.severity, not each.fixed, each.id, each.package)
    )
    return ScanVerdict(
        outcome,
        tuple(worst[:KEPT]),
        len(worst),
        tuple(collected.suppressed.values())[:KEPT],
        tuple(problems),
        tuple(
            (each.report.tool if each.report else "", each.place, each.created) for each in collected.reports.values()
        ),
        min(collected.changes, default=None),
        now,
    )


def _judge_image(
    image: PlatformImage,
    reports: Sequence[PlacedReport],
    vex: Sequence[VexDocument],
    rules: ScanRules,
    repository: str,
    now: datetime,
    collected: _Collected,
) -> None:
    readable = [(each, each.report) for each in reports if each.report is not None]
    about = [(placed, report) for placed, report in readable if is_about(placed, report, image, rules)]
    usable, problems = [], []
    for placed, report in _newest(about):
        problem = _unusable(placed, report, rules, now)
        if problem:
            problems.append(f"{placed.place}: {problem}")
        else:
            usable.append((placed, report))
    if not usable:
        nameless = [placed for placed, report in readable if not report.names_image and (placed, report) not in about]
        problems += [f"{each.place}: it does not say which image it is about" for each in nameless]
        collected.unknown += problems or [f"no report about {image.shown}"]
    digests = frozenset(filter(None, (image.digest, image.list_digest)))
    for placed, report in usable:
        collected.reports[placed.place] = placed
        if rules.max_age and placed.created is not None:
            collected.changes.append(placed.created + rules.max_age)
        for finding, why in report.suppressed:
            collected.suppressed.setdefault(_key(finding), Suppressed(finding, f"{placed.place}: {why}"))
        for finding in filter(rules.denies, report.findings):
            why = _suppression(finding, vex, rules, digests, repository, now, collected)
            if why:
                collected.suppressed.setdefault(_key(finding), Suppressed(finding, why))
            else:
                collected.findings.setdefault(_key(finding), finding)


def is_about(placed: PlacedReport, report: Report, image: PlatformImage, rules: ScanRules) -> bool:
    """True if a report is about ``image``.

    It names the image's digest; or the list's, because a scanner scans one platform of a list and names the list, and
    the image's configuration or platform. The configuration alone is enough only for a report that names no manifest,
    as of an image that was scanned before it was pushed: anybody may push other layers with the same configuration.
    """
    if not report.names_image:
        return placed.names_image and rules.places_name_images and image.platform is None
    if image.digest in report.digests:
        return True
    if report.digests and image.list_digest not in report.digests:
        return False
    if report.image_ids or not report.digests:
        return image.config_digest in report.image_ids
    return _same_platform(report.platform, image.platform)


def _is_of_another(report: Report, images: Sequence[PlatformImage]) -> bool:
    """True if a report names images, and none of these."""
    if not report.names_image:
        return False
    if report.digests:
        return not report.digests & {digest for image in images for digest in (image.digest, image.list_digest)}
    return not report.image_ids & {image.config_digest for image in images}


def _named(report: Report) -> str:
    """One digest of the image that a report names."""
    return next(iter(sorted(report.digests) or sorted(report.image_ids)))


def _newest(about: Iterable[tuple[PlacedReport, Report]]) -> Iterator[tuple[PlacedReport, Report]]:
    """Of each scanner and format the newest report; reports without a time are all kept.

    A report attached to the image replaces none of another place: whoever pushes an image could attach an empty one.
    """
    newest: dict[tuple[str, str, bool], tuple[datetime, PlacedReport, Report]] = {}
    for placed, report in about:
        created, key = placed.created, (report.tool.lower(), report.format, placed.is_attached)
        if created is None:
            yield placed, report
        elif key not in newest or created > newest[key][0]:
            newest[key] = created, placed, report
    for (tool, kind, is_attached), (created, placed, report) in newest.items():
        other = newest.get((tool, kind, False)) if is_attached else None
        if other is None or created > other[0]:
            yield placed, report


def _unusable(placed: PlacedReport, report: Report, rules: ScanRules, now: datetime) -> str:
    """Why a report about the image does not count; empty if it does."""
    if report.failed:
        return report.failed
    if rules.max_age and placed.created is None:
        return "it does not say when the image was scanned"
    if placed.created is not None and placed.created > now + CLOCK_SKEW:
        return f"it is from the future ({placed.created:%Y-%m-%dT%H:%M:%SZ})"
    if rules.max_age and placed.created is not None and now - placed.created > rules.max_age:
        return f"it is {age_text(now - placed.created)} old, more than {age_text(rules.max_age)}"
    if report.unproven and not rules.unproven_allows:
        return report.unproven
    if report.end_of_life and not rules.end_of_life_allows:
        return f"{report.end_of_life} gets no more security updates, so that new vulnerabilities of it are not reported"
    return ""


def _suppression(
    finding: Finding,
    vex: Sequence[VexDocument],
    rules: ScanRules,
    digests: frozenset[str],
    repository: str,
    now: datetime,
    collected: _Collected,
) -> str:
    """Why a finding does not deny; empty if it does."""
    accepted = rules.acceptance(finding, repository, now)
    if accepted is not None:
        ends = datetime.combine(accepted.expires, day_time(), UTC) + timedelta(days=1)
        collected.changes.append(ends)
        return f"accepted until {accepted.expires}: {accepted.reason}"
    decided = deciding_statement(vex, finding, digests, repository)
    if decided is None or not decided[0].suppresses:
        return ""
    statement, author = decided
    return f"{statement.status} according to {author}" + (f": {statement.reason}" if statement.reason else "")


def _key(finding: Finding) -> tuple[str, str, str]:
    return finding.id.upper(), finding.package, finding.installed


def _same_platform(one: Platform | None, other: Platform | None) -> bool:
    if one is None or other is None:
        return False
    return (one.os, one.architecture, one.variant or other.variant) == (
        other.os,
        other.architecture,
        other.variant or one.variant,
    )


def _platform_text(platform: Platform) -> str:
    return "/".join(filter(None, (platform.os, platform.architecture, platform.variant)))


def age_text(age: timedelta) -> str:
    """``45 minutes``, ``3 hours``, ``8 days``: rounded down, in the largest unit."""
    minutes = max(int(age.total_seconds()) // 60, 0)
    amount, unit = (minutes // 1440, "day") if minutes >= 1440 else (minutes // 60, "hour")
    if minutes < 60:
        amount, unit = minutes, "minute"
    return f"{amount} {unit}" + ("" if amount == 1 else "s")
