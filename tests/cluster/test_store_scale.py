"""A large store in the Kubernetes API: start, memory of a worker, and no request for a review that is warm."""

from __future__ import annotations

import itertools
import json
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from imagegate.adapters.kubernetes_api.own_account import PATH as OWN_ACCOUNT
from imagegate.adapters.kubernetes_api.store.stored_form import RESOURCE, document_of
from imagegate.ports.image_store import ObjectKey
from tests.adapters.kubernetes_api.api import ObjectsApi, status
from tests.cluster.test_cluster_scale import rss_mib
from tests.cluster.test_watched_policies import review
from tests.cluster.workers import every_worker
from tests.support.image_objects import event, image, stream
from tests.support.processes import wait_until
from tests.support.service import serving
from tests.support.simulator import Request, Response

GROUP = "image.openshift.io"
STREAMS, PER_STREAM = 5_000, 4
IMAGES = STREAMS * PER_STREAM
PATH = f"/apis/imagegate.dev/v1alpha1/namespaces/imagegate/{RESOURCE}"
RSS_MAX_MIB = 200
START_MAX_S = 120
"""On a busy machine; a quiet one is much quicker."""
POLICY = {
    "kind": "ImagePolicyConfig",
    "apiVersion": "v1",
    "resolveImages": "RequiredRewrite",
    "executionRules": [
        {"name": "in-streams", "onResources": [{"resource": "pods"}], "matchIntegratedRegistry": False},
        {
            "name": "execution-denied",
            "onResources": [{"resource": "pods"}],
            "reject": True,
            "matchImageAnnotations": [{"key": "images.openshift.io/deny-execution", "value": "true"}],
        },
    ],
}
_RANDOM = random.Random(7)


def digest() -> str:
    return f"sha256:{_RANDOM.randbytes(32).hex()}"


def stored_image(name: str) -> dict[str, Any]:
    """An Image as an import stores it: eight layers, twenty lines of history; about 6 KB."""
    layers = [{"name": digest(), "size": 31_415_926, "mediaType": "application/vnd.oci.image.layer"} for _ in range(8)]
    history = [{"created": "2018-06-01T10:00:00Z", "created_by": f"/bin/sh -c echo {digest()}"} for _ in range(20)]
    config = {"architecture": "amd64", "config": {"Env": ["PATH=/usr/bin"], "Labels": {"a": "b"}}, "history": history}
    found = image(name)
    found["dockerImageLayers"] = layers
    found["dockerImageMetadata"] = {"kind": "DockerImage", "apiVersion": "1.0", "Id": name, "Config": config["config"]}
    return {**found, "dockerImageConfig": json.dumps(config), "dockerImageManifest": json.dumps({"layers": layers})}


def document(key: ObjectKey, body: dict[str, Any]) -> dict[str, Any]:
    found = document_of(key, body, "imagegate")
    fields: dict[str, Any] = {"f:spec": {f".{each}": {} for each in found["spec"]}}
    found["metadata"] |= {"uid": f"00000000-0000-0000-0000-{_RANDOM.randrange(10**12):012d}", "resourceVersion": "1"}
    found["metadata"]["managedFields"] = [{"manager": "imagegate", "operation": "Update", "fieldsV1": fields}]
    return found


def everything() -> Iterator[dict[str, Any]]:
    for number in range(STREAMS):
        digests = [digest() for _ in range(PER_STREAM)]
        for each in digests:
            yield document(ObjectKey(GROUP, "images", "", each), stored_image(each))
        tags = {f"t{tag}": [event(each, f"org/app@{each}")] for tag, each in enumerate(digests)}
        found = stream(f"s{number}", "default", tags=tags)
        found["spec"]["lookupPolicy"] = {"local": True}
        yield document(ObjectKey(GROUP, "imagestreams", "default", f"s{number}"), found)


class StoredObjectsApi(ObjectsApi):
    """It has the namespace of the dry cluster already."""

    def answer(self, request: Request) -> Response:
        if request.method == "POST":
            return status(409, "exists")
        return super().answer(request)


@pytest.fixture(scope="module")
def api() -> Iterator[ObjectsApi]:
    with StoredObjectsApi() as found:
        metadata = {"name": "default", "labels": {"kubernetes.io/metadata.name": "default"}}
        found.serve("/api/v1/namespaces", {"metadata": metadata})
        found.serve(PATH, *everything())
        yield found


@pytest.mark.timeout(240)
def test_start_and_memory(api: ObjectsApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    api.connection(tmp_path)  # writes the kubeconfig
    config, settings = tmp_path / "policy.yaml", tmp_path / "imagegate.yaml"
    config.write_text(yaml.safe_dump(POLICY))
    cluster = {"kubeconfig": str(tmp_path / "kubeconfig")}
    settings.write_text(yaml.safe_dump({"config": str(config), "cluster": cluster, "store": "kubernetes"}))
    began = time.monotonic()
    with serving(tmp_path, "--settings", settings, workers=2) as service:
        wait_until(lambda: service.get("/readyz").status == 200, "the watches", timeout_s=150)
        ready_s = time.monotonic() - began
        with every_worker(service) as workers:
            asked = [review(f"s{number}:t{number % PER_STREAM}", "default") for number in range(0, STREAMS, 10)]
            for worker in workers:
                said = worker.review(asked[0], "/mutate")
                assert said["allowed"] is True, said["status"]["message"]
            before = len(api.requests)
            for worker, each in itertools.product(workers, asked):
                assert worker.review(each, "/mutate")["allowed"] is True
                assert worker.review(review("none:t", "default"), "/mutate")["allowed"] is False
            asked_for = [each.path for each in api.requests[before:] if "watch" not in each.query]
            more = [path for path in asked_for if "/leases" not in path and path != OWN_ACCOUNT]
            memory = {worker.pid: rss_mib(worker.pid) for worker in workers}
    with capsys.disabled():
        sys.stdout.write(
            f"\n{STREAMS} streams, {IMAGES} images: ready after {ready_s:.1f} s, "
            f"RSS of the workers {', '.join(f'{each:.0f}' for each in memory.values())} MiB\n"
        )
    assert more == [], "a warm review asks the API server nothing"
    assert max(memory.values()) <= RSS_MAX_MIB
    assert ready_s < START_MAX_S
