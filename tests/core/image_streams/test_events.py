"""Events derived from spec tags: docs/spec/import-gate.md 3.2."""

from __future__ import annotations

from typing import Any

import pytest

from imagegate.core.image_streams.events import with_derived_events, with_followed_tags
from imagegate.core.image_streams.stream import latest_event, status_tags
from tests.support.image_objects import CREATED, DIGEST_1, DIGEST_2, event, spec_tag, stream

NOW = "2020-01-01T00:00:00Z"
REGISTRY = "reg:5000"


def derived(
    tags: list[dict[str, Any]],
    *,
    old: dict[str, Any] | None = None,
    sources: dict[tuple[str, str], dict[str, Any]] | None = None,
    history: dict[str, list[dict[str, Any]]] | None = None,
) -> dict[str, Any]:
    written = stream(spec_tags=tags, tags=history, generation=5)
    found = sources or {}
    return with_derived_events(
        written, old, lambda namespace, name: found.get((namespace, name)), now=NOW, integrated_registry=REGISTRY
    )


def newest(found: dict[str, Any], tag: str = "t") -> dict[str, Any] | None:
    return latest_event(found, tag)


def test_a_docker_image_must_be_imported_first() -> None:
    assert newest(derived([spec_tag("t", "quay.io/a/b")])) is None


def test_a_reference_tag_has_its_event_at_once() -> None:
    assert newest(derived([spec_tag("t", "quay.io/a/b", reference=True)])) == {
        "created": NOW,
        "dockerImageReference": "quay.io/a/b",
        "image": "",
        "generation": 5,
    }


SOURCE = stream("src", "other", tags={"1": [event(DIGEST_1, f"quay.io/a/b@{DIGEST_1}", 2)]})


@pytest.mark.parametrize(
    "kind, name, namespace, image",
    [
        ("ImageStreamTag", "src:1", "other", DIGEST_1),
        ("ImageStreamTag", "src:2", "other", None),
        ("ImageStreamTag", "src:", "other", None),
        ("ImageStreamTag", "src:1", None, None),
        ("ImageStreamImage", f"src@{DIGEST_1}", "other", DIGEST_1),
        ("ImageStreamImage", "src@sha256:11", "other", DIGEST_1),
        ("ImageStreamImage", "src@11", "other", DIGEST_1),
        ("ImageStreamImage", "src@22", "other", None),
        ("Odd", "src:1", "other", None),
    ],
)
def test_events_of_other_streams(kind: str, name: str, namespace: str | None, image: str | None) -> None:
    tag = spec_tag("t", name, kind=kind)
    if namespace:
        tag["from"]["namespace"] = namespace
    found = newest(derived([tag], sources={("other", "src"): SOURCE}))
    assert (found or {}).get("image") == image
    if found is not None:
        assert found["generation"] == 5
        assert found["created"] == (NOW if kind == "ImageStreamImage" else CREATED)


def test_a_copy_from_the_integrated_registry_is_made_local() -> None:
    own = stream("src", "other", tags={"1": [event(DIGEST_1, f"{REGISTRY}/other/src@{DIGEST_1}")]})
    tag = spec_tag("t", "src:1", kind="ImageStreamTag")
    tag["from"]["namespace"] = "other"
    copied = newest(derived([tag], sources={("other", "src"): own}))
    assert copied is not None
    assert copied["dockerImageReference"] == f"{REGISTRY}/test/app@{DIGEST_1}"
    pointed = newest(derived([{**tag, "reference": True}], sources={("other", "src"): own}))
    assert pointed is not None
    assert pointed["dockerImageReference"] == f"{REGISTRY}/other/src@{DIGEST_1}"
    odd = stream("src", "other", tags={"1": [event(DIGEST_1, "Not A Reference")]})
    kept = newest(derived([tag], sources={("other", "src"): odd}))
    assert kept is not None
    assert kept["dockerImageReference"] == "Not A Reference"


def test_without_an_integrated_registry_nothing_is_made_local() -> None:
    tag = spec_tag("t", "src:1", kind="ImageStreamTag")
    tag["from"]["namespace"] = "other"
    written = stream(spec_tags=[tag], generation=5)
    found = newest(with_derived_events(written, None, lambda *_: SOURCE, now=NOW))
    assert found is not None
    assert found["dockerImageReference"] == f"quay.io/a/b@{DIGEST_1}"


def test_only_changed_tags_count() -> None:
    tag = spec_tag("t", "quay.io/a/b", reference=True)
    old = stream(spec_tags=[tag])
    assert newest(derived([tag], old=old)) is None
    assert newest(derived([{**tag, "from": {"kind": "DockerImage", "name": "quay.io/a/c"}}], old=old)) is not None
    assert newest(derived([{"name": "t"}])) is None


def test_tags_follow_each_other() -> None:
    tags = [spec_tag("b", "a", kind="ImageStreamTag"), spec_tag("c", "app:b", kind="ImageStreamTag")]
    found = with_followed_tags(stream(spec_tags=tags, tags={"a": [event(DIGEST_2, "x")]}), None)
    assert {name: tag["items"][0]["image"] for name, tag in status_tags(found).items()} == dict.fromkeys(
        "abc", DIGEST_2
    )


def test_tags_that_follow_each_other_in_a_circle_end() -> None:
    tags = [spec_tag("a", "b", kind="ImageStreamTag"), spec_tag("b", "a", kind="ImageStreamTag")]
    old = stream(spec_tags=tags)
    new = stream(spec_tags=tags, tags={"a": [event(DIGEST_1, "x")]})
    found = with_followed_tags(new, old)
    assert {name: tag["items"][0]["image"] for name, tag in status_tags(found).items()} == dict.fromkeys("ab", DIGEST_1)


def test_an_unchanged_tag_is_not_followed_again() -> None:
    tags = [spec_tag("b", "a", kind="ImageStreamTag")]
    same = stream(spec_tags=tags, tags={"a": [event(DIGEST_1, "x")], "b": [event(DIGEST_2, "y")]})
    assert with_followed_tags(same, same) == same
    emptied = with_followed_tags(stream(spec_tags=tags, tags={"a": []}), same)
    assert status_tags(emptied)["a"]["items"] == []


def test_a_tag_of_the_same_stream_needs_no_stream_name() -> None:
    found = derived([spec_tag("t", "latest", kind="ImageStreamTag")], history={"latest": [event(DIGEST_1, "x")]})
    assert (newest(found) or {})["image"] == DIGEST_1
    by_id = derived([spec_tag("t", "sha256:11", kind="ImageStreamImage")], history={"latest": [event(DIGEST_1, "x")]})
    assert (newest(by_id) or {})["image"] == DIGEST_1
