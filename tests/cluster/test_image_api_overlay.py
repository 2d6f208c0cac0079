"""The overlay for the image API as it is shipped: its rights, its webhooks, its APIService, a certificate of its own.

Three things are different, since there is no kubelet: the Service leads to this machine, imagegate runs here with the
token of its service account, and Docker Hub is played by a registry.
"""

from __future__ import annotations

import os
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.aggregated import INSTALLED_IN, MANIFESTS, docker_hub, is_available, token_of
from tests.cluster.control_plane import ControlPlane, control_plane
from tests.cluster.test_image_policy import pod
from tests.support.processes import free_port, started, wait_until
from tests.support.programs import program
from tests.support.registry import Registry
from tests.support.service import IMAGEGATE, ROOT, Service
from tests.walkthrough.document_004 import IMAGE, IMPORT

LAST = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "ClusterImagePolicy")
"""Kinds that are applied once imagegate runs."""


def overlay(port: int) -> list[dict[str, Any]]:
    """Its objects, with the Service leading to ``port`` of this machine."""
    command = [program("kubectl"), "kustomize", str(MANIFESTS)]
    rendered = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    objects: list[dict[str, Any]] = list(yaml.safe_load_all(rendered))
    for each in objects:
        if each["kind"] == "Service":
            each["spec"] = {"type": "ExternalName", "externalName": "localhost"}
        elif each["kind"] == "APIService":
            each["spec"]["service"]["port"] = port
        for webhook in each.get("webhooks", ()):
            webhook["clientConfig"]["service"]["port"] = port
    return objects


def here(settings: str, kubeconfig: Path, registry: Registry) -> str:
    """The settings of the overlay for a process on this machine."""
    found = yaml.safe_load(settings)
    found["cluster"]["kubeconfig"] = str(kubeconfig)
    found["server"]["certificate"] |= {"namespace": INSTALLED_IN, "lookEveryS": 0.5}
    found["registry"] = docker_hub(registry)
    return yaml.safe_dump(found)


@pytest.fixture(scope="module")
def installed(registry_tls: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane of its own, for webhooks of all namespaces."""
    directory = tmp_path_factory.mktemp("overlay")
    registry_tls.push_sample("tiny-docker", IMAGE)
    (directory / "plane").mkdir()
    with control_plane(directory / "plane") as plane:
        port = free_port()
        objects = overlay(port)
        plane.kubectl("create", "namespace", INSTALLED_IN)
        for file in sorted((ROOT / "openshift" / "base" / "crds").iterdir()):
            plane.kubectl("apply", "-f", file)
        first = [each for each in objects if each["kind"] not in LAST]
        plane.kubectl("apply", "-f", "-", text_in=yaml.safe_dump_all(first))
        [files] = [each["data"] for each in objects if each["kind"] == "ConfigMap" and "imagegate.yaml" in each["data"]]
        kubeconfig = token_of(plane, directory).configuration
        for name, text in files.items():
            text_here = here(text, kubeconfig, registry_tls) if name == "imagegate.yaml" else text
            (directory / name).write_text(text_here)
        command: list[str | Path] = [
            IMAGEGATE,
            "serve",
            "--settings",
            directory / "imagegate.yaml",
            "--bind",
            f"127.0.0.1:{port}",
        ]
        log, environment = directory / "serve.log", {**os.environ, "XDG_STATE_HOME": str(directory)}
        with started([*command, "--workers", "2"], port=port, log=log, env=environment, cwd=directory) as running:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            service = Service(running, context)
            wait_until(lambda: is_ready(service), "imagegate to be ready", timeout_s=60)
            last = [each for each in objects if each["kind"] in LAST]
            for each in sorted(last, key=lambda found: LAST.index(found["kind"]), reverse=True):
                plane.kubectl("apply", "-f", "-", text_in=yaml.safe_dump(each))
            wait_until(lambda: is_available(plane), "the APIService to be available", timeout_s=60)
            yield plane


def is_ready(service: Service) -> bool:
    try:
        return service.get("/readyz").status == 200
    except OSError:
        return False


def created(plane: ControlPlane, name: str, image: str) -> str:
    document = yaml.safe_dump(pod(name, image))
    done = plane.kubectl("create", "--dry-run=server", "-f", "-", text_in=document, check=False)
    return done.stdout + done.stderr


def test_images_are_imported_marked_and_denied(installed: ControlPlane, registry_tls: Registry) -> None:
    digest = registry_tls.digest(IMAGE)
    image = f"docker.io/openshift/image-policy-check@{digest}"
    wait_until(lambda: "created" in created(installed, "before", image), "the API server to trust the webhooks")
    installed.kubectl("create", "-f", "-", text_in=IMPORT)
    assert digest in installed.kubectl("get", "istag/image-policy-check:latest").stdout
    installed.kubectl("annotate", f"image/{digest}", "images.openshift.io/deny-execution=true")
    assert 'rejected by rule "execution-denied"' in created(installed, "after", image)
    installed.kubectl("annotate", f"image/{digest}", "images.openshift.io/deny-execution-")
    assert "created" in created(installed, "again", image)


def test_the_certificate_that_imagegate_made_is_in_the_apiservice(installed: ControlPlane) -> None:
    bundle = installed.kubectl.json("get", "apiservice", "v1.image.openshift.io")["spec"]["caBundle"]
    secret = installed.kubectl.json("-n", INSTALLED_IN, "get", "secret", "imagegate-serving-cert")
    assert bundle == secret["data"]["ca.crt"]


def test_users_have_the_roles_of_the_overlay(installed: ControlPlane) -> None:
    installed.kubectl("create", "namespace", "shop")
    installed.kubectl("-n", "shop", "create", "rolebinding", "bob", "--clusterrole=view", "--user=bob")

    def may(*asked: str) -> bool:
        return installed.kubectl("-n", "shop", "auth", "can-i", *asked, "--as=bob", check=False).stdout == "yes\n"

    wait_until(lambda: may("list", "imagestreams"), "the role")
    assert not may("create", "imagestreamimports.image.openshift.io")
    assert "No resources found" in installed.kubectl("-n", "shop", "get", "is", "--as=bob").stderr
    assert installed.kubectl("-n", "shop", "delete", "is", "x", "--as=bob", check=False).returncode == 1


def test_its_namespace_can_be_deleted_with_everything_else(installed: ControlPlane) -> None:
    installed.kubectl("create", "namespace", "leaving")
    stream = {"apiVersion": "image.openshift.io/v1", "kind": "ImageStream", "metadata": {"name": "x"}}
    installed.kubectl("-n", "leaving", "create", "-f", "-", text_in=yaml.safe_dump(stream))
    installed.kubectl("delete", "namespace", "leaving", "--timeout=60s")
    assert "leaving" not in installed.kubectl("get", "is", "-A").stdout
