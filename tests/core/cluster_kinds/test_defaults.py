"""Defaults of the dry cluster's kinds. Whole objects are compared with a real API server's in ``tests/cluster``."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from imagegate.core.admission.request import GroupKind
from imagegate.core.admission.workload import EVERYTHING, WORKLOADS, pod_images
from imagegate.core.cluster_kinds.default_rules import pull_policy
from imagegate.core.cluster_kinds.defaults import with_defaults
from imagegate.core.cluster_kinds.new_objects import before_admission
from imagegate.core.image_api.decoding import decoded
from imagegate.core.image_api.schema import TYPES, type_of
from tests.cluster.manifests import ACCEPTED, Manifest

DIGEST = f"sha256:{'a' * 64}"
LABELS = {"app": "a"}


def kind_of(manifest: Manifest) -> GroupKind:
    return GroupKind(manifest.api_version.rpartition("/")[0], manifest.kind)


WITH_IMAGES = [each for each in ACCEPTED if kind_of(each) in WORKLOADS]


def made(api_version: str, kind: str, **fields: Any) -> dict[str, Any]:
    type_ = type_of(api_version, kind)
    return with_defaults(type_, decoded(type_, {"kind": kind, "apiVersion": api_version, **fields}))


@pytest.mark.parametrize(
    "image, policy",
    [
        ("a", "Always"),
        ("a:latest", "Always"),
        (f"a:latest@{DIGEST}", "Always"),
        ("localhost:5000/a", "Always"),
        ("a:v1", "IfNotPresent"),
        (f"a@{DIGEST}", "IfNotPresent"),
        ("a:Latest", "IfNotPresent"),
        ("", "IfNotPresent"),
        ("NOT/AN/IMAGE", "IfNotPresent"),
    ],
)
def test_pull_policies(image: str, policy: str) -> None:
    assert pull_policy(image) == policy
    pod = made("v1", "Pod", spec={"containers": [{"name": "c", "image": image}]})
    assert pod["spec"]["containers"][0]["imagePullPolicy"] == policy


def test_what_was_sent_stays() -> None:
    given = {"containers": [{"name": "c", "image": "a", "imagePullPolicy": "Never"}], "restartPolicy": "OnFailure"}
    spec = made("v1", "Pod", spec=given)["spec"]
    assert spec["containers"][0]["imagePullPolicy"] == "Never"
    assert spec["restartPolicy"] == "OnFailure"


@pytest.mark.parametrize("kind", sorted(TYPES.kinds()))
def test_defaults_are_given_once_and_the_object_is_not_changed(kind: str) -> None:
    api_version, _, name = kind.partition(" ")
    type_ = type_of(api_version, name)
    found = decoded(type_, {"metadata": {"name": "a"}})
    before = copy.deepcopy(found)
    filled = with_defaults(type_, found)
    assert found == before
    assert with_defaults(type_, filled) == filled
    assert decoded(type_, filled) == filled


def test_objects_share_nothing() -> None:
    one, other = (made("v1", "Pod", spec={"containers": []}) for _ in range(2))
    assert one["spec"]["securityContext"] is not other["spec"]["securityContext"]


def test_a_secret_s_strings_win() -> None:
    secret = made("v1", "Secret", data={"a": "MQ==", "b": "Mg=="}, stringData={"a": "ä"})
    assert secret["data"] == {"a": "w6Q=", "b": "Mg=="}
    assert "stringData" not in secret
    assert secret["type"] == "Opaque"


def test_a_job_s_labels_are_those_of_its_template() -> None:
    template = {"metadata": {"labels": LABELS}, "spec": {}}
    assert made("batch/v1", "Job", spec={"template": template})["metadata"]["labels"] == LABELS
    own = made("batch/v1", "Job", metadata={"labels": {"own": "1"}}, spec={"template": template})
    assert own["metadata"]["labels"] == {"own": "1"}


@pytest.mark.parametrize(
    "given, filled",
    [
        ({}, {"type": "Rolling", "rollingParams": {"maxUnavailable": "25%", "maxSurge": "25%"}}),
        (
            {"rollingParams": {"maxSurge": 0}},
            {"type": "Rolling", "rollingParams": {"maxUnavailable": "25%", "maxSurge": 0}},
        ),
        (
            {"rollingParams": {"maxUnavailable": "0%"}},
            {"type": "Rolling", "rollingParams": {"maxUnavailable": "0%", "maxSurge": "25%"}},
        ),
        ({"rollingParams": {"maxSurge": 2}}, {"type": "Rolling", "rollingParams": {"maxSurge": 2}}),
    ],
)
def test_rolling_of_deployment_configs(given: dict[str, Any], filled: dict[str, Any]) -> None:
    config = made("apps.openshift.io/v1", "DeploymentConfig", spec={"strategy": given})
    times = {"intervalSeconds": 1, "updatePeriodSeconds": 1, "timeoutSeconds": 600}
    expected = {**filled, "rollingParams": {**times, **filled["rollingParams"]}}
    assert {**expected, "resources": {}, "activeDeadlineSeconds": 21_600} == config["spec"]["strategy"]
    assert config["spec"]["triggers"] == [{"type": "ConfigChange"}]


def test_a_deployment_config_s_only_container_is_that_of_hooks_and_selected() -> None:
    hook = {"failurePolicy": "Abort", "execNewPod": {"command": ["x"]}, "tagImages": [{"to": {"name": "a:b"}}]}
    spec = made(
        "apps.openshift.io/v1",
        "DeploymentConfig",
        metadata={"namespace": "n"},
        spec={
            "strategy": {"type": "Recreate", "recreateParams": {"mid": hook}},
            "template": {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "c", "image": "a"}]}},
            "triggers": [{"type": "ImageChange", "imageChangeParams": {"from": {"name": "a:b"}}}],
        },
    )["spec"]
    mid = spec["strategy"]["recreateParams"]["mid"]
    assert (mid["execNewPod"]["containerName"], mid["tagImages"][0]["containerName"]) == ("c", "c")
    assert spec["strategy"]["recreateParams"]["timeoutSeconds"] == 600
    assert spec["selector"] == LABELS
    source = {"kind": "ImageStreamTag", "namespace": "n", "name": "a:b"}
    assert spec["triggers"][0]["imageChangeParams"]["from"] == source


@pytest.mark.parametrize(
    "strategy, filled",
    [
        ({"type": "Docker"}, {"type": "Docker", "dockerStrategy": {}}),
        (
            {"sourceStrategy": {"from": {"name": "a:b"}}},
            {"sourceStrategy": {"from": {"kind": "ImageStreamTag", "name": "a:b"}}},
        ),
        (
            {"dockerStrategy": {"from": {"kind": "DockerImage", "name": "a"}}},
            {"dockerStrategy": {"from": {"kind": "DockerImage", "name": "a"}}},
        ),
    ],
)
def test_build_configs(strategy: dict[str, Any], filled: dict[str, Any]) -> None:
    spec = made(
        "build.openshift.io/v1",
        "BuildConfig",
        spec={"strategy": strategy, "source": {"type": "Binary"}, "triggers": [{"type": "ImageChange"}]},
    )["spec"]
    assert spec["strategy"] == filled
    assert spec["runPolicy"] == "Serial"
    assert spec["source"] == {"type": "Binary", "binary": {}}
    assert spec["triggers"] == [{"type": "ImageChange", "imageChange": {}}]


@pytest.mark.parametrize("manifest", WITH_IMAGES, ids=lambda each: each.name)
def test_defaults_change_no_image(manifest: Manifest) -> None:
    """What policies decide about is the same with and without them."""
    type_ = type_of(manifest.api_version, manifest.kind)
    sent = decoded(type_, manifest.body)
    shape = WORKLOADS[kind_of(manifest)].pod_spec
    images = []
    for found in (sent, before_admission(manifest.kind, with_defaults(type_, sent))):
        for name in shape:
            found = found[name]
        images.append(list(pod_images(found, "spec", EVERYTHING)))
    assert images[0] == images[1]
    assert images[0]


@pytest.mark.parametrize("manifest", ACCEPTED, ids=lambda each: each.name)
def test_defaults_of_whole_objects_are_given_once(manifest: Manifest) -> None:
    type_ = type_of(manifest.api_version, manifest.kind)
    filled = with_defaults(type_, decoded(type_, manifest.body))
    assert with_defaults(type_, filled) == filled
