"""Generation and status of workloads, where no controller runs.

An API server and its controllers set these, and clients rely on them: ``oc status`` reads ``replicas``, ``oc rollout
status`` the strategy and the conditions. The status says at once what it would say when the time of a rollout is over.
Source: kubernetes, ``pkg/apis/{apps,batch}/v1/defaults.go``; openshift-apiserver, ``pkg/apps/apiserver/registry``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

JsonObject = dict[str, Any]

_COUNTED: Mapping[str, str] = {
    **dict.fromkeys(("CronJob", "DaemonSet", "Deployment", "DeploymentConfig", "Job", "Pod"), "spec"),
    **dict.fromkeys(("ReplicaSet", "ReplicationController", "StatefulSet"), "spec"),
    "PodTemplate": "template",
}
"""The field whose changes the generation of a kind counts."""
_TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
_FAILED_ROLLOUT = "ProgressDeadlineExceeded"


def as_served(new: JsonObject, old: JsonObject | None, why: str) -> JsonObject:
    """A workload as an API server stores it: with its generation, and a status that is not the sender's.

    Args:
        new: the object as it was sent and admitted.
        old: the stored object; None: the object is new.
        why: the message of conditions: nothing runs.
    """
    kind = new.get("kind") or ""
    if kind in _COUNTED:
        new = _with_generation(new, old, _COUNTED[kind])
    if kind == "DaemonSet":
        new = _with_template_generation(new, old)
    return {**new, "status": _STATUS[kind](new, old, why)} if kind in _STATUS else new


def _with_generation(new: JsonObject, old: JsonObject | None, counted: str) -> JsonObject:
    """The generation counts the changes of a field."""
    before = 0 if old is None else (old.get("metadata") or {}).get("generation") or 0
    is_changed = old is None or old.get(counted) != new.get(counted)
    metadata = new.get("metadata") or {}
    return {**new, "metadata": {**metadata, "generation": before + 1 if is_changed or not before else before}}


def _with_template_generation(new: JsonObject, old: JsonObject | None) -> JsonObject:
    """An annotation of daemon sets counts the changes of the template."""
    metadata = new.get("metadata") or {}
    count = 1
    if old is not None:
        before = ((old.get("metadata") or {}).get("annotations") or {}).get(_TEMPLATE_GENERATION, "")
        is_changed = (old.get("spec") or {}).get("template") != (new.get("spec") or {}).get("template")
        count = (int(before) if before.isdecimal() else 0) + is_changed
    annotations = {**(metadata.get("annotations") or {}), _TEMPLATE_GENERATION: str(count or 1)}
    return {**new, "metadata": {**metadata, "annotations": annotations}}


def with_stored_generation(new: JsonObject, old: JsonObject) -> JsonObject:
    """``new`` with the generation of ``old``, whatever its sender says."""
    metadata = {key: value for key, value in (new.get("metadata") or {}).items() if key != "generation"}
    generation = (old.get("metadata") or {}).get("generation")
    return {**new, "metadata": {**metadata, **({"generation": generation} if generation else {})}}


def _replicas(found: JsonObject) -> int:
    replicas = (found.get("spec") or {}).get("replicas")
    return replicas if isinstance(replicas, int) else 0


def _observed(found: JsonObject) -> JsonObject:
    return {"observedGeneration": found["metadata"]["generation"]}


def _pod(found: JsonObject, old: JsonObject | None, why: str) -> JsonObject:  # noqa: ARG001 - all are made alike
    condition = {"type": "PodScheduled", "status": "False", "reason": "DryCluster", "message": why}
    return {"phase": "Pending", "conditions": [condition]}


def _conditions(found: JsonObject, why: str) -> JsonObject:
    """Conditions of what should have pods: a rollout that has failed."""
    if not _replicas(found):
        return {}
    reasons = (("Available", "MinimumReplicasUnavailable"), ("Progressing", _FAILED_ROLLOUT))
    return {
        "unavailableReplicas": _replicas(found),
        "conditions": [
            {"type": type_, "status": "False", "reason": reason, "message": why} for type_, reason in reasons
        ],
    }


def _deployment(found: JsonObject, old: JsonObject | None, why: str) -> JsonObject:  # noqa: ARG001
    return {**_observed(found), **_conditions(found, why)}


def _deployment_config(found: JsonObject, old: JsonObject | None, why: str) -> JsonObject:
    """The status. Clients start a rollout by counting ``latestVersion`` up by one (``oc rollout latest``)."""
    before = 0 if old is None else (old.get("status") or {}).get("latestVersion") or 0
    asked = (found.get("status") or {}).get("latestVersion")
    counts = dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas", "unavailableReplicas"), 0)
    is_next = old is not None and asked == before + 1
    return {
        "latestVersion": asked if is_next else before,
        **counts,
        **_observed(found),
        **_conditions(found, why),
    }


def _replica_set(found: JsonObject, old: JsonObject | None, why: str) -> JsonObject:  # noqa: ARG001
    return {"replicas": 0, **_observed(found)}


def _daemon_set(found: JsonObject, old: JsonObject | None, why: str) -> JsonObject:  # noqa: ARG001
    """The status in a cluster without nodes."""
    names = ("currentNumberScheduled", "desiredNumberScheduled", "numberMisscheduled", "numberReady")
    return {**dict.fromkeys(names, 0), **_observed(found)}


def _empty(found: JsonObject, old: JsonObject | None, why: str) -> JsonObject:  # noqa: ARG001
    return {}


_STATUS: Mapping[str, Callable[[JsonObject, JsonObject | None, str], JsonObject]] = {
    "CronJob": _empty,
    "DaemonSet": _daemon_set,
    "Deployment": _deployment,
    "DeploymentConfig": _deployment_config,
    "Job": _empty,
    "Pod": _pod,
    "ReplicaSet": _replica_set,
    "ReplicationController": _replica_set,
    "StatefulSet": _replica_set,
}
