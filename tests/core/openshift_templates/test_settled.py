"""Places where a parameter may be unknown without changing the decision about the object."""

from __future__ import annotations

import pytest

from imagegate.core.openshift_templates.settled import is_settled
from imagegate.core.openshift_templates.substitution import Doubt, Path

POD: Path = ("spec", "template", "spec")
DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment"}
DEPLOYMENT_CONFIG = {"apiVersion": "v1", "kind": "DeploymentConfig"}
BUILD_CONFIG = {"apiVersion": "build.openshift.io/v1", "kind": "BuildConfig"}


@pytest.mark.parametrize(
    "path",
    [
        ("metadata", "name"),
        ("metadata", "labels", "app"),
        ("spec", "selector", "app"),
        ("spec", "template", "metadata", "labels", "app"),
        (*POD, "containers", 0, "env", 1, "value"),
        (*POD, "initContainers", 0, "args", 0),
        (*POD, "volumes", 0, "secret", "secretName"),
    ],
)
def test_settled_in_a_workload(path: Path) -> None:
    assert is_settled(DEPLOYMENT, Doubt(path, ""))
    assert is_settled(DEPLOYMENT_CONFIG, Doubt(path, ""))
    assert not is_settled({"apiVersion": "example.com/v1", "kind": "Deployment"}, Doubt(path, ""))


@pytest.mark.parametrize(
    "path",
    [
        (),
        ("kind",),
        ("apiVersion",),
        ("metadata",),
        ("metadata", "namespace"),
        ("metadata", "annotations", "a"),
        ("metadata", "ownerReferences", 0, "kind"),
        ("spec",),
        ("spec", "replicas"),
        ("spec", "env", 0, "image"),
        ("spec", "triggers", 0, "imageChangeParams", "containerNames", 0),
        ("spec", "strategy", "customParams", "image"),
        POD,
        (*POD, "containers"),
        (*POD, "containers", 0),
        (*POD, "containers", 0, "image"),
        (*POD, "containers", 0, "name"),
        (*POD, "containers", 0, "${KEY}"),
        (*POD, "env", 0, "image"),
        (*POD, "imagePullSecrets", 0, "name"),
        (*POD, "serviceAccountName"),
        (*POD, "volumes", 0, "image", "reference"),
        (*POD, "volumes", 0, "name"),
        ("spec", "template", "metadata", "annotations", "a"),
    ],
)
def test_not_settled_in_a_workload(path: Path) -> None:
    assert not is_settled(DEPLOYMENT, Doubt(path, ""))


@pytest.mark.parametrize(
    "path, expected",
    [
        (("metadata", "name"), True),
        (("spec", "triggers", 0, "github", "secret"), True),
        (("spec", "triggers", 0, "imageChange", "from", "name"), False),
        (("spec", "source", "git", "uri"), True),
        (("spec", "source", "dockerfile"), False),
        (("spec", "source", "images", 0, "from", "name"), False),
        (("spec", "strategy", "sourceStrategy", "env", 0, "value"), True),
        (("spec", "strategy", "sourceStrategy", "from", "name"), False),
        (("spec", "strategy", "dockerStrategy", "buildArgs", 0, "value"), False),
    ],
)
def test_builds(path: Path, expected: bool) -> None:
    assert is_settled(BUILD_CONFIG, Doubt(path, "")) is expected


def test_an_empty_namespace_is_none() -> None:
    doubt = Doubt(("metadata", "namespace"), "", has_no_value=True)
    assert is_settled(DEPLOYMENT, doubt)
    assert not is_settled(DEPLOYMENT, doubt._replace(path=("metadata", "annotations")))
    assert not is_settled({"kind": 3}, Doubt(("metadata", "name"), ""))
