"""Defaults of Kubernetes' types that depend on the rest of the object. Each rule gives the fields to be set.

Source: kubernetes, ``pkg/apis/{core,apps,batch}/v1/defaults.go`` and ``conversion.go``.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from imagegate.core.image_api.schema import TYPES
from imagegate.core.kube.quantity import Quantity
from imagegate.core.references.docker import DockerReference
from imagegate.errors import InvalidInput

JsonObject = dict[str, Any]
Rule = Callable[[JsonObject], JsonObject]
"""Maps an object of a type to the fields that it gets; None removes one."""

_CORE, _APPS, _BATCH = "io.k8s.api.core.v1.", "io.k8s.api.apps.v1.", "io.k8s.api.batch.v1."
_STICKY_S = 10_800
_INT32_MAX = 2**31 - 1
_LATEST = "latest"
_POD_LEVEL = ("cpu", "memory")


def pull_policy(image: str) -> str:
    """The pull policy of an image that has none: always, if it means ``latest``."""
    try:
        found = DockerReference.parse(image)
    except InvalidInput:
        return "IfNotPresent"
    tag = found.tag or ("" if found.digest else _LATEST)
    return "Always" if tag == _LATEST else "IfNotPresent"


def _container(found: JsonObject) -> JsonObject:
    return {} if found.get("imagePullPolicy") else {"imagePullPolicy": pull_policy(found.get("image") or "")}


def _image_volume(found: JsonObject) -> JsonObject:
    return {} if found.get("pullPolicy") else {"pullPolicy": pull_policy(found.get("reference") or "")}


def _volume(found: JsonObject) -> JsonObject:
    sources = TYPES[f"{_CORE}Volume"].keys() - {"name"}
    return {} if any(found.get(source) is not None for source in sources) else {"emptyDir": {}}


def _pod_spec(found: JsonObject) -> JsonObject:
    """``serviceAccount`` is the old name of ``serviceAccountName``."""
    account = found.get("serviceAccountName") or found.get("serviceAccount")
    return {"serviceAccountName": account, "serviceAccount": account} if account else {}


def _pod(found: JsonObject) -> JsonObject:
    spec = dict(found.get("spec") or {})
    for name in ("containers", "initContainers"):
        if spec.get(name):
            spec[name] = [_with_requests(each) for each in spec[name]]
            if spec.get("hostNetwork"):
                spec[name] = [_with_host_ports(each) for each in spec[name]]
    resources = spec.get("resources")
    if resources and resources.get("limits"):
        spec["resources"] = _with_pod_requests(resources, spec)
    return {"spec": {"enableServiceLinks": True, **spec}}


def _with_requests(container: JsonObject) -> JsonObject:
    """The container with its limits as requests, where it has none."""
    resources = container.get("resources") or {}
    limits = resources.get("limits")
    if not limits:
        return container
    return {**container, "resources": {**resources, "requests": {**limits, **(resources.get("requests") or {})}}}


def _with_host_ports(container: JsonObject) -> JsonObject:
    ports = [{**port, "hostPort": port.get("hostPort") or port.get("containerPort", 0)} for port in _ports(container)]
    return {**container, "ports": ports} if ports else container


def _ports(container: JsonObject) -> list[JsonObject]:
    return container.get("ports") or []


def _with_pod_requests(resources: JsonObject, spec: JsonObject) -> JsonObject:
    """The pod's own requests: those of its containers, else its limits."""
    requests = dict(resources.get("requests") or {})
    for name in _POD_LEVEL:
        amount = _requested(spec, name)
        if name not in requests and amount.value:
            requests[name] = str(amount)
    return {**resources, "requests": {**resources["limits"], **requests}}


def _requested(spec: JsonObject, name: str) -> Quantity:
    """Amount of a resource that a pod requests: of all its containers, or of the largest init container if more.

    Sidecars (init containers that restart ``Always``) count beside all that start after them.
    """
    beside = most = Quantity(Fraction(0))
    for container in spec.get("initContainers") or ():
        if container.get("restartPolicy") == "Always":
            beside += _request(container, name)
            continue
        most = max(most, beside + _request(container, name), key=lambda each: each.value)
    for container in spec.get("containers") or ():
        beside += _request(container, name)
    return max(most, beside, key=lambda each: each.value)


def _request(container: JsonObject, name: str) -> Quantity:
    return Quantity.parse(((container.get("resources") or {}).get("requests") or {}).get(name, 0))


def _replication_controller(found: JsonObject) -> JsonObject:
    spec, metadata = found.get("spec") or {}, found.get("metadata") or {}
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    if not labels:
        return {}
    return {
        "spec": {**spec, "selector": spec.get("selector") or labels},
        "metadata": {**metadata, "labels": metadata.get("labels") or labels},
    }


def _service_spec(found: JsonObject) -> JsonObject:
    type_, affinity = found.get("type") or "ClusterIP", found.get("sessionAffinity") or "None"
    filled: JsonObject = {"type": type_, "sessionAffinity": affinity}
    if affinity == "None":
        filled["sessionAffinityConfig"] = None
    elif affinity == "ClientIP" and not _has_timeout(found.get("sessionAffinityConfig")):
        filled["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": _STICKY_S}}
    is_external = type_ in ("LoadBalancer", "NodePort") or (type_ == "ClusterIP" and found.get("externalIPs"))
    if is_external and not found.get("externalTrafficPolicy"):
        filled["externalTrafficPolicy"] = "Cluster"
    if type_ != "ExternalName" and found.get("internalTrafficPolicy") is None:
        filled["internalTrafficPolicy"] = "Cluster"
    if type_ == "LoadBalancer" and found.get("allocateLoadBalancerNodePorts") is None:
        filled["allocateLoadBalancerNodePorts"] = True
    return filled


def _has_timeout(config: JsonObject | None) -> bool:
    return ((config or {}).get("clientIP") or {}).get("timeoutSeconds") is not None


def _service_port(found: JsonObject) -> JsonObject:
    return {} if found.get("targetPort") else {"targetPort": found.get("port", 0)}


def _secret(found: JsonObject) -> JsonObject:
    """``stringData`` is only for writing: it becomes ``data``."""
    texts = found.get("stringData") or {}
    written = {key: base64.b64encode(text.encode()).decode("ascii") for key, text in texts.items()}
    data = {"data": {**(found.get("data") or {}), **written}} if written else {}
    return {"type": found.get("type") or "Opaque", "stringData": None, **data}


def _limit_range_item(found: JsonObject) -> JsonObject:
    if found.get("type") != "Container":
        return {}
    defaults = {**(found.get("max") or {}), **(found.get("default") or {})}
    requests = {**(found.get("min") or {}), **defaults, **(found.get("defaultRequest") or {})}
    return {name: value for name, value in (("default", defaults), ("defaultRequest", requests)) if value}


def _rolling(type_: str = "RollingUpdate") -> Rule:
    def rule(found: JsonObject) -> JsonObject:
        return {"rollingUpdate": found.get("rollingUpdate") or {}} if found.get("type") == type_ else {}

    return rule


def _stateful_set_strategy(found: JsonObject) -> JsonObject:
    rolling = found.get("rollingUpdate")
    if not found.get("type"):
        rolling = rolling or {}
    elif found["type"] != "RollingUpdate" or rolling is None:
        return {}
    return {"type": "RollingUpdate", "rollingUpdate": {**rolling, "partition": rolling.get("partition") or 0}}


def _job(found: JsonObject) -> JsonObject:
    spec, metadata = found.get("spec") or {}, found.get("metadata") or {}
    filled = {
        "parallelism": 1,
        "backoffLimit": 6 if spec.get("backoffLimitPerIndex") is None else _INT32_MAX,
        "completionMode": "NonIndexed",
        "suspend": False,
        "podReplacementPolicy": "TerminatingOrFailed" if spec.get("podFailurePolicy") is None else "Failed",
        "manualSelector": False,
    }
    if spec.get("completions") is None and spec.get("parallelism") is None:
        filled["completions"] = 1
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    given = {name: value for name, value in spec.items() if value is not None}
    labelled = {"metadata": {**metadata, "labels": labels}} if labels and not metadata.get("labels") else {}
    return {"spec": {**filled, **given}, **labelled}


KUBERNETES_RULES: Mapping[str, Rule] = {
    f"{_CORE}Pod": _pod,
    f"{_CORE}PodSpec": _pod_spec,
    f"{_CORE}Container": _container,
    f"{_CORE}EphemeralContainer": _container,
    f"{_CORE}ImageVolumeSource": _image_volume,
    f"{_CORE}Volume": _volume,
    f"{_CORE}ReplicationController": _replication_controller,
    f"{_CORE}ServiceSpec": _service_spec,
    f"{_CORE}ServicePort": _service_port,
    f"{_CORE}Secret": _secret,
    f"{_CORE}LimitRangeItem": _limit_range_item,
    f"{_APPS}DeploymentStrategy": _rolling(),
    f"{_APPS}DaemonSetUpdateStrategy": _rolling(),
    f"{_APPS}StatefulSetUpdateStrategy": _stateful_set_strategy,
    f"{_BATCH}Job": _job,
}
