"""Types of the image API as data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from imagegate.core.image_api.schema import TYPES, type_problems, unknown_fields


@pytest.mark.parametrize(
    "kind, value, problems",
    [
        ("ImageStream", {"metadata": {"labels": {"a": "b"}}, "spec": {"tags": [{"name": "a", "generation": 1}]}}, []),
        ("ImageStream", None, []),
        ("ImageStream", {"spec": None, "anything": 7}, []),
        ("ImageStream", 7, ["document: expected an object, got 7"]),
        ("ImageStream", {"spec": {"tags": {}}}, ["spec.tags: expected a list, got an object"]),
        ("ImageStream", {"spec": {"tags": [None]}}, ["spec.tags[0]: expected an object, got None"]),
        ("ImageStream", {"spec": {"tags": [{"name": 1}]}}, ["spec.tags[0].name: expected a string, got 1"]),
        (
            "ImageStream",
            {"spec": {"tags": [{"generation": True}]}},
            ["spec.tags[0].generation: expected an integer, got True"],
        ),
        (
            "ImageStream",
            {"spec": {"lookupPolicy": {"local": "x"}}},
            ["spec.lookupPolicy.local: expected a boolean, got 'x'"],
        ),
        ("ImageStream", {"metadata": {"labels": []}}, ["metadata.labels: expected an object, got a list"]),
        (
            "ImageStream",
            {"metadata": {"labels": {"a": 1, "b": None}}},
            ["metadata.labels[a]: expected a string, got 1"],
        ),
        (
            "ImageStream",
            {"metadata": {"creationTimestamp": 1}},
            ["metadata.creationTimestamp: expected a string, got 1"],
        ),
        ("Image", {"dockerImageMetadata": "text"}, ["dockerImageMetadata: expected an object, got 'text'"]),
        ("any", object(), []),
    ],
)
def test_type_problems(kind: str, value: Any, problems: list[str]) -> None:
    assert [str(problem) for problem in type_problems(kind, value)] == problems


def test_unknown_fields() -> None:
    value = {
        "metadata": {"name": "a", "lables": {}, "annotations": {"any": "thing"}},
        "spec": {"tags": [{"name": "a", "form": {}}], "lookupPolicy": {"local": True}},
        "sepc": {},
    }
    assert list(unknown_fields("ImageStream", value)) == ["metadata.lables", "spec.tags[0].form", "sepc"]
    assert list(unknown_fields("ImageStream", 7)) == []
    assert list(unknown_fields("[ImageStream]", {})) == []


def test_every_type_named_is_in_the_table() -> None:
    scalars = {"string", "boolean", "integer", "object", "time", "any", "raw", "bytes"}
    named = {field.type.strip("[]{}") for fields in TYPES.values() for field in fields.values()}
    assert named <= scalars | set(TYPES)


def test_the_table_is_the_originals() -> None:
    """Fields, required ones, defaults and merge keys of the group's types are those that the original publishes."""
    vectors = Path(__file__).resolve().parents[2] / "vectors" / "image_api" / "openapi.json"
    published = json.loads(vectors.read_text(encoding="utf-8"))
    for name, type_ in published.items():
        fields = TYPES[name]
        assert fields.keys() == type_["properties"].keys(), name
        assert {key for key, field in fields.items() if field.required} == set(type_["required"]), name
        for key, field in fields.items():
            expected = type_["properties"][key]
            assert field.default == expected["default"], (name, key)
            assert field.merge_key == expected.get("x-kubernetes-patch-merge-key", ""), (name, key)
