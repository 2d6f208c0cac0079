"""Merge strategies in the table, by kind."""

from __future__ import annotations

import pytest

from imagegate.core.image_api.schema import TYPES, type_of


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
    type_ = type_of(api_version, kind)
    for name in field[:-1]:
        type_ = TYPES[type_][name].type
    assert TYPES[type_][field[-1]].merge_key == merge_key


def test_lists_of_values_and_objects_that_are_replaced() -> None:
    metadata = TYPES["io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"]
    assert metadata["finalizers"].is_set
    assert not metadata["ownerReferences"].is_set
    image = TYPES[type_of("image.openshift.io/v1", "Image")]
    assert image["dockerImageMetadata"].is_replaced
