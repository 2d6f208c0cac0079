"""The ``scanner`` section: reports about images' vulnerabilities, and the rules for them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from imagegate.core.vulnerabilities.rules import AcceptedVulnerability
from imagegate.documents.yaml.fields import Fields
from imagegate.settings.schema import choice, custom, flag, integer, seconds, texts

SEVERITIES = ("negligible", "low", "medium", "high", "critical")
_DENY = ("deny", "allow")
_PLACES = ("folder", "file", "url", "referrers")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
REPORT_TYPES = (
    "application/sarif+json",
    "application/vnd.cyclonedx+json",
    "application/vnd.aquasec.trivy.report+json",
    "application/vnd.anchore.grype.report+json",
)
VEX_TYPES = ("application/vnd.openvex+json",)


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentPlace:
    """A place of reports or VEX documents: one of ``folder``, ``file``, ``url`` and ``referrers`` is set."""

    folder: str = ""
    file: str = ""
    url: str = ""
    referrers: bool = False
    token_file: str = ""
    authors: tuple[str, ...] = ()


def _reports(fields: Fields, name: str) -> tuple[DocumentPlace, ...]:
    return fields.each(name, _report_place) or ()


def _vex(fields: Fields, name: str) -> tuple[DocumentPlace, ...]:
    return fields.each(name, _vex_place) or ()


def _report_place(fields: Fields) -> DocumentPlace:
    return _place(fields, ())


def _vex_place(fields: Fields) -> DocumentPlace:
    return _place(fields, fields.texts("authors") or ())


def _place(fields: Fields, authors: tuple[str, ...]) -> DocumentPlace:
    place = DocumentPlace(
        folder=fields.text("folder"),
        file=fields.text("file"),
        url=fields.text("url"),
        referrers=fields.flag("referrers"),
        token_file=fields.text("tokenFile"),
        authors=authors,
    )
    named = [name for name in _PLACES if getattr(place, name)]
    if len(named) != 1:
        fields.error(named[1] if named else _PLACES[0], f"Required value: exactly one of {', '.join(_PLACES)}")
    if place.url and not place.url.startswith("https://"):
        fields.error("url", "must begin with https://: whoever can change a report decides what runs")
    if place.token_file and not place.url:
        fields.error("tokenFile", "only a url has a token")
    return place


def _accepted(fields: Fields, name: str) -> tuple[AcceptedVulnerability, ...]:
    return fields.each(name, _accepted_vulnerability) or ()


def _accepted_vulnerability(fields: Fields) -> AcceptedVulnerability:
    for required in ("id", "reason", "expires"):
        if not fields.has(required):
            fields.error(required, "Required value")
    written = fields.text("expires", "1970-01-01")
    try:
        expires = date.fromisoformat(written if _DATE.fullmatch(written) else "")
    except ValueError:
        fields.error("expires", f"{written[:40]!r} is not a date such as 2027-01-31")
        expires = date.min
    images = fields.texts("images")
    return AcceptedVulnerability(
        id=fields.text("id"),
        reason=fields.text("reason"),
        expires=expires,
        images=("*",) if images is None else images,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ScannerSettings:
    """Scanners' reports. The block makes them decide `va` and `vulnerability` requirements, for every registry."""

    reports: tuple[DocumentPlace, ...] = custom(
        (),
        "Where reports are: a `folder` or HTTPS `url` with `sha256-HEX.json` files, a single `file`, or the"
        " `referrers` of the image. Read at the start.",
        "list of `{folder, file, url, referrers, tokenFile}`",
        _reports,
    )
    severity: str = choice("high", SEVERITIES, "Least severity of a vulnerability that denies.")
    fixable_only: bool = flag(False, "Only vulnerabilities with a known fix deny.")
    unknown_severity: str = choice("deny", _DENY, "Effect of a vulnerability without a severity.")
    unknown: str = choice("deny", _DENY, "Effect of a missing, old, unreadable or insufficient report.")
    end_of_life: str = choice(
        "deny", _DENY, "Effect of an operating system without security updates, whose report is insufficient."
    )
    without_proof: str = choice(
        "deny",
        _DENY,
        "Effect of a report without vulnerabilities that does not show which packages were scanned"
        " (SARIF, CycloneDX, an operating system that the scanner does not know).",
    )
    places_name_images: bool = flag(
        False, "A report that names no image (SARIF of Grype) is about the image that its file name or subject names."
    )
    max_age_days: int = integer(7, "Age of a report; 0: no limit.", minimum=0, maximum=3650)
    platforms: tuple[str, ...] = texts(
        "Platforms of multi-platform images that must have a report, such as `linux/amd64`; empty: all."
    )
    allow: tuple[AcceptedVulnerability, ...] = custom(
        (),
        "Accepted vulnerabilities: each with a reason, the last day (UTC) and patterns of `HOST/PATH`.",
        "list of `{id, images, expires, reason}`",
        _accepted,
    )
    vex: tuple[DocumentPlace, ...] = custom(
        (),
        "Where OpenVEX documents are (a `folder` is read whole), and the `authors` that count there; empty: all."
        " Read at the start.",
        "list of `{folder, file, url, referrers, tokenFile, authors}`",
        _vex,
    )
    report_types: tuple[str, ...] = texts("Artifact types of referrers that are reports.", default=REPORT_TYPES)
    vex_types: tuple[str, ...] = texts("Artifact types of referrers that are OpenVEX documents.", default=VEX_TYPES)
    cache_s: float = seconds(
        60, "Time that a verdict is cached; one that denies at most 30 seconds.", minimum=0, maximum=3600
    )
