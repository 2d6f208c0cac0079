"""Records of imagegate's own decision log as requests.

A record never holds the object: only the denied images, as written (``service.review.decided``). So a denial is
replayed with an object of the same kind made of these images, and what was allowed cannot be replayed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imagegate.core.admission.decision import LACK_OF_EVIDENCE
from imagegate.core.admission.request import AdmissionRequest, GroupKind, GroupResource, Phase, User
from imagegate.core.admission.workload import WORKLOADS, kind_of
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
    if allowed and _objects(record, "podWarnings"):
        return NotReplayable("decision log, allowed with a warning that its Pods would be denied")
    if allowed:
        return NotReplayable("decision log, allowed: the images of an allowed request are not in the log")
    reasons = tuple(_reasons(record))
    images = tuple(dict.fromkeys(reason.image for reason in reasons if reason.image))
    if not images:
        return NotReplayable("decision log, denied: the record names no image")
    if len(images) >= LISTED_MAX or any(len(image) >= TEXT_MAX for image in images):
        return NotReplayable("decision log, denied: the record does not hold all images")
    resource = GroupResource(*_split(text(record, "resource")))
    kind = kind_of(resource)
    if kind is None or kind not in WORKLOADS or text(record, "subResource"):
        return NotReplayable("decision log, denied: an object of this kind cannot be made from images alone")
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
        user=User(text(record, "user")),
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
        told = [
            Reason(plugin, text(each, "code"), text(each, "rule"), text(each, "image"), text(each, "because"))
            for each in _objects(decision, "denials")
        ]
        named = {reason.image for reason in told}
        code, rule = codes[0] if codes else "", ", ".join(rules)
        images = texts(decision, "images") or (() if told else ("",))
        found += [*told, *(Reason(plugin, code, rule, image) for image in images if image not in named)]
    return found


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
