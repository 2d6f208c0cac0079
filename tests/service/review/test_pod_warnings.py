"""An admitted object whose Pods would be denied carries a warning; nothing else about the answer changes."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from imagegate.core.admission.decision import Decision, DenialCode
from imagegate.core.admission.lookup import Found, Lookup, Unknown
from imagegate.core.admission.plugin import Answers
from imagegate.core.admission.request import AdmissionRequest, Phase
from imagegate.core.image_streams.questions import Namespace
from imagegate.core.kube.label_selector import LabelSelector
from imagegate.service.policies.policy_set import ConfiguredPlugin, Mode, Modes, PolicyHolder, PolicySet
from imagegate.service.review.decided import WARNINGS_MAX_BYTES
from imagegate.service.review.decision_log import DecisionLog
from imagegate.service.review.lookups import Answerer, LookUp
from imagegate.service.review.recording import Recording
from imagegate.service.review.reviewer import INTERNAL_ERROR, Reviewer
from imagegate.web.metrics import MULTIPROCESS, Metrics
from tests.service.plugins import NOW, Digest, Told, asker, denial, failing, invalid, reviewer
from tests.service.review.test_decision_log import Kept

ALWAYS = Modes()
VALIDATING = frozenset({Phase.VALIDATE})
SPEC = {"containers": [{"name": "a", "image": "quay.io/evil/tool:1"}]}
KINDS = [
    ("apps", "Deployment", ("spec", "template")),
    ("apps", "ReplicaSet", ("spec", "template")),
    ("apps", "StatefulSet", ("spec", "template")),
    ("apps", "DaemonSet", ("spec", "template")),
    ("batch", "Job", ("spec", "template")),
    ("batch", "CronJob", ("spec", "jobTemplate", "spec", "template")),
    ("", "ReplicationController", ("spec", "template")),
    ("", "PodTemplate", ("template",)),
    ("apps.openshift.io", "DeploymentConfig", ("spec", "template")),
]


def holder(path: tuple[str, ...] = ("spec", "template"), spec: Any = SPEC, **metadata: Any) -> dict[str, Any]:
    value: dict[str, Any] = {"spec": spec}
    for name in reversed(path):
        value = {name: value}
    return {"metadata": {"name": "web", **metadata}, **value}


def review(
    document: dict[str, Any], group: str = "apps", kind: str = "Deployment", old: Any = None, **more: Any
) -> dict[str, Any]:
    request = {
        "uid": "u-1",
        "kind": {"group": group, "version": "v1", "kind": kind},
        "resource": {"group": group, "version": "v1", "resource": f"{kind.lower()}s"},
        "operation": "CREATE" if old is None else "UPDATE",
        "namespace": "default",
        "name": "web",
        "userInfo": {"username": "admin"},
        "object": document,
        "oldObject": old,
        **more,
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


def of_pods(
    decide: Callable[[AdmissionRequest, Answers], Decision],
    *asks: Any,
    modes: Modes = ALWAYS,
    warns_in: frozenset[Phase] = VALIDATING,
) -> ConfiguredPlugin:
    """A plug-in with rules for Pods only, as the manual's are."""
    told = Told("image-policy", decide, asks)
    return ConfiguredPlugin(_PodsOnly(told), modes, warns_in=warns_in)


class _PodsOnly:
    def __init__(self, plugin: Told) -> None:
        self._plugin = plugin
        self.name = plugin.name
        self.questions, self.decide = plugin.questions, plugin.decide

    def covers(self, request: AdmissionRequest) -> bool:
        return request.resource == ("", "pods") and request.request_resource == ("", "pods")


def no(_request: AdmissionRequest, _answers: Answers) -> Decision:
    return Decision(plugin="image-policy", denials=(denial("no rule allows it"),), status=invalid("no"))


AT = "spec.template.spec.containers[0].image"


@pytest.mark.parametrize("group, kind, path", KINDS, ids=[kind for _, kind, _ in KINDS])
def test_every_kind(group: str, kind: str, path: tuple[str, ...]) -> None:
    response = reviewer(of_pods(no)).review(review(holder(path), group, kind), Phase.VALIDATE)["response"]
    at = ".".join([*path, "spec.containers[0].image"])
    warning = f"image-policy would deny the Pods of this {kind}: {at}: nginx: no rule allows it"
    assert response == {"uid": "u-1", "allowed": True, "warnings": [warning]}


def test_the_pod_is_judged_as_its_creation_in_the_mutating_pass() -> None:
    seen: list[AdmissionRequest] = []

    def look(request: AdmissionRequest, _answers: Answers) -> Decision:
        seen.append(request)
        return Decision(plugin="image-policy")

    document = holder()
    document["spec"]["template"]["metadata"] = {"labels": {"app": "web"}, "annotations": {"a": "b"}, "name": "x"}
    old = holder(spec={"containers": []})
    answer = reviewer(of_pods(look)).review(review(document, old=old), Phase.VALIDATE)
    assert answer["response"] == {"uid": "u-1", "allowed": True}
    (pod,) = seen
    assert pod.user.name == ""  # the author's rights are not those of the controller
    assert (pod.operation, pod.phase, pod.resources, pod.old_object) == ("CREATE", Phase.MUTATE, (("", "pods"),), None)
    assert pod.object == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "namespace": "default", "labels": {"app": "web"}, "annotations": {"a": "b"}},
        "spec": SPEC,
    }


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(review(holder(ownerReferences=[{"kind": "x", "controller": True}])), id="of a controller"),
        pytest.param(review(holder(), old=holder(generation=1)), id="same template"),
        pytest.param(review(holder(), operation="DELETE"), id="deleted"),
        pytest.param(review(holder(), subResource="scale"), id="sub-resource"),
        pytest.param(review(holder(spec=None)), id="no template"),
        pytest.param(review(holder(spec=[])), id="no pod template"),
        pytest.param(review(holder(), "", "Service"), id="makes no Pods"),
        pytest.param(review({"spec": SPEC}, "example.com", "Pod"), id="another group"),
    ],
)
def test_nothing_to_warn_of(asked: dict[str, Any]) -> None:
    assert reviewer(of_pods(no)).review(asked, Phase.VALIDATE)["response"] == {"uid": "u-1", "allowed": True}


def test_only_in_its_passes_and_at_its_endpoints() -> None:
    service = reviewer(of_pods(no))
    assert "warnings" not in service.review(review(holder()), Phase.MUTATE)["response"]
    assert "warnings" in service.review(review(holder()), Phase.VALIDATE, {"image-policy"})["response"]
    off = reviewer(of_pods(no, warns_in=frozenset()))
    assert "warnings" not in off.review(review(holder()), Phase.VALIDATE)["response"]


def test_an_object_that_is_judged_as_its_pods_needs_no_warning() -> None:
    everywhere = ConfiguredPlugin(Told("cise", allow_all_but_pods), warns_in=VALIDATING, judges_alike=True)
    assert "warnings" not in reviewer(everywhere).review(review(holder()), Phase.VALIDATE)["response"]
    pods_only = replace(of_pods(no), judges_alike=True)
    assert "warnings" in reviewer(pods_only).review(review(holder()), Phase.VALIDATE)["response"]


def allow_all_but_pods(request: AdmissionRequest, answers: Answers) -> Decision:
    return no(request, answers) if request.resource == ("", "pods") else Decision(plugin="cise")


def test_a_denied_object_has_no_such_warnings() -> None:
    denying = ConfiguredPlugin(Told("cise", no))
    response = reviewer(of_pods(no), denying).review(review(holder()), Phase.VALIDATE)["response"]
    assert (response["allowed"], "warnings" in response) == (False, False)


@pytest.mark.parametrize("mode, warned", [(Mode.ENFORCE, True), (Mode.WARN, True), (Mode.AUDIT, False)])
def test_modes_of_the_namespace(mode: Mode, warned: bool) -> None:
    modes = Modes(Mode.ENFORCE, ((LabelSelector.of({"a": "b"}), mode),))
    answers: dict[Any, Any] = {Namespace: lambda _q: Found({"metadata": {"labels": {"a": "b"}}})}
    response = reviewer(of_pods(no, modes=modes), answers=answers).review(review(holder()), Phase.VALIDATE)["response"]
    assert ("warnings" in response) is warned


def test_what_could_not_be_looked_up_is_a_warning_and_no_denial() -> None:
    def late(_request: AdmissionRequest, _answers: Answers) -> Decision:
        failed = denial("registry.example: time-out", DenialCode.LOOK_UP_FAILED)
        return Decision(plugin="image-policy", denials=(failed,), status=invalid("no"))

    response = reviewer(of_pods(late)).review(review(holder()), Phase.VALIDATE)["response"]
    assert response["allowed"] is True
    at = "spec.template.spec.containers[0].image"
    text = f"image-policy could not judge the Pods of this Deployment: {at}: nginx: registry.example: time-out"
    assert response["warnings"] == [text]


def test_a_plug_in_that_fails_is_a_warning_and_no_denial() -> None:
    broken = ConfiguredPlugin(_PodsOnly(failing()), warns_in=VALIDATING)
    response = reviewer(broken).review(review(holder()), Phase.VALIDATE)["response"]
    assert response["allowed"] is True
    (warning,) = response["warnings"]
    assert warning.startswith("image-policy could not judge the Pods of this Deployment: spec.template.spec: ")


def test_an_object_that_cannot_be_read_is_left_to_the_api_server() -> None:
    odd: tuple[Any, ...] = ([], "x", {"ownerReferences": "x"})
    for metadata in odd:
        response = reviewer(of_pods(no)).review(review({**holder(), "metadata": metadata}), Phase.VALIDATE)["response"]
        assert response["allowed"] is True


def test_answers_of_the_object_are_not_looked_up_again() -> None:
    asked: list[Any] = []

    def answer(question: Any) -> Lookup[Any]:
        asked.append(question)
        return Unknown("x")

    def read(_request: AdmissionRequest, answers: Answers) -> Decision:
        answers.get(Digest("x"))
        return Decision(plugin="cise")

    def read_and_deny(request: AdmissionRequest, answers: Answers) -> Decision:
        read(request, answers)
        return no(request, answers)

    service = reviewer(Told("cise", read), of_pods(read_and_deny), answers={Digest: answer})
    assert "warnings" in service.review(review(holder()), Phase.VALIDATE)["response"]
    assert asked == [Digest("x")]


def test_long_warnings_end_after_a_clause_and_many_are_counted() -> None:
    def many(request: AdmissionRequest, _answers: Answers) -> Decision:
        because = f"{'no rule allows it ' * 5}; {'a list of what is allowed ' * 20}"
        denials = tuple(
            replace(denial(because), at=f"spec.containers[{index}].image")
            for index in range(len(SPEC["containers"]) + 99)
        )
        return Decision(plugin="image-policy", denials=denials, status=invalid("no"))

    warnings = reviewer(of_pods(many)).review(review(holder()), Phase.VALIDATE)["response"]["warnings"]
    assert warnings[0].endswith("no rule allows it …")
    assert all(len(each) <= 256 for each in warnings)
    assert sum(map(len, warnings)) <= 4096
    assert warnings[-1] == f"{100 - len(warnings) + 1} more warnings are not shown"


def test_the_object_is_not_changed() -> None:
    document = holder()
    before = copy.deepcopy(document)
    reviewer(of_pods(no)).review(review(document), Phase.VALIDATE)
    assert document == before


def test_the_deadline_is_that_of_the_request() -> None:
    def hang(_question: Any) -> Lookup[Any]:
        time.sleep(3)
        return Found("late")

    def judged(_request: AdmissionRequest, answers: Answers) -> Decision:
        answer = answers.get(Digest("x"))
        why = "not looked up" if answer is None else str(answer)
        return Decision(plugin="image-policy", denials=(denial(why, DenialCode.LOOK_UP_FAILED),), status=invalid("no"))

    policies = PolicyHolder(lambda: PolicySet((of_pods(judged, Digest("x")),)), lambda: NOW)
    service = Reviewer(policies, LookUp({Digest: Answerer(asker(hang))}), clock=lambda: NOW)
    began = time.monotonic()
    response = service.review(review(holder()), Phase.VALIDATE, timeout_s=0.5)["response"]
    assert time.monotonic() - began < 1.5
    assert response["allowed"] is True
    (warning,) = response["warnings"]
    assert "could not judge the Pods" in warning
    assert "0.4" in warning


def recorded(*plugins: ConfiguredPlugin, asked: dict[str, Any]) -> tuple[list[dict[str, Any]], Metrics]:
    """The records of two equal reviews, and what was counted."""
    kept, metrics = Kept(), Metrics()
    service = reviewer(*plugins, recorders=(Recording(NOW.timestamp, DecisionLog(kept), metrics),))
    for _ in range(2):
        service.review(asked, Phase.VALIDATE)
    return kept.records, metrics


def test_the_record_has_the_warnings_and_they_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MULTIPROCESS, raising=False)
    records, metrics = recorded(of_pods(no), asked=review(holder()))
    found = {
        "plugin": "image-policy",
        "at": AT,
        "image": "nginx",
        "code": "rejected-by-rule",
        "because": "no rule allows it",
    }
    assert [(each["allowed"], each["decisions"], each["podWarnings"]) for each in records] == [(True, [], [found])] * 2
    counted = b'imagegate_pod_warnings_total{code="rejected-by-rule",kind="Deployment.apps",plugin="image-policy"} 2.0'
    assert counted in metrics.text()


def test_a_review_without_warnings_has_none_in_its_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MULTIPROCESS, raising=False)
    records, metrics = recorded(of_pods(lambda *_: Decision(plugin="image-policy")), asked=review(holder()))
    assert ["podWarnings" in each for each in records] == [False, False]
    assert b"imagegate_pod_warnings_total{" not in metrics.text()


def test_many_warnings_leave_the_record_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MULTIPROCESS, raising=False)

    def many(_request: AdmissionRequest, _answers: Answers) -> Decision:
        denials = tuple(replace(denial("because " * 99), at=f"spec.containers[{index}].image") for index in range(500))
        return Decision(plugin="image-policy", denials=denials, status=invalid("no"))

    records, metrics = recorded(of_pods(many), asked=review(holder()))
    assert len(json.dumps(records[0]["podWarnings"])) <= WARNINGS_MAX_BYTES + 100
    assert records[0]["podWarningsLeftOut"] == 500 - len(records[0]["podWarnings"])
    assert b'plugin="image-policy"} 1000.0' in metrics.text()


def test_pods_that_could_not_be_judged_are_in_the_record() -> None:
    class Unreadable(Modes):
        def strictest(self) -> Mode:
            raise RuntimeError("x")

    modes = Unreadable(Mode.ENFORCE, ((LabelSelector.of({"a": "b"}), Mode.WARN),))
    kept = Kept()
    service = reviewer(of_pods(no, modes=modes), recorders=(Recording(NOW.timestamp, DecisionLog(kept)),))
    response = service.review(review(holder()), Phase.VALIDATE)["response"]
    assert response["allowed"] is True
    assert response["warnings"] == [f"the Pods of this Deployment could not be judged: {INTERNAL_ERROR}"]
    assert kept.records[0]["podWarnings"] == [{"code": "internal-error", "because": INTERNAL_ERROR}]
