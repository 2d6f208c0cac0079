"""Labels in an Image's ``dockerImageMetadata``, decoded as Go does."""

from __future__ import annotations

from typing import Any

import pytest

from imagegate.core.image_streams.docker_labels import NoConfig, UndecodableMetadata, docker_labels


@pytest.mark.parametrize(
    "metadata,labels",
    [
        ({"Config": {"Labels": {"a": "b"}}}, {"a": "b"}),
        ({"config": {"LABELS": {"a": "b"}}}, {"a": "b"}),
        ({"Config": {"Labels": {"a": "b"}}, "config": {"labels": {"c": "d"}}}, {"c": "d"}),
        ({"Config": {}}, {}),
        ({"Config": {"Labels": None}}, {}),
        ({"Config": {"Labels": {"a": None}}}, {"a": ""}),
        ({"Config": {"Labels": {}}, "Unknown": 5}, {}),
    ],
)
def test_labels(metadata: dict[str, Any], labels: dict[str, str]) -> None:
    assert docker_labels({"dockerImageMetadata": metadata}) == labels


def test_without_metadata() -> None:
    assert docker_labels({}) is None
    assert docker_labels({"dockerImageMetadata": None}) is None


@pytest.mark.parametrize("metadata", [{}, {"Config": None}, {"Id": "x"}])
def test_without_configuration(metadata: dict[str, Any]) -> None:
    with pytest.raises(NoConfig):
        docker_labels({"dockerImageMetadata": metadata})


@pytest.mark.parametrize(
    "metadata",
    [
        "text",
        [],
        {"Config": []},
        {"Config": {"Labels": ["a"]}},
        {"Config": {"Labels": {"a": 1}}},
        {"Config": {"Tty": 1}},
        {"Config": {"Memory": True}},
        {"Config": {"Labels": {"a": "b"}, "Env": "A=B"}},
        {"Config": {"Labels": {"a": "b"}}, "Size": "1"},
    ],
)
def test_one_wrong_type_makes_all_of_it_undecodable(metadata: Any) -> None:
    with pytest.raises(UndecodableMetadata):
        docker_labels({"dockerImageMetadata": metadata})
