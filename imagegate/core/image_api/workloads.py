"""Defaults, generation and status of workloads, where no controller runs.

An API server and its controllers set these, and clients rely on them: ``oc status`` reads ``replicas``, ``oc rollout
status`` the strategy and the conditions. The status says at once what it would say when the time of a rollout is over.
Source: kubernetes, ``pkg/apis/{apps,batch}/v1/defaults.go``; openshift-apiserver, ``pkg/apps/apiserver/registry``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

JsonObject = dict[str, Any]

_ROLLING = {"type": "RollingUpdate"}
_DEFAULTS: Mapping[str, JsonObject] = {
    "CronJob": {
        "concurrencyPolicy": "Allow",
        "suspend": False,
        "successfulJobsHistoryLimit": 3,
        "failedJobsHistoryLimit": 1,
    },
    "DaemonSet": {"updateStrategy": _ROLLING, "revisionHistoryLimit": 10},
    "Deployment": {
        "replicas": 1,
        "strategy": _ROLLING,
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": 600,
    },
    "DeploymentConfig": {"replicas": 0},
    "Job": {"parallelism": 1, "completions": 1, "backoffLimit": 6, "suspend": False},
    "ReplicaSet": {"replicas": 1},
    "ReplicationController": {"replicas": 1},
    "StatefulSet": {
        "replicas": 1,
        "podManagementPolicy": "OrderedReady",
        "updateStrategy": {**_ROLLING, "rollingUpdate": {"partition": 0}},
        "revisionHistoryLimit": 10,
    },
}
"""Fields of ``spec``; of a strategy only the type, since nothing rolls."""
_FAILED_ROLLOUT = "ProgressDeadlineExceeded"


def as_served(new: JsonObject, old: JsonObject | None, why: str) -> JsonObject:
    """A workload as an API server stores it: with defaults, generation, and a status that is not the sender's.

    Args:
        new: the object as it was sent and admitted.
        old: the stored object; None: the object is new.
        why: the message of conditions: nothing runs.
    """
    kind = new.get("kind") or ""
    if kind not in _STATUS:
        return new
    if kind in _DEFAULTS:
        new = _with_generation(with_defaults(new), old)
    return {**new, "status": _STATUS[kind](new, old, why)}


def with_defaults(found: JsonObject) -> JsonObject:
    """The object with the defaults of its kind."""
    kind = found.get("kind") or ""
    return {**found, "spec": _with_defaults(kind, found.get("spec"))} if kind in _DEFAULTS else found


def _with_defaults(kind: str, spec: Any) -> Any:
    if not isinstance(spec, dict):
        return spec
    defaults = _DEFAULTS[kind]
    if kind == "Job" and spec.get("parallelism") is not None:
        defaults = {key: value for key, value in defaults.items() if key != "completions"}
    return _filled(spec, defaults)


def _filled(given: JsonObject, defaults: JsonObject) -> JsonObject:
    """``given`` with what it lacks; a strategy of another type has no defaults."""
    filled = {**given}
    for key, value in defaults.items():
        if filled.get(key) is None:
            filled[key] = value
        elif isinstance(value, dict) and isinstance(filled[key], dict) and not filled[key].get("type"):
            filled[key] = _filled(filled[key], value)
    return filled


def _with_generation(new: JsonObject, old: JsonObject | None) -> JsonObject:
    """The generation counts the changes of ``spec``."""
    before = 0 if old is None else (old.get("metadata") or {}).get("generation") or 0
    is_changed = old is None or old.get("spec") != new.get("spec")
    metadata = new.get("metadata") or {}
    return {**new, "metadata": {**metadata, "generation": before + 1 if is_changed or not before else before}}


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
