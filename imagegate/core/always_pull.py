"""AlwaysPullImages: every pod pulls its images with its own credentials.

Source: Kubernetes plugin/pkg/admission/alwayspullimages; docs/spec/image-policy.md 1.5. Unlike the original, it
covers ephemeral containers added through ``pods/ephemeralcontainers``. The pod's earlier containers are left alone,
because their pull policy can no longer change. Pod templates are never touched.
One of the five plug-ins; it is small, so it is one module and not a folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from imagegate.core.admission.decision import Decision, Denial, DenialCode, PatchOp, pointer
from imagegate.core.admission.hint import told
from imagegate.core.admission.object_faults import fault_denials, faults
from imagegate.core.admission.plugin import Answers, Question
from imagegate.core.admission.request import AdmissionRequest, GroupKind, GroupResource, Phase
from imagegate.core.admission.trace import Step, Trace
from imagegate.core.admission.workload import Extent, ImageUse, InvalidObject, bounded, dig, pod_images
from imagegate.core.kube.field_errors import aggregate, not_supported
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.kube.status import Status

NAME = "always-pull"
ALWAYS = "Always"
EPHEMERAL_CONTAINERS = "ephemeralcontainers"
PODS = GroupResource("", "pods")
POD = GroupKind("", "Pod")
_EXTENT = Extent()
ADVICE = "AlwaysPullImages is on: set imagePullPolicy: Always, or use the mutating webhook too, which sets it"


class _Place(NamedTuple):
    """One image and the field that holds its pull policy."""

    use: ImageUse
    field: str
    policy: object


class AlwaysPullPlugin:
    """The plug-in. It has no configuration beyond being on.

    Args:
        advises: denials also tell what to do; off: the original's sentence alone.
    """

    __slots__ = ("_advice",)

    def __init__(self, *, advises: bool = False) -> None:
        self._advice = ADVICE if advises else ""

    @property
    def name(self) -> str:
        """``always-pull``."""
        return NAME

    def covers(self, request: AdmissionRequest) -> bool:
        """True for pods, CREATE and UPDATE; of the subresources only ephemeral containers."""
        return (
            request.resource == PODS
            and request.kind == POD
            and request.operation in ("CREATE", "UPDATE")
            and request.sub_resource in ("", EPHEMERAL_CONTAINERS)
            and request.object is not None
        )

    def questions(self, request: AdmissionRequest, answers: Answers) -> Iterable[Question]:  # noqa: ARG002
        """Nothing; the pod is enough."""
        return ()

    def decide(
        self,
        request: AdmissionRequest,
        answers: Answers,  # noqa: ARG002 - nothing is looked up
        *,
        now: datetime,  # noqa: ARG002 - nothing depends on the time
        trace: Trace | None = None,
    ) -> Decision:
        """Write ``Always`` in the mutating pass, refuse anything else in the validating pass."""
        document = request.object or {}
        try:
            if request.sub_resource == EPHEMERAL_CONTAINERS:
                candidates: Iterable[_Place] = _added(document, request.old_object)
            elif request.operation == "UPDATE" and not _introduces_images(document, request.old_object):
                return Decision(plugin=NAME)
            else:
                candidates = _places(document)
            places = [place for place in candidates if place.policy != ALWAYS]
            bounded(place.use for place in places)
        except InvalidObject as error:
            found = faults(error, lambda pod: bounded(place.use for place in _places(pod)), document)
            denials = tuple(replace(each, rule=NAME) for each in fault_denials(found))
            return Decision(plugin=NAME, denials=denials, status=_status(request, list(map(str, found))))
        if trace is not None:
            for place in places:
                trace.add(place.field, Step("pull-policy", place.use.name, "changed", f"was {place.policy!r}"))
        if request.phase is Phase.MUTATE:
            # add, not replace: RFC 6902 "add" also replaces, and the field may be absent
            return Decision(
                plugin=NAME, rewrites=tuple(PatchOp("add", pointer(place.field), ALWAYS) for place in places)
            )
        return _validated(request, places, self._advice)


def _validated(request: AdmissionRequest, places: list[_Place], advice: str) -> Decision:
    if not places:
        return Decision(plugin=NAME)
    denials, texts = [], []
    for place in places:
        written = place.policy if isinstance(place.policy, str) else ""
        error = not_supported(place.field, written, [ALWAYS])
        texts.append(told(str(error), advice))
        denials.append(
            Denial(
                code=DenialCode.NOT_ALWAYS_PULLED,
                image=place.use.name,
                at=place.field,
                rule=NAME,
                because=error.body,
                hint=advice,
            )
        )
    return Decision(plugin=NAME, denials=tuple(denials), status=_status(request, texts))


def _status(request: AdmissionRequest, texts: Iterable[str]) -> Status:
    name = f" {go_quote(request.name)}" if request.name else ""
    return Status(
        code=403,
        reason="Forbidden",
        message=aggregate(f"{PODS}{name} is forbidden: {text}" for text in texts),
        kind=PODS.resource,
        name=request.name,
    )


def _places(document: Mapping[str, Any]) -> Iterable[_Place]:
    spec = dig(document, ("spec",)) or {}
    for use in pod_images(spec, "spec", _EXTENT):
        group, _, rest = use.field.removeprefix("spec.").partition("[")
        entry = spec[group][int(rest.partition("]")[0])]
        if group == "volumes":
            holder, name = entry["image"], "pullPolicy"
        else:
            holder, name = entry, "imagePullPolicy"
        yield _Place(use, f"{use.field.rpartition('.')[0]}.{name}", holder.get(name))


def _added(document: Mapping[str, Any], old: Mapping[str, Any] | None) -> list[_Place]:
    """Ephemeral containers that are new or changed: the subresource can change nothing else."""
    before = {_stored(place) for place in _ephemeral(old or {})}
    return [place for place in _ephemeral(document) if _stored(place) not in before]


def _ephemeral(document: Mapping[str, Any]) -> Iterable[_Place]:
    return (place for place in _places(document) if place.field.startswith("spec.ephemeralContainers["))


def _stored(place: _Place) -> tuple[str, str, str]:
    return place.use.owner, place.use.name, place.policy if isinstance(place.policy, str) else ""


def _introduces_images(document: Mapping[str, Any], old: Mapping[str, Any] | None) -> bool:
    """True if an update brings an image that the old pod did not have."""
    if old is None:
        return True
    before = {use.name for use in pod_images(dig(old, ("spec",)) or {}, "spec", _EXTENT)}
    after = {use.name for use in pod_images(dig(document, ("spec",)) or {}, "spec", _EXTENT)}
    return not after <= before
