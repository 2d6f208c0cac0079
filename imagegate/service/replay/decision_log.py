"""Records of imagegate's own decision log as requests.

A record never holds the object: only the denied images, as written (``service.review.decided``). So a denial is
replayed with an object of the same kind made of these images, a warning about the Pods of an admitted object with such
a Pod, and what was simply allowed cannot be replayed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imagegate.core.admission.custom_resources import PODS
from imagegate.core.admission.decision import LACK_OF_EVIDENCE
from imagegate.core.admission.request import AdmissionRequest, GroupKind, GroupResource, Phase, User
from imagegate.core.admission.workload import POD, WORKLOADS, kind_of
from imagegate.errors import InvalidInput
from imagegate.service.replay.fields import text, texts
from imagegate.service.replay.recorded import Entry, Judged, NoChange, NotReplayable, Reason, Recorded, Word
from imagegate.service.review.decided import LISTED_MAX, TEXT_MAX

LOGGER = "imagegate.decision"
_CHANGES = ("CREATE", "UPDATE")


def read_record(record: Mapping[str, Any]) -> Entry:
    """One record as a request with its recorded verdict.

    Raises:
        InvalidInput: a field has the wrong type, so that this is no record.
    """
    if text(record, "operation") not in _CHANGES:
        return NoChange("reads, deletions and connections")
    allowed = record.get("allowed")
    if not isinstance(allowed, bool):
        raise InvalidInput("allowed: expected true or false")
    warned = tuple(_reasons_of(_objects(record, "podWarnings"))) if allowed else ()
    if warned and record.get("podWarningsLeftOut"):
        return NotReplayable("decision log, allowed with warnings about its Pods: the record does not hold all of them")
    if warned:
        return _recorded(record, POD, PODS, User(), warned)
    if allowed:
        return NotReplayable("decision log, allowed: the images of an allowed request are not in the log")
    resource = GroupResource(*_split(text(record, "resource")))
    kind = kind_of(resource)
    if kind is None or kind not in WORKLOADS or text(record, "subResource"):
        return NotReplayable("decision log, denied: an object of this kind cannot be made from images alone")
    return _recorded(record, kind, resource, User(text(record, "user")), tuple(_reasons(record)))


def _recorded(
    record: Mapping[str, Any], kind: GroupKind, resource: GroupResource, user: User, reasons: tuple[Reason, ...]
) -> Entry:
    """The creation of an object of the images that ``reasons`` name, which was or would have been denied for them."""
    images = tuple(dict.fromkeys(reason.image for reason in reasons if reason.image))
    if not images:
        return NotReplayable("decision log: the record of a denial or warning names no image")
    if len(images) >= LISTED_MAX or any(len(image) >= TEXT_MAX for image in images):
        return NotReplayable("decision log: the record does not hold all images")
    lacking = all(reason.code in LACK_OF_EVIDENCE for reason in reasons)
    then = Judged(Word.UNKNOWN if lacking else Word.DENIED, reasons)
    namespace, name = text(record, "namespace"), text(record, "name")
    request = AdmissionRequest(
        uid=text(record, "uid"),
        phase=Phase.MUTATE,
        operation="CREATE",
        kind=kind,
        resource=resource,
        object=_object(kind, name, namespace, images),
        request_kind=kind,
        request_resource=resource,
        namespace=namespace,
        name=name,
        user=user,
        dry_run=record.get("dryRun") is True,
    )
    return Recorded(request, then)


def _reasons(record: Mapping[str, Any]) -> list[Reason]:
    """A reason for each denied image. Records before 0.5 do not tell which rule and code belong to which image."""
    found: list[Reason] = []
    for decision in _objects(record, "decisions"):
        if decision.get("verdict") != "denied":
            continue
        plugin, codes, rules = text(decision, "plugin"), texts(decision, "codes"), texts(decision, "rules")
        told = _reasons_of(_objects(decision, "denials"), plugin)
        named = {reason.image for reason in told}
        code, rule = codes[0] if codes else "", ", ".join(rules)
        images = texts(decision, "images") or (() if told else ("",))
        found += [*told, *(Reason(plugin, code, rule, image) for image in images if image not in named)]
    return found


def _reasons_of(denials: list[dict[str, Any]], plugin: str = "") -> list[Reason]:
    """A reason for each denial; its own plug-in counts before ``plugin``."""
    return [
        Reason(text(each, "plugin") or plugin, *(text(each, name) for name in ("code", "rule", "image", "because")))
        for each in denials
    ]


def _objects(parent: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    value = parent.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise InvalidInput(f"{key}: expected a list of objects")
    return value


def _object(kind: GroupKind, name: str, namespace: str, images: tuple[str, ...]) -> dict[str, Any]:
    containers = [{"name": f"image-{number}", "image": image} for number, image in enumerate(images)]
    made: dict[str, Any] = {"containers": containers}
    for key in reversed(WORKLOADS[kind].pod_spec):
        made = {key: made}
    version = f"{kind.group}/v1" if kind.group else "v1"
    metadata = {key: value for key, value in (("name", name), ("namespace", namespace)) if value}
    return {"apiVersion": version, "kind": kind.kind, "metadata": metadata, **made}


def _split(resource: str) -> tuple[str, str]:
    """``deployments.apps`` -> group and resource."""
    name, _, group = resource.partition(".")
    return group, name
