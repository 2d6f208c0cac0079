"""A scanner's report as a value, whatever its format; and the small readers that all formats share."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from imagegate.core.registry.manifest import Platform, is_strict_digest
from imagegate.errors import Malformed, TooLarge

REPORT_MAX_BYTES = 16 * 1024 * 1024
FINDINGS_MAX = 50_000
"""Of one report; real ones have a few thousand."""
LIST_MAX = 200_000
"""Entries of any other list in a report (components of an SBOM)."""

_PURL_DIGEST = re.compile(r"pkg:(?:oci|docker)/[^@?#]+@(sha256(?::|%3A|%3a)[0-9a-f]{64})(?:[?#].*)?", re.DOTALL)


class Severity(enum.IntEnum):
    """Severity of a vulnerability; ``UNKNOWN`` where the report gives none."""

    UNKNOWN = 0
    NEGLIGIBLE = 1
    LOW = 2
    MEDIUM = 3
    HIGH = 4
    CRITICAL = 5

    @classmethod
    def of(cls, name: str) -> Severity:
        """The severity that a scanner names, in any case; ``UNKNOWN`` for a name that is none."""
        return _SEVERITIES.get(name.strip().lower(), cls.UNKNOWN)

    @classmethod
    def of_score(cls, score: float) -> Severity:
        """The severity of a CVSS score (CVSS 3.1, qualitative scale); ``UNKNOWN`` for 0 and below."""
        bounds = ((9.0, cls.CRITICAL), (7.0, cls.HIGH), (4.0, cls.MEDIUM), (0.0, cls.LOW))
        return next((severity for least, severity in bounds if score >= least and score > 0), cls.UNKNOWN)


_SEVERITIES = {severity.name.lower(): severity for severity in Severity} | {
    "info": Severity.NEGLIGIBLE,
    "informational": Severity.NEGLIGIBLE,
    "none": Severity.NEGLIGIBLE,
    "moderate": Severity.MEDIUM,
    "important": Severity.HIGH,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """A vulnerability of one package."""

    id: str
    severity: Severity
    package: str = ""
    installed: str = ""
    fixed: str = ""
    """Version or versions with a fix; empty if there is none or the report does not say."""
    fix_unknown: bool = False
    """True if the report does not say whether there is a fix."""
    aliases: tuple[str, ...] = ()
    """Other identifiers of the same vulnerability."""
    purl: str = ""
    """Package URL, or empty."""

    @property
    def names(self) -> frozenset[str]:
        """The identifier and its aliases in upper case, for comparison."""
        return frozenset(name.upper() for name in (self.id, *self.aliases))


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One report."""

    tool: str
    """Name of the scanner, as the report gives it; else the format."""
    format: str
    """``trivy``, ``grype``, ``cyclonedx`` or ``sarif``."""
    created: datetime | None = None
    """With time zone; None if the report does not say."""
    digests: frozenset[str] = frozenset()
    """Manifest digests of the scanned image; may be that of a list."""
    image_ids: frozenset[str] = frozenset()
    """Digests of the scanned image's configuration."""
    platform: Platform | None = None
    findings: tuple[Finding, ...] = ()
    suppressed: tuple[tuple[Finding, str], ...] = ()
    """Findings that the report itself marks as not affecting the image, with its reason."""
    unproven: str = ""
    """Why the report does not show that packages were compared with a vulnerability database; empty if it does."""
    failed: str = ""
    """Why the scan failed or left something out, as the report says; empty if it does not."""
    end_of_life: str = ""
    """The operating system, if the report says that it gets no more security updates."""

    @property
    def names_image(self) -> bool:
        """True if the report says which image it is about."""
        return bool(self.digests or self.image_ids)


def text(parent: Mapping[str, Any], key: str) -> str:
    """A string member; empty where it is missing or null. Raises ``Malformed`` for another type."""
    value = parent.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Malformed(f"{key} is not a string")
    return value


def child(parent: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """An object member; empty where it is missing or null. Raises ``Malformed`` for another type."""
    value = parent.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Malformed(f"{key} is not an object")
    return value


def objects(parent: Mapping[str, Any], key: str, most: int = LIST_MAX) -> list[Mapping[str, Any]]:
    """A list of objects; empty where it is missing or null. Raises ``Malformed``, ``TooLarge``."""
    value = _list(parent, key, most)
    if not all(isinstance(item, dict) for item in value):
        raise Malformed(f"{key} holds something else than objects")
    return value


def texts(parent: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """A list of strings; empty where it is missing or null. Raises ``Malformed``, ``TooLarge``."""
    value = _list(parent, key, LIST_MAX)
    if not all(isinstance(item, str) for item in value):
        raise Malformed(f"{key} holds something else than strings")
    return tuple(value)


def _list(parent: Mapping[str, Any], key: str, most: int) -> list[Any]:
    value = parent.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise Malformed(f"{key} is not a list")
    if len(value) > most:
        raise TooLarge(f"{key} has more than {most} entries")
    return value


def time(parent: Mapping[str, Any], key: str) -> datetime | None:
    """A time in ISO 8601 with its zone; None where it is missing, or Go's zero time. Raises ``Malformed``."""
    written = text(parent, key)
    if not written or written.startswith("0001-01-01T"):
        return None
    try:
        found = datetime.fromisoformat(written)
        if found.tzinfo is None:
            raise Malformed(f"{key} has no time zone: {written[:40]!r}")
        return found.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Malformed(f"{key} is not a time: {written[:40]!r}") from error


def digests_in(references: tuple[str, ...]) -> Iterator[str]:
    """The digests of ``NAME@DIGEST`` or of digests alone; others are left out."""
    for reference in references:
        digest = reference.rpartition("@")[2]
        if is_strict_digest(digest):
            yield digest


def purl_digest(purl: str) -> str:
    """The digest in the package URL of an image (``pkg:oci/NAME@sha256%3AHEX?...``); empty if there is none."""
    found = _PURL_DIGEST.fullmatch(purl)
    return "" if found is None else f"sha256:{found[1][-64:]}"
