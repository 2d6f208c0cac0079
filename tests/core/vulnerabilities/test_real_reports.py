"""Reports that Grype 0.121 wrote about an image in docker-registry 2.8, with a vulnerability database of three entries
made for it (``grype registry:HOST/shop/web:v1``); host and folder names were changed, and most of the
scanner's configuration left out.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from imagegate.core.registry.manifest import Platform
from imagegate.core.vulnerabilities.formats import read_report
from imagegate.core.vulnerabilities.report import Report
from imagegate.core.vulnerabilities.rules import ScanRules
from imagegate.core.vulnerabilities.verdict import Outcome, PlacedReport, PlatformImage, judge

FOLDER = Path(__file__).parents[2] / "data/reports"
DIGEST = "sha256:10ae8328affbbae3f5665f7943202e0d9e31574a5afe24f5cdf7b8f873ff65d0"
CONFIG = "sha256:36be897c69d4a9821cf5882f9d9e21a4b16587f611d3e6b8ebe11027744de38d"
NOW = datetime(2026, 11, 28, tzinfo=UTC)


def read(name: str) -> Report:
    return read_report((FOLDER / name).read_bytes())


@pytest.mark.parametrize("name", ["grype.json", "grype.sarif", "grype.cdx.json"])
def test_findings(name: str) -> None:
    found = {(each.id, each.severity.name, each.package, each.installed) for each in read(name).findings}
    assert found == {
        ("CVE-2099-0001", "CRITICAL", "openssl", "3.0.11-1~deb12u1"),
        ("CVE-2099-0002", "HIGH", "zlib", "1:1.2.13.dfsg-1"),
        ("CVE-2099-0003", "LOW", "openssl", "3.0.11-1~deb12u1"),
    }


def test_json_names_the_image_and_the_fixes() -> None:
    report = read("grype.json")
    assert report.digests == {DIGEST}
    assert report.image_ids == {CONFIG}
    assert report.platform == Platform("amd64", "linux")
    assert [each.fixed for each in report.findings] == ["3.0.14-1~deb12u2", "", "3.0.14-1~deb12u2"]
    assert not report.failed
    assert not report.end_of_life


@pytest.mark.parametrize("name", ["grype.sarif", "grype.cdx.json"])
def test_the_other_formats_do_not_name_an_image_that_was_scanned_by_tag(name: str) -> None:
    assert not read(name).names_image


@pytest.mark.parametrize(
    "name, rules, outcome",
    [
        ("grype.json", ScanRules(), Outcome.VULNERABLE),
        ("grype.cdx.json", ScanRules(), Outcome.UNKNOWN),
        ("grype.cdx.json", ScanRules(places_name_images=True), Outcome.VULNERABLE),
        ("grype.sarif", ScanRules(places_name_images=True), Outcome.VULNERABLE),
    ],
)
def test_verdicts(name: str, rules: ScanRules, outcome: Outcome) -> None:
    placed = PlacedReport(name, read(name), names_image=True, modified=NOW)
    found = judge([PlatformImage(DIGEST, CONFIG)], [placed], [], rules, repository="r.io/shop/web", now=NOW)
    assert found.outcome is outcome
