"""Look-ups for the ``va`` requirement: scanners' reports, and Vulnerability Advisor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from imagegate.adapters.files.input import read_file
from imagegate.adapters.http.client import HttpClient
from imagegate.adapters.registry.client import HttpRegistry
from imagegate.adapters.registry.referrers import ReferrerDocuments
from imagegate.adapters.reports.advisor import AdvisorHttp, AdvisorSettings
from imagegate.adapters.reports.folders import ListedFiles, ReportFolder
from imagegate.adapters.reports.web_folder import WebDocuments
from imagegate.core.vulnerabilities.advisor import AdvisorStatus
from imagegate.core.vulnerabilities.rules import ImageScan
from imagegate.errors import InvalidSettings
from imagegate.ports.registry import Registry
from imagegate.ports.vulnerabilities import ReportDocuments
from imagegate.service.evidence.advisor import AdvisorLimits, AdvisorStatuses
from imagegate.service.evidence.scans import ImageScans, ScanLimits, VexSource
from imagegate.service.review.lookups import Answerer
from imagegate.settings.enforcement import VulnerabilitySettings
from imagegate.settings.scanner import DocumentPlace, ScannerSettings

TOKEN_MAX_BYTES = 64 * 1024
_DENIED_S = 30.0


def scan_answerer(
    given: ScannerSettings, images: Registry, upstream: HttpRegistry, http: HttpClient, *, cached: bool
) -> Answerer:
    """The look-up of ``ImageScan``.

    Args:
        images: manifests, cached.
        upstream: the registry itself, for referrers.

    Raises:
        InvalidSettings: no place of reports is set.
    """
    if not given.reports:
        raise InvalidSettings("scanner.reports: Required value: without a report every image is denied")
    limits = ScanLimits(passed_s=given.cache_s, other_s=min(given.cache_s, _DENIED_S))
    scans = ImageScans(
        images,
        [_documents(place, given.report_types, upstream, http, by_digest=True) for place in given.reports],
        [
            VexSource(_documents(place, given.vex_types, upstream, http, by_digest=False), frozenset(place.authors))
            for place in given.vex
        ],
        limits=limits if cached else ScanLimits(passed_s=0, other_s=0),
    )
    return Answerer(
        scans.ask,
        cached=scans.cached,
        host=_host,
        refusal=lambda question: upstream.not_answering(question.image),
    )


def _documents(
    place: DocumentPlace, types: tuple[str, ...], upstream: HttpRegistry, http: HttpClient, *, by_digest: bool
) -> ReportDocuments:
    if place.referrers:
        return ReferrerDocuments(upstream, frozenset(types))
    if place.url:
        return WebDocuments(http, place.url, by_digest=by_digest, token=_token(place.token_file))
    if place.folder and by_digest:
        return ReportFolder(Path(place.folder))
    return ListedFiles(Path(place.folder or place.file))


def _token(file: str) -> Callable[[], str] | None:
    """Reads the token for every request, so that it may be replaced."""
    if not file:
        return None
    return lambda: read_file(file, TOKEN_MAX_BYTES, named=True).decode()


def _host(question: ImageScan) -> str:
    return question.image.with_docker_defaults().registry.lower()


def advisor_answerer(given: VulnerabilitySettings, http: HttpClient, *, cached: bool) -> Answerer:
    """The look-up of ``AdvisorStatus``."""
    advisor = AdvisorHttp(
        http, AdvisorSettings(api_version=given.api_version, base_url=given.base_url, iam_url=given.iam_url)
    )
    statuses = AdvisorStatuses(advisor, limits=AdvisorLimits() if cached else AdvisorLimits(allowed_s=0, denied_s=0))
    host = urlsplit(given.base_url).netloc.lower()

    def host_of(question: AdvisorStatus) -> str:
        return host or question.registry.lower()

    return Answerer(statuses.ask, cached=statuses.cached, host=host_of)
