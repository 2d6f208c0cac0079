"""Images of an object, their places, and objects that do not have the form of their kind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from imagegate.core.admission import workload
from imagegate.core.admission.request import GroupKind, GroupResource
from imagegate.core.admission.workload import (
    DOCKER_IMAGE,
    IMAGE_STREAM_TAG,
    IMAGES_MAX,
    NAME_MAX_CHARACTERS,
    NAMES_MAX_CHARACTERS,
    Extent,
    ImageUse,
    InvalidObject,
    bounded,
    build_images,
    deployer_images,
    dig,
    inconsistency,
    pod_images,
    strategy_from,
)
from tests.support.image_policy_setup import request_for

POD: dict[str, Any] = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": []}}
SPEC: dict[str, Any] = {
    "ephemeralContainers": [{"name": "e", "image": "e:1"}],
    "containers": [{"name": "a", "image": "a:1"}, {"name": "b"}],
    "initContainers": [{"name": "i", "image": "i:1"}],
    "volumes": [{"name": "v", "image": {"reference": "v:1"}}, {"name": "w", "image": {}}, {"name": "x"}],
}


def places(uses: Any) -> list[tuple[str, str, str]]:
    return [(use.field, use.owner, use.name) for use in uses]


def test_images_of_a_pod_in_the_order_in_which_they_run() -> None:
    assert places(pod_images(SPEC, "spec", Extent())) == [
        ("spec.initContainers[0].image", "i", "i:1"),
        ("spec.containers[0].image", "a", "a:1"),
        ("spec.containers[1].image", "b", ""),
        ("spec.ephemeralContainers[0].image", "e", "e:1"),
        ("spec.volumes[0].image.reference", "v", "v:1"),
    ]
    narrow = Extent(ephemeral_containers=False, image_volumes=False)
    assert len(places(pod_images(SPEC, "spec", narrow))) == 3


@pytest.mark.parametrize(
    "spec, why",
    [
        ({"containers": {}}, "spec.containers: expected a list, got dict"),
        ({"containers": ["a"]}, "spec.containers[0]: expected an object, got str"),
        ({"containers": [{"image": 5}]}, "spec.containers[0].image: expected a string, got int"),
        ({"volumes": [{"image": "a"}]}, "spec.volumes[0].image: expected an object, got str"),
        ({"volumes": [{"image": {"reference": 5}}]}, "spec.volumes[0].image.reference: expected a string"),
    ],
)
def test_malformed_pods_name_the_field(spec: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidObject) as raised:
        list(pod_images(spec, "spec", Extent()))
    assert str(raised.value) == why


def test_images_of_a_build() -> None:
    spec = {
        "source": {
            "images": [{"from": {"kind": "DockerImage", "name": "s:1"}}],
            "dockerfile": "ARG A\nFROM f:1\nFROM $A\n",
        },
        "strategy": {"sourceStrategy": {"from": {"kind": "ImageStream", "name": "base", "namespace": "ns"}}},
    }
    first, strategy, known, unknown = build_images(spec)
    assert first == ImageUse(DOCKER_IMAGE, "", "s:1", "spec.source.images[0].from")
    assert strategy.reference == (IMAGE_STREAM_TAG, "ns", "base:latest")
    assert strategy.error_field == "spec.strategy.sourceStrategy.from.name"
    assert (known.name, known.within, known.unknown) == ("f:1", "line 2: FROM", "")
    assert unknown.unknown == "ARG A has no default, and the build gives it no value"
    assert len(list(build_images(spec, Extent(dockerfiles=False)))) == 2


def test_strategies_have_the_apis_defaults() -> None:
    spec = {"strategy": {"customStrategy": {"from": {"name": "a:1"}}, "dockerStrategy": {}, "sourceStrategy": {}}}
    custom = strategy_from(spec, "customStrategy")
    assert custom is not None
    assert custom.kind == IMAGE_STREAM_TAG
    assert strategy_from(spec, "dockerStrategy") is None, "it may take its image from the Dockerfile"
    assert strategy_from(spec, "sourceStrategy") is not None
    assert strategy_from({}, "customStrategy") is None


def test_the_custom_deployer() -> None:
    (use,) = deployer_images({"spec": {"strategy": {"customParams": {"image": "d:1"}}}})
    assert (use.field, use.name) == ("spec.strategy.customParams.image", "d:1")
    assert list(deployer_images({"spec": {"strategy": {}}})) == []


def test_dig() -> None:
    assert dig({"a": {"b": {"c": 1}}}, ("a", "b")) == {"c": 1}
    assert dig({"a": None}, ("a", "b")) is None
    with pytest.raises(InvalidObject, match=r"^a\.b: expected an object, got list$"):
        dig({"a": {"b": []}}, ("a", "b"))


def test_limits_of_one_request() -> None:
    use = ImageUse(DOCKER_IMAGE, "", "a", "f")
    assert len(bounded([use] * IMAGES_MAX)) == IMAGES_MAX
    with pytest.raises(InvalidObject, match="more than 10,000 images"):
        bounded([use] * (IMAGES_MAX + 1))
    with pytest.raises(InvalidObject, match="longer than"):
        bounded([use._replace(name="a" * NAME_MAX_CHARACTERS)] * (NAMES_MAX_CHARACTERS // NAME_MAX_CHARACTERS + 1))
    assert bounded([use._replace(name="a" * NAME_MAX_CHARACTERS)] * (NAMES_MAX_CHARACTERS // NAME_MAX_CHARACTERS))


def test_a_long_name_is_cut_and_stays_blank_only_if_all_of_it_is() -> None:
    def name(text: str) -> str:
        (use,) = pod_images({"containers": [{"image": text}]}, "spec", Extent())
        return use.name

    assert name("a" * (NAME_MAX_CHARACTERS + 5)) == "a" * NAME_MAX_CHARACTERS
    assert name(" " * NAME_MAX_CHARACTERS + "a").strip() == "a"
    assert not name(" " * (NAME_MAX_CHARACTERS + 5)).strip()


@pytest.mark.parametrize(
    "changes, why",
    [
        ({}, ""),
        ({"object": None}, "the request has no object"),
        ({"kind": GroupKind("apps", "Deployment")}, "an object of kind Deployment.apps is not one of pods"),
        ({"resource": GroupResource("apps", "deployments")}, "an object of kind Pod is not one of deployments.apps"),
        ({"object": {"kind": "Job"}}, "the object says it is of kind Job, the request Pod"),
        ({"object": {}}, ""),
    ],
)
def test_kind_resource_and_object_must_agree(changes: dict[str, Any], why: str) -> None:
    assert inconsistency(replace(request_for(POD), **changes)) == why


def test_every_kind_with_images_has_a_resource_of_its_own() -> None:
    assert len(workload._KINDS) == len(workload._RESOURCES) == len({*workload.WORKLOADS, *workload.BUILDS})
