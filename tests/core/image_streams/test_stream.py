"""Tag history, changed tags, imports that are due: docs/spec/import-gate.md 6.2.1, 6.2.2 and 3.2."""

from __future__ import annotations

from typing import Any

import pytest

from imagegate.core.image_streams.stream import (
    RegistryHosts,
    condition,
    is_image_id,
    needs_import,
    split_stream_image,
    split_stream_tag,
    with_computed_status,
)
from imagegate.errors import InvalidInput
from tests.support.image_objects import DIGEST_1, event, spec_tag, stream

OLD = event(DIGEST_1, "quay.io/a/b@one", generation=1)


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
    shown = with_computed_status(found, RegistryHosts("reg:5000", "reg.example.com"))
    assert shown["status"]["dockerImageRepository"] == "reg:5000/test/app"
    assert shown["status"]["publicDockerImageRepository"] == "reg.example.com/test/app"
    plain = with_computed_status(shown, RegistryHosts())
    assert plain["status"]["dockerImageRepository"] == "quay.io/a/b"
    assert "publicDockerImageRepository" not in plain["status"]


def test_conditions_are_found_by_their_type() -> None:
    other = {"type": "Other", "status": "True"}
    failed = {"type": "ImportSuccess", "status": "False"}
    assert condition({"conditions": [other, failed]}) == failed
    assert condition({"conditions": [other]}) is None
    assert condition(None) is None
