"""Pushed images: metadata comes from manifest and configuration, never from the sender."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from imagegate.core.image_streams.docker_labels import UndecodableMetadata, docker_labels
from imagegate.core.imports.image_content import (
    config_of,
    holds_manifest,
    labels_of_bytes,
    read_manifest,
    with_metadata,
    without_metadata,
)
from imagegate.errors import Malformed
from tests.support.image_objects import DIGEST_1, pushed_image

NOW = datetime(2020, 1, 1, tzinfo=UTC)
FORGED = {"Config": {"Labels": {"trusted": "yes"}}}


def test_the_senders_metadata_is_replaced() -> None:
    found = with_metadata(pushed_image({"a": "b"}, dockerImageMetadata=FORGED, dockerImageLayers=[]), now=NOW)
    assert docker_labels(found) == {"a": "b"}
    assert [layer["size"] for layer in found["dockerImageLayers"]] == [10]


def test_labels_come_from_the_bytes_also_in_an_older_store() -> None:
    assert labels_of_bytes(pushed_image({"a": "b"}, dockerImageMetadata=FORGED)) == {"a": "b"}
    assert labels_of_bytes({"dockerImageMetadata": FORGED}) == {"trusted": "yes"}
    broken = {**pushed_image({"a": "b"}), "dockerImageConfig": "{}", "dockerImageMetadata": FORGED}
    with pytest.raises(UndecodableMetadata):
        labels_of_bytes(broken)


@pytest.mark.parametrize(
    "change,message",
    [
        ({"metadata": {"name": DIGEST_1}}, "not the image's name"),
        ({"metadata": {}}, "not the image's name"),
        ({"dockerImageManifest": 5}, "dockerImageManifest is not a string"),
        ({"dockerImageManifest": "{"}, "manifest"),
        ({"dockerImageConfig": ""}, "dockerImageConfig must not be empty"),
        ({"dockerImageConfig": "{}"}, "dockerImageConfig has the digest"),
    ],
)
def test_contents_that_do_not_belong_together(change: dict[str, Any], message: str) -> None:
    with pytest.raises(Malformed, match=message):
        with_metadata({**pushed_image({"a": "b"}), **change}, now=NOW)


def test_the_configuration_is_that_of_the_manifest() -> None:
    image = pushed_image({"a": "b"})
    manifest = read_manifest(image)
    assert config_of(image, manifest) == image["dockerImageConfig"].encode()
    assert manifest.digest == image["metadata"]["name"]


def test_without_metadata() -> None:
    image = {"metadata": {"name": "x"}, "dockerImageMetadata": FORGED, "dockerImageMetadataVersion": "1.0"}
    assert without_metadata(image) == {"metadata": {"name": "x"}}
    assert not holds_manifest(image)
    assert holds_manifest(pushed_image())
