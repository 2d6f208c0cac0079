"""The whole ImagePolicy plug-in, both passes, in profile openshift-4."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from imagegate.adapters.files.image_streams import ImageStreamsFromObjects
from imagegate.core.admission.decision import Decision
from imagegate.core.admission.lookup import Found, Lookup
from imagegate.core.admission.patch import apply_patch
from imagegate.core.admission.plugin import KnownAnswers, Question
from imagegate.core.admission.request import AdmissionRequest, GroupKind, GroupResource, Phase
from imagegate.core.admission.workload import BUILDS, WORKLOADS, dig
from imagegate.core.image_policy.behaviour import openshift_4
from imagegate.core.image_policy.plugin import ImagePolicyPlugin
from imagegate.core.image_streams.questions import Image, Namespace, PullSpecHolders, Stream, StreamImage, StreamTag
from imagegate.core.profile import Profile
from imagegate.documents.image_policy_config import load_image_policy
from imagegate.service.evidence.openshift4_image_cache import CachedImages
from tests.conformance.context import Context, differences

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PANIC = "runtime error: invalid memory address or nil pointer dereference"


def run(case: dict[str, Any], context: Context) -> str | None:
    """None if every pass answers as the original did."""
    expected = {key: case.get(key) for key in ("admit", "validate", "validateCold", "validateOnly")}
    got = _answers(case, context)
    if got["validateCold"] == got["validate"]:
        got["validateCold"] = None
    return differences(_comparable(expected), _comparable(got))


def _answers(case: dict[str, Any], context: Context) -> dict[str, Any]:
    request = case["request"]
    warm = _Instance(case, context)
    admitted, left = warm.review(request, Phase.MUTATE)
    validate = cold = None
    if admitted["allowed"]:
        again = {**request, "object": left}
        validate = warm.review(again, Phase.VALIDATE)[0]
        cold = _Instance(case, context).review(again, Phase.VALIDATE)[0]
    only = _Instance(case, context).review(request, Phase.VALIDATE)[0]
    return {"admit": admitted, "validate": validate, "validateCold": cold, "validateOnly": only}


class _Instance:
    """One process of the plug-in, with its image cache, that has served what came before."""

    def __init__(self, case: dict[str, Any], context: Context) -> None:
        config = load_image_policy(case["config"], profile=Profile.OPENSHIFT_4).config
        kinds = None if case.get("mutators") != "kube" else frozenset(_kubernetes_kinds())
        self._plugin = ImagePolicyPlugin(config, openshift_4(case["integratedRegistry"]), kinds=kinds)
        catalogue = context.json("policy_admit.catalogues.json").get(case.get("catalogue")) or {}
        self._streams = ImageStreamsFromObjects(
            image_streams=catalogue.get("imageStreams", ()),
            image_stream_tags=catalogue.get("imageStreamTags", ()),
            image_stream_images=catalogue.get("imageStreamImages", ()),
            images=catalogue.get("images", ()),
            namespaces=[
                {"metadata": {"name": name, "annotations": annotations}}
                for name, annotations in (case.get("namespaces") or {}).items()
            ],
        )
        self._cache = CachedImages(self._streams, lambda: 0.0)
        for earlier in case.get("before", ()):
            self._admit_and_validate(earlier)

    def _admit_and_validate(self, request: dict[str, Any]) -> None:
        admitted, left = self.review(request, Phase.MUTATE)
        if admitted["allowed"]:
            self.review({**request, "object": left}, Phase.VALIDATE)

    def review(self, request: dict[str, Any], phase: Phase) -> tuple[dict[str, Any], Any]:
        parsed = _request(request, phase)
        if not self._plugin.covers(parsed):
            return _result(Decision(plugin="image-policy"), request, request.get("object"), phase)
        answers = KnownAnswers()
        while asked := [question for question in self._plugin.questions(parsed, answers) if question not in answers]:
            for question in dict.fromkeys(asked):
                answers[question] = self._answer(question)
        decision = self._plugin.decide(parsed, answers, now=NOW)
        left = copy.deepcopy(request.get("object"))
        if left is not None and decision.rewrites:
            left = apply_patch(left, decision.rewrites)
        return _result(decision, request, left, phase)

    def _answer(self, question: Question) -> Lookup[Any]:
        match question:
            case Image():
                return self._cache.image(question, deadline_s=1)
            case StreamTag():
                return self._cache.stream_tag(question, deadline_s=1)
            case StreamImage():
                return self._cache.stream_image(question, deadline_s=1)
            case Stream():
                return self._streams.stream(question, deadline_s=1)
            case Namespace():
                return self._streams.namespace(question, deadline_s=1)
            case PullSpecHolders():
                return Found(frozenset())
        raise TypeError(f"the plug-in asked {question}")


def _kubernetes_kinds() -> Iterator[GroupKind]:
    return (kind for kind in WORKLOADS if not kind.group.endswith(".openshift.io"))


def _request(request: dict[str, Any], phase: Phase) -> AdmissionRequest:
    resource = GroupResource(request["resource"]["group"], request["resource"]["resource"])
    kind = GroupKind(request["kind"]["group"], request["kind"]["kind"])
    return AdmissionRequest(
        uid="uid",
        phase=phase,
        operation=request["operation"],
        kind=kind,
        request_kind=kind,
        resource=resource,
        request_resource=resource,
        sub_resource=request.get("subresource", ""),
        namespace=request.get("namespace", ""),
        name=request.get("name", ""),
        object=request.get("object"),
        old_object=request.get("oldObject"),
    )


def _result(
    decision: Decision, request: dict[str, Any], left: dict[str, Any] | None, phase: Phase
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    result: dict[str, Any] = {"allowed": decision.allowed}
    if decision.status is not None:
        status = decision.status.to_json()
        if decision.status.code == 500 and PANIC in decision.status.message:
            return {"allowed": False, "panic": PANIC}, left
        result["status"] = {key: status[key] for key in ("code", "details", "message", "reason", "status")}
    elif phase is Phase.MUTATE:
        result["images"] = _images(request, left or {})
    return result, left


def _images(request: dict[str, Any], document: dict[str, Any]) -> list[dict[str, Any]]:
    kind = GroupKind(request["kind"]["group"], request["kind"]["kind"])
    if kind in BUILDS:
        return list(_build_references(document))
    shape = WORKLOADS.get(kind)
    spec = dig(document, shape.pod_spec) if shape is not None else None
    if shape is None or spec is None:
        return []
    path = ".".join(shape.pod_spec)
    return [
        {"path": f"{path}.{group}[{index}].image", "ref": container.get("image", "")}
        for group in ("initContainers", "containers", "ephemeralContainers")
        for index, container in enumerate(spec.get(group) or ())
    ]


def _build_references(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """As the API prints them, defaults filled in."""
    spec = document["spec"]
    for index, source in enumerate(spec.get("source", {}).get("images") or ()):
        yield {"path": f"spec.source.images[{index}].from", "ref": source.get("from", {})}
    for name in ("customStrategy", "dockerStrategy", "sourceStrategy"):
        reference = (spec.get("strategy", {}).get(name) or {}).get("from")
        if reference is not None:
            yield {"path": f"spec.strategy.{name}.from", "ref": _defaulted(reference)}
    output = (spec.get("output") or {}).get("to")
    if output is not None:
        yield {"path": "spec.output.to", "ref": _defaulted(output)}


def _defaulted(reference: dict[str, Any]) -> dict[str, Any]:
    kind, name = reference.get("kind") or "ImageStreamTag", reference.get("name", "")
    if kind == "ImageStream":
        kind, name = "ImageStreamTag", f"{name}:latest"
    return {**reference, "kind": kind, "name": name}


def _comparable(answers: dict[str, Any]) -> dict[str, Any]:
    """Drops what the vectors leave out when it is empty."""

    def pruned(result: dict[str, Any] | None) -> dict[str, Any] | None:
        if result is None:
            return None
        return {key: value for key, value in result.items() if value or key == "allowed"}

    return {key: pruned(result) for key, result in answers.items()}
