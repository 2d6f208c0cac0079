"""Reports that Trivy 0.74 and Grype 0.121 wrote about images in docker-registry 2.8 (``trivy image HOST/shop/web:v2``,
``grype registry:HOST/shop/web:v1``), with vulnerability databases of three entries made for it. Only the names of the
host and of folders were changed, and most of Grype's configuration left out.

``trivy-unscanned`` is about the image without ``/etc/debian_version``, whose operating system Trivy does not know: it
warns on its standard error, and reports no vulnerabilities.
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
NOW = datetime(2026, 11, 28, tzinfo=UTC)
V1 = PlatformImage(
    "sha256:10ae8328affbbae3f5665f7943202e0d9e31574a5afe24f5cdf7b8f873ff65d0",
    "sha256:36be897c69d4a9821cf5882f9d9e21a4b16587f611d3e6b8ebe11027744de38d",
)
V2 = PlatformImage(
    "sha256:941bc92c888a9ceb61fc1caaf3a1bcabf8977e22df9af45a0bf4f66eea6ebc99",
    "sha256:ccf9c14f9596d58d02121e5af3efae1504216bac287600a9f16060f6869e7866",
)
FIXED = "3.0.14-1~deb12u2"
BELIEVED = ScanRules(places_name_images=True)


def read(name: str) -> Report:
    return read_report((FOLDER / name).read_bytes())


def outcome(name: str, image: PlatformImage, rules: ScanRules | None = None) -> Outcome:
    placed = PlacedReport(name, read(name), names_image=True, modified=NOW)
    return judge([image], [placed], [], rules or ScanRules(), repository="r.io/shop/web", now=NOW).outcome


@pytest.mark.parametrize(
    "name", ["trivy.json", "trivy.sarif", "trivy.cdx.json", "grype.json", "grype.sarif", "grype.cdx.json"]
)
def test_findings(name: str) -> None:
    found = {(each.id, each.severity.name, each.package, each.installed) for each in read(name).findings}
    assert found == {
        ("CVE-2099-0001", "CRITICAL", "openssl", "3.0.11-1~deb12u1"),
        ("CVE-2099-0002", "HIGH", "zlib", "1:1.2.13.dfsg-1"),
        ("CVE-2099-0003", "LOW", "openssl", "3.0.11-1~deb12u1"),
    }


@pytest.mark.parametrize("name", ["trivy.json", "trivy.sarif", "trivy.cdx.json", "grype.json", "grype.sarif"])
def test_fixes(name: str) -> None:
    fixes = {each.id[-1]: (each.fixed, each.fix_unknown) for each in read(name).findings}
    assert fixes == {"1": (FIXED, False), "2": ("", False), "3": (FIXED, False)}


@pytest.mark.parametrize(
    "name, image", [("trivy.json", V2), ("trivy.sarif", V2), ("trivy.cdx.json", V2), ("grype.json", V1)]
)
def test_image(name: str, image: PlatformImage) -> None:
    report = read(name)
    assert report.digests == {image.digest}
    assert report.image_ids == {image.config_digest}
    assert outcome(name, image) is Outcome.VULNERABLE
    assert outcome(name, V1 if image is V2 else V2) is Outcome.OTHER_IMAGE


@pytest.mark.parametrize("name", ["trivy.json", "grype.json"])
def test_platform(name: str) -> None:
    assert read(name).platform == Platform("amd64", "linux")


@pytest.mark.parametrize("name", ["grype.sarif", "grype.cdx.json"])
def test_grype_names_no_image_in_other_formats_if_it_scans_by_tag(name: str) -> None:
    assert not read(name).names_image
    assert outcome(name, V1) is Outcome.UNKNOWN
    assert outcome(name, V1, BELIEVED) is Outcome.VULNERABLE


@pytest.mark.parametrize("name", ["trivy-unscanned.json", "trivy-unscanned.sarif", "trivy-unscanned.cdx.json"])
def test_an_operating_system_that_trivy_does_not_know_is_no_pass(name: str) -> None:
    report = read(name)
    assert report.digests == {V1.digest}
    assert not report.findings
    assert outcome(name, V1) is Outcome.UNKNOWN
    assert outcome(name, V1, ScanRules(unproven_allows=True)) is Outcome.PASSED
