"""The resources that the API serves."""

from __future__ import annotations

import pytest

from imagegate.core.image_api.resources import (
    RESOURCES,
    STREAMS,
    find_resource,
    group_versions,
    resources_of,
)


def test_the_image_group_is_that_of_the_specification() -> None:
    """docs/spec/import-gate.md 7."""
    assert [resource.name for resource in resources_of("image.openshift.io", "v1")] == [
        "images", "imagesignatures", "imagestreamimages", "imagestreamimports", "imagestreammappings",
        "imagestreams", "imagestreamtags", "imagetags",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "name,verbs",
    [
        ("imagestreamimports", {"create"}),
        ("imagestreammappings", {"create"}),
        ("imagestreamimages", {"get"}),
        ("imagesignatures", {"create", "delete"}),
    ],
)
def test_resources_without_stored_objects(name: str, verbs: set[str]) -> None:
    found = find_resource("image.openshift.io", "v1", name)
    assert found is not None
    assert set(found.verbs) == verbs


def test_names_are_unique() -> None:
    places = [(resource.group, resource.version, resource.name) for resource in RESOURCES]
    assert len(set(places)) == len(places)
    assert find_resource("image.openshift.io", "v2", "images") is None
    short = [name for resource in RESOURCES for name in resource.short_names]
    assert len(set(short)) == len(short)


def test_the_core_group_comes_first() -> None:
    assert next(iter(group_versions())) == ("", "v1")
    pods = find_resource("", "v1", "pods")
    assert pods is not None
    assert (pods.api_version, STREAMS.api_version) == ("v1", "image.openshift.io/v1")


def test_subresources() -> None:
    layers = STREAMS.sub_resource("layers")
    assert layers is not None
    assert layers.kind == "ImageStreamLayers"
    assert STREAMS.sub_resource("scale") is None
