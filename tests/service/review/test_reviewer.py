"""Plug-ins together: order, modes, one answer. The plug-ins are told what to say; what they say is tested elsewhere."""

from __future__ import annotations

import base64
import json
import logging
from dataclasses import replace
from typing import Any

import pytest

from imagegate.core.admission.decision import Decision, DenialCode, PatchOp
from imagegate.core.admission.lookup import Absent, Found, Lookup, Unknown
from imagegate.core.admission.plugin import Answers
from imagegate.core.admission.request import AdmissionRequest, Phase
from imagegate.core.admission.trace import Trace
from imagegate.core.image_streams.questions import Namespace
from imagegate.core.kube.label_selector import LabelSelector
from imagegate.core.kube.status import Status
from imagegate.errors import InvalidReview
from imagegate.service.policies.policy_set import ConfiguredPlugin, Mode, Modes
from imagegate.service.review.response import WARNING_MAX_CHARACTERS, WARNINGS_MAX_CHARACTERS, Outcome
from tests.service.plugins import (
    Digest,
    Told,
    allowing,
    denial,
    denying,
    failing,
    invalid,
    request,
    review,
    reviewer,
    rewriting,
)

IMAGE = "/spec/containers/0/image"
FORBIDDEN = Status(code=403, reason="Forbidden", message="\nDeny, no policy")


def patch_of(answer: dict[str, Any]) -> Any:
    assert answer["response"]["patchType"] == "JSONPatch"
    return json.loads(base64.b64decode(answer["response"]["patch"]))


@pytest.mark.parametrize("version", ["admission.k8s.io/v1", "admission.k8s.io/v1beta1"])
def test_answers_in_the_version_asked_with_the_uid(version: str) -> None:
    assert reviewer(allowing()).review(review(version=version), Phase.MUTATE) == {
        "apiVersion": version,
        "kind": "AdmissionReview",
        "response": {"uid": "u-1", "allowed": True},
    }


def test_nothing_configured_allows() -> None:
    assert reviewer().review(review(), Phase.VALIDATE)["response"] == {"uid": "u-1", "allowed": True}


def test_a_denial_carries_its_status_as_it_is() -> None:
    answer = reviewer(denying("image-policy", "no")).review(review(), Phase.MUTATE)
    assert answer["response"]["allowed"] is False
    assert answer["response"]["status"] == invalid("no").to_json()
    assert "patch" not in answer["response"]


def test_a_status_without_code_and_reason_stays_without() -> None:
    bare = Status(code=0, reason="", message="\nDeny")
    answer = reviewer(denying("cise", "Deny", status=bare)).review(review(), Phase.MUTATE)
    assert answer["response"]["status"].keys() == {"kind", "apiVersion", "metadata", "status", "message"}


def test_plugins_see_the_object_as_patched_before_and_all_patches_are_answered() -> None:
    seen: list[Any] = []

    def look(request: AdmissionRequest, _answers: Answers) -> Decision:
        seen.append(request.object)
        return Decision(plugin="always-pull", rewrites=(PatchOp("add", "/spec/x", "Always"),))

    first = rewriting("image-policy", PatchOp("replace", IMAGE, "nginx@sha256:1"))
    document = review()
    answer = reviewer(first, Told("always-pull", look)).review(document, Phase.MUTATE)
    assert seen[0]["spec"]["containers"][0]["image"] == "nginx@sha256:1"
    assert patch_of(answer) == [
        {"op": "replace", "path": IMAGE, "value": "nginx@sha256:1"},
        {"op": "add", "path": "/spec/x", "value": "Always"},
    ]
    assert document == review()


def test_the_validating_pass_never_patches() -> None:
    plugin = rewriting("image-policy", PatchOp("replace", IMAGE, "nginx@sha256:1"))
    assert "patch" not in reviewer(plugin).review(review(), Phase.VALIDATE)["response"]


def test_one_denial_takes_every_patch_away() -> None:
    plugins = (rewriting("image-policy", PatchOp("replace", IMAGE, "x")), denying("cise", "no"))
    outcome = reviewer(*plugins).decide(request())
    assert outcome.patch == ()
    assert outcome.object == request().object


def test_one_denial_never_hides_another() -> None:
    answer = reviewer(
        denying("image-policy", "by rule"), allowing("x"), denying("cise", "Deny, no policy", status=FORBIDDEN)
    ).review(review(), Phase.MUTATE)
    status = answer["response"]["status"]
    assert (status["code"], status["reason"]) == (422, "Invalid")
    assert status["message"] == f"{invalid('by rule').message}\nDeny, no policy"
    assert [cause["message"] for cause in status["details"]["causes"]] == [
        "Forbidden: by rule",
        "Forbidden: Deny, no policy",
    ]


def test_a_definite_denial_leads_a_failure_that_could_be_retried() -> None:
    late = Status(code=500, reason="InternalError", message="no answer", retry_after_s=5)
    outcome = reviewer(denying("a", "no answer", status=late), denying("b", "no", status=FORBIDDEN)).decide(request())
    assert outcome.status is not None
    assert (outcome.status.code, outcome.status.retry_after_s) == (403, 0)
    alone = reviewer(denying("a", "no answer", status=late)).decide(request())
    assert alone.status == late


def test_a_plugin_that_fails_denies_and_the_others_still_speak(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        answer = reviewer(failing("image-policy"), denying("cise", "no")).review(review(), Phase.MUTATE)
    assert "surprise" in caplog.text
    response = answer["response"]
    assert (response["uid"], response["allowed"], response["status"]["code"]) == ("u-1", False, 422)
    assert "image-policy: internal error" in response["status"]["message"]
    assert "surprise" not in json.dumps(answer)


def test_a_failure_alone_is_code_500() -> None:
    response = reviewer(failing()).review(review(), Phase.MUTATE)["response"]
    assert (response["uid"], response["allowed"], response["status"]["code"]) == ("u-1", False, 500)


def test_a_patch_that_does_not_fit_denies() -> None:
    plugin = rewriting("image-policy", PatchOp("replace", "/spec/containers/7/image", "x"))
    response = reviewer(plugin).review(review(), Phase.MUTATE)["response"]
    assert (response["allowed"], response["status"]["code"]) == (False, 500)


def test_an_unexpected_failure_around_the_plugins_denies_with_the_uid(caplog: pytest.LogCaptureFixture) -> None:
    unprintable = Told("x", lambda _r, _a: Decision(plugin="x", rewrites=(PatchOp("add", "/spec/x", object()),)))
    with caplog.at_level(logging.ERROR):
        answer = reviewer(unprintable).review(review(version="admission.k8s.io/v1beta1"), Phase.MUTATE)
    response = answer["response"]
    assert (response["uid"], response["allowed"], response["status"]["code"]) == ("u-1", False, 500)
    assert answer["apiVersion"] == "admission.k8s.io/v1beta1"
    assert "Traceback" in caplog.text


def test_an_unreadable_review_is_not_answered() -> None:
    with pytest.raises(InvalidReview, match="uid: required"):
        reviewer(allowing()).review(review(uid=""), Phase.MUTATE)


@pytest.mark.parametrize(
    "mode, warnings, annotations",
    [
        (Mode.WARN, ["image-policy would deny: spec.containers[0].image: no"], None),
        (Mode.AUDIT, None, {"image-policy-would-deny": "spec.containers[0].image: no"}),
    ],
)
def test_a_mode_that_does_not_enforce_admits_and_tells(mode: Mode, warnings: Any, annotations: Any) -> None:
    response = reviewer(denying("image-policy", "no"), modes=Modes(mode)).review(review(), Phase.MUTATE)["response"]
    assert response["allowed"] is True
    assert response.get("warnings") == warnings
    assert response.get("auditAnnotations") == annotations


@pytest.mark.parametrize("mode", [Mode.WARN, Mode.AUDIT])
def test_a_mode_that_does_not_enforce_never_changes_the_object(mode: Mode) -> None:
    plugin = rewriting("image-policy", PatchOp("replace", IMAGE, "x"))
    assert reviewer(plugin, modes=Modes(mode)).decide(request()).patch == ()
    assert reviewer(plugin, modes=Modes(Mode.ENFORCE)).decide(request()).patch != ()


@pytest.mark.parametrize("mode", [Mode.WARN, Mode.AUDIT])
def test_a_failing_plugin_does_not_deny_where_it_is_not_enforced(mode: Mode) -> None:
    assert reviewer(failing(), modes=Modes(mode)).decide(request()).allowed


STAGING = Modes(Mode.ENFORCE, ((LabelSelector.of({"stage": "test"}), Mode.WARN),))


@pytest.mark.parametrize(
    "namespace, admitted",
    [
        (Found({"metadata": {"labels": {"stage": "test"}}}), True),
        (Found({"metadata": {"labels": {"stage": "live"}}}), False),
        (Found({"metadata": {}}), False),
        (Absent("no such namespace"), False),
        (Unknown("time-out"), False),
    ],
)
def test_the_mode_may_differ_by_the_labels_of_the_namespace(namespace: Lookup[Any], admitted: bool) -> None:
    service = reviewer(denying("image-policy", "no"), modes=STAGING, answers={Namespace: lambda _q: namespace})
    assert service.decide(request()).allowed is admitted


def test_unknown_labels_mean_the_strictest_mode() -> None:
    lenient = Modes(Mode.AUDIT, ((LabelSelector.of({"stage": "live"}), Mode.ENFORCE),))
    known: dict[Any, Any] = {Namespace: lambda _q: Found({"metadata": {}})}
    unknown: dict[Any, Any] = {Namespace: lambda _q: Unknown("time-out")}
    assert reviewer(denying("a", "no"), modes=lenient, answers=known).decide(request()).allowed
    assert not reviewer(denying("a", "no"), modes=lenient, answers=unknown).decide(request()).allowed


def test_only_the_plugins_asked_for_are_asked() -> None:
    service = reviewer(denying("image-policy", "no"), allowing("always-pull"))
    assert service.decide(request(), plugins={"always-pull"}).allowed
    assert not service.decide(request(), plugins={"image-policy"}).allowed


def test_asking_for_a_plugin_that_is_not_configured_is_denied() -> None:
    service = reviewer(allowing("always-pull"))
    response = service.review(review(), Phase.MUTATE, {"cise"})["response"]
    assert response["allowed"] is False
    assert response["status"]["code"] == 403
    assert response["status"]["message"].startswith("imagegate: cise not configured, so nothing was checked: ")
    assert not service.decide(request(), plugins={"cise", "image-policy"}).allowed
    assert service.decide(request(), plugins={"cise", "always-pull"}).allowed


@pytest.mark.parametrize("operation", ["DELETE", "CONNECT"])
def test_what_makes_no_image_run_is_not_denied_there(operation: str) -> None:
    outcome = reviewer(allowing("always-pull")).decide(replace(request(), operation=operation), plugins={"cise"})
    assert outcome.allowed


def test_it_may_be_allowed_with_a_warning() -> None:
    service = reviewer(allowing("always-pull"), denies_unconfigured=False)
    assert service.review(review(), Phase.MUTATE, {"cise"})["response"] == {
        "uid": "u-1",
        "allowed": True,
        "warnings": ["imagegate: cise not configured; nothing was checked"],
    }


def test_warnings_and_annotations_of_all_plugins_are_answered_once() -> None:
    response = reviewer(
        allowing("a", warnings=("old tag", "both"), skipped="yes"), allowing("b", warnings=("both",), used="r1")
    ).review(review(), Phase.MUTATE)["response"]
    assert response["warnings"] == ["old tag", "both"]
    assert response["auditAnnotations"] == {"skipped": "yes", "used": "r1"}


def test_warnings_stay_within_the_limits_of_the_api_server() -> None:
    many = tuple(f"{n}: {'x' * 400}\nsecond line" for n in range(100))
    warnings = reviewer(allowing(warnings=many)).review(review(), Phase.MUTATE)["response"]["warnings"]
    assert all(len(warning) <= WARNING_MAX_CHARACTERS and "\n" not in warning for warning in warnings)
    assert sum(map(len, warnings)) <= WARNINGS_MAX_CHARACTERS
    assert warnings[-1] == f"{100 - len(warnings) + 1} more warnings are not shown"


def test_lack_of_evidence_is_told_from_a_denial() -> None:
    lacking = Told(
        "a",
        lambda _r, _a: Decision(
            plugin="a", denials=(denial("no answer", DenialCode.LOOK_UP_FAILED),), status=invalid("no answer")
        ),
    )
    assert reviewer(lacking).decide(request()).only_lacks_evidence
    assert not reviewer(lacking, denying("b", "no")).decide(request()).only_lacks_evidence
    assert not reviewer(allowing()).decide(request()).only_lacks_evidence


def test_answers_are_shared_by_the_plugins_of_one_review() -> None:
    asked: list[Any] = []

    def answer(question: Any) -> Lookup[Any]:
        asked.append(question)
        return Found(1)

    plugins = (Told("a", lambda _r, _a: Decision(plugin="a"), (Digest("x"),)), Told("b", _needs, (Digest("x"),)))
    assert reviewer(*plugins, answers={Digest: answer}).decide(request()).allowed
    assert asked == [Digest("x")]


def _needs(_request: AdmissionRequest, answers: Answers) -> Decision:
    assert answers.get(Digest("x")) == Found(1)
    return Decision(plugin="b")


def test_a_trace_says_which_plugins_covered_the_request() -> None:
    trace = Trace()
    not_covering = Told("cise", lambda _r, _a: Decision(plugin="cise"), covered=False)
    outcome = reviewer(allowing("image-policy"), not_covering).decide(request(), trace=trace)
    assert [(step.subject, step.outcome) for _, step in trace.steps] == [
        ("image-policy", "covered"),
        ("cise", "not-covered"),
    ]
    assert [verdict.decision.plugin for verdict in outcome.verdicts] == ["image-policy"]


class Recorded:
    def __init__(self, *, broken: bool = False) -> None:
        self.outcomes: list[Outcome] = []
        self._broken = broken

    def decided(self, outcome: Outcome, seconds: float) -> None:
        if self._broken:
            raise OSError("disk full")
        assert seconds >= 0
        self.outcomes.append(outcome)


def test_every_decision_is_recorded_and_a_broken_recorder_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    recorded = Recorded()
    service = reviewer(denying("image-policy", "no"), recorders=(Recorded(broken=True), recorded))
    with caplog.at_level(logging.ERROR):
        assert service.review(review(), Phase.MUTATE)["response"]["allowed"] is False
    assert [outcome.allowed for outcome in recorded.outcomes] == [False]
    assert "disk full" in caplog.text


def test_the_same_plugin_may_have_a_mode_of_its_own() -> None:
    service = reviewer(
        ConfiguredPlugin(denying("image-policy", "no"), Modes(Mode.WARN)), ConfiguredPlugin(denying("cise", "no"))
    )
    outcome = service.decide(request())
    assert [each.because for each in outcome.denials] == ["no"]
    assert [verdict.word for verdict in outcome.verdicts] == ["warned", "denied"]
