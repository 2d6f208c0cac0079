"""An entry with ``va`` where scanners' reports decide."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from imagegate.core.admission.decision import DenialCode
from imagegate.core.admission.lookup import DeadlineExceeded
from imagegate.core.admission.trace import Trace
from imagegate.core.enforcement.behaviour import CiseSettings, Profile
from imagegate.core.enforcement.questions import ManifestDigest
from imagegate.core.vulnerabilities.report import Finding, Severity
from imagegate.core.vulnerabilities.rules import ImageScan, ScanRules
from imagegate.core.vulnerabilities.verdict import Outcome, ScanVerdict
from tests.support.enforcement_setup import CISE_GROUP, OTHER_DIGEST, SIGNED_DIGEST, CiseSetup, pod, policy, request

ENTRY = '{name: "*", policy: {va: {enabled: true}}}'
IMAGE = "registry.example.com/shop/web:v1"
PINNED = f"registry.example.com/shop/web@{OTHER_DIGEST}"
BAD = ScanVerdict(Outcome.VULNERABLE, (Finding("CVE-1", Severity.CRITICAL, "openssl", "1", "2"),), 1)
GOOD = ScanVerdict(Outcome.PASSED)


def world(
    verdict: ScanVerdict | None = None, *, entry: str = ENTRY, rules: ScanRules | None = None, **more: Any
) -> CiseSetup:
    settings = dataclasses.replace(CiseSettings.for_profile(Profile.PORTIERIS), scan_rules=rules or ScanRules())
    scans = {} if verdict is None else {SIGNED_DIGEST: verdict, OTHER_DIGEST: verdict}
    group = more.pop("group", CISE_GROUP)
    return CiseSetup(policy(entry, group=group), settings, {IMAGE: SIGNED_DIGEST}, scans=scans, **more)


@pytest.mark.parametrize("image", [IMAGE, PINNED])
def test_a_passing_image_of_any_registry_is_allowed_and_not_rewritten(image: str) -> None:
    decision = world(GOOD).decide(request(pod(image)))
    assert decision.allowed
    assert not decision.rewrites


@pytest.mark.parametrize("group", [CISE_GROUP, "portieris.cloud.ibm.com/v1"])
def test_the_denial_names_what_denies_and_what_fixes_it_in_both_groups(group: str) -> None:
    (denial,) = world(BAD, group=group).decide(request(pod(IMAGE))).denials
    assert denial.code is DenialCode.VULNERABILITY
    assert denial.because.startswith(
        f'Deny "{IMAGE}", 1 vulnerability of severity HIGH or above: CVE-1 CRITICAL in openssl 1'
    )
    assert "(fixed in 2)" in denial.because


def test_a_report_of_another_image() -> None:
    other = ScanVerdict(Outcome.OTHER_IMAGE, problems=("a.json is about another image (x)",))
    (denial,) = world(other).decide(request(pod(IMAGE))).denials
    assert denial.code is DenialCode.VULNERABILITY
    assert "a.json is about another image" in denial.because


def test_unknown_denies_unless_the_settings_say_otherwise() -> None:
    unknown = ScanVerdict(Outcome.UNKNOWN, problems=("no report",))
    (denial,) = world(unknown).decide(request(pod(IMAGE))).denials
    assert denial.code is DenialCode.LOOK_UP_FAILED
    assert denial.because.startswith(f'Deny "{IMAGE}", its vulnerabilities are not known: no report')
    allows = ScanRules(unknown_allows=True)
    assert world(unknown, rules=allows).decide(request(pod(IMAGE))).allowed
    for other in (BAD, None):
        assert not world(other, rules=allows).decide(request(pod(IMAGE))).allowed, "an outage is no report either"


def test_look_ups_that_fail() -> None:
    (denial,) = world().decide(request(pod(IMAGE))).denials
    assert (denial.code, "reports are down" in denial.because) == (DenialCode.LOOK_UP_FAILED, True)
    (denial,) = world(GOOD).decide(request(pod("registry.example.com/gone:v1"))).denials
    assert (denial.code, "manifest unknown" in denial.because) == (DenialCode.LOOK_UP_FAILED, True)
    for question in (ImageScan, ManifestDigest):
        setup = world(GOOD, failing={question: DeadlineExceeded("late")})
        (denial,) = setup.decide(request(pod(IMAGE))).denials
        assert denial.because == f'imagegate: deadline exceeded while checking "{IMAGE}"'


def asked(setup: CiseSetup) -> list[str]:
    return [question.image.id for question in setup.asked if isinstance(question, ImageScan)]


def test_the_digest_that_will_run_is_the_one_that_is_scanned() -> None:
    simple = '{name: "*", policy: {va: {enabled: true}, simple: {requirements: [{type: insecureAcceptAnything}]}%s}}'
    for image, entry, scanned in (
        (PINNED, ENTRY, OTHER_DIGEST),
        (IMAGE, ENTRY, SIGNED_DIGEST),
        (IMAGE, simple % "", SIGNED_DIGEST),
        (IMAGE, simple % ", mutateImage: false", SIGNED_DIGEST),
        (f"registry.example.com/shop/web:v1@{OTHER_DIGEST}", ENTRY, OTHER_DIGEST),
    ):
        setup = world(GOOD, entry=entry)
        assert setup.decide(request(pod(image))).allowed
        assert asked(setup) == [scanned]


def test_explain_shows_the_reports() -> None:
    trace = Trace()
    world(BAD).decide(request(pod(IMAGE)), trace)
    (step,) = [step for _, step in trace.steps if step.what == "requirement"]
    assert (step.outcome, step.detail["outcome"]) == ("refused", "vulnerable")
    assert step.detail["vulnerabilities"] == "CVE-1 CRITICAL in openssl 1 (fixed in 2)"
    facts = [(step.subject, step.outcome, step.because) for _, step in trace.steps if step.what == "evidence"]
    assert facts == [
        ("vulnerability", "outcome", "vulnerable"),
        ("vulnerability", "issues", "1"),
        ("vulnerability", "vulnerabilities", "CVE-1 CRITICAL in openssl 1 (fixed in 2)"),
    ]


def test_pull_secrets_are_read_first() -> None:
    secret = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: pull, namespace: default}\nstringData: {}\n"
    spec = {"imagePullSecrets": [{"name": "pull"}]}
    for settings in (CiseSettings.for_profile(Profile.PORTIERIS), world(GOOD).settings):
        setup = CiseSetup(
            policy(ENTRY) + secret,
            settings,
            {"icr.io/a:1": SIGNED_DIGEST},
            scans={SIGNED_DIGEST: GOOD},
            statuses={"icr.io/a:1": "OK"},
        )
        assert setup.decide(request(pod("icr.io/a:1", **spec))).allowed
        assert type(setup.asked[0]).__name__ == "Secret"
