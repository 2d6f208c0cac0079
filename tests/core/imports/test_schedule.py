"""Which streams are imported without being asked."""

from __future__ import annotations

from typing import Any

import pytest

from imagegate.core.imports.outcome import CHECK_ANNOTATION
from imagegate.core.imports.schedule import due_import, is_scheduled, pending_import

JsonObject = dict[str, Any]
PINNED = "r.io/a/b@sha256:" + "0" * 64


def tag(
    name: str = "v1",
    source: str | None = "r.io/a/b:v1",
    *,
    generation: int | None = 1,
    scheduled: bool = False,
    reference: bool = False,
    kind: str = "DockerImage",
) -> JsonObject:
    written: JsonObject = {
        "name": name,
        "generation": generation,
        "reference": reference,
        "importPolicy": {"scheduled": scheduled, "importMode": "Legacy"},
        "referencePolicy": {"type": "Local"},
    }
    return written if source is None else {**written, "from": {"kind": kind, "name": source}}


def stream(
    *tags: JsonObject, done: dict[str, int] | None = None, failed: dict[str, int] | None = None, **more: Any
) -> JsonObject:
    histories = [{"tag": name, "items": [{"generation": generation}]} for name, generation in (done or {}).items()]
    histories += [
        {"tag": name, "conditions": [{"type": "ImportSuccess", "status": "False", "generation": generation}]}
        for name, generation in (failed or {}).items()
    ]
    annotations = more.pop("annotations", {CHECK_ANNOTATION: "then"})
    return {
        "metadata": {
            "name": "app",
            "namespace": "test",
            "generation": 3,
            "resourceVersion": "17",
            "uid": "u",
            "annotations": annotations,
        },
        "spec": {"tags": list(tags), **more},
        "status": {"tags": histories},
    }


def names(document: JsonObject | None) -> list[str] | None:
    return None if document is None else [entry["to"]["name"] for entry in document["spec"]["images"]]


def test_the_request() -> None:
    assert pending_import(stream(tag(generation=2), done={"v1": 1})) == {
        "kind": "ImageStreamImport",
        "apiVersion": "image.openshift.io/v1",
        "metadata": {"name": "app", "namespace": "test", "resourceVersion": "17", "uid": "u"},
        "spec": {
            "import": True,
            "images": [
                {
                    "from": {"kind": "DockerImage", "name": "r.io/a/b:v1"},
                    "to": {"name": "v1"},
                    "importPolicy": {"scheduled": False, "importMode": "Legacy"},
                    "referencePolicy": {"type": "Local"},
                }
            ],
        },
        "status": {},
    }


@pytest.mark.parametrize(
    "wanted, found",
    [
        (stream(tag(), done={"v1": 1}), None),
        (stream(tag(generation=2), done={"v1": 1}), ["v1"]),
        (stream(tag()), ["v1"]),
        (stream(tag(), failed={"v1": 1}), None),
        (stream(tag(generation=2), failed={"v1": 1}), ["v1"]),
        (stream(tag(generation=2, reference=True)), None),
        (stream(tag(generation=2, kind="ImageStreamTag")), None),
        (stream(tag(generation=2, source=None)), None),
        (stream(tag(generation=None)), None),
        (stream(tag(generation=None), tag("v2")), ["v1", "v2"]),
        (stream(tag(generation=None), annotations={}), ["v1"]),
        (stream(tag(), done={"v1": 1}, annotations={}), None),
        (stream(annotations=None), None),
        (stream(tag(generation=2), tag("v2"), done={"v1": 1, "v2": 1}), ["v1"]),
    ],
)
def test_what_is_needed_at_once(wanted: JsonObject, found: list[str] | None) -> None:
    assert names(pending_import(wanted)) == found


def test_a_whole_repository_once() -> None:
    repository: JsonObject = {"dockerImageRepository": "r.io/a/b"}
    asked = pending_import(stream(tag(), done={"v1": 1}, annotations={}, **repository))
    assert asked is not None
    assert asked["spec"]["repository"] == {
        "from": {"kind": "DockerImage", "name": "r.io/a/b"},
        "importPolicy": {"insecure": False},
    }
    assert names(asked) == ["v1"]
    insecure = {"openshift.io/image.insecureRepository": "true"}
    asked = pending_import(stream(annotations=insecure, **repository))
    assert asked is not None
    assert asked["spec"]["repository"]["importPolicy"] == {"insecure": True}
    assert asked["spec"]["images"] == []
    assert pending_import(stream(**repository)) is None


@pytest.mark.parametrize(
    "found, scheduled, due",
    [
        (stream(tag(scheduled=True), done={"v1": 1}), True, ["v1"]),
        (stream(tag(scheduled=True), tag("v2"), done={"v1": 1, "v2": 1}), True, ["v1"]),
        (stream(tag(), done={"v1": 1}), False, None),
        (stream(tag(scheduled=True, reference=True), done={"v1": 1}), False, None),
        (stream(tag(scheduled=True, kind="ImageStreamImage"), done={"v1": 1}), False, None),
        (stream(tag(scheduled=True, source="A"), done={"v1": 1}), False, None),
        (stream(tag(scheduled=True, source=PINNED), done={"v1": 1}), False, None),
        (stream(tag(scheduled=True, source=PINNED), failed={"v1": 1}), True, ["v1"]),
        (stream(tag(scheduled=True, source=PINNED, generation=2), failed={"v1": 2}), True, ["v1"]),
    ],
)
def test_what_is_done_again_and_again(found: JsonObject, scheduled: bool, due: list[str] | None) -> None:
    assert is_scheduled(found) is scheduled
    assert names(due_import(found)) == due
    assert found["spec"]["tags"][0]["generation"] in {1, 2}  # raised in the request only
