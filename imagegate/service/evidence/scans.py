"""Answers ``ImageScan``: fetches the reports about an image's digest, and has them judged.

Reports are read again after a short time, because a new one may be there; a report with the same bytes is not parsed
again. Outages are never cached.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from imagegate.caching import BoundedCache, TimedCache
from imagegate.core.admission.lookup import DeadlineExceeded, Found, Lookup, Unknown
from imagegate.core.references.openshift import ImageReference
from imagegate.core.registry.manifest import IMAGE_TYPES, Child, Manifest, Platform
from imagegate.core.vulnerabilities.formats import read_report
from imagegate.core.vulnerabilities.openvex import VEX_MAX_BYTES, VexDocument, read_openvex
from imagegate.core.vulnerabilities.report import REPORT_MAX_BYTES, Report
from imagegate.core.vulnerabilities.rules import ImageScan, ScanRules
from imagegate.core.vulnerabilities.verdict import Outcome, PlacedReport, PlatformImage, ScanVerdict, judge
from imagegate.errors import EvidenceError
from imagegate.ports.registry import Registry, RegistryAccess
from imagegate.ports.vulnerabilities import FoundDocument, ReportDocuments

PLATFORMS_MAX = 32
_UNKNOWN_OS = "unknown"
"""Platform of entries of a list that are no images (attestations of BuildKit)."""
_NOT_IN_TIME = "the reports were not read in time"


@dataclass(frozen=True, slots=True)
class VexSource:
    """A place of VEX documents, and the authors whose statements count there; empty: every author."""

    documents: ReportDocuments
    authors: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ScanLimits:
    """Limits of what one process caches.

    Attributes:
        passed_s: seconds for a verdict that allows.
        other_s: seconds for any other verdict: a new report may be there.
        verdicts_max: verdicts; the oldest goes first.
        reports_max: parsed reports, by the hash of their bytes.
        findings_max: findings in all of them, some 200 bytes each.
        image_findings_max: findings in all reports about one image and its platforms; more are refused.
    """

    passed_s: float = 60.0
    other_s: float = 30.0
    verdicts_max: int = 4096
    reports_max: int = 256
    findings_max: int = 250_000
    image_findings_max: int = 250_000


class ImageScans:
    """Verdicts of scanners' reports. Safe for threads."""

    def __init__(
        self,
        registry: Registry,
        reports: Sequence[ReportDocuments],
        vex: Sequence[VexSource] = (),
        *,
        limits: ScanLimits | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._reports = reports
        self._vex = vex
        self._limits = limits or ScanLimits()
        self._now = now
        self._cached: TimedCache[ImageScan, Found[ScanVerdict]] = TimedCache(self._limits.verdicts_max, clock=monotonic)
        self._parsed: BoundedCache[bytes, Report] = BoundedCache(
            self._limits.reports_max, most_weight=self._limits.findings_max, weight=_size
        )

    def cached(self, question: ImageScan) -> Found[ScanVerdict] | None:
        """The cached verdict, or None. Never waits."""
        answer = self._cached.get(question)
        if answer is None:
            return None
        ends = answer.value.valid_until
        return None if ends is not None and ends <= self._now() else answer

    def ask(self, question: ImageScan, *, deadline_s: float) -> Lookup[ScanVerdict]:
        """The verdict on the image."""
        until = time.monotonic() + deadline_s
        access = RegistryAccess(question.secrets, anonymous_first=True)
        images = self._images(question, access, until)
        if not isinstance(images, Found):
            return images
        digests = dict.fromkeys(digest for each in images.value for digest in (each.list_digest, each.digest) if digest)
        # A place that does not sort its documents by image gives the same ones for every digest.
        reports: dict[tuple[str, bytes], PlacedReport] = {}
        vex: dict[tuple[str, bytes], VexDocument] = {}
        unread: list[str] = []
        left = self._limits.image_findings_max
        for digest in digests:
            image = replace(question.image, tag="", id=digest)
            for document in _documents(self._reports, image, access, REPORT_MAX_BYTES, until, unread):
                key = document.place, hashlib.sha256(document.content).digest()
                placed = reports[key] = self._placed(document, key[1])
                left -= 0 if placed.report is None else _size(placed.report)
                if left < 0:  # denied even with ``unknown: allow``: reports that were not read may have findings
                    most = self._limits.image_findings_max
                    return Unknown(f"its reports have more than {most} vulnerabilities", retryable=False)
            for source in self._vex:
                for document in _documents((source.documents,), image, access, VEX_MAX_BYTES, until, unread):
                    key = document.place, hashlib.sha256(document.content).digest()
                    if key not in vex:
                        vex.update((key, each) for each in _trusted(document, source.authors, unread))
        if unread and time.monotonic() >= until:
            return DeadlineExceeded(_NOT_IN_TIME)
        verdict = judge(
            images.value,
            tuple(reports.values()),
            tuple(vex.values()),
            question.rules,
            repository=question.repository,
            now=self._now(),
            unread=unread,
        )
        answer = Found(verdict, ", ".join(place for _, place, _ in verdict.reports))
        if not unread:
            ttl_s = self._limits.passed_s if verdict.outcome is Outcome.PASSED else self._limits.other_s
            self._cached.put(question, answer, ttl_s=ttl_s)
        return answer

    def _images(
        self, question: ImageScan, access: RegistryAccess, until: float
    ) -> Found[tuple[PlatformImage, ...]] | Unknown:
        """The image; of a list, the images of all platforms that count."""
        top = self._manifest(question.image, access, until)
        if isinstance(top, Unknown):
            return top
        if not top.value.is_index:
            return Found((_platform_image(top.value),))
        children = [each for each in top.value.children if _counts(each, question.rules)]
        if not children:
            return Unknown(f"{question.image.id} is a list without an image of a platform that counts", retryable=False)
        if len(children) > PLATFORMS_MAX:
            return Unknown(f"{question.image.id} has more than {PLATFORMS_MAX} platforms", retryable=False)
        images: list[PlatformImage] = []
        for each in children:
            manifest = self._manifest(replace(question.image, tag="", id=each.descriptor.digest), access, until)
            if isinstance(manifest, Unknown):
                return manifest
            if manifest.value.media_type not in IMAGE_TYPES:
                return Unknown(f"{each.descriptor.digest} in the list is not an image", retryable=False)
            images.append(_platform_image(manifest.value, each.platform, question.image.id))
        return Found(tuple(images))

    def _manifest(self, image: ImageReference, access: RegistryAccess, until: float) -> Found[Manifest] | Unknown:
        left_s = until - time.monotonic()
        if left_s <= 0:
            return DeadlineExceeded(_NOT_IN_TIME)
        answer = self._registry.manifest(image, access=access, deadline_s=left_s)
        return answer if isinstance(answer, (Found, Unknown)) else Unknown(answer.why, retryable=False)

    def _placed(self, document: FoundDocument, key: bytes) -> PlacedReport:
        report = self._parsed.get(key)
        problem = ""
        if report is None:
            try:
                report = read_report(document.content)
            except EvidenceError as error:
                problem = f"cannot be read: {error}"
            else:
                self._parsed.put(key, report)
        found = document.names_image, document.modified, document.is_attached
        return PlacedReport(document.place, report, problem, *found)


def _size(report: Report) -> int:
    return len(report.findings) + len(report.suppressed)


def _documents(
    sources: Sequence[ReportDocuments],
    image: ImageReference,
    access: RegistryAccess,
    max_bytes: int,
    until: float,
    unread: list[str],
) -> Iterator[FoundDocument]:
    """The documents of all sources; the reasons of those that cannot be read are added to ``unread``."""
    for source in sources:
        answer = source.documents(
            image, access=access, max_bytes=max_bytes, deadline_s=max(0.0, until - time.monotonic())
        )
        if isinstance(answer, Found):
            yield from answer.value
        elif isinstance(answer, Unknown):
            unread.append(answer.why)


def _trusted(document: FoundDocument, authors: frozenset[str], unread: list[str]) -> Iterator[VexDocument]:
    try:
        found = read_openvex(document.content)
    except EvidenceError as error:
        unread.append(f"{document.place}: cannot be read: {error}")
        return
    if not authors or found.author in authors:
        yield found


def _platform_image(manifest: Manifest, platform: Platform | None = None, list_digest: str = "") -> PlatformImage:
    config = "" if manifest.config is None else manifest.config.digest
    return PlatformImage(manifest.digest, config, platform, list_digest)


def _counts(entry: Child, rules: ScanRules) -> bool:
    platform = entry.platform
    if platform.os == _UNKNOWN_OS and platform.architecture == _UNKNOWN_OS:
        return False
    if not rules.platforms:
        return True
    return any(
        (each.os, each.architecture) == (platform.os, platform.architecture) and each.variant in ("", platform.variant)
        for each in rules.platforms
    )
