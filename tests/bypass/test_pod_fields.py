"""Every place in Kubernetes' own schema where an image can stand is one that imagegate reads.

The schema is that of the installed ``kubernetes`` client: a field that a newer client knows and imagegate does not
makes these tests fail, before anybody runs an image from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes.client import models

from imagegate.core.admission.workload import WORKLOADS, Extent, pod_images
from imagegate.core.enforcement.workload import RESOURCES

POD_SPEC = "V1PodSpec"
NO_CONTAINER_IMAGES = {
    "volumes[].rbd.image": "a block device of Ceph",
}
"""Fields called image that hold something else, and what."""
POLICIES = ("imagePullPolicy", "pullPolicy")
NOT_RUN = {"PodTemplate": "nothing makes pods from one"}
"""Kinds that the CISE path, as Portieris, leaves alone."""

Types = dict[str, str]


def fields_of(model: str) -> Iterator[tuple[str, str, bool]]:
    """JSON name, type and whether it is a list, of each field of a model."""
    found = getattr(models, model, None)
    for attribute, kind in getattr(found, "openapi_types", {}).items():
        inner = re.fullmatch(r"(?:list|dict\(str, |dict\[str, )[\[(]?(.*?)[\])]?", kind, re.IGNORECASE)
        name = found.attribute_map[attribute]  # type: ignore[union-attr]  # it has openapi_types, so it is a model
        yield name, inner[1] if inner else kind, inner is not None


def leaves(model: str, path: str = "", above: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Path and model of every text below ``model``; a model inside itself is walked once."""
    if model in above:
        return
    for name, kind, many in fields_of(model):
        here = f"{path}.{name}".lstrip(".") + ("[]" if many else "")
        if kind == "str":
            yield here, model
        else:
            yield from leaves(kind, here, (*above, model))


def holds_an_image(path: str, model: str) -> bool:
    """Whether a text is an image by its name, or belongs to something that is called one."""
    name = path.rpartition(".")[2]
    return name not in POLICIES and ("image" in name.lower() or "Image" in model)


IMAGES = sorted(path for path, model in leaves(POD_SPEC) if holds_an_image(path, model))


def test_the_schema_is_read_at_all() -> None:
    assert {"containers[].image", "initContainers[].image", "volumes[].image.reference"} <= set(IMAGES)
    assert len(list(leaves(POD_SPEC))) > 200


def test_exceptions_are_still_there() -> None:
    assert set(IMAGES) >= NO_CONTAINER_IMAGES.keys()


@pytest.mark.parametrize("path", [path for path in IMAGES if path not in NO_CONTAINER_IMAGES])
def test_every_image_of_a_pod_is_visited(path: str) -> None:
    spec = placed(path.split("."), "registry.example/app:1")
    (use,) = pod_images(spec, "spec", Extent())
    assert use.name == "registry.example/app:1"
    assert re.sub(r"\[\d+\]", "[]", use.field) == f"spec.{path}"


def placed(path: list[str], image: str) -> dict[str, Any]:
    """An object with ``image`` at ``path``."""
    key, *rest = path
    inner: Any = placed(rest, image) if rest else image
    return {key.removesuffix("[]"): [inner] if key.endswith("[]") else inner}


def pod_specs(model: str, path: tuple[str, ...] = (), above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every path from ``model`` to a pod spec."""
    if model in above:
        return
    for name, kind, _ in fields_of(model):
        if kind == POD_SPEC:
            yield (*path, name)
        else:
            yield from pod_specs(kind, (*path, name), (*above, model))


def kinds() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Kind and path of every object of the API that holds a pod spec; lists of objects are none."""
    for model in dir(models):
        names = {name for name, _, _ in fields_of(model)}
        version = re.match(r"V[0-9]+(?:(?:alpha|beta)[0-9]+)?", model)
        if version is None or not {"kind", "metadata"} <= names or "items" in names:
            continue
        for path in pod_specs(model):
            yield model[version.end() :], path


KINDS = sorted(set(kinds()))


def test_the_kinds_are_found() -> None:
    assert {"Pod", "Deployment", "CronJob", "PodTemplate"} <= {kind for kind, _ in KINDS}


@pytest.mark.parametrize("kind, path", KINDS)
def test_every_kind_with_a_pod_spec_is_known(kind: str, path: tuple[str, ...]) -> None:
    known = {found.kind: shape.pod_spec for found, shape in WORKLOADS.items()}
    assert known.get(kind) == path


@pytest.mark.parametrize("kind, path", [each for each in KINDS if each[0] not in NOT_RUN])
def test_every_kind_with_a_pod_spec_is_known_to_image_enforcement(kind: str, path: tuple[str, ...]) -> None:
    known = {found.resource: spec for found, spec in RESOURCES.items()}
    assert known.get(f"{kind.lower()}s") == path
