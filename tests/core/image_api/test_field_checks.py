"""Checks of fields against the table of types."""

from __future__ import annotations

from typing import Any

import pytest

from imagegate.core.image_api.field_checks import field_problems, type_problems
from imagegate.core.image_api.resources import type_named


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
    ],
)
def test_type_problems(kind: str, value: Any, problems: list[str]) -> None:
    assert [str(problem) for problem in type_problems(type_named(kind), value)] == problems


def test_unknown_and_repeated_fields() -> None:
    value = {
        "metadata": {"name": "a", "lables": {}, "annotations": {"any": "thing"}},
        "spec": {"tags": [{"name": "a", "form": {}}], "lookupPolicy": {"local": True}},
        "sepc": {},
    }
    found = [str(problem) for problem in field_problems(type_named("ImageStream"), value, {"spec.tags": 2})]
    assert found == [
        'unknown field "metadata.lables"',
        'duplicate field "spec.tags"',
        'duplicate field "spec.tags"',
        'unknown field "spec.tags[0].form"',
        'unknown field "sepc"',
    ]
    for type_, other in ((type_named("ImageStream"), 7), (f"[{type_named('ImageStream')}]", {})):
        assert list(field_problems(type_, other, {})) == []
