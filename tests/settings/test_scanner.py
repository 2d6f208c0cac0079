"""The ``scanner`` block: what is read, what is refused, and what it makes of the policies."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from imagegate.core.registry.manifest import Platform
from imagegate.core.vulnerabilities.report import Severity
from imagegate.core.vulnerabilities.rules import AcceptedVulnerability, ImageScan, ScanRules
from imagegate.documents.master_config import MasterConfig
from imagegate.errors import InvalidSettings
from imagegate.settings.load import Settings, load_settings
from imagegate.settings.scanner import DocumentPlace, ScannerSettings
from imagegate.wiring.behaviours import scan_rules
from imagegate.wiring.plugins import configured_plugins
from imagegate.wiring.registries import evidence_answerers, http_client

FULL = """
cise: {}
scanner:
  reports:
  - folder: reports
  - file: /abs/report.json
  - {url: "https://reports.example.com/scans", tokenFile: token}
  - referrers: true
  severity: medium
  fixableOnly: true
  unknownSeverity: allow
  unknown: allow
  endOfLife: allow
  withoutProof: allow
  placesNameImages: true
  maxAgeDays: 2
  platforms: [linux/amd64, linux/arm/v7]
  allow:
  - {id: CVE-2024-1, images: ["registry.example.com/*"], expires: 2027-01-31, reason: not reachable}
  - {id: CVE-2024-2, expires: "2027-01-31", reason: no fix}
  vex:
  - {folder: vex, authors: [security@example.com]}
"""


def load(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "imagegate.yaml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path, environ={})


def test_all_fields(tmp_path: Path) -> None:
    scanner = load(tmp_path, FULL).scanner
    assert scanner is not None
    assert scanner.reports == (
        DocumentPlace(folder=str(tmp_path / "reports")),
        DocumentPlace(file="/abs/report.json"),
        DocumentPlace(url="https://reports.example.com/scans", token_file=str(tmp_path / "token")),
        DocumentPlace(referrers=True),
    )
    assert scanner.vex == (DocumentPlace(folder=str(tmp_path / "vex"), authors=("security@example.com",)),)
    assert scan_rules(scanner) == ScanRules(
        severity=Severity.MEDIUM,
        fixable_only=True,
        unknown_severity_denies=False,
        unknown_allows=True,
        end_of_life_allows=True,
        unproven_allows=True,
        places_name_images=True,
        max_age=timedelta(days=2),
        platforms=(Platform("amd64", "linux"), Platform("arm", "linux", "v7")),
        accepted=(
            AcceptedVulnerability(
                id="CVE-2024-1",
                images=("registry.example.com/*",),
                expires=date(2027, 1, 31),
                reason="not reachable",
            ),
            AcceptedVulnerability(id="CVE-2024-2", expires=date(2027, 1, 31), reason="no fix"),
        ),
    )


def test_the_defaults_are_the_strict_rules(tmp_path: Path) -> None:
    assert load(tmp_path, "cise: {}").scanner is None
    assert scan_rules(ScannerSettings()) == ScanRules()


@pytest.mark.parametrize(
    "block, error",
    [
        ("reports: [{}]", "exactly one of folder, file, url, referrers"),
        ("reports: [{folder: a, referrers: true}]", "exactly one of"),
        ("reports: [{url: 'http://reports.example.com'}]", "must begin with https://"),
        ("reports: [{folder: a, tokenFile: t}]", "only a url has a token"),
        ("reports: [{folder: a, authors: [b]}]", "unknown field"),
        ("allow: [{id: CVE-1}]", "reason: Required value"),
        ("allow: [{id: CVE-1, reason: r}]", "expires: Required value"),
        ("allow: [{reason: r, expires: 2027-01-31}]", "id: Required value"),
        ("allow: [{id: CVE-1, reason: r, expires: 2027-02-30}]", "is not a date"),
        ("allow: [{id: CVE-1, reason: r, expires: tomorrow}]", "is not a date"),
        ("allow: [{id: CVE-1, reason: r, expires: 20270131}]", "quote it"),
        ("severity: severe", "Unsupported value"),
        ("unknown: ignore", "Unsupported value"),
        ("maxAgeDays: -1", "between 0 and"),
        ("threshold: high", "unknown field"),
    ],
)
def test_refused_with_file_and_line(tmp_path: Path, block: str, error: str) -> None:
    with pytest.raises(InvalidSettings, match=r"imagegate\.yaml:\d+: scanner") as caught:
        load(tmp_path, f"cise: {{}}\nscanner: {{{block}}}\n")
    assert error in str(caught.value)


@pytest.mark.parametrize("platform", ["linux", "linux/", "linux/arm/v7/x", ""])
def test_platforms(platform: str) -> None:
    with pytest.raises(InvalidSettings, match=r"scanner\.platforms"):
        scan_rules(ScannerSettings(platforms=(platform,)))


def test_a_block_that_nothing_uses_is_refused(tmp_path: Path) -> None:
    settings = load(tmp_path, "scanner: {reports: [{folder: .}]}")
    with pytest.raises(InvalidSettings, match="only policies use reports"):
        configured_plugins(settings, MasterConfig())


def test_a_block_without_reports_is_refused(tmp_path: Path) -> None:
    settings = load(tmp_path, "cise: {}\nscanner: {severity: low}")
    with pytest.raises(InvalidSettings, match=r"scanner\.reports: Required value"):
        evidence_answerers(settings, http_client(settings))


def test_every_kind_of_place_is_looked_up(tmp_path: Path) -> None:
    settings = load(tmp_path, FULL)
    assert ImageScan in evidence_answerers(settings, http_client(settings))
    without = load(tmp_path, "cise: {}")
    assert ImageScan not in evidence_answerers(without, http_client(without))
