"""Tables of any kind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from imagegate.core.image_api.resources import RESOURCES
from imagegate.core.image_api.table_cells import short_duration
from imagegate.core.image_api.tables import partial_metadata, table

NOW = datetime(2018, 6, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "seconds, text",
    [
        (-5, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (200, "3m20s"),
        (600, "10m"),
        (3 * 3600 + 120, "3h2m"),
        (8 * 3600, "8h"),
        (47 * 3600, "47h"),
        (48 * 3600, "2d"),
        (50 * 3600, "2d2h"),
        (8 * 86400, "8d"),
        (729 * 86400, "729d"),
        (730 * 86400, "2y"),
        (731 * 86400, "2y1d"),
        (9 * 365 * 86400, "9y"),
    ],
)
def test_ages(seconds: int, text: str) -> None:
    assert short_duration(timedelta(seconds=seconds)) == text


HOSTILE: list[Any] = [None, 7, -1.5, True, "text", [], {}, [7, None, {}], {"a": [{}]}]
EMPTY_CELLS: dict[str, list[Any]] = {
    "Build": ["", "", "", "", "", ""],
    "BuildConfig": ["", "", "", 0],
    "ConfigMap": ["", 0, "<unknown>"],
    "CronJob": ["", "", "<none>", "False", 0, "<none>", "<unknown>", "", "", "<none>"],
    "DaemonSet": ["", 0, 0, 0, 0, 0, "<none>", "<unknown>", "", "", "<none>"],
    "Deployment": ["", "0/1", 0, 0, "<unknown>", "", "", ""],
    "DeploymentConfig": ["", 0, "0", 0, ""],
    "Event": ["<unknown>", "", "", "", "", "", "", "<unknown>", 1, ""],
    "Job": ["", "Running", "0/1", "", "<unknown>", "", "", "<none>"],
    "LimitRange": ["", ""],
    "Namespace": ["", "", "<unknown>"],
    "Pod": ["", "0/0", "", "0", "<unknown>", "<none>", "<none>", "<none>", "<none>"],
    "PodTemplate": ["", "", "", "<none>"],
    "Project": ["", "", ""],
    "ReplicaSet": ["", 1, 0, 0, "<unknown>", "", "", "<none>"],
    "ReplicationController": ["", 1, 0, 0, "<unknown>", "", "", "<none>"],
    "ResourceQuota": ["", "", "", "<unknown>"],
    "Secret": ["", "Opaque", 0, "<unknown>"],
    "Service": ["", "ClusterIP", "<none>", "<none>", "<none>", "<unknown>", "<none>"],
    "ServiceAccount": ["", "<unknown>"],
    "StatefulSet": ["", "0/1", "<unknown>", "", ""],
    "Template": ["", "", "0 (all set)", 0],
}
POD = {"metadata": {"name": "p"}, "spec": {"containers": [{"image": "a"}, {"image": "b"}, 7]}}
GIT = {"git": {"uri": "https://example.com/a.git", "ref": "main"}}


def template(**spec: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "y"}], **spec}}


@pytest.mark.parametrize(
    "kind, found, cells",
    [
        ("ConfigMap", {"metadata": {"name": "a", "creationTimestamp": "2018-06-01T11:59:00Z"}}, ["a", 0, "60s"]),
        ("ConfigMap", {"data": {"a": "1"}, "binaryData": {"b": "Mg=="}}, ["", 2, "<unknown>"]),
        ("Namespace", {"metadata": {"name": "a"}, "status": {"phase": "Active"}}, ["a", "Active", "<unknown>"]),
        ("Pod", POD, ["p", "0/2", "", "0", "<unknown>", *["<none>"] * 4]),
        ("Image", {"metadata": {"name": "sha256:1"}, "dockerImageReference": "x"}, ["sha256:1", "x"]),
        ("LimitRange", {"metadata": {"name": "l", "creationTimestamp": "T"}}, ["l", "T"]),
        (
            "Project",
            {
                "metadata": {"name": "p", "annotations": {"openshift.io/display-name": "P"}},
                "status": {"phase": "Active"},
            },
            ["p", "P", "Active"],
        ),
        (
            "DeploymentConfig",
            {
                "metadata": {"name": "d"},
                "spec": {
                    "replicas": 2,
                    "test": True,
                    "template": template(),
                    "triggers": [
                        {"type": "ConfigChange"},
                        {
                            "type": "ImageChange",
                            "imageChangeParams": {
                                "automatic": True,
                                "containerNames": ["c", "a"],
                                "from": {"kind": "ImageStreamTag", "name": "app:v1"},
                            },
                        },
                        {"type": "ImageChange", "imageChangeParams": {"from": {"name": "app:v2"}}},
                        {"type": "Own"},
                    ],
                },
                "status": {"latestVersion": 3, "updatedReplicas": 1},
            },
            ["d", 3, "2 (during test)", 1, "Own,config,image(a,c:app:v1)"],
        ),
        ("BuildConfig", {"spec": {"strategy": {"sourceStrategy": {}}, "source": GIT}}, ["", "Source", "Git@main", 0]),
        (
            "BuildConfig",
            {"spec": {"strategy": {"customStrategy": {"from": {"name": "own:v1"}}}, "source": GIT}},
            ["", "Custom", "own:v1", 0],
        ),
        (
            "Build",
            {
                "spec": {
                    "strategy": {"dockerStrategy": {}},
                    "source": {"dockerfile": "FROM a", **GIT},
                    "revision": {"git": {"commit": "0123456789abcdef0123456789abcdef01234567"}},
                },
                "status": {
                    "phase": "Failed",
                    "reason": "FetchSourceFailed",
                    "startTimestamp": "2018-06-01T11:00:00Z",
                    "duration": 5_000_000_000,
                },
            },
            ["", "Docker", "Dockerfile,Git@0123456", "Failed (FetchSourceFailed)", "About an hour ago", "5s"],
        ),
        (
            "Template",
            {
                "metadata": {"annotations": {"description": "one\ntwo"}},
                "parameters": [{"value": "a"}, {"generate": "expression"}, {}],
                "objects": [{}, {}],
            },
            ["", "one...", "3 (1 blank)", 2],
        ),
        ("Template", {"parameters": [{"generate": "expression"}]}, ["", "", "1 (1 generated)", 0]),
    ],
)
def test_rows(kind: str, found: dict[str, Any], cells: list[Any]) -> None:
    made = table(kind, [found], NOW, resourceVersion="7")
    assert made["metadata"] == {"resourceVersion": "7"}
    assert [row["cells"] for row in made["rows"]] == [cells]
    assert len(made["columnDefinitions"]) == len(cells)
    assert made["rows"][0]["object"] == partial_metadata(found)


@pytest.mark.parametrize("kind", EMPTY_CELLS)
def test_fields_of_a_wrong_type_read_as_missing(kind: str) -> None:
    fields = ("metadata", "spec", "status", "data", "parameters", "template", "involvedObject")
    found = [dict.fromkeys(fields, value) for value in HOSTILE]
    found += [{key: dict.fromkeys(_FIELDS, value) for key in fields} for value in HOSTILE]
    made = table(kind, [{}, *found], NOW)
    width = len(made["columnDefinitions"])
    assert made["rows"][0]["cells"] == EMPTY_CELLS[kind]
    assert all(len(row["cells"]) == width for row in made["rows"])
    assert all(isinstance(cell, str | int) for row in made["rows"] for cell in row["cells"])


_FIELDS = [
    "name",
    "creationTimestamp",
    "annotations",
    "containers",
    "initContainers",
    "schedulingGates",
    "conditions",
    "replicas",
    "readyReplicas",
    "template",
    "selector",
    "triggers",
    "strategy",
    "source",
    "duration",
    "startTimestamp",
    "startTime",
    "completionTime",
    "completions",
    "ports",
    "clusterIPs",
    "externalIPs",
    "jobTemplate",
    "active",
    "suspend",
    "podIPs",
    "readinessGates",
]


def test_a_table_for_every_listed_kind() -> None:
    listed = {each.kind for each in RESOURCES if "watch" in each.verbs}
    assert listed <= EMPTY_CELLS.keys() | {"Image", "ImageStream"}
