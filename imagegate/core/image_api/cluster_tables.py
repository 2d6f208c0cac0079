"""Columns of services, secrets, namespaces and the like, for ``kubectl get``.

Source: kubernetes 1.36, ``pkg/printers/internalversion/printers.go``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from imagegate.core.image_api.columns import NAME, Cells, Column, Row
from imagegate.core.image_api.table_cells import (
    AGE,
    NONE,
    SELECTOR,
    UNKNOWN,
    age_of,
    branch,
    entries,
    field,
    labels_text,
    name_of,
    text,
    time_since,
)

JsonObject = Mapping[str, Any]


def _named(found: JsonObject, now: datetime) -> Row:
    return [name_of(found), age_of(found, now)]


def _namespace(found: JsonObject, now: datetime) -> Row:
    return [name_of(found), text(found, "status", "phase"), age_of(found, now)]


def _config_map(found: JsonObject, now: datetime) -> Row:
    return [name_of(found), len(branch(found, "data")) + len(branch(found, "binaryData")), age_of(found, now)]


def _secret(found: JsonObject, now: datetime) -> Row:
    keys = {*branch(found, "data"), *branch(found, "stringData")}
    return [name_of(found), text(found, "type") or "Opaque", len(keys), age_of(found, now)]


def _service(found: JsonObject, now: datetime) -> Row:
    addresses: list[Any] = field(found, [], "spec", "clusterIPs")
    own = text(found, "spec", "clusterIP") or next((each for each in addresses if isinstance(each, str)), NONE)
    return [
        name_of(found),
        _service_type(found),
        own,
        _external_address(found),
        ",".join(map(_port, entries(found, "spec", "ports"))) or NONE,
        age_of(found, now),
        labels_text(branch(found, "spec", "selector")),
    ]


def _service_type(found: JsonObject) -> str:
    return text(found, "spec", "type") or "ClusterIP"


def _external_address(found: JsonObject) -> str:
    addresses: list[Any] = field(found, [], "spec", "externalIPs")
    external = ",".join(map(str, addresses))
    match _service_type(found):
        case "ClusterIP" | "NodePort":
            return external or NONE
        case "LoadBalancer":
            balancers = entries(found, "status", "loadBalancer", "ingress")
            names = sorted({text(each, "ip") or text(each, "hostname") for each in balancers} - {""})
            return ",".join(filter(None, (*names, external))) or "<pending>"
        case "ExternalName":
            return text(found, "spec", "externalName")
    return UNKNOWN


def _port(port: JsonObject) -> str:
    node = field(port, 0, "nodePort")
    number = f"{field(port, 0, 'port')}:{node}" if node else f"{field(port, 0, 'port')}"
    return f"{number}/{text(port, 'protocol') or 'TCP'}"


def _event(found: JsonObject, now: datetime) -> Row:
    first = time_since(text(found, "firstTimestamp") or text(found, "eventTime"), now)
    last = time_since(text(found, "lastTimestamp"), now)
    count = field(found, 0, "count") or 1
    if branch(found, "series"):
        last, count = time_since(text(found, "series", "lastObservedTime"), now), field(found, 0, "series", "count")
    kind, name = text(found, "involvedObject", "kind").lower(), text(found, "involvedObject", "name")
    component = text(found, "source", "component") or text(found, "reportingComponent")
    host = text(found, "source", "host") or text(found, "reportingInstance")
    return [
        first if last == UNKNOWN else last,
        text(found, "type"),
        text(found, "reason"),
        f"{kind}/{name}" if name else kind,
        text(found, "involvedObject", "fieldPath"),
        f"{component}, {host}" if host else component,
        text(found, "message").strip(),
        first,
        count,
        name_of(found),
    ]


def _resource_quota(found: JsonObject, now: datetime) -> Row:
    hard, used = branch(found, "status", "hard"), branch(found, "status", "used")
    shown = {name: f"{name}: {used.get(name, '0')}/{amount}" for name, amount in sorted(hard.items())}
    limits = [each for name, each in shown.items() if name.startswith("limits.")]
    requests = [each for name, each in shown.items() if not name.startswith("limits.")]
    return [name_of(found), ", ".join(requests), ", ".join(limits), age_of(found, now)]


def _made(found: JsonObject, now: datetime) -> Row:  # noqa: ARG001 - all rows are made alike
    return [name_of(found), text(found, "metadata", "creationTimestamp")]


TABLES: Mapping[str, tuple[Sequence[Column], Cells]] = {
    "ConfigMap": ((NAME, Column("Data", "Number of entries."), AGE), _config_map),
    "Event": (
        (
            Column("Last Seen", "Time since the event was last recorded."),
            Column("Type", "Normal or Warning."),
            Column("Reason", "A short word for the event."),
            Column("Object", "The object that the event is about."),
            Column("Subobject", "The part of the object that the event is about.", priority=1),
            Column("Source", "The component that reports the event.", priority=1),
            Column("Message", "Description of the event."),
            Column("First Seen", "Time since the event was first recorded.", priority=1),
            Column("Count", "Number of times the event has occurred.", priority=1),
            NAME._replace(priority=1),
        ),
        _event,
    ),
    "Namespace": ((NAME, Column("Status", "The status of the namespace."), AGE), _namespace),
    "ResourceQuota": (
        (NAME, Column("Request", "Used and allowed amounts."), Column("Limit", "Used and allowed limits."), AGE),
        _resource_quota,
    ),
    "Secret": ((NAME, Column("Type", "Type of the secret."), Column("Data", "Number of entries."), AGE), _secret),
    "Service": (
        (
            NAME,
            Column("Type", "Type of the service."),
            Column("Cluster-IP", "Address inside of the cluster."),
            Column("External-IP", "Addresses outside of the cluster."),
            Column("Port(s)", "Ports of the service."),
            AGE,
            SELECTOR,
        ),
        _service,
    ),
    "ServiceAccount": ((NAME, AGE), _named),
}
OTHERS: tuple[Sequence[Column], Cells] = (
    (NAME, Column("Created At", "Time of creation.", type="date")),
    _made,
)
"""Of kinds without columns of their own (LimitRange). Source: k8s.io/apiserver, ``rest/table.go``."""
