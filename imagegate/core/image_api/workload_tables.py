"""Columns of pods, and of what makes pods, for ``kubectl get``.

Source: kubernetes 1.36, ``pkg/printers/internalversion/printers.go``. Fields that an API server fills in on creation
(``replicas``, ``completions``) are shown with those defaults. Nothing runs, so container statuses are not read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from imagegate.core.image_api.columns import NAME, Cells, Column, Row
from imagegate.core.image_api.table_cells import (
    AGE,
    CONTAINERS,
    IMAGES,
    NONE,
    SELECTOR,
    age_of,
    branch,
    containers_and_images,
    entries,
    field,
    labels_text,
    name_of,
    selector_text,
    text,
    time_since,
)

JsonObject = Mapping[str, Any]

_TERMINAL_PHASES = ("Failed", "Succeeded")
_WIDE = (CONTAINERS, IMAGES, SELECTOR)


def _integer(name: str, description: str) -> Column:
    return Column(name, description, type="integer")


_DESIRED = _integer("Desired", "Number of desired pods.")
_CURRENT = _integer("Current", "Number of pods.")
_READY = _integer("Ready", "Number of ready pods.")
_READY_OF_DESIRED = Column("Ready", "Number of ready pods, of desired ones.")


def _replicas(found: JsonObject) -> int:
    return field(found, 1, "spec", "replicas")


def _status_number(found: JsonObject, name: str) -> int:
    return field(found, 0, "status", name)


def _template(found: JsonObject) -> JsonObject:
    return branch(found, "spec", "template")


def _wide(found: JsonObject) -> Row:
    return [*containers_and_images(_template(found)), selector_text(branch(found, "spec", "selector")) or NONE]


def _pod(pod: JsonObject, now: datetime) -> Row:
    containers = entries(pod, "spec", "containers")
    sidecars = [each for each in entries(pod, "spec", "initContainers") if each.get("restartPolicy") == "Always"]
    addresses = entries(pod, "status", "podIPs")
    return [
        name_of(pod),
        f"0/{len(containers) + len(sidecars)}",
        _pod_status(pod),
        "0",
        age_of(pod, now),
        text(addresses[0], "ip") or NONE if addresses else NONE,
        text(pod, "spec", "nodeName") or NONE,
        text(pod, "status", "nominatedNodeName") or NONE,
        _readiness_gates(pod),
    ]


def _pod_status(pod: JsonObject) -> str:
    phase = text(pod, "status", "phase")
    if "deletionTimestamp" in branch(pod, "metadata") and phase not in _TERMINAL_PHASES:
        return "Terminating"
    if entries(pod, "spec", "schedulingGates"):
        return "SchedulingGated"
    return text(pod, "status", "reason") or phase


def _readiness_gates(pod: JsonObject) -> str:
    gates = entries(pod, "spec", "readinessGates")
    if not gates:
        return NONE
    status = {text(each, "type"): text(each, "status") for each in entries(pod, "status", "conditions")}
    met = [gate for gate in gates if status.get(text(gate, "conditionType")) == "True"]
    return f"{len(met)}/{len(gates)}"


def _pod_template(found: JsonObject, now: datetime) -> Row:  # noqa: ARG001 - all rows are made alike
    template = branch(found, "template")
    return [name_of(found), *containers_and_images(template), labels_text(branch(template, "metadata", "labels"))]


def _replica_set(found: JsonObject, now: datetime) -> Row:
    current, ready = _status_number(found, "replicas"), _status_number(found, "readyReplicas")
    return [name_of(found), _replicas(found), current, ready, age_of(found, now), *_wide(found)]


def _replication_controller(found: JsonObject, now: datetime) -> Row:
    return [*_replica_set(found, now)[:-1], labels_text(branch(found, "spec", "selector"))]


def _daemon_set(found: JsonObject, now: datetime) -> Row:
    names = (
        "desiredNumberScheduled",
        "currentNumberScheduled",
        "numberReady",
        "updatedNumberScheduled",
        "numberAvailable",
    )
    return [
        name_of(found),
        *(_status_number(found, name) for name in names),
        labels_text(branch(_template(found), "spec", "nodeSelector")),
        age_of(found, now),
        *_wide(found),
    ]


def _stateful_set(found: JsonObject, now: datetime) -> Row:
    ready = f"{_status_number(found, 'readyReplicas')}/{_replicas(found)}"
    return [name_of(found), ready, age_of(found, now), *containers_and_images(_template(found))]


def _deployment(found: JsonObject, now: datetime) -> Row:
    return [
        name_of(found),
        f"{_status_number(found, 'readyReplicas')}/{_replicas(found)}",
        _status_number(found, "updatedReplicas"),
        _status_number(found, "availableReplicas"),
        age_of(found, now),
        *containers_and_images(_template(found)),
        selector_text(branch(found, "spec", "selector")),
    ]


_JOB_STATES = (("Complete", "Complete"), ("Failed", "Failed"), ("", "Terminating"), ("Suspended", "Suspended"))
"""Condition of a job, and its state; the state without a condition is that of a job that is being deleted."""


def _job(found: JsonObject, now: datetime) -> Row:
    started, ended = text(found, "status", "startTime"), text(found, "status", "completionTime")
    duration = time_since(started, datetime.fromisoformat(ended) if ended else now) if started else ""
    return [name_of(found), _job_state(found), _completions(found), duration, age_of(found, now), *_wide(found)]


def _job_state(found: JsonObject) -> str:
    true = {text(each, "type") for each in entries(found, "status", "conditions") if each.get("status") == "True"}
    if "deletionTimestamp" in branch(found, "metadata"):
        true.add("")
    return next((state for condition, state in _JOB_STATES if condition in true), "Running")


def _completions(found: JsonObject) -> str:
    """Successful pods, of those wanted. Without both fields, an API server sets ``completions`` to 1."""
    done, parallelism = _status_number(found, "succeeded"), field(found, 1, "spec", "parallelism")
    if "completions" in branch(found, "spec") or parallelism < 2:
        return f"{done}/{field(found, 1, 'spec', 'completions')}"
    return f"{done}/1 of {parallelism}"


def _cron_job(found: JsonObject, now: datetime) -> Row:
    last = text(found, "status", "lastScheduleTime")
    job = branch(found, "spec", "jobTemplate")
    return [
        name_of(found),
        text(found, "spec", "schedule"),
        text(found, "spec", "timeZone") or NONE,
        "True" if field(found, False, "spec", "suspend") else "False",
        len(entries(found, "status", "active")),
        time_since(last, now) if last else NONE,
        age_of(found, now),
        *_wide(job),
    ]


TABLES: Mapping[str, tuple[Sequence[Column], Cells]] = {
    "Pod": (
        (
            NAME,
            Column("Ready", "Ready containers, of all containers of the pod."),
            Column("Status", "Status of the pod."),
            Column("Restarts", "Restarts of the pod's containers."),
            AGE,
            Column("IP", "Address of the pod.", priority=1),
            Column("Node", "Node that the pod is scheduled to.", priority=1),
            Column("Nominated Node", "Node that the pod waits for.", priority=1),
            Column("Readiness Gates", "Readiness gates that are met, of all.", priority=1),
        ),
        _pod,
    ),
    "PodTemplate": (
        (
            NAME,
            CONTAINERS._replace(priority=0),
            IMAGES._replace(priority=0),
            Column("Pod Labels", "Labels of the pods."),
        ),
        _pod_template,
    ),
    "ReplicationController": ((NAME, _DESIRED, _CURRENT, _READY, AGE, *_WIDE), _replication_controller),
    "ReplicaSet": ((NAME, _DESIRED, _CURRENT, _READY, AGE, *_WIDE), _replica_set),
    "DaemonSet": (
        (
            NAME,
            _DESIRED,
            _CURRENT,
            _READY,
            _integer("Up-to-date", "Number of pods of the newest template."),
            _integer("Available", "Number of available pods."),
            Column("Node Selector", "Nodes that get a pod."),
            AGE,
            *_WIDE,
        ),
        _daemon_set,
    ),
    "StatefulSet": ((NAME, _READY_OF_DESIRED, AGE, CONTAINERS, IMAGES), _stateful_set),
    "Deployment": (
        (
            NAME,
            _READY_OF_DESIRED,
            Column("Up-to-date", "Number of pods of the newest template."),
            Column("Available", "Number of available pods."),
            AGE,
            *_WIDE,
        ),
        _deployment,
    ),
    "Job": (
        (
            NAME,
            Column("Status", "Status of the job."),
            Column("Completions", "Successful pods, of those wanted."),
            Column("Duration", "Time required to complete the job."),
            AGE,
            *_WIDE,
        ),
        _job,
    ),
    "CronJob": (
        (
            NAME,
            Column("Schedule", "The schedule in Cron format."),
            Column("Timezone", "Time zone of the schedule."),
            Column("Suspend", "True if no further job is made.", type="boolean"),
            _integer("Active", "Number of running jobs."),
            Column("Last Schedule", "Time since a job was made."),
            AGE,
            *_WIDE,
        ),
        _cron_job,
    ),
}
