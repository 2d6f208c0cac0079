"""Plug-ins that do as they are told, for tests of what stands around plug-ins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from imagegate.core.admission.decision import Decision, Denial, DenialCode, PatchOp
from imagegate.core.admission.lookup import Lookup
from imagegate.core.admission.plugin import Answers, Question
from imagegate.core.admission.request import AdmissionRequest, GroupKind, GroupResource, Phase
from imagegate.core.admission.trace import Trace
from imagegate.core.kube.status import Cause, Status
from imagegate.service.policies.policy_set import ConfiguredPlugin, Modes, PolicyHolder, PolicySet
from imagegate.service.review.lookups import Answerer, Asker, LookUp
from imagegate.service.review.reviewer import Recorder, Reviewer

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Digest(Question):
    """A question of tests."""

    name: str


@dataclass(frozen=True, slots=True)
class Remembered(Question):
    """Another one."""

    name: str


@dataclass(frozen=True, slots=True)
class Told:
    """A plug-in whose decision is given; it covers everything in both passes."""

    name: str
    decision: Callable[[AdmissionRequest, Answers], Decision]
    asks: tuple[Question, ...] = ()
    covered: bool = True

    def covers(self, request: AdmissionRequest) -> bool:
        return self.covered

    def questions(self, request: AdmissionRequest, answers: Answers) -> Iterable[Question]:
        return self.asks

    def decide(
        self, request: AdmissionRequest, answers: Answers, *, now: datetime, trace: Trace | None = None
    ) -> Decision:
        return self.decision(request, answers)


def allowing(name: str = "image-policy", *, warnings: tuple[str, ...] = (), **annotations: str) -> Told:
    return Told(name, lambda _request, _answers: Decision(plugin=name, warnings=warnings, annotations=annotations))


def rewriting(name: str, *ops: PatchOp) -> Told:
    return Told(name, lambda _request, _answers: Decision(plugin=name, rewrites=ops))


def denial(
    because: str, code: DenialCode = DenialCode.REJECTED_BY_RULE, at: str = "spec.containers[0].image"
) -> Denial:
    return Denial(code=code, image="nginx", at=at, rule="", because=because)


def invalid(*becauses: str) -> Status:
    """As the image policy denies."""
    causes = tuple(Cause("FieldValueForbidden", f"Forbidden: {b}", "spec.containers[0].image") for b in becauses)
    return Status(code=422, reason="Invalid", message=f'Pod "" is invalid: {becauses}', kind="Pod", causes=causes)


def denying(name: str, *becauses: str, status: Status | None = None) -> Told:
    decision = Decision(plugin=name, denials=tuple(map(denial, becauses)), status=status or invalid(*becauses))
    return Told(name, lambda _request, _answers: decision)


def failing(name: str = "image-policy", error: Exception | None = None) -> Told:
    def fail(_request: AdmissionRequest, _answers: Answers) -> Decision:
        raise error or KeyError("surprise")

    return Told(name, fail)


def reviewer(
    *plugins: Told | ConfiguredPlugin,
    answers: Mapping[type[Question], Callable[[Any], Lookup[Any]]] | None = None,
    recorders: tuple[Recorder, ...] = (),
    modes: Modes | None = None,
    denies_unconfigured: bool = True,
) -> Reviewer:
    """A reviewer over ``plugins``, whose questions are answered from memory."""
    configured = tuple(
        each if isinstance(each, ConfiguredPlugin) else ConfiguredPlugin(each, modes or Modes()) for each in plugins
    )
    policies = PolicyHolder(lambda: PolicySet(configured, version="0123456789abcdef"), lambda: NOW)
    table = {kind: Answerer(asker(answer), immediate=True) for kind, answer in (answers or {}).items()}
    return Reviewer(
        policies, LookUp(table), clock=lambda: NOW, recorders=recorders, denies_unconfigured=denies_unconfigured
    )


def asker(answer: Callable[[Any], Lookup[Any]]) -> Asker:
    """A port method that cares for no deadline."""

    def ask(question: Any, /, *, deadline_s: float) -> Lookup[Any]:
        return answer(question)

    return ask


def request(phase: Phase = Phase.MUTATE, *, namespace: str = "default", image: str = "nginx") -> AdmissionRequest:
    return AdmissionRequest(
        uid="u-1",
        phase=phase,
        operation="CREATE",
        kind=GroupKind("", "Pod"),
        resource=GroupResource("", "pods"),
        request_kind=GroupKind("", "Pod"),
        request_resource=GroupResource("", "pods"),
        namespace=namespace,
        object=pod(image),
    )


def pod(image: str = "nginx") -> dict[str, Any]:
    return {"kind": "Pod", "apiVersion": "v1", "metadata": {}, "spec": {"containers": [{"name": "a", "image": image}]}}


def review(image: str = "nginx", version: str = "admission.k8s.io/v1", **more: Any) -> dict[str, Any]:
    return {
        "apiVersion": version,
        "kind": "AdmissionReview",
        "request": {
            "uid": "u-1",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "operation": "CREATE",
            "namespace": "default",
            "userInfo": {"username": "alice"},
            "object": pod(image),
            **more,
        },
    }
