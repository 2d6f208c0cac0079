"""Events derived from spec tags: docs/spec/import-gate.md 3.2."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from imagegate.core.admission.access_review import Access, AccessAnswer
from imagegate.core.admission.lookup import Found
from imagegate.core.admission.plugin import KnownAnswers
from imagegate.core.admission.request import User
from imagegate.core.image_streams.events import derive, is_changed
from imagegate.core.image_streams.histories import with_event, with_histories
from imagegate.core.image_streams.objects import Event, read_history, read_spec_tag, read_stream
from imagegate.core.image_streams.questions import Stream
from imagegate.core.image_streams.stream import latest_event, status_tag, status_tags
from imagegate.core.image_streams.tracking import with_followed_tags, with_tracking_tags
from imagegate.core.kube.status import IMAGE_GROUP
from tests.support.image_objects import CREATED, DIGEST_1, DIGEST_2, event, spec_tag, stream

NOW = "2020-01-01T00:00:00Z"
REGISTRY = "reg:5000"
USER = User("alice")
GRANTED = Found(AccessAnswer(True))
OLD = event(DIGEST_1, "quay.io/a/b@one")


def derived(
    tags: list[dict[str, Any]],
    *,
    old: dict[str, Any] | None = None,
    sources: dict[tuple[str, str], dict[str, Any]] | None = None,
    history: dict[str, list[dict[str, Any]]] | None = None,
) -> dict[str, Any]:
    written = stream(spec_tags=tags, tags=history, generation=5)
    return written_stream(written, old, sources, REGISTRY)


def written_stream(
    new: dict[str, Any],
    old: dict[str, Any] | None = None,
    sources: dict[tuple[str, str], dict[str, Any]] | None = None,
    integrated_registry: str = "",
) -> dict[str, Any]:
    """The stream with its derived events; a user of everything writes it, and a status that it has is the old one."""
    kept = read_stream({**new, "spec": (old or {}).get("spec") or {}})
    answers = KnownAnswers()
    for key, source in (sources or {}).items():
        answers[Stream(*key)] = Found(source)
        answers[Access(USER, "get", IMAGE_GROUP, "imagestreams", "layers", *key)] = GRANTED
    derived = derive(read_stream(new), kept, answers, user=USER, now=NOW, integrated_registry=integrated_registry)
    found = with_histories(new, derived.stream.status_tags)
    assert read_stream(found) == derived.stream
    return found


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
    found = newest(written_stream(written, sources={("other", "src"): SOURCE}))
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


def read_event(item: dict[str, Any]) -> Event:
    return read_history({"items": [item]})[0]


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
    after, changed = with_event(before, "latest", Event(reference, image, generation))
    assert before == kept, "the stream given was changed"
    assert changed == (expected is not None)
    history = status_tag(after, "latest")
    assert history is not None
    assert ("conditions" in history) == (not changed)
    found = [(item["dockerImageReference"], item["image"], item["generation"]) for item in history["items"]]
    assert found == (expected or [("quay.io/a/b@one", DIGEST_1, 1)])


def test_first_event_starts_the_history() -> None:
    after, changed = with_event(stream(), "v1", read_event(OLD))
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
    after = with_tracking_tags(stream(spec_tags=[follower]), "latest", read_event(OLD))
    assert (latest_event(after, "stable") == OLD) is follows


def test_a_tag_of_a_docker_image_follows_nothing() -> None:
    after = with_tracking_tags(stream(spec_tags=[spec_tag("stable", "latest")]), "latest", read_event(OLD))
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
    assert changes(BASE, {**BASE, **change}) is changed


def test_generation_zero_is_no_change_of_zero_or_none() -> None:
    assert not changes({**BASE, "generation": 0}, {**BASE, "generation": 0})
    assert not changes({**BASE, "generation": None}, {**BASE, "generation": 0})


def changes(old: dict[str, Any], new: dict[str, Any]) -> bool:
    return is_changed(read_spec_tag(old), read_spec_tag(new), "ns")
