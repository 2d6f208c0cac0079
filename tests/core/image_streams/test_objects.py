"""Reading image-stream objects: defaults of the API, and clear words for fields of the wrong type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from imagegate.core.image_streams.objects import (
    Event,
    ImportPolicy,
    Source,
    SpecTag,
    read_image_tag,
    read_import,
    read_mapping,
    read_stream,
    read_stream_tag,
)
from imagegate.errors import InvalidInput

Reader = Callable[[dict[str, Any]], object]


def test_an_empty_stream() -> None:
    found = read_stream({})
    assert (found.metadata.name, found.repository, found.spec_tags, found.status_tags) == ("", "", {}, {})
    assert not found.metadata.is_insecure


def test_a_whole_stream() -> None:
    found = read_stream(
        {
            "metadata": {"name": "app", "annotations": {"openshift.io/image.insecureRepository": "true", "x": None}},
            "spec": {
                "dockerImageRepository": "quay.io/a/b",
                "tags": [
                    {"name": "a", "from": {"kind": "DockerImage", "name": "quay.io/a/b:1"}, "generation": 3},
                    {"name": "b", "from": None, "importPolicy": {"scheduled": True}, "referencePolicy": {"type": "x"}},
                    {"name": "c", "from": {"kind": "ImageStreamTag", "name": "d"}},
                ],
            },
            "status": {"tags": [{"tag": "a", "items": [{"dockerImageReference": "r", "image": "i"}]}]},
        }
    )
    assert found.metadata.is_insecure
    assert found.metadata.annotations["x"] == ""
    assert found.spec_tags["a"] == SpecTag("a", Source("DockerImage", "quay.io/a/b:1"), generation=3)
    assert found.spec_tags["b"] == SpecTag("b", import_policy=ImportPolicy(scheduled=True), reference_policy="x")
    assert found.status_tags == {"a": (Event("r", "i"),)}
    assert list(found.spec_references) == ["quay.io/a/b", "quay.io/a/b:1"]
    assert list(found.status_references) == ["r"]


def test_the_last_of_two_tags_counts() -> None:
    tags = [{"name": "a", "reference": True}, {"name": "a"}]
    assert read_stream({"spec": {"tags": tags}}).spec_tags["a"].reference is False


@pytest.mark.parametrize(
    "name,to,expected",
    [
        ("quay.io/a/b:c", None, "c"),
        ("quay.io/a/b", None, None),
        ("Bad Name", None, None),
        ("quay.io/a/b:c", {"name": "d"}, "d"),
        ("quay.io/a/b:c", {}, ""),
    ],
)
def test_the_target_of_an_import(name: str, to: dict[str, str] | None, expected: str | None) -> None:
    image: dict[str, Any] = {"from": {"kind": "DockerImage", "name": name}}
    if to is not None:
        image["to"] = to
    assert read_import({"spec": {"images": [image]}}).images[0].to == expected


def test_the_import_mode_of_an_import_that_sets_none() -> None:
    document = {
        "spec": {"images": [{}, {"importPolicy": {"importMode": "Legacy"}}], "repository": {"importPolicy": {}}}
    }
    found = read_import(document, import_mode="PreserveOriginal")
    assert [each.import_policy.import_mode for each in found.images] == ["PreserveOriginal", "Legacy"]
    assert found.repository is not None
    assert found.repository.import_policy.import_mode == "PreserveOriginal"
    assert [each.import_policy.import_mode for each in read_import(document).images] == ["Legacy", "Legacy"]


def test_null_entries_of_lists_are_empty_objects() -> None:
    assert list(read_stream({"spec": {"tags": [None]}}).spec_tags) == [""]


@pytest.mark.parametrize(
    "read,document,text",
    [
        (read_stream, {"metadata": []}, "metadata: expected an object, got []"),
        (read_stream, {"metadata": {"name": 5}}, "metadata.name: expected a string, got 5"),
        (read_stream, {"metadata": {"annotations": {"a": 1}}}, "metadata.annotations[a]: expected a string, got 1"),
        (read_stream, {"metadata": {"annotations": "x"}}, "metadata.annotations: expected an object, got 'x'"),
        (read_stream, {"spec": "x"}, "spec: expected an object, got 'x'"),
        (read_stream, {"spec": {"tags": {}}}, "spec.tags: expected a list, got {}"),
        (read_stream, {"spec": {"tags": [{}, 7]}}, "spec.tags[1]: expected an object, got 7"),
        (read_stream, {"spec": {"tags": [{"from": 7}]}}, "spec.tags[0].from: expected an object, got 7"),
        (read_stream, {"spec": {"tags": [{"from": {"name": 7}}]}}, "spec.tags[0].from.name: expected a string, got 7"),
        (
            read_stream,
            {"spec": {"tags": [{"importPolicy": {"insecure": "true"}}]}},
            "spec.tags[0].importPolicy.insecure: expected true or false, got 'true'",
        ),
        (
            read_stream,
            {"spec": {"tags": [{"generation": True}]}},
            "spec.tags[0].generation: expected an integer, got True",
        ),
        (
            read_stream,
            {"status": {"tags": [{"items": [{"dockerImageReference": []}]}]}},
            "status.tags[0].items[0].dockerImageReference: expected a string, got []",
        ),
        (read_stream_tag, {"tag": []}, "tag: expected an object, got []"),
        (
            read_stream_tag,
            {"tag": {"referencePolicy": {"type": 1}}},
            "tag.referencePolicy.type: expected a string, got 1",
        ),
        (read_image_tag, {"spec": {"name": 1}}, "spec.name: expected a string, got 1"),
        (read_import, {"spec": {"import": "yes"}}, "spec.import: expected true or false, got 'yes'"),
        (read_import, {"spec": {"images": [{"to": {"name": 1}}]}}, "spec.images[0].to.name: expected a string, got 1"),
        (
            read_import,
            {"spec": {"repository": {"from": {"kind": 1}}}},
            "spec.repository.from.kind: expected a string, got 1",
        ),
        (read_mapping, {"image": {"metadata": {"name": 1}}}, "image.metadata.name: expected a string, got 1"),
    ],
)
def test_a_field_of_the_wrong_type_is_named(read: Reader, document: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(document)
    assert str(caught.value) == text
