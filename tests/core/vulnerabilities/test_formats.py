"""The four formats: what is read, which image a report names, and when it shows nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.core.registry.manifest import Platform
from imagegate.core.vulnerabilities import cyclonedx as cyclonedx_module
from imagegate.core.vulnerabilities import report as report_module
from imagegate.core.vulnerabilities import sarif as sarif_module
from imagegate.core.vulnerabilities import trivy as trivy_module
from imagegate.core.vulnerabilities.formats import read_report
from imagegate.core.vulnerabilities.report import (
    Finding,
    Report,
    Severity,
    child,
    digests_in,
    objects,
    purl_digest,
    text,
    texts,
    time,
)
from imagegate.errors import EvidenceError, Malformed, TooLarge
from tests.support.scan_reports import (
    CONFIG,
    CREATED,
    DIGEST,
    LOW,
    OPENSSL,
    OTHER,
    ZLIB,
    cyclonedx,
    dumped,
    grype,
    grype_match,
    purl,
    sarif,
    trivy,
)

MAKERS = {"trivy": trivy, "grype": grype, "cyclonedx": cyclonedx, "sarif": sarif}


def read(document: Any) -> Report:
    return read_report(dumped(document))


def problem(document: Any) -> str:
    with pytest.raises(EvidenceError) as caught:
        read(document)
    return str(caught.value)


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
class TestEveryFormat:
    """The same scan in each of the four formats."""

    def test_findings(self, make: Callable[..., dict[str, Any]]) -> None:
        report = read(make(OPENSSL, ZLIB, LOW))
        found = [(f.id, f.severity.name, f.package, f.installed, f.fixed) for f in report.findings]
        assert found == [OPENSSL, ZLIB, LOW]
        assert not report.failed
        assert not report.unproven
        assert not any(finding.fix_unknown for finding in report.findings)

    def test_image_and_time(self, make: Callable[..., dict[str, Any]]) -> None:
        report = read(make(OPENSSL))
        assert DIGEST in report.digests
        assert report.names_image
        assert report.created == datetime(2026, 11, 22, 10, tzinfo=UTC)

    def test_every_truncation_is_refused(self, make: Callable[..., dict[str, Any]]) -> None:
        raw = dumped(make(OPENSSL))
        for end in range(0, len(raw), 7):
            with pytest.raises(Malformed):
                read_report(raw[:end])

    def test_a_member_of_a_wrong_type_is_refused_or_read_never_another_error(
        self, make: Callable[..., dict[str, Any]]
    ) -> None:
        for value in (None, 7, "x", [], [7], {}, True, [None], {"id": 7}):
            for damaged in _damaged(make(OPENSSL), value):
                try:
                    read(damaged)
                except EvidenceError:
                    continue


def _damaged(document: Any, value: Any) -> list[Any]:
    """Copies of the document with one member, at any depth, replaced."""
    found: list[Any] = []
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, inner in items:
        copy = dict(document) if isinstance(document, dict) else list(document)
        copy[key] = value
        found.append(copy)
        for damaged in _damaged(inner, value):
            other = dict(document) if isinstance(document, dict) else list(document)
            other[key] = damaged
            found.append(other)
    return found


class TestRecognition:
    @pytest.mark.parametrize(
        "raw", [b"", b"[]", b"{}", b"null", b"\xff", b'{"a": NaN}', b'{"matches": [], "matches": []}', b"[" * 100_000]
    )
    def test_other_content(self, raw: bytes) -> None:
        with pytest.raises(EvidenceError):
            read_report(raw)

    def test_a_document_of_two_formats_is_refused(self) -> None:
        assert "more than one" in problem(trivy() | grype())

    def test_size(self, monkeypatch: pytest.MonkeyPatch) -> None:
        raw = dumped(trivy())
        monkeypatch.setattr("imagegate.core.vulnerabilities.formats.REPORT_MAX_BYTES", len(raw))
        assert read_report(raw).tool == "Trivy"
        with pytest.raises(TooLarge):
            read_report(raw + b" ")

    def test_depth(self) -> None:
        deep: Any = "x"
        for _ in range(80):
            deep = [deep]
        with pytest.raises(EvidenceError):
            read_report(dumped(trivy(More=deep)))


class TestTrivy:
    def test_platform_and_names(self) -> None:
        report = read(trivy(OPENSSL, platform="linux/arm64"))
        assert report.platform == Platform("arm64", "linux")
        assert report.image_ids == {CONFIG}
        assert report.findings[0].names == {"CVE-2024-0001", "DSA-1-1"}
        assert report.findings[0].purl == purl("openssl", "3.0.11")

    @pytest.mark.parametrize("kind", ["filesystem", "repository", "vm", "aws_account", ""])
    def test_what_is_no_image(self, kind: str) -> None:
        assert "not about an image" in problem(trivy(ArtifactType=kind))

    def test_another_schema(self) -> None:
        assert "SchemaVersion" in problem(trivy(SchemaVersion=1))

    @pytest.mark.parametrize(
        "system, classes, unproven",
        [
            ({"Family": "debian", "Name": "12"}, ["os-pkgs"], False),
            ({"Family": "debian", "Name": "12"}, ["os-pkgs", "lang-pkgs"], False),
            ({"Family": "debian", "Name": "12"}, ["lang-pkgs"], True),
            ({"Family": "gentoo", "Name": "2.14"}, [], True),
            ({"Family": "none", "Name": ""}, [], True),
            ({"Family": "none", "Name": ""}, ["lang-pkgs"], False),
            (None, ["lang-pkgs"], False),
            (None, ["secret", "config", "license"], True),
            (None, [], True),
        ],
    )
    def test_a_report_without_scanned_packages_proves_nothing(
        self, system: Any, classes: list[str], unproven: bool
    ) -> None:
        document = trivy()
        document["Metadata"]["OS"] = system
        document["Results"] = [{"Class": each} for each in classes] or None
        assert bool(read(document).unproven) is unproven

    def test_end_of_life(self) -> None:
        document = trivy()
        assert read(document).end_of_life == ""
        document["Metadata"]["OS"] = {"Family": "alpine", "Name": "3.10.2", "EOSL": True}
        assert read(document).end_of_life == "alpine 3.10.2"

    def test_names_of_no_image(self) -> None:
        document = trivy(Metadata={"RepoDigests": ["registry.example.com/shop/web:v1", "x@sha256:short"]})
        assert not read(document).names_image
        assert read(document).platform is None

    def test_a_vulnerability_without_a_name(self) -> None:
        assert "VulnerabilityID" in problem(trivy(("", "LOW", "a", "1", "")))

    def test_too_many(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(trivy_module, "FINDINGS_MAX", 2)
        assert len(read(trivy(OPENSSL, ZLIB)).findings) == 2
        assert "more than 2" in problem(trivy(OPENSSL, ZLIB, LOW))

    def test_the_time_of_older_versions_is_missing(self) -> None:
        document = trivy(created="0001-01-01T00:00:00Z")
        assert read(document).created is None


class TestGrype:
    def test_platform_and_names(self) -> None:
        report = read(grype(OPENSSL))
        assert report.platform == Platform("amd64", "linux")
        assert report.image_ids == {CONFIG}
        assert report.findings[0].names == {"CVE-2024-0001", "GHSA-0001"}

    @pytest.mark.parametrize("kind", ["directory", "sbom-file", "unknown", ""])
    def test_what_is_no_image(self, kind: str) -> None:
        assert "not about an image" in problem(grype(source={"type": kind, "target": "."}))

    def test_null_is_no_list_of_matches(self) -> None:
        assert problem(grype(matches=None)) == "matches is null"

    @pytest.mark.parametrize(
        "distro, unproven",
        [
            ({"name": "debian", "version": "12"}, False),
            ({"name": "gentoo", "version": "2"}, True),
            ({}, True),
            (None, True),
        ],
    )
    def test_no_matches_prove_nothing_without_a_known_system(self, distro: Any, unproven: bool) -> None:
        assert bool(read(grype(distro=distro)).unproven) is unproven
        assert not read(grype(OPENSSL, distro=distro)).unproven

    @pytest.mark.parametrize(
        "descriptor",
        [
            {"db": {"status": {"valid": False}}},
            {"db": {"status": {"error": "database does not exist"}}},
            {"db": {"built": "2024-01-01T00:00:00Z", "error": "checksum"}},
            {"configuration": {"only-fixed": True}},
            {"configuration": {"only-notfixed": True}},
            {"configuration": {"ignore-wontfix": True}},
            {"configuration": {"exclude": ["/usr/**"]}},
        ],
    )
    def test_scans_that_failed_or_left_something_out(self, descriptor: dict[str, Any]) -> None:
        assert read(grype(descriptor=descriptor)).failed

    def test_an_older_form_of_the_database(self) -> None:
        assert not read(grype(descriptor={"db": {"built": "2024-01-01T00:00:00Z", "schemaVersion": 5}})).failed

    def test_ignored_matches_are_suppressed(self) -> None:
        report = read(grype(ignoredMatches=[grype_match(OPENSSL)]))
        assert not report.findings
        assert report.suppressed[0][0].id == OPENSSL[0]

    def test_end_of_life(self) -> None:
        alerts = [{"package": {}, "alerts": [{"type": "distro-eol", "message": "-"}]}]
        assert read(grype(alertsByPackage=alerts)).end_of_life == "debian 12"
        assert not read(grype(alertsByPackage=[{"alerts": [{"type": "other"}]}])).end_of_life

    def test_a_match_without_a_name_and_an_image_without_a_platform(self) -> None:
        match = grype_match(OPENSSL)
        assert "vulnerability.id" in problem(grype(matches=[match | {"vulnerability": {}}]))
        assert read(grype(source={"type": "image", "target": {}})).platform is None


class TestCycloneDx:
    def test_a_bill_of_materials_alone_is_no_report(self) -> None:
        document = cyclonedx()
        del document["vulnerabilities"]
        assert "without a list of vulnerabilities" in problem(document)

    def test_an_empty_list_is_written_without_a_search_too(self) -> None:
        assert read(cyclonedx()).unproven

    @pytest.mark.parametrize(
        "component",
        [
            {"purl": f"pkg:oci/web@{DIGEST.replace(':', '%3a')}"},
            {"purl": f"pkg:docker/shop/web@{DIGEST}"},
            {"bom-ref": f"pkg:oci/web@{DIGEST.replace(':', '%3A')}?arch=amd64"},
            {"version": DIGEST},
            {"hashes": [{"alg": "SHA-256", "content": DIGEST[7:].upper()}]},
            {"properties": [{"name": "aquasecurity:trivy:RepoDigest", "value": f"r.io/web@{DIGEST}"}]},
        ],
    )
    def test_ways_to_name_the_image(self, component: dict[str, Any]) -> None:
        assert read(cyclonedx(OPENSSL, metadata={"component": component})).digests == {DIGEST}

    @pytest.mark.parametrize(
        "component",
        [
            {"purl": f"pkg:deb/debian/web@{DIGEST}"},
            {"purl": "pkg:oci/web@v1"},
            {"version": "v1"},
            {"hashes": [{"alg": "SHA-1", "content": DIGEST[7:]}, {"alg": "SHA-256", "content": "x"}]},
            {"properties": [{"name": "other:RepoDigest", "value": f"r.io/web@{DIGEST}"}]},
            {"name": f"r.io/web@{DIGEST}"},
        ],
    )
    def test_what_names_no_image(self, component: dict[str, Any]) -> None:
        assert not read(cyclonedx(OPENSSL, metadata={"component": component})).names_image

    def test_trivys_image_id(self) -> None:
        properties = [{"name": "aquasecurity:trivy:ImageID", "value": CONFIG}]
        assert read(cyclonedx(metadata={"component": {"properties": properties}})).image_ids == {CONFIG}

    @pytest.mark.parametrize("state", ["not_affected", "false_positive", "resolved", "resolved_with_pedigree"])
    def test_analysis_that_suppresses(self, state: str) -> None:
        report = read(cyclonedx(OPENSSL, analysis={"state": state, "detail": "not called"}))
        assert not report.findings
        assert not report.unproven
        assert report.suppressed[0][1] == f"{state}: not called"
        assert read(cyclonedx(OPENSSL, analysis={"state": state})).suppressed[0][1] == state

    @pytest.mark.parametrize("state", ["exploitable", "in_triage", "NOT_AFFECTED", ""])
    def test_analysis_that_does_not(self, state: str) -> None:
        assert read(cyclonedx(OPENSSL, analysis={"state": state, "justification": "code_not_reachable"})).findings

    @pytest.mark.parametrize(
        "entry, severity",
        [
            ({"ratings": [{"severity": "low"}, {"severity": "high"}]}, Severity.HIGH),
            ({"ratings": [{"score": 9.8}]}, Severity.CRITICAL),
            ({"ratings": [{"score": 7}]}, Severity.HIGH),
            ({"ratings": [{"score": 4.0}]}, Severity.MEDIUM),
            ({"ratings": [{"score": 0.1}]}, Severity.LOW),
            ({"ratings": [{"score": 0}]}, Severity.UNKNOWN),
            ({"ratings": [{"score": -(10**400)}]}, Severity.UNKNOWN),
            ({"ratings": [{"score": 10**400}]}, Severity.CRITICAL),
            ({"ratings": [{"score": True}]}, Severity.UNKNOWN),
            ({"ratings": [{"score": "9.8"}]}, Severity.UNKNOWN),
            ({"ratings": []}, Severity.UNKNOWN),
            (
                {
                    "source": {"name": "a"},
                    "ratings": [{"source": {"name": "a"}, "severity": "low"}, {"severity": "high"}],
                },
                Severity.LOW,
            ),
            ({"source": {"name": "a"}, "ratings": [{"source": {"name": "a"}}, {"severity": "high"}]}, Severity.HIGH),
        ],
    )
    def test_severity(self, entry: dict[str, Any], severity: Severity) -> None:
        assert read(cyclonedx(vulnerabilities=[{"id": "CVE-1", **entry}])).findings[0].severity is severity

    def test_fixes_of_other_tools_are_not_known(self) -> None:
        metadata = {"tools": [{"name": "other"}], "component": {"version": DIGEST}}
        (finding,) = read(cyclonedx(ZLIB, metadata=metadata)).findings
        assert finding.fix_unknown
        (finding,) = read(
            cyclonedx(metadata=metadata, vulnerabilities=[{"id": "CVE-1", "recommendation": "Do it"}])
        ).findings
        assert (finding.fixed, finding.fix_unknown, finding.package) == ("Do it", False, "")

    def test_nested_components_and_several_affected(self) -> None:
        inner = {"bom-ref": "b", "name": "inner", "version": "1"}
        components = [{"bom-ref": "a", "name": "outer", "version": "2", "components": [inner]}]
        entry = {
            "id": "CVE-1",
            "affects": [{"ref": "a"}, {"ref": "b"}, {"ref": "gone"}],
            "references": [{"id": "GHSA-1"}],
        }
        report = read(cyclonedx(components=components, vulnerabilities=[entry]))
        assert [finding.package for finding in report.findings] == ["outer", "inner", "gone"]
        assert report.findings[0].names == {"CVE-1", "GHSA-1"}

    def test_no_name(self) -> None:
        assert "no id" in problem(cyclonedx(vulnerabilities=[{}]))
        assert read(cyclonedx(OPENSSL, metadata={})).tool == "CycloneDX"

    def test_too_many(self, monkeypatch: pytest.MonkeyPatch) -> None:
        entry = {"id": "CVE-1", "affects": [{"ref": "a"}, {"ref": "b"}]}
        monkeypatch.setattr(cyclonedx_module, "FINDINGS_MAX", 1)
        assert "more than 1" in problem(cyclonedx(vulnerabilities=[entry]))
        monkeypatch.setattr(cyclonedx_module, "LIST_MAX", 1)
        assert "components" in problem(cyclonedx(OPENSSL, components=[{}, {}]))


class TestSarif:
    def test_no_results_prove_nothing(self) -> None:
        assert read(sarif()).unproven
        assert "nothing was scanned" in problem(sarif(results=None))

    def test_failed(self) -> None:
        assert read(sarif(OPENSSL, invocations=[{"executionSuccessful": False}])).failed

    def test_no_run_and_another_version(self) -> None:
        assert "no runs" in problem(sarif() | {"runs": []})
        assert "2.1.0" in problem(sarif() | {"version": "2.0.0"})

    def test_a_log_of_grype_names_no_image(self) -> None:
        """The texts are those of grype/presenter/sarif."""
        help_text = (
            "Vulnerability CVE-1\nSeverity: critical\nPackage: openssl\nVersion: 3.0.11\nFix Version: 3.0.14\nType: deb"
        )
        rule = {"id": "CVE-1-openssl", "help": {"text": help_text}, "properties": {"security-severity": "9.0"}}
        run = {"tool": {"driver": {"name": "Grype", "rules": [rule]}}, "results": [{"ruleId": "CVE-1-openssl"}]}
        report = read({"version": "2.1.0", "runs": [run]})
        assert report.findings == (Finding("CVE-1", Severity.CRITICAL, "openssl", "3.0.11", "3.0.14"),)
        assert not report.names_image
        assert (report.tool, report.created) == ("Grype", None)

    @pytest.mark.parametrize("tag", ["misconfiguration", "secret", "license"])
    def test_other_findings_are_left_out(self, tag: str) -> None:
        document = sarif(OPENSSL)
        document["runs"][0]["tool"]["driver"]["rules"][0]["properties"]["tags"] = [tag, "security", "CRITICAL"]
        assert not read(document).findings

    @pytest.mark.parametrize(
        "change, kept",
        [
            ({"suppressions": [{"kind": "external"}]}, False),
            ({"suppressions": [{"kind": "external", "status": "accepted"}]}, False),
            ({"suppressions": [{"status": "accepted"}, {"status": "rejected"}]}, True),
            ({"suppressions": [{"status": "underReview"}]}, True),
            ({"suppressions": []}, True),
            ({"baselineState": "absent"}, False),
            ({"baselineState": "new"}, True),
        ],
    )
    def test_suppressions(self, change: dict[str, Any], kept: bool) -> None:
        document = sarif(OPENSSL)
        document["runs"][0]["results"][0] |= change
        assert bool(read(document).findings) is kept

    @pytest.mark.parametrize(
        "rule, result, severity",
        [
            ({"properties": {"security-severity": "9.8"}}, {}, Severity.CRITICAL),
            ({"properties": {"security-severity": "x"}}, {"level": "warning"}, Severity.MEDIUM),
            ({"properties": {"tags": ["LOW", "HIGH"]}}, {"level": "note"}, Severity.HIGH),
            ({"defaultConfiguration": {"level": "error"}}, {}, Severity.HIGH),
            ({}, {"level": "note"}, Severity.LOW),
            ({}, {"level": "none"}, Severity.UNKNOWN),
            ({}, {"message": {"text": "Severity: MEDIUM"}}, Severity.MEDIUM),
        ],
    )
    def test_severity(self, rule: dict[str, Any], result: dict[str, Any], severity: Severity) -> None:
        run = {"tool": {"driver": {"rules": [{"id": "CVE-1"} | rule]}}, "results": [{"ruleId": "CVE-1"} | result]}
        (finding,) = read({"version": "2.1.0", "runs": [run]}).findings
        assert finding.severity is severity
        assert finding.fix_unknown, "nothing says whether there is a fix"

    def test_rules_of_extensions(self) -> None:
        assert read({"version": "2.1.0", "runs": [{"results": [{"rule": {"id": "CVE-1"}}]}]}).findings[0].id == "CVE-1"
        assert "ruleId" in problem({"version": "2.1.0", "runs": [{"results": [{}]}]})

    def test_too_many(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sarif_module, "FINDINGS_MAX", 1)
        assert "more than 1" in problem(sarif(OPENSSL, LOW))


class TestReaders:
    def test_wrong_types(self) -> None:
        for reader in (text, child, objects, texts, time):
            with pytest.raises(Malformed):
                reader({"a": 7}, "a")
        for value in ([7], ["x"]):
            with pytest.raises(Malformed):
                objects({"a": value}, "a")
        with pytest.raises(Malformed):
            texts({"a": [None]}, "a")

    def test_missing_and_null(self) -> None:
        for parent in ({}, {"a": None}):
            assert (text(parent, "a"), child(parent, "a"), objects(parent, "a"), texts(parent, "a")) == ("", {}, [], ())
            assert time(parent, "a") is None

    def test_long_lists(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(report_module, "LIST_MAX", 1)
        with pytest.raises(TooLarge):
            texts({"a": ["x", "y"]}, "a")

    @pytest.mark.parametrize(
        "written", ["yesterday", "2026-13-01T00:00:00Z", "2026-11-22T10:00:00", "9999-12-31T23:59:59-14:00"]
    )
    def test_times_that_are_none(self, written: str) -> None:
        with pytest.raises(Malformed):
            time({"a": written}, "a")

    def test_times(self) -> None:
        assert time({"a": "2026-11-22T12:00:00.123456789+02:00"}, "a") == datetime(2026, 11, 22, 10, 0, 0, 123456, UTC)
        assert time({"a": CREATED}, "a") == datetime(2026, 11, 22, 10, tzinfo=UTC)

    def test_digests(self) -> None:
        assert list(digests_in(("a.io/b@" + DIGEST, OTHER, "a.io/b:v1", "", "x@sha256:AB"))) == [DIGEST, OTHER]
        assert purl_digest("pkg:oci/web@sha256:short") == ""

    @pytest.mark.parametrize(
        "name, severity", [("Moderate", "MEDIUM"), (" important ", "HIGH"), ("info", "NEGLIGIBLE"), ("?", "UNKNOWN")]
    )
    def test_severity_names(self, name: str, severity: str) -> None:
        assert Severity.of(name).name == severity


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    with pytest.raises(EvidenceError):
        read_report(raw)
