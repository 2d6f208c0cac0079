"""Columns of OpenShift's kinds of the dry cluster, for ``oc get``.

Source: openshift-apiserver, ``pkg/{apps,build,project,template}/printers/internalversion/printer.go``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from imagegate.core.image_api.columns import NAME, Cells, Column, Row, human_duration, parse_time
from imagegate.core.image_api.table_cells import branch, entries, field, name_of, text

JsonObject = Mapping[str, Any]

_DESCRIPTION_LENGTH = 80
_STRATEGIES = {
    "dockerStrategy": "Docker",
    "customStrategy": "Custom",
    "sourceStrategy": "Source",
    "jenkinsPipelineStrategy": "JenkinsPipeline",
}
_COMMIT = re.compile("[0-9a-fA-F]{21,}")
_COMMIT_SHOWN = 7
_NANOSECONDS = 1_000_000_000


def _deployment_config(found: JsonObject, now: datetime) -> Row:  # noqa: ARG001 - all rows are made alike
    desired = str(field(found, 0, "spec", "replicas"))
    return [
        name_of(found),
        field(found, 0, "status", "latestVersion"),
        f"{desired} (during test)" if field(found, False, "spec", "test") else desired,
        field(found, 0, "status", "updatedReplicas"),
        ",".join(sorted(set(_triggers(found)))),
    ]


def _triggers(found: JsonObject) -> Iterator[str]:
    containers = {text(each, "name") for each in entries(found, "spec", "template", "spec", "containers")}
    for trigger in entries(found, "spec", "triggers"):
        kind = text(trigger, "type")
        if kind == "ConfigChange":
            yield "config"
        elif kind != "ImageChange":
            yield kind
        elif field(trigger, False, "imageChangeParams", "automatic"):
            yield _image_trigger(branch(trigger, "imageChangeParams"), containers)


def _image_trigger(change: JsonObject, containers: set[str]) -> str:
    given: list[Any] = field(change, [], "containerNames")
    names = sorted(map(str, given))
    prefix = "" if len(containers) == 1 or containers >= set(names) else f"{','.join(names)}:"
    kind = text(change, "from", "kind")
    return f"{'image' if kind == 'ImageStreamTag' else kind}({prefix}{text(change, 'from', 'name')})"


def _strategy(found: JsonObject) -> str:
    strategy = branch(found, "spec", "strategy")
    return next((name for key, name in _STRATEGIES.items() if strategy.get(key) is not None), "")


def _source(found: JsonObject) -> str:
    """The origin of a build's source: ``Git@abcdef0``."""
    source = branch(found, "spec", "source")
    if source.get("binary") is not None:
        kind = "Binary"
    else:
        named = (("dockerfile", "Dockerfile"), ("git", "Git"))
        kind = ",".join(name for key, name in named if source.get(key) is not None)
    if kind in ("", "Dockerfile"):
        return kind
    revision = text(found, "spec", "revision", "git", "commit") or text(source, "git", "ref")
    if _COMMIT.fullmatch(revision):
        revision = revision[:_COMMIT_SHOWN]
    return f"{kind}@{revision}" if revision else kind


def _build(found: JsonObject, now: datetime) -> Row:
    status, reason = text(found, "status", "phase"), text(found, "status", "reason")
    started, taken = text(found, "status", "startTimestamp"), field(found, 0, "status", "duration")
    return [
        name_of(found),
        _strategy(found),
        _source(found),
        f"{status} ({reason})" if reason else status,
        f"{human_duration(now - parse_time(started))} ago" if started else "",
        f"{taken // _NANOSECONDS}s" if taken > 0 else "",
    ]


def _build_config(found: JsonObject, now: datetime) -> Row:  # noqa: ARG001
    custom = branch(found, "spec", "strategy", "customStrategy")
    source = text(custom, "from", "name") if custom else _source(found)
    return [name_of(found), _strategy(found), source, field(found, 0, "status", "lastVersion")]


def _project(found: JsonObject, now: datetime) -> Row:  # noqa: ARG001
    shown = text(found, "metadata", "annotations", "openshift.io/display-name")
    return [name_of(found), shown, text(found, "status", "phase")]


def _template(found: JsonObject, now: datetime) -> Row:  # noqa: ARG001
    description, *more = text(found, "metadata", "annotations", "description").split("\n", 1)
    description = f"{description}..." if more else description
    if len(description) > _DESCRIPTION_LENGTH:
        description = f"{description[: _DESCRIPTION_LENGTH - 3].strip()}..."
    objects: list[Any] = field(found, [], "objects")
    return [name_of(found), description, _parameters(entries(found, "parameters")), len(objects)]


def _parameters(parameters: Sequence[JsonObject]) -> str:
    without = [each for each in parameters if not text(each, "value")]
    generated = [each for each in without if text(each, "generate")]
    blank = len(without) - len(generated)
    state = f"{blank} blank" if blank else f"{len(generated)} generated" if generated else "all set"
    return f"{len(parameters)} ({state})"


_TYPE = Column("Type", "Describes a particular way of performing a build.")
_FROM = Column("From", "Where the source of the build is from.")

TABLES: Mapping[str, tuple[Sequence[Column], Cells]] = {
    "Build": (
        (
            NAME,
            _TYPE,
            _FROM,
            Column("Status", "Phase of the build."),
            Column("Started", "Time since the build was started."),
            Column("Duration", "Time the build took."),
        ),
        _build,
    ),
    "BuildConfig": ((NAME, _TYPE, _FROM, Column("Latest", "Number of the newest build.")), _build_config),
    "DeploymentConfig": (
        (
            NAME,
            Column("Revision", "Number of the newest rollout."),
            Column("Desired", "Number of desired pods."),
            Column("Current", "Number of pods of the newest template."),
            Column("Triggered By", "What starts a rollout."),
        ),
        _deployment_config,
    ),
    "Project": (
        (
            NAME,
            Column("Display Name", "The name displayed by a UI when referencing a project."),
            Column("Status", "The status of the project."),
        ),
        _project,
    ),
    "Template": (
        (
            NAME,
            Column("Description", "Template description."),
            Column("Parameters", "Number of parameters."),
            Column("Objects", "Number of resources in this template."),
        ),
        _template,
    ),
}
