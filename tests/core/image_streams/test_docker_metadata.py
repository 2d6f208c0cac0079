"""``dockerImageMetadata`` as a running openshift-apiserver stored it, and refused it."""

from __future__ import annotations

from typing import Any

import pytest

from imagegate.core.image_streams.docker_metadata import NotDockerMetadata, with_docker_metadata

ALWAYS: dict[str, Any] = {
    "kind": "DockerImage",
    "apiVersion": "image.openshift.io/1.0",
    "Id": "",
    "Created": None,
    "ContainerConfig": {},
}


@pytest.mark.parametrize(
    "given, stored",
    [
        ({}, {}),
        ({"bogus": 1}, {}),
        ({"kind": "DockerImage", "apiVersion": "1.0", "Size": 0, "Author": ""}, {}),
        (
            {"Architecture": "arm", "Config": {"bogus": 2, "Labels": {"x": "y"}, "Env": []}},
            {"Architecture": "arm", "Config": {"Labels": {"x": "y"}}},
        ),
        ({"config": {"Labels": {"x": "y"}}}, {}),
        ({"Config": {}, "Created": "2020-01-01T00:00:00Z"}, {"Config": {}, "Created": "2020-01-01T00:00:00Z"}),
    ],
)
def test_stored_forms(given: dict[str, Any], stored: dict[str, Any]) -> None:
    image = with_docker_metadata({"metadata": {"name": "a"}, "dockerImageMetadata": given})
    assert image["dockerImageMetadata"] == {**ALWAYS, **stored}
    assert image["dockerImageMetadataVersion"] == "1.0"


@pytest.mark.parametrize("image", [{}, {"dockerImageMetadata": {"id": "x"}, "dockerImageMetadataVersion": "pre012"}])
def test_what_stays_as_it_was_sent(image: dict[str, Any]) -> None:
    assert with_docker_metadata(image) == image


@pytest.mark.parametrize(
    "given, message",
    [
        (
            "x",
            "couldn't get version/kind; json parse error: json: cannot unmarshal string into Go value of type struct",
        ),
        ({"Size": "big"}, "json: cannot unmarshal string into Go struct field DockerImage.Size of type int64"),
        ({"Size": True}, "json: cannot unmarshal bool into Go struct field DockerImage.Size of type int64"),
        ({"kind": "Foo", "apiVersion": "1.0"}, 'no kind "Foo" is registered for version "1.0" in scheme'),
        ({"Created": "never"}, 'parsing time "never" as "2006-01-02T15:04:05Z07:00": cannot parse "never" as "2006"'),
        ({"Config": {"Labels": {"a": 1}}}, "json: cannot unmarshal number into Go struct field DockerConfig"),
        ({"Config": []}, "json: cannot unmarshal array into Go struct field DockerImage.Config"),
    ],
)
def test_what_is_no_metadata_of_an_image(given: object, message: str) -> None:
    with pytest.raises(NotDockerMetadata) as refused:
        with_docker_metadata({"dockerImageMetadata": given})
    assert str(refused.value).startswith(message)
