"""The next Build of a BuildConfig.

Source: openshift-apiserver, ``pkg/build/apiserver/buildgenerator/generator.go``. Left out is what builds need to run:
references to streams are not resolved to pull specs (admission resolves them), pull secrets are not chosen.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from imagegate.core.kube.label_selector import label_value_problems
from imagegate.errors import InvalidInput

JsonObject = dict[str, Any]

_COPIED = (
    *("source", "strategy", "output", "resources", "postCommit", "completionDeadlineSeconds", "nodeSelector"),
    "mountTrustedCA",
)
_STRATEGIES = ("sourceStrategy", "dockerStrategy", "customStrategy", "jenkinsPipelineStrategy")
_PAUSED = "openshift.io/build-config.paused"
_CONFIG, _NUMBER, _POLICY = (
    "openshift.io/build-config.name",
    "openshift.io/build.number",
    "openshift.io/build.start-policy",
)
_MANUALLY = {"message": "Manually triggered"}
_TRIGGERS = ("from", "triggeredByImage")


def next_build(config: JsonObject, request: JsonObject, now: str) -> JsonObject:
    """The Build that a request asks for.

    Args:
        config: the stored BuildConfig.
        request: the decoded BuildRequest.
        now: the time as Kubernetes writes it.

    Raises:
        InvalidInput: the BuildConfig is paused or another one than the request means, or options do not fit it.
    """
    metadata, spec = config["metadata"], config.get("spec") or {}
    where = f"{metadata.get('namespace')}/{metadata['name']}"
    _check(config, request, where)
    number = last_version(config) + 1
    marks, labels = request["metadata"].get("annotations") or {}, request["metadata"].get("labels") or {}
    name = _label_value(metadata["name"])
    own = {"buildconfig": name, _CONFIG: name, _POLICY: spec.get("runPolicy") or ""}
    owner = {"kind": "BuildConfig", "name": metadata["name"], "apiVersion": "build.openshift.io/v1"}
    condition = {"type": "New", "status": "True", "lastUpdateTime": now, "lastTransitionTime": now}
    return {
        "metadata": {
            "name": f"{metadata['name']}-{number}",
            "labels": {**labels, **(metadata.get("labels") or {}), **own},
            "annotations": {**marks, _NUMBER: str(number), _CONFIG: metadata["name"]},
            "ownerReferences": [{**owner, "uid": metadata["uid"], "controller": True}],
        },
        "spec": {
            **{field: spec[field] for field in _COPIED if field in spec},
            "serviceAccount": spec.get("serviceAccount") or "builder",
            "strategy": _strategy(spec.get("strategy") or {}, request, where),
            "source": _source(spec.get("source") or {}, request.get("binary")),
            "triggeredBy": request.get("triggeredBy") or [_MANUALLY],
            **({"revision": request["revision"]} if request.get("revision") else {}),
        },
        "status": {
            "phase": "New",
            "conditions": [condition],
            "config": {"kind": "BuildConfig", "namespace": metadata.get("namespace"), "name": metadata["name"]},
        },
    }


def last_version(config: JsonObject) -> int:
    """The number of the last Build of a BuildConfig."""
    return int((config.get("status") or {}).get("lastVersion") or 0)


def _check(config: JsonObject, request: JsonObject, where: str) -> None:
    if ((config["metadata"].get("annotations") or {}).get(_PAUSED) or "").lower() == "true":
        raise InvalidInput(f"can't instantiate from BuildConfig {where}: BuildConfig is paused")
    last, expected = last_version(config), request.get("lastVersion")
    if expected is not None and expected != last:
        raise InvalidInput(
            f"the LastVersion({last}) on build config {where} does not match the build request LastVersion({expected})"
        )
    if any(request.get(field) for field in _TRIGGERS):
        raise InvalidInput("BuildRequest: from and triggeredByImage are of image triggers, which a dry cluster has not")


def _strategy(strategy: JsonObject, request: JsonObject, where: str) -> JsonObject:
    """The strategy with the request's variables and options."""
    filled = dict(strategy)
    used = next((name for name in _STRATEGIES if filled.get(name) is not None), "")
    if used and request.get("env"):
        filled[used] = {**filled[used], "env": _merged(filled[used].get("env") or (), request["env"])}
    docker, source = request.get("dockerStrategyOptions") or {}, request.get("sourceStrategyOptions") or {}
    if docker.get("buildArgs") or docker.get("noCache") is not None:
        options = _options_of(
            filled, "dockerStrategy", f"Docker build specific options on {where}, not a Docker build."
        )
        if docker.get("buildArgs"):
            options["buildArgs"] = _merged(options.get("buildArgs") or (), docker["buildArgs"])
        if docker.get("noCache") is not None:
            options["noCache"] = docker["noCache"]
    if source.get("incremental") is not None:
        options = _options_of(
            filled, "sourceStrategy", f"Source build specific options on {where}, not a Source build."
        )
        options["incremental"] = source["incremental"]
    return filled


def _options_of(strategy: JsonObject, name: str, what: str) -> JsonObject:
    if strategy.get(name) is None:
        raise InvalidInput(f"Cannot specify {what}")
    strategy[name] = dict(strategy[name])
    options: JsonObject = strategy[name]
    return options


def _merged(old: Iterable[JsonObject], new: Iterable[JsonObject]) -> list[JsonObject]:
    """Variables: new ones replace old ones of the same name."""
    replaced = {each["name"] for each in new}
    return [*(each for each in old if each["name"] not in replaced), *new]


def _source(source: JsonObject, binary: JsonObject | None) -> JsonObject:
    """The source: what was uploaded, or never that of an earlier upload."""
    dropped = {"type", "binary"} if binary is None else {"git"}
    if binary is not None and binary.get("asFile") == "Dockerfile":
        dropped.add("dockerfile")
    kept = {field: value for field, value in source.items() if field not in dropped}
    return kept if binary is None else {**kept, "binary": binary}


def _label_value(name: str) -> str:
    """As much of a name as is a label's value."""
    while name and label_value_problems(name):
        name = name[:-1]
    return name
