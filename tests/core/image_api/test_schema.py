"""The table of types beside what Kubernetes and OpenShift publish."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from imagegate.core.image_api import schema
from imagegate.core.image_api.resources import RESOURCES
from imagegate.core.image_api.schema import SCALARS, TYPES, Field, read_descriptions, short_name, type_of
from tests.support import api_types
from tests.support.go_modules import module_file

CHANGED = (("io.k8s.apimachinery.pkg.apis.meta.v1.Status", "details"),)
"""Fields that have another list type in later versions."""
VECTORS = Path(__file__).resolve().parents[2] / "vectors" / "image_api" / "openapi.json"


def test_every_type_named_is_in_the_table() -> None:
    named = {field.type.strip("[]{}") for fields in TYPES.values() for field in fields.values()}
    assert named <= SCALARS.keys() | set(TYPES)
    assert {part.message.strip("[]{}") for name in TYPES.names() for part in TYPES.parts(name)} <= {
        *SCALARS,
        *TYPES.names(),
    }
    assert all(resource.type in TYPES for resource in RESOURCES)
    assert read_descriptions().keys() <= set(TYPES.names())
    with pytest.raises(KeyError, match="v1 Nothing"):
        type_of("v1", "Nothing")


def test_the_table_is_the_originals() -> None:
    """Fields, required ones, defaults and merge keys of the group's types are those that the original publishes."""
    for name, type_ in json.loads(VECTORS.read_text(encoding="utf-8")).items():
        fields = TYPES[f"com.github.openshift.api.image.v1.{name}"]
        assert fields.keys() == type_["properties"].keys(), name
        assert {key for key, field in fields.items() if field.required} == set(type_["required"]), name
        for key, field in fields.items():
            expected = type_["properties"][key]
            assert field.default == expected["default"], (name, key)
            assert field.merge_key == expected.get("x-kubernetes-patch-merge-key", ""), (name, key)


@pytest.mark.programs
def test_the_table_is_made_from_the_published_types() -> None:
    types, descriptions = api_types.table()
    shipped = resources.files("imagegate.core.image_api")
    assert json.loads(shipped.joinpath("types.json").read_bytes()) == types
    assert json.loads(shipped.joinpath("descriptions.json").read_bytes()) == descriptions


@pytest.mark.programs
@pytest.mark.parametrize("group", ["com.github.openshift.api.", "io.k8s."])
def test_the_table_is_that_of_the_published_documents(group: str) -> None:
    """OpenShift's document has all its types, and those of an earlier Kubernetes, where other fields were required."""
    path = module_file(*api_types.OPENSHIFT, "openapi/openapi.json")
    published = json.loads(path.read_text(encoding="utf-8"))["definitions"]
    compared = [name for name in TYPES if name in published and name.startswith(group)]
    assert len(compared) > 50
    for name in compared:
        properties = published[name].get("properties", {})
        if group == "com.github.openshift.api.":
            assert TYPES[name].keys() == properties.keys(), name
            required = {key for key, each in TYPES[name].items() if each.required}
            assert required == set(published[name].get("required", ())), name
        for key, field in TYPES[name].items():
            if key in properties and (name, key) not in CHANGED:
                assert written(field) == read(properties[key]), (name, key)


def written(field: Field) -> dict[str, Any]:
    return {
        "default": field.default,
        "key": field.merge_key,
        "strategy": field.patch_strategy,
        "list": field.list_type,
        "keys": list(field.list_keys),
        "form": "array" if field.type[0] == "[" else "object" if field.type[0] == "{" else short_name(field.type),
    }


FORMS = {
    ("string", ""): "string",
    ("string", "byte"): "bytes",
    ("boolean", ""): "boolean",
    ("integer", "int32"): "int32",
    ("integer", "int64"): "int64",
    ("Time", ""): "time",
    ("MicroTime", ""): "micro-time",
    ("FieldsV1", ""): "fields",
    ("RawExtension", ""): "raw",
    ("Quantity", ""): "quantity",
    ("IntOrString", ""): "int-or-string",
}


def read(published: dict[str, Any]) -> dict[str, Any]:
    form = published.get("type") or short_name(published["$ref"])
    return {
        "default": published.get("default"),
        "key": published.get("x-kubernetes-patch-merge-key", ""),
        "strategy": published.get("x-kubernetes-patch-strategy", ""),
        "list": published.get("x-kubernetes-list-type", ""),
        "keys": published.get("x-kubernetes-list-map-keys", []),
        "form": FORMS.get((form, published.get("format", "")), form),
    }


def test_no_thread_meets_half_of_a_type(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fields that are not there yet would count as unknown, and be dropped from what a client sends."""
    types, begun, go_on = schema._Types(), threading.Event(), threading.Event()
    whole = types.parts

    def slow(name: str) -> tuple[Field, ...]:
        if threading.current_thread() is not threading.main_thread():
            begun.set()
            assert go_on.wait(30)
        return whole(name)

    monkeypatch.setattr(types, "parts", slow)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(types.__getitem__, schema.OBJECT_META)
        assert begun.wait(30)
        try:
            assert "name" in types[schema.OBJECT_META]
        finally:
            go_on.set()
        assert first.result() == types[schema.OBJECT_META]
