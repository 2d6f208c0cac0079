"""Merge strategies of fields, by kind."""

from __future__ import annotations

import pytest

from imagegate.core.image_api.patch_types import OTHER, PATCH_TYPES, patch_field, patch_type


@pytest.mark.parametrize(
    "api_version,kind,field,merge_key",
    [
        ("v1", "Pod", ("spec", "containers"), "name"),
        ("v1", "Pod", ("spec", "volumes"), "name"),
        ("v1", "Pod", ("spec", "imagePullSecrets"), "name"),
        ("apps/v1", "Deployment", ("spec", "template", "spec", "containers"), "name"),
        ("batch/v1", "CronJob", ("spec", "jobTemplate", "spec", "template", "spec", "containers"), "name"),
        ("v1", "Pod", ("metadata", "ownerReferences"), "uid"),
    ],
)
def test_lists_that_are_merged_by_a_key(api_version: str, kind: str, field: tuple[str, ...], merge_key: str) -> None:
    type_ = patch_type(api_version, kind)
    for name in field[:-1]:
        type_ = patch_field(type_, name).type
    assert patch_field(type_, field[-1]).merge_key == merge_key


def test_fields_and_kinds_without_a_strategy() -> None:
    assert patch_type("v1", "Unknown") == ""
    assert patch_field("", "spec") == OTHER
    assert patch_field(patch_type("v1", "Pod"), "unknown") == OTHER


def test_every_type_that_a_field_refers_to_is_listed() -> None:
    for name, fields in PATCH_TYPES.items():
        for key, field in fields.items():
            assert not field.type or field.type in PATCH_TYPES, f"{name}.{key}"
