"""The verdict on an image: which reports count, what denies, and what is not known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.core.kube.printable import printable
from imagegate.core.references.openshift import ImageReference
from imagegate.core.registry.manifest import Platform
from imagegate.core.vulnerabilities.formats import read_report
from imagegate.core.vulnerabilities.messages import denial_text, finding_text, unknown_text, verdict_detail
from imagegate.core.vulnerabilities.openvex import read_openvex
from imagegate.core.vulnerabilities.report import Finding, Report, Severity
from imagegate.core.vulnerabilities.rules import AcceptedVulnerability, ImageScan, ScanRules
from imagegate.core.vulnerabilities.verdict import Outcome, PlacedReport, PlatformImage, ScanVerdict, age_text, judge
from tests.support.hostile import TEXTS
from tests.support.scan_reports import (
    CONFIG,
    DIGEST,
    LIST,
    LOW,
    OPENSSL,
    OTHER,
    REPOSITORY,
    ZLIB,
    cyclonedx,
    dumped,
    grype,
    sarif,
    statement,
    trivy,
    vex,
)

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
IMAGE = PlatformImage(DIGEST, CONFIG)
AMD64 = PlatformImage(DIGEST, CONFIG, Platform("amd64", "linux"), LIST)
ARM64 = PlatformImage("sha256:" + "a2" * 32, "sha256:" + "c2" * 32, Platform("arm64", "linux", "v8"), LIST)


def placed(document: Any, place: str = "report.json", **more: Any) -> PlacedReport:
    return PlacedReport(place, read_report(dumped(document)), **more)


def verdict(
    *reports: PlacedReport,
    images: Sequence[PlatformImage] = (IMAGE,),
    rules: ScanRules | None = None,
    documents: Sequence[dict[str, Any]] = (),
    now: datetime = NOW,
    unread: Sequence[str] = (),
) -> ScanVerdict:
    statements = [read_openvex(dumped(each)) for each in documents]
    return judge(images, reports, statements, rules or ScanRules(), repository=REPOSITORY, now=now, unread=unread)


def outcome(*reports: PlacedReport, **more: Any) -> Outcome:
    return verdict(*reports, **more).outcome


class TestSeverity:
    def test_at_and_above_the_threshold(self) -> None:
        report = placed(trivy(OPENSSL, ZLIB, LOW))
        assert [finding.id for finding in verdict(report).findings] == [OPENSSL[0], ZLIB[0]]
        assert outcome(placed(trivy(LOW))) is Outcome.PASSED
        assert outcome(placed(trivy(LOW)), rules=ScanRules(severity=Severity.LOW)) is Outcome.VULNERABLE
        assert outcome(placed(trivy(ZLIB)), rules=ScanRules(severity=Severity.CRITICAL)) is Outcome.PASSED

    def test_without_a_severity(self) -> None:
        report = placed(trivy(("CVE-1", "UNKNOWN", "a", "1", "2")))
        assert outcome(report) is Outcome.VULNERABLE
        assert outcome(report, rules=ScanRules(unknown_severity_denies=False)) is Outcome.PASSED

    def test_only_with_a_fix(self) -> None:
        rules = ScanRules(fixable_only=True)
        assert outcome(placed(trivy(ZLIB)), rules=rules) is Outcome.PASSED
        assert outcome(placed(trivy(OPENSSL)), rules=rules) is Outcome.VULNERABLE
        metadata = cyclonedx()["metadata"] | {"tools": [{"name": "other"}]}
        assert outcome(placed(cyclonedx(ZLIB, metadata=metadata)), rules=rules) is Outcome.VULNERABLE, "not known"


class TestWhichImage:
    @pytest.mark.parametrize("make", [trivy, grype, sarif])
    def test_by_the_digest_or_the_configuration(self, make: Any) -> None:
        assert outcome(placed(make(OPENSSL))) is Outcome.VULNERABLE
        assert outcome(placed(make(OPENSSL, digest=OTHER))) is Outcome.UNKNOWN, "the configuration is not enough"
        assert outcome(placed(make(OPENSSL, config=OTHER))) is Outcome.VULNERABLE, "the digest is enough"
        assert outcome(placed(make(OPENSSL, digest=OTHER, config=OTHER))) is Outcome.UNKNOWN

    def test_a_report_of_another_image_in_its_place_is_a_refusal(self) -> None:
        other = placed(trivy(digest=OTHER, config=OTHER), names_image=True)
        found = verdict(other)
        assert found.outcome is Outcome.OTHER_IMAGE
        assert found.problems == (f"report.json is about another image ({OTHER})",)
        assert outcome(other, placed(trivy(), "good.json", names_image=True)) is Outcome.OTHER_IMAGE
        assert outcome(other, placed(trivy(OPENSSL))) is Outcome.VULNERABLE, "what is known to be bad stays bad"
        assert outcome(other, rules=ScanRules(unknown_allows=True)) is Outcome.OTHER_IMAGE

    def test_a_listed_report_of_another_image_is_passed_over(self) -> None:
        assert outcome(placed(trivy(OPENSSL, digest=OTHER, config=OTHER)), placed(trivy())) is Outcome.PASSED

    def test_a_report_that_names_none(self) -> None:
        nameless = placed(sarif(LOW, properties={}), names_image=True)
        found = verdict(nameless)
        assert found.problems == ("report.json: it does not say which image it is about",)
        assert found.outcome is Outcome.UNKNOWN
        believed = ScanRules(places_name_images=True)
        assert outcome(nameless, rules=believed) is Outcome.PASSED
        assert outcome(placed(sarif(LOW, properties={})), rules=believed) is Outcome.UNKNOWN, "nor does its place"

    def test_an_image_that_was_scanned_before_it_was_pushed(self) -> None:
        local = trivy(OPENSSL)
        local["Metadata"]["RepoDigests"] = None
        assert outcome(placed(local)) is Outcome.VULNERABLE
        assert outcome(placed(local), images=[AMD64]) is Outcome.VULNERABLE
        assert outcome(placed(local), images=[replace(IMAGE, config_digest=OTHER)]) is Outcome.UNKNOWN
        assert (
            outcome(placed(local, names_image=True), images=[replace(IMAGE, config_digest=OTHER)])
            is Outcome.OTHER_IMAGE
        )

    def test_other_layers_with_the_configuration_of_a_scanned_image(self) -> None:
        forged = replace(IMAGE, digest=OTHER)
        assert outcome(placed(trivy()), images=[forged]) is Outcome.UNKNOWN
        assert outcome(placed(trivy(), names_image=True), images=[forged]) is Outcome.OTHER_IMAGE

    def test_no_configuration_equals_none(self) -> None:
        assert outcome(placed(trivy(digest=OTHER, config="")), images=[PlatformImage(DIGEST)]) is Outcome.UNKNOWN


class TestPlatforms:
    def test_every_platform_needs_a_report(self) -> None:
        amd, arm = placed(trivy(), "amd"), placed(trivy(digest=ARM64.digest, config=ARM64.config_digest), "arm")
        assert outcome(amd, arm, images=[AMD64, ARM64]) is Outcome.PASSED
        found = verdict(amd, images=[AMD64, ARM64])
        assert found.outcome is Outcome.UNKNOWN
        assert found.problems == (f"no report about linux/arm64/v8 {ARM64.digest}",)

    def test_a_finding_of_one_platform_denies(self) -> None:
        arm = placed(trivy(OPENSSL, digest=ARM64.digest, config=ARM64.config_digest))
        assert outcome(placed(trivy()), arm, images=[AMD64, ARM64]) is Outcome.VULNERABLE

    def test_a_report_that_names_the_list_is_about_the_platform_that_was_scanned(self) -> None:
        """Trivy and Grype scan one platform of a list and name the list's digest."""
        report = placed(trivy(OPENSSL, digest=LIST), names_image=True)
        assert outcome(report, images=[AMD64]) is Outcome.VULNERABLE
        assert verdict(report, images=[ARM64]).problems == (f"no report about linux/arm64/v8 {ARM64.digest}",)

    @pytest.mark.parametrize(
        "platform, matches", [("linux/amd64", True), ("linux/arm64", False), ("windows/amd64", False), ("", False)]
    )
    def test_without_a_configuration_the_platform_must_fit(self, platform: str, matches: bool) -> None:
        report = placed(trivy(OPENSSL, digest=LIST, config="", platform=platform))
        assert (outcome(report, images=[AMD64]) is Outcome.VULNERABLE) is matches

    def test_a_variant_may_be_left_out(self) -> None:
        report = placed(trivy(OPENSSL, digest=LIST, config="", platform="linux/arm64"))
        assert outcome(report, images=[ARM64]) is Outcome.VULNERABLE

    def test_the_list_itself_is_no_image(self) -> None:
        assert outcome(placed(trivy(digest=LIST, config="")), images=[IMAGE]) is Outcome.UNKNOWN
        assert (
            outcome(
                placed(sarif(LOW, properties={}), names_image=True),
                images=[AMD64],
                rules=ScanRules(places_name_images=True),
            )
            is Outcome.UNKNOWN
        )


class TestUsable:
    def test_no_report(self) -> None:
        assert verdict().problems == (f"no report about {DIGEST}",)

    @pytest.mark.parametrize(
        "age, text",
        [
            (timedelta(days=7), ""),
            (timedelta(days=7, seconds=1), "report.json: it is 7 days old, more than 7 days"),
            (timedelta(minutes=-5), ""),
            (timedelta(minutes=-6), "report.json: it is from the future (2026-11-22T12:06:00Z)"),
        ],
    )
    def test_age(self, age: timedelta, text: str) -> None:
        found = verdict(placed(trivy(created=(NOW - age).isoformat())))
        assert found.problems == ((text,) if text else ())
        assert (found.outcome is Outcome.PASSED) is (not text)

    def test_without_a_time_that_of_the_place_counts(self) -> None:
        timeless = trivy(created="")
        assert verdict(placed(timeless)).problems == ("report.json: it does not say when the image was scanned",)
        assert outcome(placed(timeless, modified=NOW)) is Outcome.PASSED
        assert outcome(placed(timeless), rules=ScanRules(max_age=timedelta(0))) is Outcome.PASSED
        assert outcome(placed(trivy(created="2020-01-01T00:00:00Z"), modified=NOW)) is Outcome.UNKNOWN
        assert (
            outcome(placed(trivy(created="2020-01-01T00:00:00Z")), rules=ScanRules(max_age=timedelta(0)))
            is Outcome.PASSED
        )

    def test_what_the_report_itself_calls_insufficient(self) -> None:
        failed = grype(OPENSSL, descriptor={"db": {"status": {"valid": False}}, "timestamp": NOW.isoformat()})
        assert outcome(placed(failed)) is Outcome.UNKNOWN
        unproven = trivy(Results=None)
        assert outcome(placed(unproven)) is Outcome.UNKNOWN
        assert outcome(placed(unproven), rules=ScanRules(unproven_allows=True)) is Outcome.PASSED
        ended = trivy()
        ended["Metadata"]["OS"]["EOSL"] = True
        assert "no more security updates" in verdict(placed(ended)).problems[0]
        assert outcome(placed(ended), rules=ScanRules(end_of_life_allows=True)) is Outcome.PASSED

    def test_of_one_scanner_the_newest_counts(self) -> None:
        old, new = trivy(OPENSSL, created="2026-11-20T00:00:00Z"), trivy(created="2026-11-22T00:00:00Z")
        assert (
            outcome(placed(old, "a"), placed(new, "b")) is outcome(placed(new, "b"), placed(old, "a")) is Outcome.PASSED
        )
        assert outcome(placed(old, "a"), placed(trivy(created="2026-11-19T00:00:00Z"), "b")) is Outcome.VULNERABLE

    def test_an_attached_report_replaces_none_of_another_place(self) -> None:
        """Whoever pushes a vulnerable image could attach a report without findings, or one that is not usable."""
        found = placed(trivy(OPENSSL), "folder")
        empty = placed(trivy(created=NOW.isoformat()), "attached", is_attached=True)
        unusable = placed(trivy(created="2027-01-01T00:00:00Z"), "attached", is_attached=True)
        for attached in (empty, unusable):
            for rules in (ScanRules(), ScanRules(unknown_allows=True)):
                assert outcome(found, attached, rules=rules) is Outcome.VULNERABLE
                assert outcome(attached, found, rules=rules) is Outcome.VULNERABLE
        assert outcome(empty) is Outcome.PASSED

    def test_a_newer_report_replaces_an_attached_one(self) -> None:
        old = placed(trivy(OPENSSL, created="2026-11-20T00:00:00Z"), "attached", is_attached=True)
        assert outcome(old, placed(trivy(), "folder")) is Outcome.PASSED

    def test_of_several_scanners_all_count(self) -> None:
        assert outcome(placed(trivy()), placed(grype(OPENSSL))) is Outcome.VULNERABLE

    def test_a_newer_bill_of_materials_does_not_replace_a_report(self) -> None:
        """``trivy --format cyclonedx`` without ``--scanners vuln`` writes an empty list of vulnerabilities."""
        report, empty = placed(trivy(OPENSSL), "a"), placed(cyclonedx(created=NOW.isoformat()), "b")
        assert outcome(report, empty) is Outcome.VULNERABLE
        assert outcome(report, empty, rules=ScanRules(unproven_allows=True)) is Outcome.VULNERABLE

    def test_one_usable_report_is_enough(self) -> None:
        old = placed(grype(created="2020-01-01T00:00:00Z"), "old")
        found = verdict(old, placed(trivy(), "new"))
        assert found.outcome is Outcome.PASSED
        assert [place for _, place, _ in found.reports] == ["new"]

    def test_undated_reports_all_count(self) -> None:
        rules = ScanRules(max_age=timedelta(0))
        assert (
            outcome(placed(trivy(created=""), "a"), placed(trivy(OPENSSL, created=""), "b"), rules=rules)
            is Outcome.VULNERABLE
        )

    def test_what_cannot_be_read_is_not_known(self) -> None:
        damaged = PlacedReport("bad.json", None, "cannot be read: no JSON")
        assert verdict(damaged).problems == (f"no report about {DIGEST}", "bad.json: cannot be read: no JSON")
        assert outcome(damaged, placed(trivy())) is Outcome.UNKNOWN
        assert outcome(damaged, placed(trivy(OPENSSL))) is Outcome.VULNERABLE
        assert verdict(placed(trivy()), unread=["https://x: status 503"]).problems == ("https://x: status 503",)


class TestAccepted:
    RULE = AcceptedVulnerability(id=OPENSSL[0].lower(), reason="not reachable", expires=date(2026, 11, 30))

    def rules(self, **change: Any) -> ScanRules:
        return ScanRules(accepted=(replace(self.RULE, **change),))

    def test_until_its_last_day(self) -> None:
        report = placed(trivy(OPENSSL))
        rules = replace(self.rules(), max_age=timedelta(0))
        last = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)
        found = verdict(report, rules=rules, now=last)
        assert found.outcome is Outcome.PASSED
        assert found.suppressed[0].why == "accepted until 2026-11-30: not reachable"
        assert found.valid_until == datetime(2026, 12, 1, tzinfo=UTC)
        assert outcome(report, rules=rules, now=last + timedelta(seconds=1)) is Outcome.VULNERABLE

    @pytest.mark.parametrize(
        "change, accepted",
        [
            ({}, True),
            ({"id": "DSA-1-1"}, True),
            ({"id": "CVE-9"}, False),
            ({"images": (REPOSITORY,)}, True),
            ({"images": ("registry.example.com/*",)}, True),
            ({"images": ("registry.example.com/other", "*/web")}, True),
            ({"images": ("registry.example.com/shop",)}, False),
            ({"images": ()}, False),
        ],
    )
    def test_names_and_images(self, change: dict[str, Any], accepted: bool) -> None:
        assert (outcome(placed(trivy(OPENSSL)), rules=self.rules(**change)) is Outcome.PASSED) is accepted


class TestVex:
    @pytest.mark.parametrize("status, passed", [("not_affected", True), ("fixed", True), ("affected", False)])
    def test_statements(self, status: str, passed: bool) -> None:
        found = verdict(placed(trivy(OPENSSL)), documents=[vex(statement(status=status))])
        assert (found.outcome is Outcome.PASSED) is passed
        if passed:
            assert found.suppressed[0].why == (
                f"{status} according to security@example.com: vulnerable_code_not_in_execute_path"
            )

    def test_a_statement_about_the_list_covers_its_platforms(self) -> None:
        documents = [vex(statement(digest=LIST, justification=None))]
        found = verdict(placed(trivy(OPENSSL)), images=[AMD64], documents=documents)
        assert found.suppressed[0].why == "not_affected according to security@example.com"

    def test_what_a_report_suppresses_is_shown(self) -> None:
        found = verdict(placed(cyclonedx(OPENSSL, analysis={"state": "not_affected"})))
        assert found.outcome is Outcome.PASSED
        assert found.suppressed[0].why == "report.json: not_affected"


def test_a_verdict_ends_when_its_oldest_report_does() -> None:
    found = verdict(
        placed(trivy(created="2026-11-20T00:00:00Z"), "a"), placed(grype(created="2026-11-21T00:00:00Z"), "b")
    )
    assert found.valid_until == datetime(2026, 11, 27, tzinfo=UTC)
    assert verdict(placed(trivy()), rules=ScanRules(max_age=timedelta(0))).valid_until is None


FINDINGS = st.builds(
    Finding, st.sampled_from(["CVE-1", "CVE-2"]), st.sampled_from(Severity), st.sampled_from(["a", "b"])
)


@given(st.lists(FINDINGS, max_size=4), FINDINGS, st.booleans())
def test_more_findings_and_fewer_reports_never_let_an_image_in(
    found: list[Finding], more: Finding, fixable: bool
) -> None:
    def result(*findings: Finding) -> Outcome:
        report = Report(tool="t", format="f", created=NOW, digests=frozenset({DIGEST}), findings=findings)
        return outcome(PlacedReport("p", report), rules=ScanRules(fixable_only=fixable))

    if result(*found) is not Outcome.PASSED:
        assert result(*found, more) is not Outcome.PASSED
    assert outcome() is not Outcome.PASSED


class TestMessages:
    IMAGE = f"{REPOSITORY}:v1"

    def test_denial(self) -> None:
        found = verdict(placed(trivy(LOW, ZLIB, OPENSSL), "/reports/a.json"))
        assert denial_text(self.IMAGE, found, ScanRules()) == (
            f'Deny "{self.IMAGE}", 2 vulnerabilities of severity HIGH or above: CVE-2024-0001 CRITICAL in openssl '
            "3.0.11 (fixed in 3.0.14); CVE-2023-45853 HIGH in zlib1g 1:1.2.13 (no fix) (report: Trivy at "
            "/reports/a.json, 2 hours old); rebuild the image with the fixed versions, or accept them in scanner.allow"
        )

    def test_one_without_a_fix(self) -> None:
        found = verdict(placed(trivy(ZLIB)))
        text = denial_text(self.IMAGE, found, ScanRules(fixable_only=True))
        assert "1 vulnerability of severity HIGH or above with a fix: " in text
        assert "no fix is known: use another package or image" in text

    def test_only_the_worst_are_named(self) -> None:
        many = [(f"CVE-{number}", "HIGH", "a", "1", "") for number in range(40)] + [OPENSSL]
        text = denial_text(self.IMAGE, verdict(placed(trivy(*many))), ScanRules())
        assert text.index(OPENSSL[0]) < text.index("CVE-0")
        assert "41 vulnerabilities" in text
        assert "; and 36 more" in text
        assert len(text) < 1000

    def test_another_image(self) -> None:
        found = verdict(placed(trivy(digest=OTHER, config=OTHER), "/reports/a.json", names_image=True))
        assert denial_text(self.IMAGE, found, ScanRules()) == (
            f'Deny "{self.IMAGE}", /reports/a.json is about another image ({OTHER}): scan the image that is deployed, '
            "by its digest, and replace the report"
        )

    def test_unknown(self) -> None:
        assert unknown_text(self.IMAGE, [f"p{number}" for number in range(7)]) == (
            f'Deny "{self.IMAGE}", its vulnerabilities are not known: p0; p1; p2; p3; p4; and 2 more; scan the image, '
            "by its digest, and put the report where scanner.reports says"
        )

    def test_finding_without_facts(self) -> None:
        assert finding_text(Finding("CVE-1", Severity.UNKNOWN, fix_unknown=True)) == "CVE-1 UNKNOWN (fix not known)"
        assert finding_text(Finding("CVE-1", Severity.LOW, "a")) == "CVE-1 LOW in a (no fix)"

    def test_detail(self) -> None:
        rules = ScanRules(accepted=(TestAccepted.RULE,))
        detail = dict(verdict_detail(verdict(placed(trivy(OPENSSL, ZLIB)), rules=rules, unread=["x"])))
        assert detail["outcome"] == "vulnerable"
        assert detail["vulnerabilities"].startswith(ZLIB[0])
        assert detail["suppressed"].endswith("accepted until 2026-11-30: not reachable")
        assert detail["reports"] == "Trivy at report.json, 2 hours old"
        assert detail["unknown"] == "x"
        assert dict(verdict_detail(ScanVerdict(Outcome.PASSED))) == {"outcome": "passed"}

    def test_a_report_without_a_time(self) -> None:
        rules = ScanRules(max_age=timedelta(0))
        text = denial_text(self.IMAGE, verdict(placed(trivy(OPENSSL, created="")), rules=rules), rules)
        assert "(report: Trivy at report.json)" in text

    @given(TEXTS, TEXTS, TEXTS, TEXTS)
    def test_hostile_reports_print_on_one_line(self, identifier: str, package: str, version: str, place: str) -> None:
        entry = (identifier or "x", "CRITICAL", package, version, version)
        found = verdict(placed(trivy(entry), place))
        lines = [denial_text(self.IMAGE, found, ScanRules()), unknown_text(self.IMAGE, [place])]
        for line in (*lines, *dict(verdict_detail(found)).values()):
            assert printable(line, 10_000) == line

    @pytest.mark.parametrize(
        "age, text",
        [
            (timedelta(seconds=-5), "0 minutes"),
            (timedelta(minutes=1), "1 minute"),
            (timedelta(minutes=59), "59 minutes"),
            (timedelta(hours=1), "1 hour"),
            (timedelta(hours=23), "23 hours"),
            (timedelta(days=1), "1 day"),
            (timedelta(days=40), "40 days"),
        ],
    )
    def test_ages(self, age: timedelta, text: str) -> None:
        assert age_text(age) == text


def test_questions_are_equal_by_all_fields() -> None:
    image = ImageReference("registry.example.com", "shop", "web", id=DIGEST)
    one = ImageScan(image, REPOSITORY, ScanRules())
    assert one == ImageScan(image, REPOSITORY, ScanRules())
    assert (
        len(
            {one, ImageScan(image, REPOSITORY, ScanRules(fixable_only=True)), ImageScan(image, REPOSITORY, ScanRules())}
        )
        == 2
    )
