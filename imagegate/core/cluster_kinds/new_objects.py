"""Fields that an API server sets in new objects, besides defaults.

Source: kubernetes, ``plugin/pkg/admission/{serviceaccount,priority,defaulttolerationseconds}`` and
``pkg/registry/{core/service,batch/job}``. Left out is what only a running cluster has: tokens, addresses, ports of
nodes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

JsonObject = dict[str, Any]

_JOB_NAMES = ("batch.kubernetes.io/job-name", "job-name")
_JOB_UIDS = ("batch.kubernetes.io/controller-uid", "controller-uid")
_ACCOUNT = "default"
_EVICTED_AFTER_S = 300
_TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_EFFECT = "NoExecute"


def before_admission(kind: str, new: JsonObject) -> JsonObject:
    """The object as webhooks see it: pods have account, priority and tolerations.

    Args:
        kind: of the object.
        new: decoded and with its defaults. Not changed.
    """
    return _pod(new) if kind == "Pod" else new


def before_storage(kind: str, new: JsonObject, uid: str) -> JsonObject:
    """The admitted object as it is stored: with what is computed from the rest of it.

    Args:
        kind: of the object.
        new: as admission left it. Not changed.
        uid: for an object that is found by it.
    """
    if kind == "Service":
        return _service(new)
    if kind == "Job" and not new["spec"].get("manualSelector"):
        return _job(new, uid)
    return new


def _service(service: JsonObject) -> JsonObject:
    """The service with families of addresses."""
    spec = service.get("spec") or {}
    if spec.get("type") == "ExternalName":
        return service
    families = {"ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"}
    addresses = {"clusterIPs": [spec["clusterIP"]]} if spec.get("clusterIP") else {}
    return {**service, "spec": {**families, **addresses, **spec}}


def _job(job: JsonObject, uid: str) -> JsonObject:
    """The job with a selector of its own. A name that is generated comes too late for a label."""
    metadata, spec = job["metadata"], job["spec"]
    template, selector = spec.get("template") or {}, spec.get("selector") or {}
    names = {label: metadata["name"] for label in _JOB_NAMES if metadata.get("name")}
    labels = {**names, **dict.fromkeys(_JOB_UIDS, uid), **((template.get("metadata") or {}).get("labels") or {})}
    selected = {_JOB_UIDS[0]: uid, **(selector.get("matchLabels") or {})}
    spec = {
        **spec,
        "selector": {**selector, "matchLabels": selected},
        "template": {**template, "metadata": {**(template.get("metadata") or {}), "labels": labels}},
    }
    return {**job, "metadata": {**metadata, "uid": uid}, "spec": spec}


def _pod(pod: JsonObject) -> JsonObject:
    spec = dict(pod.get("spec") or {})
    account = spec.get("serviceAccountName") or _ACCOUNT
    given = spec.get("tolerations") or ()
    added = [
        {"key": taint, "operator": "Exists", "effect": _EFFECT, "tolerationSeconds": _EVICTED_AFTER_S}
        for taint in _TAINTS
        if not _is_tolerated(taint, given)
    ]
    named = {"serviceAccountName": account, "serviceAccount": account}
    priority = {"priority": 0, "preemptionPolicy": "PreemptLowerPriority"}
    tolerations = {"tolerations": [*given, *added]} if given or added else {}
    return {**pod, "spec": {**priority, **spec, **named, **tolerations}}


def _is_tolerated(taint: str, tolerations: Iterable[JsonObject]) -> bool:
    return any(
        (each.get("key") or taint) == taint and (each.get("effect") or _EFFECT) == _EFFECT for each in tolerations
    )
