"""Replicas that share the store in the Kubernetes API: nothing is lost between them, whatever ends or is edited."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from imagegate.adapters.kubernetes_api.store.stored_form import name_of
from imagegate.ports.image_store import Collection, ObjectKey
from tests.cluster.control_plane import ControlPlane
from tests.cluster.stores import (
    IMAGES_PATH,
    STREAMS_PATH,
    define,
    followed,
    import_into,
    new_namespace,
    replica,
    set_tag,
)
from tests.cluster.test_watched_policies import review
from tests.support.processes import wait_until
from tests.support.registry import Registry
from tests.support.service import IMAGEGATE, Service
from tests.walkthrough.document_004 import IMAGE

GROUP = "image.openshift.io"
DENY = {"metadata": {"annotations": {"images.openshift.io/deny-execution": "true"}}}
JSON = {"Content-Type": "application/json"}
MERGE = {"Content-Type": "application/merge-patch+json"}


class Pair(NamedTuple):
    """Two replicas of two workers each."""

    plane: ControlPlane
    namespace: str
    one: Service
    other: Service
    digest: str

    def stored(self, resource: str, namespace: str, name: str) -> str:
        """The name of the custom resource of an object."""
        return name_of(ObjectKey(GROUP, resource, namespace, name))


@pytest.fixture(scope="module")
def pair(plane: ControlPlane, registry_tls: Registry) -> Iterator[Pair]:
    define(plane)
    digest = registry_tls.push_sample("tiny-docker", IMAGE)
    namespace = new_namespace(plane)
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pair-")))
        one, other = (
            stack.enter_context(replica(plane, namespace, directory / name, registry_tls)) for name in ("one", "other")
        )
        yield Pair(plane, namespace, one, other, digest)


def tags_of(found: dict[str, Any]) -> dict[str, str]:
    """Tag -> image."""
    return {each["tag"]: each["items"][0]["image"] for each in found["status"].get("tags", ())}


def pod_review(image: str) -> dict[str, Any]:
    return review(image, "default")


def allows(service: Service, image: str) -> bool:
    return bool(service.post("/mutate", pod_review(image)).response["allowed"])


def test_a_write_is_in_the_next_read_of_its_replica(pair: Pair) -> None:
    """Whichever worker answers: each request here has a connection of its own."""
    for number in range(30):
        name = f"seen-{number}"
        created = pair.one.ask("POST", STREAMS_PATH, json.dumps({"metadata": {"name": name}}), JSON)
        assert created.status == 201, created.content
        listed = pair.one.get(STREAMS_PATH).json
        assert name in [each["metadata"]["name"] for each in listed["items"]]
        assert pair.other.get(f"{STREAMS_PATH}/{name}").status == 200, (
            "a read of one object sees every replica's writes"
        )
        assert pair.one.ask("DELETE", f"{STREAMS_PATH}/{name}").status == 200
        assert name not in [each["metadata"]["name"] for each in pair.one.get(STREAMS_PATH).json["items"]]


def test_a_watch_goes_on_at_another_replica(pair: Pair) -> None:
    """From a version that the other one, where nothing has happened since, had no reason to reach."""
    pair.plane.kubectl("create", "configmap", "moves-the-revision", "-n", pair.namespace)
    for service, elsewhere in ((pair.one, pair.other), (pair.other, pair.one)):
        version = service.get(STREAMS_PATH).json["metadata"]["resourceVersion"]
        watched = elsewhere.get(f"{STREAMS_PATH}?watch=1&resourceVersion={version}&timeoutSeconds=1")
        assert watched.status == 200
        assert b"ERROR" not in watched.content, watched.content


def test_tags_and_imports_of_two_replicas_in_one_stream(pair: Pair) -> None:
    count = 24
    assert import_into(pair.one, "busy", "first", IMAGE).status == 201

    def work(number: int) -> tuple[str, int, bytes]:
        service = (pair.one, pair.other)[number % 2]
        if number % 3:
            answer = set_tag(service, "busy", f"t{number}", "busy:first")
            return f"t{number}", answer.status, answer.content
        answer = import_into(service, "busy", f"t{number}", IMAGE)
        return f"t{number}", answer.status, answer.content

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(work, range(count)))
    assert [each for each in done if each[1] not in (200, 201)] == []
    for service in (pair.one, pair.other):
        found = tags_of(service.get(f"{STREAMS_PATH}/busy").json)
        assert found == dict.fromkeys(["first", *(f"t{number}" for number in range(count))], pair.digest)


def test_a_mark_is_in_force_in_every_replica(pair: Pair) -> None:
    assert import_into(pair.one, "marked", "latest", IMAGE).status == 201
    image = f"docker.io/openshift/image-policy-check@{pair.digest}"
    wait_until(lambda: allows(pair.one, image) and allows(pair.other, image), "both to know the image")
    marked = pair.one.ask("PATCH", f"{IMAGES_PATH}/{pair.digest}", json.dumps(DENY), MERGE)
    assert marked.status == 200, marked.content
    began = time.monotonic()
    wait_until(lambda: not allows(pair.one, image) and not allows(pair.other, image), "both to deny it")
    assert time.monotonic() - began < 1
    for _ in range(20):  # whichever worker answers
        assert not allows(pair.one, image)
        assert not allows(pair.other, image)
    unmarked = {"metadata": {"annotations": {"images.openshift.io/deny-execution": None}}}
    assert pair.other.ask("PATCH", f"{IMAGES_PATH}/{pair.digest}", json.dumps(unmarked), MERGE).status == 200
    wait_until(lambda: allows(pair.one, image) and allows(pair.other, image), "both to allow it")


def test_an_object_that_was_edited_to_garbage(pair: Pair) -> None:
    assert import_into(pair.one, "edited", "latest", IMAGE).status == 201
    image = f"docker.io/openshift/image-policy-check@{pair.digest}"
    wait_until(lambda: allows(pair.one, image) and allows(pair.other, image), "both to know the image")
    name = pair.stored("images", "", pair.digest)
    kubectl = ("-n", pair.namespace, "storedobjects.imagegate.dev")
    before = pair.plane.kubectl.json("get", *kubectl[:2], f"{kubectl[2]}/{name}")
    patch = json.dumps({"spec": {"body": "x" * 100}})
    pair.plane.kubectl("patch", *kubectl, name, "--type=merge", "-p", patch)
    for service in (pair.one, pair.other):
        wait_until(lambda service=service: not allows(service, image), "the image to be denied")  # type: ignore[misc]
        said = service.post("/mutate", pod_review(image)).response["status"]["message"]
        assert f"{name} cannot be read" in said
        refused = service.get(f"{IMAGES_PATH}/{pair.digest}")
        assert refused.status == 507
        assert "delete it with kubectl" in refused.json["message"]
        assert service.get(IMAGES_PATH).status == 507, "a part of a list is never a result"
        assert service.get(STREAMS_PATH).status == 200
        assert name in service.get("/readyz").json["checks"]["store"]
    spec = json.dumps({"spec": before["spec"]})
    pair.plane.kubectl("patch", *kubectl, name, "--type=merge", "-p", spec)
    wait_until(lambda: allows(pair.one, image) and allows(pair.other, image), "the repair")
    assert pair.one.get("/readyz").json["checks"]["store"] == "ok"
    moved = pair.plane.kubectl(
        "patch", *kubectl, name, "--type=merge", "-p", '{"spec": {"name": "other"}}', check=False
    )
    assert "the key of a stored object cannot be changed" in moved.stderr


class Client:
    """Posts imports, and notes what was acknowledged."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self.acknowledged: list[tuple[str, str]] = []

    def post(self, number: int) -> None:
        service = (self._pair.one, self._pair.other)[number % 2]
        stream, tag = f"killed-{number % 7}", f"t{number}"
        while True:
            try:
                answer = import_into(service, stream, tag, IMAGE)
            except (OSError, http.client.HTTPException):
                return  # the worker was killed: this import is not acknowledged
            if answer.status == 201:
                self.acknowledged.append((stream, tag))
                return
            assert answer.status in (429, 503), answer.content
            time.sleep(0.05)


@pytest.mark.timeout(240)
def test_workers_that_are_killed_while_they_import(pair: Pair) -> None:
    client, stop, killed = Client(pair), threading.Event(), 0

    def kill() -> int:
        count = 0
        while not stop.wait(0.7):
            workers = sorted((pair.one, pair.other)[count % 2].workers())
            if len(workers) > 1:
                os.kill(workers[0], signal.SIGKILL)
                count += 1
        return count

    with ThreadPoolExecutor(9) as pool:
        killer = pool.submit(kill)
        for done in [pool.submit(client.post, number) for number in range(160)]:
            done.result()
        stop.set()
        killed = killer.result()
    assert killed >= 3, "too few workers were killed for this to prove anything"
    assert len(client.acknowledged) > 80
    with followed(pair.plane, pair.namespace) as store:
        streams = {
            each["metadata"]["name"]: each for each in store.list_objects(Collection(GROUP, "imagestreams")).items
        }
        images = {each["metadata"]["name"] for each in store.list_objects(Collection(GROUP, "images")).items}
        assert store.journal.unreadable() == []
    for stream, tag in client.acknowledged:
        assert tags_of(streams[stream])[tag] == pair.digest
    for each in streams.values():
        assert set(tags_of(each).values()) <= images, "a stream names no image that is not there"
        assert set(tags_of(each)) <= {tag["name"] for tag in each["spec"].get("tags", ())}


def test_a_large_object_is_refused_and_nothing_is_changed(pair: Pair) -> None:
    assert pair.one.ask("POST", STREAMS_PATH, json.dumps({"metadata": {"name": "large"}}), JSON).status == 201
    before = pair.one.get(f"{STREAMS_PATH}/large").json
    noise = [os.urandom(120_000).hex() for _ in range(12)]
    large = {"spec": {"tags": [{"name": f"t{n}", "annotations": {"noise": text}} for n, text in enumerate(noise)]}}
    refused = pair.one.ask("PATCH", f"{STREAMS_PATH}/large", json.dumps(large), MERGE)
    assert refused.status == 413, refused.content
    assert "can be stored" in refused.json["message"]
    assert pair.one.get(f"{STREAMS_PATH}/large").json == before


def test_the_command_line_uses_the_same_store(pair: Pair, tmp_path: Path) -> None:
    settings = tmp_path / "imagegate.yaml"
    cluster = {"kubeconfig": str(pair.plane.kubectl.configuration)}
    store = {"kind": "kubernetes", "namespace": pair.namespace}
    settings.write_text(yaml.safe_dump({"cluster": cluster, "store": store}))
    assert pair.one.ask("POST", STREAMS_PATH, json.dumps({"metadata": {"name": "listed"}}), JSON).status == 201
    command: list[str | Path] = [IMAGEGATE, "image", "list", "-n", "default", "--settings", settings]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "listed" in done.stdout.split()
