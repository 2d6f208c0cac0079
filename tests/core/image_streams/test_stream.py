"""Tag history, changed tags, imports that are due: docs/spec/import-gate.md 6.2.1, 6.2.2 and 3.2."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from imagegate.core.image_streams.stream import (
    RegistryHosts,
    condition,
    decorated,
    is_image_id,
    is_tag_changed,
    latest_event,
    needs_import,
    split_stream_image,
    split_stream_tag,
    status_tag,
    with_event,
    with_tracking_tags,
)
from imagegate.errors import InvalidInput
from tests.support.image_objects import DIGEST_1, DIGEST_2, event, spec_tag, stream

OLD = event(DIGEST_1, "quay.io/a/b@one", generation=1)


@pytest.mark.parametrize(
    "reference, image, generation, expected",
    [
        ("quay.io/a/b@one", DIGEST_1, 1, None),
        ("quay.io/a/b@one", DIGEST_1, 2, [("quay.io/a/b@one", DIGEST_1, 2)]),
        ("quay.io/a/b@one", DIGEST_2, 1, [("quay.io/a/b@one", DIGEST_2, 1)]),
        ("quay.io/a/b@two", DIGEST_1, 3, [("quay.io/a/b@two", DIGEST_1, 3)]),
        ("quay.io/a/b@two", DIGEST_2, 3, [("quay.io/a/b@two", DIGEST_2, 3), ("quay.io/a/b@one", DIGEST_1, 1)]),
    ],
)
def test_event_is_prepended_or_merged(
    reference: str, image: str, generation: int, expected: list[tuple[str, str, int]] | None
) -> None:
    before = stream(tags={"latest": [OLD]})
    before["status"]["tags"][0]["conditions"] = [{"type": "ImportSuccess", "status": "False"}]
    kept = copy.deepcopy(before)
    after, changed = with_event(before, "latest", event(image, reference, generation))
    assert before == kept, "the stream given was changed"
    assert changed == (expected is not None)
    history = status_tag(after, "latest")
    assert history is not None
    assert ("conditions" in history) == (not changed)
    found = [(item["dockerImageReference"], item["image"], item["generation"]) for item in history["items"]]
    assert found == (expected or [("quay.io/a/b@one", DIGEST_1, 1)])


def test_first_event_starts_the_history() -> None:
    after, changed = with_event(stream(), "v1", OLD)
    assert changed
    assert latest_event(after, "v1") == OLD
    assert latest_event(after, "v2") is None


@pytest.mark.parametrize(
    "source, namespace, follows",
    [
        ("latest", None, True),
        ("app:latest", None, True),
        ("app:latest", "test", True),
        ("app:", None, True),
        ("app:v1", None, False),
        ("other:latest", None, False),
        ("app:latest", "elsewhere", False),
    ],
)
def test_tracking_tags_follow(source: str, namespace: str | None, follows: bool) -> None:
    follower = spec_tag("stable", source, kind="ImageStreamTag")
    if namespace:
        follower["from"]["namespace"] = namespace
    after = with_tracking_tags(stream(spec_tags=[follower]), "latest", OLD)
    assert (latest_event(after, "stable") == OLD) is follows


def test_a_tag_of_a_docker_image_follows_nothing() -> None:
    after = with_tracking_tags(stream(spec_tags=[spec_tag("stable", "latest")]), "latest", OLD)
    assert latest_event(after, "stable") is None


BASE = spec_tag("t", "quay.io/a/b:1", generation=2)


@pytest.mark.parametrize(
    "change, changed",
    [
        ({}, False),
        ({"from": None}, False),
        ({"from": {}}, False),
        ({"from": {"kind": "DockerImage", "name": "quay.io/a/b:2"}}, True),
        ({"from": {"kind": "ImageStreamTag", "name": "quay.io/a/b:1"}}, False),
        ({"from": {"kind": "DockerImage", "name": "quay.io/a/b:1", "namespace": "ns"}}, False),
        ({"from": {"kind": "DockerImage", "name": "quay.io/a/b:1", "namespace": "other"}}, True),
        ({"reference": True}, True),
        ({"reference": False}, False),
        ({"importPolicy": {"insecure": True}}, False),
        ({"importPolicy": {"importMode": "Legacy"}}, False),
        ({"importPolicy": {"importMode": "PreserveOriginal"}}, True),
        ({"generation": 0}, True),
        ({"generation": 1}, False),
        ({"generation": None}, False),
    ],
)
def test_tag_changed(change: dict[str, Any], changed: bool) -> None:
    assert is_tag_changed(BASE, {**BASE, **change}, "ns") is changed


def test_generation_zero_is_no_change_of_zero_or_none() -> None:
    assert not is_tag_changed({**BASE, "generation": 0}, {**BASE, "generation": 0}, "ns")
    assert not is_tag_changed({**BASE, "generation": None}, {**BASE, "generation": 0}, "ns")


@pytest.mark.parametrize(
    "tag, items, failed_at, due",
    [
        (spec_tag("t", "a", generation=2), [], None, True),
        (spec_tag("t", "a", generation=2), [event(DIGEST_1, "a", 1)], None, True),
        (spec_tag("t", "a", generation=2), [event(DIGEST_1, "a", 2)], None, False),
        (spec_tag("t", "a", generation=2), [event(DIGEST_1, "a", 1)], 2, False),
        (spec_tag("t", "a", generation=2, reference=True), [], None, False),
        (spec_tag("t", "a", generation=2, kind="ImageStreamTag"), [], None, False),
        (spec_tag("t", "", generation=2), [], None, False),
        (spec_tag("t", "a"), [], None, False),
        (spec_tag("other", "a", generation=2), [], None, False),
    ],
)
def test_needs_import(tag: dict[str, Any], items: list[dict[str, Any]], failed_at: int | None, due: bool) -> None:
    found = stream(spec_tags=[tag], tags={"t": items})
    if failed_at is not None:
        conditions = [{"type": "ImportSuccess", "status": "False", "generation": failed_at}]
        found["status"]["tags"][0]["conditions"] = conditions
    assert needs_import(found, "t") is due


@pytest.mark.parametrize("name", ["app", "app:", ":v1", "a:b:c", "a:b@c", "app@sha256:1"])
def test_stream_tag_names_that_are_none(name: str) -> None:
    with pytest.raises(InvalidInput, match="ImageStreamTags must be retrieved with <name>:<tag>"):
        split_stream_tag(name)


@pytest.mark.parametrize("name", ["app", "app@", "@x", "a@b@c"])
def test_stream_image_names_that_are_none(name: str) -> None:
    with pytest.raises(InvalidInput, match="ImageStreamImages must be retrieved with <name>@<id>"):
        split_stream_image(name)


def test_names_are_split() -> None:
    assert split_stream_tag("app:v1") == ("app", "v1")
    assert split_stream_image("app@sha256:12") == ("app", "sha256:12")


@pytest.mark.parametrize(
    "asked, matches", [("sha256:11", True), ("11", True), (DIGEST_1, True), ("sha256:2", False), ("2", False)]
)
def test_image_id_prefix(asked: str, matches: bool) -> None:
    assert is_image_id(DIGEST_1, asked) is matches


def test_an_image_name_that_is_no_digest_is_matched_from_its_start_only() -> None:
    assert is_image_id("md5:abc", "md5:a")
    assert not is_image_id("md5:abc", "abc")


def test_repositories_are_computed() -> None:
    found = stream()
    found["spec"]["dockerImageRepository"] = "quay.io/a/b"
    shown = decorated(found, RegistryHosts("reg:5000", "reg.example.com"))
    assert shown["status"]["dockerImageRepository"] == "reg:5000/test/app"
    assert shown["status"]["publicDockerImageRepository"] == "reg.example.com/test/app"
    plain = decorated(shown, RegistryHosts())
    assert plain["status"]["dockerImageRepository"] == "quay.io/a/b"
    assert "publicDockerImageRepository" not in plain["status"]


def test_conditions_are_found_by_their_type() -> None:
    other = {"type": "Other", "status": "True"}
    failed = {"type": "ImportSuccess", "status": "False"}
    assert condition({"conditions": [other, failed]}) == failed
    assert condition({"conditions": [other]}) is None
    assert condition(None) is None
