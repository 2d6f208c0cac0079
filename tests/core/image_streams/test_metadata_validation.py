"""Metadata as Kubernetes validates it."""

from __future__ import annotations

from typing import Any

import pytest

from imagegate.core.image_streams.metadata_validation import (
    namespace_name_errors,
    path_segment_errors,
    validate_metadata,
    validate_metadata_update,
)
from imagegate.core.image_streams.objects import Metadata
from imagegate.core.import_gate.findings import stream_name_errors


def metadata(**fields: Any) -> Metadata:
    return Metadata(
        name=fields.get("name", ""), namespace=fields.get("namespace", ""), annotations={}, raw=dict(fields)
    )


def errors(namespaced: bool = True, **fields: Any) -> list[str]:
    found = validate_metadata(metadata(**fields), stream_name_errors, namespaced=namespaced, path="metadata")
    return [str(error) for error in found]


@pytest.mark.parametrize(
    "name,expected",
    [
        ("app", []),
        (".", ["may not be '.'"]),
        ("..", ["may not be '..'"]),
        ("a/b%c", ["may not contain '/'", "may not contain '%'"]),
    ],
)
def test_a_segment_of_a_path(name: str, expected: list[str]) -> None:
    assert path_segment_errors(name) == expected


def test_a_prefix_may_be_a_dot() -> None:
    assert path_segment_errors(".", prefix=True) == []


@pytest.mark.parametrize("name", ["a", "a.b-c_d", "0"])
def test_names_of_streams(name: str) -> None:
    assert stream_name_errors(name) == []


@pytest.mark.parametrize("name", ["A", "a__b", "a.", "-a", "a\n", "ä"])
def test_what_is_no_name_of_a_stream(name: str) -> None:
    assert stream_name_errors(name) == ['must match "[a-z0-9]+(?:[._-][a-z0-9]+)*"']


@pytest.mark.parametrize(
    "name,expected",
    [("a", []), ("a.b", ["must not contain dots"]), ("a" * 63, []), ("a" * 64, ["must be no more than 63 characters"])],
)
def test_names_of_namespaces(name: str, expected: list[str]) -> None:
    assert namespace_name_errors(name) == expected


def test_everything_wrong_at_once() -> None:
    assert errors(generateName="A", namespace="a.b", generation=-1) == [
        'metadata.generateName: Invalid value: "A": must match "[a-z0-9]+(?:[._-][a-z0-9]+)*"',
        "metadata.name: Required value: name or generateName is required",
        'metadata.namespace: Invalid value: "a.b": must not contain dots',
        "metadata.generation: Invalid value: -1: must be greater than or equal to 0",
    ]
    assert errors(name="app", namespace="test", generation=1) == []


def test_cluster_scoped_objects_have_no_namespace() -> None:
    assert errors(namespaced=False, name="x", namespace="y") == [
        "metadata.namespace: Forbidden: not allowed on this type"
    ]
    assert errors(namespaced=False, name="x") == []


def test_what_an_update_may_not_change() -> None:
    old = metadata(name="app", namespace="test", resourceVersion="1", uid="u", generation=3)
    assert validate_metadata_update(old, old) == []
    new = metadata(name="b", namespace="c", generation=2, deletionGracePeriodSeconds=5)
    assert [str(error) for error in validate_metadata_update(new, old)] == [
        'metadata.resourceVersion: Invalid value: "": must be specified for an update',
        "metadata.generation: Invalid value: 2: must not be decremented",
        'metadata.name: Invalid value: "b": field is immutable',
        'metadata.namespace: Invalid value: "c": field is immutable',
        'metadata.uid: Invalid value: "": field is immutable',
        "metadata.deletionGracePeriodSeconds: Invalid value: 5: field is immutable",
    ]


@pytest.mark.parametrize(
    "finalizers, errors",
    [
        (["example.com/x", "a/b.c_D-1", "orphan", "kubernetes"], ()),
        (["foregroundDeletion"], ()),
        ([], ()),
        (None, ()),
        (["x"], ('[0]: Invalid value: "x": name is neither a standard finalizer name nor is it fully qualified',)),
        (
            ["e.com/x", "a b"],
            (': Invalid value: "a b": name part must consist of', '[1]: Invalid value: "a b": name is'),
        ),
        (["E.com/x"], (': Invalid value: "E.com/x": prefix part a lowercase RFC 1123 subdomain must',)),
        (["e.com/x/y"], (': Invalid value: "e.com/x/y": a qualified name must',)),
        (["e.com/" + "x" * 64], (": Invalid value",)),
        ([f"{'x' * 254}/x"], (": Invalid value",)),
        (["e.com/"], (': Invalid value: "e.com/": name part must be non-empty', ": Invalid value")),
        (["e.com/x\n"], (": Invalid value",)),
        (
            ["orphan", "foregroundDeletion"],
            (': Invalid value: ["orphan","foregroundDeletion"]: finalizer orphan and foregroundDeletion cannot be',),
        ),
    ],
)
def test_finalizers(finalizers: object, errors: tuple[str, ...]) -> None:
    metadata = Metadata(name="a", namespace="ns", annotations={}, raw={"name": "a", "finalizers": finalizers})
    found = validate_metadata(metadata, path_segment_errors, namespaced=True, path="metadata")
    assert len(found) == len(errors)
    for error, begin in zip(found, errors, strict=True):
        assert str(error).startswith(f"metadata.finalizers{begin}")


@pytest.mark.parametrize(
    "version, is_one", [("v1", True), ("apps/v1", True), ("a/b/c", False), ("a/", False), ("", False)]
)
def test_the_version_of_an_owner(version: str, is_one: bool) -> None:
    owner = {"apiVersion": version, "kind": "ConfigMap", "name": "c", "uid": "1"}
    metadata = Metadata(name="a", namespace="ns", annotations={}, raw={"name": "a", "ownerReferences": [owner]})
    errors = validate_metadata(metadata, path_segment_errors, namespaced=True, path="metadata")
    expected = f'metadata.ownerReferences.apiVersion: Invalid value: "{version}": version must not be empty'
    assert [str(error) for error in errors] == ([] if is_one else [expected])
