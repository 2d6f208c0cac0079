"""Pod templates of custom resources, as a user of kubectl sees them."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.control_plane import ControlPlane
from tests.cluster.custom_kinds import define
from tests.cluster.test_image_policy import ALLOWED, DIGEST, FORBIDDEN
from tests.cluster.webhooks import Hooked, make_namespace
from tests.support.processes import wait_until
from tests.support.service import CONFIG, serving

GROUP, LABEL = "argoproj.io", "custom"
INTERNAL = "172.30.1.1:5000/default/image-policy-check:latest"
PATHS = {"Mutating": "/mutate", "Validating": "/validate"}


def webhooks(plane: ControlPlane, url: str) -> str:
    ca = base64.b64encode(plane.ca.bundle.read_bytes()).decode()
    rules = [
        {"apiGroups": [GROUP], "apiVersions": ["*"], "resources": ["rollouts"], "operations": ["CREATE", "UPDATE"]}
    ]
    return yaml.safe_dump_all(
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": f"{kind}WebhookConfiguration",
            "metadata": {"name": LABEL},
            "webhooks": [
                {
                    "name": f"imagegate.{kind.lower()}.custom.example",
                    "clientConfig": {"url": f"{url}{path}", "caBundle": ca},
                    "rules": rules,
                    "failurePolicy": "Fail",
                    "sideEffects": "None",
                    "admissionReviewVersions": ["v1"],
                }
            ],
        }
        for kind, path in PATHS.items()
    )


@pytest.fixture(scope="module")
def custom(plane: ControlPlane) -> Iterator[Hooked]:
    """The documented policy, for Rollouts too."""
    with tempfile.TemporaryDirectory(prefix="custom-") as name:
        directory = Path(name)
        entry = {"group": GROUP, "resource": "rollouts", "kind": "Rollout", "podSpecs": ["spec.template.spec"]}
        settings = {
            "config": str(CONFIG / "master-config.yaml"),
            "images": [str(CONFIG / "examples" / "images")],
            "imagePolicy": {"extraResources": [entry]},
        }
        (directory / "imagegate.yaml").write_text(yaml.safe_dump(settings))
        issued = plane.ca.server
        tls = ("--tls-cert", issued.certificate, "--tls-key", issued.key)
        crd = define(plane, GROUP, "v1alpha1", "Rollout", "rollouts", namespaced=True)
        with serving(directory, "--settings", directory / "imagegate.yaml", *tls, context=plane.context()) as service:
            make_namespace(plane, LABEL, LABEL)
            found = Hooked(plane, service, LABEL)
            try:
                url = f"https://127.0.0.1:{service.running.port}"
                plane.kubectl("apply", "-f", "-", text_in=webhooks(plane, url))
                wait_until(lambda: "forbidden" in create(found, rollout("x", FORBIDDEN)), "the API server to ask")
                yield found
            finally:
                for kind in PATHS:
                    plane.kubectl("delete", f"{kind}webhookconfiguration", LABEL, "--ignore-not-found")
                plane.kubectl("delete", "namespace", LABEL, "--wait=false")
                plane.kubectl("delete", "crd", crd)


def create(custom: Hooked, document: dict[str, Any], *, how: tuple[str, ...] = ("create", "--dry-run=server")) -> str:
    return custom.apply(document, how=how, check=False)


def rollout(name: str, *images: str) -> dict[str, Any]:
    containers = [{"name": f"c{number}", "image": image} for number, image in enumerate(images)]
    return {
        "apiVersion": f"{GROUP}/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": name},
        "spec": {"template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": containers}}},
    }


def test_a_forbidden_image_is_denied_at_its_place(custom: Hooked) -> None:
    said = create(custom, rollout("x", ALLOWED, FORBIDDEN))
    assert (
        'Rollout.argoproj.io "x" is forbidden: spec.template.spec.containers[1].image: this image is prohibited' in said
    )
    assert "spec.template.spec.containers[0]" not in said
    assert "created" in create(custom, rollout("x", ALLOWED))


def test_a_tag_is_rewritten_in_the_stored_object_and_stays(custom: Hooked) -> None:
    there = Hooked(custom.plane, custom.service, "default")  # where the image stream is
    for _ in range(2):
        create(there, rollout("pinned", INTERNAL), how=("apply", "--server-side"))
        (container,) = there.json("get", "rollout", "pinned")["spec"]["template"]["spec"]["containers"]
        assert container["image"].endswith(f"@{DIGEST}")
    there("delete", "rollout", "pinned")


@pytest.mark.parametrize(
    "spec, why",
    [
        ({}, "no pod template and no image is at the paths of imagePolicy.extraResources: spec.template.spec"),
        ({"template": []}, "spec.template: expected an object, got list"),
        ({"template": {"spec": "x"}}, "spec.template.spec: expected a pod spec, got str"),
    ],
)
def test_what_cannot_be_read_is_denied(custom: Hooked, spec: dict[str, Any], why: str) -> None:
    assert why in create(custom, {**rollout("x"), "spec": spec})


def test_labels_and_deletion_of_what_is_denied_now(custom: Hooked) -> None:
    custom.plane.kubectl("delete", "validatingwebhookconfiguration", LABEL)
    custom.plane.kubectl("delete", "mutatingwebhookconfiguration", LABEL)
    wait_until(lambda: "created" in create(custom, rollout("old", FORBIDDEN), how=("create",)), "no webhook")
    url = f"https://127.0.0.1:{custom.service.running.port}"
    custom.plane.kubectl("apply", "-f", "-", text_in=webhooks(custom.plane, url))
    wait_until(lambda: "forbidden" in create(custom, rollout("x", FORBIDDEN)), "the API server to ask")
    assert "labeled" in custom("label", "rollout", "old", "a=b", check=False)
    assert "deleted" in custom("delete", "rollout", "old", check=False)
