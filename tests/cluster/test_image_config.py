"""``image.config.openshift.io/cluster`` in a real API server: the import list of every worker follows it."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from imagegate.adapters.kubernetes_api.connection import ApiError
from imagegate.adapters.kubernetes_api.image_config import ClusterImageConfig
from tests.cluster.control_plane import ControlPlane
from tests.cluster.rights import restricted
from tests.cluster.workers import Asked, every_worker
from tests.support.processes import wait_until
from tests.support.service import Service, serving

IN_FORCE_S = 1.0
ANYTHING = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {
        "name": "images.config.openshift.io",
        "annotations": {"api-approved.kubernetes.io": "https://github.com/openshift/api/pull/470"},
    },
    "spec": {
        "group": "config.openshift.io",
        "scope": "Cluster",
        "names": {"plural": "images", "singular": "image", "kind": "Image", "listKind": "ImageList"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": ANYTHING}],
    },
}


def config(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "config.openshift.io/v1",
        "kind": "Image",
        "metadata": {"name": "cluster"},
        "spec": spec,
        "status": {"internalRegistryHostname": "registry.svc:5000"},
    }


def importing(image: str) -> dict[str, Any]:
    found = {
        "apiVersion": "image.openshift.io/v1",
        "kind": "ImageStreamImport",
        "metadata": {"name": "a", "namespace": "default"},
        "spec": {"import": True, "images": [{"from": {"kind": "DockerImage", "name": image}, "to": {"name": "x"}}]},
    }
    request = {
        "uid": "1",
        "operation": "CREATE",
        "namespace": "default",
        "userInfo": {"username": "ann"},
        "kind": {"group": "image.openshift.io", "version": "v1", "kind": "ImageStreamImport"},
        "resource": {"group": "image.openshift.io", "version": "v1", "resource": "imagestreamimports"},
        "object": found,
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


@dataclass(frozen=True, slots=True)
class Followed:
    plane: ControlPlane
    service: Service
    workers: list[Asked]

    def apply(self, found: dict[str, Any]) -> None:
        self.plane.kubectl("apply", "-f", "-", text_in=yaml.safe_dump(found))

    def until(self, image: str, allowed: bool, text: str = "") -> float:
        began, said = time.monotonic(), ""
        for worker in self.workers:
            while True:
                answer = worker.review(importing(image), "/validate/imports")
                said = str(answer)
                if answer["allowed"] is allowed and text in said:
                    break
                assert time.monotonic() - began < 10, said
                time.sleep(0.01)
        return time.monotonic() - began


@pytest.fixture(scope="module")
def followed(plane: ControlPlane) -> Iterator[Followed]:
    plane.kubectl("apply", "-f", "-", text_in=yaml.safe_dump(DEFINITION))
    plane.kubectl("wait", "--for=condition=Established", "crd/images.config.openshift.io", "--timeout=60s")
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="config-")))
        settings = directory / "imagegate.yaml"
        cluster = {"kubeconfig": str(plane.kubectl.configuration), "imageConfig": True}
        settings.write_text(yaml.safe_dump({"cluster": cluster}))
        service = stack.enter_context(serving(directory, "--settings", settings, workers=2))
        yield Followed(plane, service, stack.enter_context(every_worker(service)))
        plane.kubectl("delete", "crd", "images.config.openshift.io")


def test_nothing_is_imported_while_there_is_no_object(followed: Followed) -> None:
    assert followed.service.get("/readyz").status == 200
    followed.until("quay.io/a/b:1", False, "there is no object cluster")


def test_changes_are_in_force_within_a_second(followed: Followed) -> None:
    took = []
    for name, other in (("quay.io", "docker.io"), ("docker.io", "quay.io")) * 5:
        followed.apply(config(allowedRegistriesForImport=[{"domainName": name}]))
        took += [followed.until(f"{name}/a/b:1", True), followed.until(f"{other}/a/b:1", False)]
    followed.until("registry.svc:5000/a/b:1", True)
    followed.apply(config())
    took.append(followed.until("quay.io/a/b:1", True))
    assert max(took) < IN_FORCE_S, took


def test_an_object_that_cannot_be_read_allows_nothing(followed: Followed) -> None:
    followed.apply(config(allowedRegistriesForImport=[{"domainName": "quay.io"}]))
    followed.until("quay.io/a/b:1", True)
    followed.apply(config(allowedRegistriesForImport={"domainName": "quay.io"}))
    followed.until("quay.io/a/b:1", False, "allowedRegistriesForImport: expected a list")
    followed.apply(config(allowedRegistriesForImport=[{"domainName": "quay.io"}]))
    followed.until("quay.io/a/b:1", True)
    followed.plane.kubectl("delete", "images.config.openshift.io", "cluster")
    followed.until("quay.io/a/b:1", False, "there is no object cluster")


def test_every_worker_has_the_same_version(followed: Followed) -> None:
    followed.apply(config())
    wait_until(lambda: len({each.get("/version")["policies"] for each in followed.workers}) == 1, "one version")


def test_the_rights_of_the_role_are_enough_and_no_more(followed: Followed, tmp_path: Path) -> None:
    with restricted(followed.plane, "image-config", tmp_path) as connection:
        found = ClusterImageConfig(lambda: connection)
        [watch] = found.watches
        watch.start()
        assert watch.wait(20), watch.state
        watch.stop()
        assert found.now().found["status"] == config()["status"]
        with pytest.raises(ApiError, match="cannot list resource"):
            connection.get("/apis/config.openshift.io/v1/images", deadline_s=10, query={"limit": "5"})
