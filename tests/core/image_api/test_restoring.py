"""The words for patched objects of wrong types: those of Kubernetes' converter, as a running API server gave them."""

from __future__ import annotations

from typing import Any

import pytest

from imagegate.core.image_api.restoring import restoring_problem
from imagegate.core.image_api.schema import type_of

STREAM = type_of("image.openshift.io/v1", "ImageStream")


@pytest.mark.parametrize(
    "spec, problem",
    [
        ({"tags": [{"name": "a", "reference": True, "generation": 1, "annotations": {"x": "y"}}]}, ""),
        ({"tags": None}, ""),
        ({"tags": "x"}, "cannot restore slice from string"),
        ({"tags": {"name": "x"}}, "cannot restore slice from map"),
        ({"tags": ["x"]}, "cannot restore struct from: string"),
        ({"tags": [{"name": 5}]}, "cannot convert int64 to string"),
        ({"tags": [{"name": True}]}, "unrecognized type: string"),
        ({"tags": [{"generation": 1.0}]}, ""),
        ({"tags": [{"generation": 1.5}]}, "cannot convert float64 to int64"),
        ({"tags": [{"annotations": []}]}, "cannot restore map from slice"),
        ({"tags": [{"annotations": {"a": []}}]}, "unrecognized type: string"),
        ({"lookupPolicy": True}, "cannot restore struct from: bool"),
        ({"lookupPolicy": {"local": "yes"}}, "unrecognized type: bool"),
    ],
)
def test_problems(spec: dict[str, Any], problem: str) -> None:
    assert restoring_problem(STREAM, {"kind": "ImageStream", "metadata": {"name": "a"}, "spec": spec}) == problem
