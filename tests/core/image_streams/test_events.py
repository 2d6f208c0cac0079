"""The events that a write adds to the status of an image stream (docs/spec/import-gate.md 3.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from imagegate.core.admission.access_review import Access, AccessAnswer
from imagegate.core.admission.lookup import Absent, Found, Lookup, Unknown
from imagegate.core.admission.plugin import KnownAnswers
from imagegate.core.admission.request import User
from imagegate.core.image_streams.events import Derived, derive, is_changed, tag_questions
from imagegate.core.image_streams.histories import add_event
from imagegate.core.image_streams.objects import Event, ImportPolicy, Source, SpecTag, read_stream
from imagegate.core.image_streams.questions import Stream
from tests.support.import_gate_setup import docker_tag, history, stream

ALICE = User("alice")
D1, D2 = f"sha256:{'1' * 64}", f"sha256:{'12' * 32}"


def tag(name: str, kind: str, source: str, namespace: str = "", **fields: Any) -> dict[str, Any]:
    return {"name": name, "from": {"kind": kind, "name": source, "namespace": namespace}, **fields}


def events(reference: str, image: str) -> dict[str, Any]:
    return {"dockerImageReference": reference, "image": image}


def derived(
    new: dict[str, Any],
    old: dict[str, Any] | None = None,
    answers: Mapping[Any, Lookup[Any]] | None = None,
    integrated: str = "",
) -> Derived:
    before = read_stream(old) if old is not None else None
    return derive(read_stream(new), before, KnownAnswers(answers or {}), user=ALICE, integrated_registry=integrated)


def references(found: Derived) -> dict[str, list[str]]:
    return {name: [event.reference for event in items] for name, items in found.stream.status_tags.items()}


def error(found: Derived) -> str:
    assert found.error is not None
    return str(found.error)


def access(namespace: str, name: str) -> Access:
    return Access(ALICE, "get", "image.openshift.io", "imagestreams", "layers", namespace, name)


GRANTED = Found(AccessAnswer(True))


def test_the_status_that_came_with_a_new_stream_is_dropped() -> None:
    new = stream("app", status={"tags": [history("a", "quay.io/x/y")]})
    assert references(derived(new)) == {}


def test_the_status_of_the_old_stream_is_kept() -> None:
    old = stream("app", status={"tags": [history("a", "quay.io/x/y")]})
    assert references(derived(stream("app"), old)) == {"a": ["quay.io/x/y"]}


def test_an_import_must_follow_unless_the_tag_is_a_reference() -> None:
    assert references(derived(stream("app", docker_tag("a", "quay.io/x/y:1")))) == {}
    assert references(derived(stream("app", docker_tag("a", "quay.io/x/y:1", reference=True)))) == {
        "a": ["quay.io/x/y:1"]
    }


def test_an_unchanged_tag_derives_nothing() -> None:
    unchanged = stream("app", docker_tag("a", "quay.io/x/y:1", reference=True))
    assert references(derived(unchanged, unchanged)) == {}


OTHER = stream("src", namespace="test", status={"tags": [history("v1", "quay.io/new/x", "quay.io/old/x")]})


@pytest.mark.parametrize("source,found", [("src:v1", {"a": ["quay.io/new/x"]}), ("src:v2", {}), ("src:", {})])
def test_the_newest_event_of_another_stream(source: str, found: dict[str, list[str]]) -> None:
    new = stream("app", tag("a", "ImageStreamTag", source))
    assert list(tag_questions(read_stream(new), None, ALICE)) == [Stream("test", "src")]
    assert references(derived(new, answers={Stream("test", "src"): Found(OTHER)})) == found


def test_a_tag_without_a_name_is_latest() -> None:
    other = stream("src", status={"tags": [history("latest", "quay.io/x/y")]})
    new = stream("app", tag("a", "ImageStreamTag", "src:"))
    assert references(derived(new, answers={Stream("test", "src"): Found(other)})) == {"a": ["quay.io/x/y"]}


@pytest.mark.parametrize("source", ["v1", "app:v1"])
def test_a_tag_of_the_same_stream(source: str) -> None:
    old = stream("app", status={"tags": [history("v1", "quay.io/x/y")]})
    new = stream("app", tag("a", "ImageStreamTag", source))
    assert list(tag_questions(read_stream(new), read_stream(old), ALICE)) == []
    assert references(derived(new, old)) == {"v1": ["quay.io/x/y"], "a": ["quay.io/x/y"]}


IMAGES = stream(
    "src",
    status={"tags": [{"tag": "a", "items": [events("quay.io/one", D1), events("quay.io/two", D2)]}]},
)


@pytest.mark.parametrize(
    "source,found",
    [
        (f"src@{D1}", {"a": ["quay.io/one"]}),
        (f"src@{'1' * 20}", {"a": ["quay.io/one"]}),
        ("src@12", {"a": ["quay.io/two"]}),
        ("src@sha256:12", {"a": ["quay.io/two"]}),
    ],
)
def test_an_image_by_a_prefix_of_its_digest(source: str, found: dict[str, list[str]]) -> None:
    new = stream("app", tag("a", "ImageStreamImage", source))
    assert references(derived(new, answers={Stream("test", "src"): Found(IMAGES)})) == found


def test_an_image_of_the_same_stream_that_was_just_added() -> None:
    old = stream("app", status={"tags": [{"tag": "z", "items": [events("quay.io/zero", D2)]}]})
    new = stream("app", tag("a", "ImageStreamImage", "app@12"), tag("b", "ImageStreamImage", f"src@{D1}"),
                 tag("c", "ImageStreamImage", f"{'1' * 20}"))  # fmt: skip
    answers: Mapping[Any, Lookup[Any]] = {Stream("test", "src"): Found(IMAGES)}
    assert references(derived(new, old, answers)) == {
        "z": ["quay.io/zero"], "a": ["quay.io/zero"], "b": ["quay.io/one"], "c": ["quay.io/one"]
    }  # fmt: skip


@pytest.mark.parametrize(
    "source,text",
    [
        ("src@34", 'imagestreamimage.image.openshift.io "34" not found'),
        (
            "src@1",
            (
                'Operation cannot be fulfilled on imagestreamimage.image.openshift.io "1": '
                f'multiple images match the prefix "1": {D1}, {D2}'
            ),
        ),
    ],
)
def test_an_image_that_is_not_there_or_not_one(source: str, text: str) -> None:
    found = derived(stream("app", tag("a", "ImageStreamImage", source)), answers={Stream("test", "src"): Found(IMAGES)})
    assert error(found) == (
        '[]: Internal error: imagestreams "app" is invalid: '
        f'spec.tags[a].from.name: Invalid value: "{source}": error generating tag event: {text}'
    )
    assert not found.is_unknown


def test_of_very_many_matching_images_only_some_are_named() -> None:
    items = [events("quay.io/x", f"sha256:{number:064x}") for number in range(5000)]
    other = stream("src", status={"tags": [{"tag": "a", "items": items}]})
    found = derived(
        stream("app", tag("a", "ImageStreamImage", "src@sha256:0")), answers={Stream("test", "src"): Found(other)}
    )
    assert error(found).count("sha256:0") == 3 + 100  # the source, the prefix twice, and a hundred images


def test_a_stream_that_does_not_exist() -> None:
    new = stream("app", tag("a", "ImageStreamTag", "src:v1"))
    missing = Absent('imagestreams.image.openshift.io "src" not found', "imagestreams")
    found = derived(new, answers={Stream("test", "src"): missing})
    assert error(found) == (
        '[]: Internal error: imagestreams "app" is invalid: spec.tags[a].from.name: Not found: "src:v1"'
    )


@pytest.mark.parametrize(
    "answers,why,unknown",
    [
        ({}, "not looked up", True),
        ({Stream("test", "src"): Unknown("timed out")}, "timed out", True),
        ({Stream("test", "src"): Found({"spec": 5})}, "spec: expected an object, got 5", False),
    ],
)
def test_a_stream_that_cannot_be_read(answers: Mapping[Any, Lookup[Any]], why: str, unknown: bool) -> None:
    found = derived(stream("app", tag("a", "ImageStreamTag", "src:v1")), answers=answers)
    assert error(found).endswith(f'Invalid value: "src:v1": unable to retrieve image stream: {why}')
    assert found.is_unknown is unknown


@pytest.mark.parametrize(
    "kind,source", [("ImageStreamTag", "a:b:c"), ("ImageStreamImage", "a@b@c"), ("Foo", "x"), ("DockerImage", "")]
)
def test_a_source_of_another_form(kind: str, source: str) -> None:
    found = derived(stream("app", tag("a", kind, source)))
    assert error(found) == (
        f'[]: Internal error: imagestreams "app" is invalid: spec.tags[a].from.name: Invalid value: "{source}": '
        "must be of the form <tag>, <repo>:<tag>, <id>, or <repo>@<id>"
    )


def test_another_project_wants_an_access_review() -> None:
    new = read_stream(stream("app", tag("a", "ImageStreamTag", "src:v1", "other")))
    assert list(tag_questions(new, None, ALICE)) == [access("other", "src"), Stream("other", "src")]


def test_access_refused_and_granted() -> None:
    new = stream("app", tag("a", "ImageStreamTag", "src:v1", "other"))
    streams: Mapping[Any, Lookup[Any]] = {Stream("other", "src"): Found(OTHER)}
    refused = derived(new, answers={**streams, access("other", "src"): Found(AccessAnswer(False, "no way", "oops"))})
    assert error(refused) == (
        '[]: Internal error: imagestreams "app" is invalid: spec.tags[a].from: Forbidden: other/src: "no way" "oops"'
    )
    assert not refused.is_unknown
    granted = derived(new, answers={**streams, access("other", "src"): GRANTED})
    assert granted.error is None
    assert references(granted) == {"a": ["quay.io/new/x"]}


@pytest.mark.parametrize(
    "answers,why",
    [({}, "not looked up"), ({access("other", "src"): Unknown("timed out")}, "timed out")],
)
def test_access_that_is_not_known_is_refused(answers: Mapping[Any, Lookup[Any]], why: str) -> None:
    new = stream("app", tag("a", "ImageStreamTag", "src:v1", "other"))
    found = derived(new, answers={Stream("other", "src"): Found(OTHER), **answers})
    assert error(found).endswith(f'Forbidden: other/src: "" "{why}"')
    assert found.is_unknown


def test_a_foreign_source_of_another_form_is_named_twice_and_printed_once() -> None:
    found = derived(stream("app", tag("a", "ImageStreamTag", "x:y:z", "other")))
    assert len(found.problems) == 2
    assert error(found).count("must be of the form") == 1


def test_a_repository_in_the_integrated_registry_becomes_this_streams() -> None:
    other = stream("src", status={"tags": [history("v1", f"registry:5000/test/src@{D1}")]})
    new = stream("app", tag("a", "ImageStreamTag", "src:v1"))
    answers: Mapping[Any, Lookup[Any]] = {Stream("test", "src"): Found(other)}
    assert references(derived(new, answers=answers, integrated="registry:5000")) == {
        "a": [f"registry:5000/test/app@{D1}"]
    }
    assert references(derived(new, answers=answers)) == {"a": [f"registry:5000/test/src@{D1}"]}
    reference = stream("app", tag("a", "ImageStreamTag", "src:v1", reference=True))
    assert references(derived(reference, answers=answers, integrated="registry:5000")) == {
        "a": [f"registry:5000/test/src@{D1}"]
    }


@pytest.mark.parametrize("text", ["Bad Reference", "registry:5000/test/else"])
def test_other_repositories_stay_what_they_are(text: str) -> None:
    other = stream("src", status={"tags": [history("v1", text)]})
    new = stream("app", tag("a", "ImageStreamTag", "src:v1"))
    found = derived(new, answers={Stream("test", "src"): Found(other)}, integrated="registry:5000")
    assert references(found) == {"a": [text]}


def test_tags_that_follow_others_get_their_events_in_a_new_stream_only() -> None:
    follows_a = tag("b", "ImageStreamTag", "app:a")
    follows_b = tag("c", "ImageStreamTag", "b")
    elsewhere = tag("d", "ImageStreamTag", "a", "other")
    fixed = tag("e", "ImageStreamImage", D1)
    first = docker_tag("a", "quay.io/x/y:1", reference=True)
    old = stream("app", first, follows_a, follows_b, elsewhere, fixed)
    second = docker_tag("a", "quay.io/x/y:2", reference=True)
    new = stream("app", second, follows_a, follows_b, elsewhere, fixed)
    assert references(derived(new, None)) == {name: ["quay.io/x/y:2"] for name in ("a", "b", "c")}
    assert references(derived(new, old)) == {"a": ["quay.io/x/y:2"]}


def test_tags_that_follow_each_other_end() -> None:
    around = [tag("a", "ImageStreamTag", "b"), tag("b", "ImageStreamTag", "a")]
    old = stream("app", *around, status={"tags": []})
    sent = [tag("a", "ImageStreamTag", "b"), tag("b", "ImageStreamTag", "a"), docker_tag("c", "q.io/x", reference=True)]
    assert references(derived(stream("app", *sent), old)) == {"c": ["q.io/x"]}
    full = stream("app", status={"tags": [history("a", "quay.io/x/y")]})
    assert references(derived(stream("app", *around), full)) == {"a": ["quay.io/x/y"], "b": ["quay.io/x/y"]}


@pytest.mark.parametrize(
    "event,items",
    [
        (Event("r", "i"), (Event("r", "i"), Event("o", "p"))),
        (Event("r", "j"), (Event("r", "j"), Event("o", "p"))),
        (Event("s", "i"), (Event("s", "i"), Event("o", "p"))),
        (Event("s", "j"), (Event("s", "j"), Event("r", "i"), Event("o", "p"))),
    ],
)
def test_an_event_replaces_what_it_shares_reference_or_image_with(event: Event, items: tuple[Event, ...]) -> None:
    assert add_event((Event("r", "i"), Event("o", "p")), event) == items
    assert add_event((), event) == (event,)


A = SpecTag("a", Source("DockerImage", "x"), generation=2)


@pytest.mark.parametrize(
    "old,new,changed",
    [
        (A, A, False),
        (None, A, True),
        (None, A._replace(source=None), False),
        (A, A._replace(source=None), False),
        (A, A._replace(source=Source()), False),
        (A._replace(source=None), A, True),
        (A, A._replace(source=Source("DockerImage", "y")), True),
        (A, A._replace(source=Source("DockerImage", "x", "test")), False),
        (A, A._replace(source=Source("DockerImage", "x", "other")), True),
        (A, A._replace(source=Source("ImageStreamTag", "x")), False),
        (A, A._replace(reference=True), True),
        (A, A._replace(import_policy=ImportPolicy(import_mode="PreserveOriginal")), True),
        (A, A._replace(import_policy=ImportPolicy(insecure=True)), False),
        (A, A._replace(generation=0), True),
        (A._replace(generation=None), A._replace(generation=0), False),
        (A, A._replace(generation=None), False),
        (A, A._replace(generation=3), False),
    ],
)
def test_which_tags_count_as_changed(old: SpecTag | None, new: SpecTag, changed: bool) -> None:
    assert is_changed(old, new, "test") is changed


def test_an_image_whose_name_is_no_digest_is_found_by_its_name_only() -> None:
    other = stream("src", status={"tags": [{"tag": "a", "items": [events("quay.io/x", "sha256:x")]}]})
    answers: Mapping[Any, Lookup[Any]] = {Stream("test", "src"): Found(other)}
    found = derived(stream("app", tag("a", "ImageStreamImage", "src@sha256")), answers=answers)
    assert references(found) == {"a": ["quay.io/x"]}
    assert derived(stream("app", tag("a", "ImageStreamImage", "src@x")), answers=answers).error is not None
