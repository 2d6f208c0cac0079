"""Modes by the labels of namespaces, where most namespaces are known to nobody: the strictest mode counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from imagegate.core.admission.request import Phase
from imagegate.wiring.choices import StartupOptions
from imagegate.wiring.runtime import Runtime, build
from tests.bypass.reviewer_setup import review_of
from tests.support.import_gate_setup import docker_tag, stream

PROD = {"selector": {"matchLabels": {"env": "prod"}}, "mode": "enforce"}
TEST = {"selector": {"matchLabels": {"env": "test"}}, "mode": "warn"}
CONFIG: dict[str, Any] = {
    "kind": "MasterConfig",
    "apiVersion": "v1",
    "admissionConfig": {
        "pluginConfig": {
            "openshift.io/ImagePolicy": {
                "configuration": {
                    "kind": "ImagePolicyConfig",
                    "apiVersion": "v1",
                    "executionRules": [{"name": "ours", "matchRegistries": ["good.example.com"]}],
                }
            }
        }
    },
    "imagePolicyConfig": {"allowedRegistriesForImport": [{"domainName": "good.example.com"}]},
}
POLICY = {
    "apiVersion": "portieris.cloud.ibm.com/v1",
    "kind": "ClusterImagePolicy",
    "metadata": {"name": "all"},
    "spec": {"repositories": [{"name": "good.example.com/*"}]},
}


def service(directory: Path, settings: dict[str, Any], *namespaces: tuple[str, str], store: bool = False) -> Runtime:
    """The service over files; ``namespaces`` are names with the value of their label ``env``."""
    documents = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"env": value}}}
        for name, value in namespaces
    ]
    (directory / "images.yaml").write_text(yaml.safe_dump_all(documents), encoding="utf-8")
    (directory / "config.yaml").write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
    (directory / "policies.yaml").write_text(yaml.safe_dump(POLICY), encoding="utf-8")
    settings = {"images": ["images.yaml"], "store": {"path": str(directory / "images.db")}, **settings}
    (directory / "imagegate.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return build(StartupOptions(settings_file=directory / "imagegate.yaml", environ={}), keeps_images=store)


def pod_allowed(service: Runtime, namespace: str) -> bool:
    """Whether a pod with a forbidden image passes there."""
    review = review_of({"image": "evil.example.com/x:1", "namespace": namespace})
    return bool(service.reviewer.review(review, Phase.VALIDATE)["response"]["allowed"])


def stream_allowed(service: Runtime, namespace: str) -> bool:
    """Whether an image stream with a forbidden import passes there."""
    document = stream("app", docker_tag("latest", "evil.example.com/x:1"), namespace=namespace)
    review = review_of({"object": document, "namespace": namespace})
    return bool(service.reviewer.review(review, Phase.VALIDATE)["response"]["allowed"])


PLUGINS: dict[str, dict[str, Any]] = {
    "imagePolicy": {"config": "config.yaml"},
    "importGate": {"config": "config.yaml"},
    "cise": {"policies": ["policies.yaml"]},
}


@pytest.mark.parametrize("section", PLUGINS)
@pytest.mark.parametrize("mode", ["warn", "audit"])
@pytest.mark.parametrize("store", [False, True])
def test_a_namespace_that_nobody_knows_gets_the_strictest_mode(
    tmp_path: Path, section: str, mode: str, store: bool
) -> None:
    """A mode that only some namespaces have, "warn, but enforce in prod", is no mode for the others."""
    other: dict[str, Any] = {"importGate": {"mode": "audit"}} if section == "imagePolicy" else {}
    other |= {"imagePolicy": {"mode": "audit"}} if section == "importGate" else {}
    settings = {**PLUGINS[section], **other, section: {"mode": mode, "namespaces": [PROD]}}
    running = service(tmp_path, settings, ("shop", "prod"), ("lab", "test"), store=store)
    allowed = stream_allowed if section == "importGate" else pod_allowed
    assert [allowed(running, name) for name in ("shop", "lab", "nobody-knows")] == [False, True, False]


def test_the_image_api_takes_the_same_mode(tmp_path: Path) -> None:
    settings = {"config": "config.yaml", "importGate": {"mode": "audit", "namespaces": [PROD]}}
    running = service(tmp_path, settings, ("shop", "prod"), ("lab", "test"), store=True)
    assert running.images is not None
    modes = {name: running.images.api.objects.gate(name).mode for name in ("shop", "lab", "nobody-knows")}
    assert modes == {"shop": "enforce", "lab": "audit", "nobody-knows": "enforce"}


def test_a_selector_that_matches_no_known_namespace_is_told(tmp_path: Path) -> None:
    settings = {"config": "config.yaml", "imagePolicy": {"mode": "warn", "namespaces": [TEST, PROD]}}
    running = service(tmp_path, settings, ("lab", "test"), store=True)
    (warning,) = running.policies.current.warnings
    assert warning == (
        "imagePolicy.namespaces[1].selector: matches no namespace that is known here (files of images and "
        "the store), so its mode enforce is in force nowhere; where the labels of a namespace cannot be read, the "
        "strictest mode counts: enforce"
    )
    assert service(tmp_path, settings, ("lab", "test"), ("shop", "prod"), store=True).policies.current.warnings == ()


def test_rules_hold_where_no_annotation_can_be_read(tmp_path: Path) -> None:
    """A namespace that nobody knows switches no rule off, and is not denied everything for it."""
    running = service(tmp_path, {"config": "config.yaml"})
    good = review_of({"image": "good.example.com/x:1", "namespace": "nobody-knows"})
    assert running.reviewer.review(good, Phase.VALIDATE)["response"]["allowed"]
    assert not pod_allowed(running, "nobody-knows")
