"""Defaults of OpenShift's types that depend on the rest of the object. Each rule gives the fields to be set.

Source: openshift-apiserver, ``pkg/apps/apis/apps/v1/defaults.go`` and ``pkg/build/apis/build/v1/defaults.go``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imagegate.core.cluster_kinds.default_rules import Rule

JsonObject = dict[str, Any]

_APPS, _BUILD = "com.github.openshift.api.apps.v1.", "com.github.openshift.api.build.v1."
_STREAM_TAG = "ImageStreamTag"
_NONE_OF_THEM = (0, "0%")
_SHARE = "25%"


def _deployment_config(found: JsonObject) -> JsonObject:
    """Streams of triggers are of the object's own namespace."""
    spec, namespace = found.get("spec") or {}, (found.get("metadata") or {}).get("namespace") or ""
    triggers = [_with_stream(each, namespace) for each in spec.get("triggers") or ()]
    return {"spec": {**spec, "triggers": triggers}} if triggers else {}


def _with_stream(trigger: JsonObject, namespace: str) -> JsonObject:
    params = trigger.get("imageChangeParams")
    if params is None:
        return trigger
    source = params.get("from") or {}
    filled = {**source, "kind": source.get("kind") or _STREAM_TAG, "namespace": source.get("namespace") or namespace}
    return {**trigger, "imageChangeParams": {**params, "from": {key: value for key, value in filled.items() if value}}}


def _deployment_config_spec(found: JsonObject) -> JsonObject:
    template = found.get("template") or {}
    filled: JsonObject = {}
    if found.get("triggers") is None:
        filled["triggers"] = [{"type": "ConfigChange"}]
    labels = (template.get("metadata") or {}).get("labels")
    if labels and not found.get("selector"):
        filled["selector"] = labels
    containers = (template.get("spec") or {}).get("containers") or []
    if len(containers) == 1 and found.get("strategy"):
        filled["strategy"] = _with_hooks(found["strategy"], containers[0].get("name") or "")
    return filled


def _with_hooks(strategy: JsonObject, container: str) -> JsonObject:
    """The strategy, with the only container for hooks that name none."""
    filled = dict(strategy)
    for params, hooks in (("recreateParams", ("pre", "mid", "post")), ("rollingParams", ("pre", "post"))):
        if filled.get(params):
            named = {
                hook: _with_container(filled[params][hook], container) for hook in hooks if filled[params].get(hook)
            }
            filled[params] = {**filled[params], **named}
    return filled


def _with_container(hook: JsonObject, container: str) -> JsonObject:
    filled = dict(hook)
    if filled.get("tagImages"):
        filled["tagImages"] = [
            {**each, "containerName": each.get("containerName") or container} for each in filled["tagImages"]
        ]
    if filled.get("execNewPod"):
        pod = filled["execNewPod"]
        filled["execNewPod"] = {**pod, "containerName": pod.get("containerName") or container}
    return filled


def _deployment_strategy(found: JsonObject) -> JsonObject:
    params = {"Rolling": "rollingParams", "Recreate": "recreateParams"}.get(found.get("type") or "")
    return {params: {}} if params and found.get(params) is None else {}


def _rolling(found: JsonObject) -> JsonObject:
    unavailable, surge = found.get("maxUnavailable"), found.get("maxSurge")
    if unavailable is None and (surge is None or surge in _NONE_OF_THEM):
        return {"maxUnavailable": _SHARE, "maxSurge": _SHARE if surge is None else surge}
    if surge is None and unavailable in _NONE_OF_THEM:
        return {"maxSurge": _SHARE}
    return {}


def _build_source(found: JsonObject) -> JsonObject:
    return {"binary": {}} if found.get("type") == "Binary" and found.get("binary") is None else {}


def _build_strategy(found: JsonObject) -> JsonObject:
    return {"dockerStrategy": {}} if found.get("type") == "Docker" and found.get("dockerStrategy") is None else {}


def _built_from(found: JsonObject) -> JsonObject:
    source = found.get("from")
    return {} if source is None or source.get("kind") else {"from": {**source, "kind": _STREAM_TAG}}


def _build_trigger(found: JsonObject) -> JsonObject:
    return {"imageChange": {}} if found.get("type") == "ImageChange" and found.get("imageChange") is None else {}


OPENSHIFT_RULES: Mapping[str, Rule] = {
    f"{_APPS}DeploymentConfig": _deployment_config,
    f"{_APPS}DeploymentConfigSpec": _deployment_config_spec,
    f"{_APPS}DeploymentStrategy": _deployment_strategy,
    f"{_APPS}RollingDeploymentStrategyParams": _rolling,
    f"{_BUILD}BuildSource": _build_source,
    f"{_BUILD}BuildStrategy": _build_strategy,
    f"{_BUILD}SourceBuildStrategy": _built_from,
    f"{_BUILD}DockerBuildStrategy": _built_from,
    f"{_BUILD}CustomBuildStrategy": _built_from,
    f"{_BUILD}BuildTriggerPolicy": _build_trigger,
}
