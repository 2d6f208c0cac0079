"""The requirements on a scanned image, as the ``scanner`` settings say, and the question that names it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from imagegate.core.admission.plugin import Question
from imagegate.core.references.openshift import ImageReference
from imagegate.core.references.wildcard import is_wildcard_match
from imagegate.core.registry.manifest import Platform
from imagegate.core.registry.pull_secrets import PullSecret
from imagegate.core.vulnerabilities.report import Finding, Severity

MAX_AGE = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedVulnerability:
    """A vulnerability that somebody has accepted for a time. ``expires`` is the last day, in UTC."""

    id: str
    reason: str
    expires: date
    images: tuple[str, ...] = ("*",)
    """Patterns of ``HOST/PATH``, ``*`` for any run of characters."""

    def covers(self, finding: Finding, repository: str, today: date) -> bool:
        """True if the finding of an image of ``repository`` is accepted today."""
        if today > self.expires or self.id.upper() not in finding.names:
            return False
        return any(is_wildcard_match(repository, pattern) for pattern in self.images)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanRules:
    """The rules; the defaults deny whatever is not shown to be free of known vulnerabilities."""

    severity: Severity = Severity.HIGH
    """The least severity that denies."""
    fixable_only: bool = False
    """True if vulnerabilities without a fix do not deny."""
    unknown_severity_denies: bool = True
    unknown_allows: bool = False
    """True if an image without a usable report is allowed."""
    end_of_life_allows: bool = False
    """True if reports about operating systems without security updates count."""
    unproven_allows: bool = False
    """True if a report without findings counts though it does not show what was scanned."""
    places_name_images: bool = False
    """True if a report that names no image is believed to be about the one that its place names."""
    max_age: timedelta = MAX_AGE
    """Age of a report; zero: no limit."""
    platforms: tuple[Platform, ...] = ()
    """Platforms of a multi-platform image that count; empty: all."""
    accepted: tuple[AcceptedVulnerability, ...] = ()

    def denies(self, finding: Finding) -> bool:
        """True if the finding denies, unless it is accepted."""
        if self.fixable_only and not finding.fixed and not finding.fix_unknown:
            return False
        if finding.severity is Severity.UNKNOWN:
            return self.unknown_severity_denies
        return finding.severity >= self.severity

    def acceptance(self, finding: Finding, repository: str, now: datetime) -> AcceptedVulnerability | None:
        """The entry that accepts the finding, or None."""
        return next((each for each in self.accepted if each.covers(finding, repository, now.date())), None)


@dataclass(frozen=True, slots=True)
class ImageScan(Question):
    """The verdict of scanners' reports on a digest: ``Found`` of a ``ScanVerdict``."""

    image: ImageReference
    """By digest."""
    repository: str
    """``HOST/PATH``, as patterns and VEX documents name it."""
    rules: ScanRules
    secrets: tuple[PullSecret, ...] = ()
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Computed once, because every look-up of a review hashes it; a frozen dataclass can be set in no other way.
        object.__setattr__(self, "_hash", hash((self.image, self.repository, self.rules, self.secrets)))

    def __hash__(self) -> int:
        return self._hash
