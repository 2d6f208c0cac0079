"""Decoding of objects as Go does it."""

from __future__ import annotations

from typing import Any

import pytest

from imagegate.core.image_api.decoding import WrongType, decoded
from imagegate.core.image_api.patched_text import patch_text, patched_text
from imagegate.core.image_api.resources import type_named


def test_zero_values_and_unknown_fields() -> None:
    sent: dict[str, Any] = {
        "kind": "ImageStream",
        "metadata": {"name": "a", "labels": {}, "annotations": {"k": None}, "foo": 1},
        "spec": {"bogus": 1, "tags": [None, {"name": "t", "from": {"kind": "DockerImage", "d": 1}, "generation": 0}]},
    }
    assert decoded(type_named("ImageStream"), sent) == {
        "kind": "ImageStream",
        "metadata": {"name": "a", "annotations": {"k": ""}},
        "spec": {
            "lookupPolicy": {"local": False},
            "tags": [
                {
                    "name": "",
                    "annotations": None,
                    "generation": None,
                    "importPolicy": {},
                    "referencePolicy": {"type": ""},
                },
                {
                    "name": "t",
                    "annotations": None,
                    "from": {"kind": "DockerImage"},
                    "generation": 0,
                    "importPolicy": {},
                    "referencePolicy": {"type": ""},
                },
            ],
        },
        "status": {"dockerImageRepository": ""},
    }
    assert sent["spec"]["bogus"] == 1


@pytest.mark.parametrize(
    "type_, value, message",
    [
        (
            "ImageStream",
            {"spec": {"tags": "x"}},
            "into Go struct field ImageStreamSpec.spec.tags of type []v1.T",
        ),
        (
            "ImageStream",
            {"spec": {"tags": ["x"]}},
            "into Go struct field ImageStreamSpec.spec.tags of type v1.T",
        ),
        ("ImageStream", {"metadata": {"labels": {"a": 1}}}, "field ObjectMeta.metadata.labels of type string"),
        ("ImageStream", {"metadata": {"labels": []}}, "field ObjectMeta.metadata.labels of type map[string]string"),
        ("ImageStream", {"metadata": {"uid": 1}}, "field ObjectMeta.metadata.uid of type types.UID"),
        ("ImageStream", {"spec": []}, "array into Go struct field ImageStream.spec of type v1.ImageStreamSpec"),
        ("ImageStream", {"metadata": {"generation": 1.5}}, "number 1.5 into Go struct field ObjectMeta.metadata.gener"),
        ("ImageStream", {"metadata": {"generation": 2**63}}, f"number {2**63} into"),
        ("ImageStream", {"metadata": {"generation": True}}, "bool into"),
        ("ImageStream", {"metadata": {"creationTimestamp": "x"}}, 'cannot parse "x" as "2006"'),
        ("ImageStream", {"metadata": {"creationTimestamp": "2020-13-01T00:00:00Z"}}, "month out of range"),
        ("ImageSignature", {"content": "!!"}, "illegal base64 data at input byte 0"),
        ("ImageStream", [], "json: cannot unmarshal array into Go value of type v1.ImageStream"),
    ],
)
def test_wrong_types(type_: str, value: Any, message: str) -> None:
    with pytest.raises(WrongType) as error:
        decoded(type_named(type_), value)
    assert message in str(error.value)


def test_a_patched_object_is_printed_as_the_original_prints_it() -> None:
    found = {
        "kind": "ImageStream",
        "apiVersion": "v",
        "spec": {"tags": [], "bogus": 1},
        "metadata": {"name": "a", "b": 1},
    }
    expected = '{"apiVersion":"v","kind":"ImageStream","metadata":{"name":"a","b":1},"spec":{"bogus":1,"tags":[]}}'
    assert patched_text(type_named("ImageStream"), found, {"spec": {"bogus": 1}}) == expected
    assert (
        patched_text(type_named("ImageStream"), found, [{"op": "add", "path": "/spec/bogus", "value": 1}]) == expected
    )
    assert patch_text({"spec": {"b": [1, None, True], "a": "x"}}) == "map[spec:map[a:x b:[1 <nil> true]]]"
