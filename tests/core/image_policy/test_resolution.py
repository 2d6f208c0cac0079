"""Resolution by questions and answers, round by round (docs/spec/image-policy.md 5)."""

from __future__ import annotations

from typing import Any

import pytest

from imagegate.core.admission.access_review import Access, AccessAnswer
from imagegate.core.admission.answer_reader import AnswerReader
from imagegate.core.admission.lookup import Absent, Ambiguous, Found, Lookup, Unknown
from imagegate.core.admission.plugin import KnownAnswers, Question
from imagegate.core.admission.request import User
from imagegate.core.admission.workload import DOCKER_IMAGE, IMAGE_STREAM_IMAGE, IMAGE_STREAM_TAG, ImageUse
from imagegate.core.image_policy.attributes import Attributes, Doubt, Unresolved
from imagegate.core.image_policy.behaviour import Behaviour, openshift_4
from imagegate.core.image_policy.resolution import NO_LOCAL_NAMES, Resolver
from imagegate.core.image_streams.questions import Image, PullSpecHolders, Stream, StreamImage, StreamTag

DIGEST = "sha256:" + "1" * 64
EXACT = f"quay.io/a/b@{DIGEST}"
IMAGE = {"metadata": {"name": DIGEST}, "dockerImageReference": EXACT}
TAG = {"image": IMAGE, "lookupPolicy": {"local": True}}
INTEGRATED = Behaviour(integrated_registries=("reg:5000",))
ALICE = User("alice")


def use(name: str, kind: str = DOCKER_IMAGE, namespace: str = "") -> ImageUse:
    return ImageUse(kind, namespace, name, "spec.containers[0].image")


def resolver(
    answers: dict[Any, Lookup[Any]], behaviour: Behaviour | None = None, *, final: bool = True, **options: Any
) -> Resolver:
    options = {"resolve_all": False, "subjects": (ALICE,), **options}
    return Resolver(behaviour or Behaviour(), AnswerReader(KnownAnswers(answers), final=final), "default", **options)


def rounds(image: ImageUse, answers: dict[Any, Lookup[Any]], behaviour: Behaviour | None = None) -> list[set[Question]]:
    """The questions of each round until nothing is missing."""
    known = KnownAnswers()
    asked: list[set[Question]] = []
    while True:
        reader = AnswerReader(known, final=False)
        Resolver(behaviour or Behaviour(), reader, "default", resolve_all=False, subjects=(ALICE,)).resolve(image)
        if not reader.missing:
            return asked
        asked.append(set(reader.missing))
        known.update({question: answers[question] for question in reader.missing})


def review(namespace: str, stream: str = "") -> Access:
    return Access(ALICE, "get", "image.openshift.io", "imagestreams", "layers", namespace, stream)


def test_questions_that_belong_together_are_one_round() -> None:
    answers: dict[Question, Lookup[Any]] = {Image(DIGEST): Found(IMAGE), PullSpecHolders(EXACT): Found(frozenset())}
    assert rounds(use(EXACT), answers) == [set(answers)]


def test_the_stream_is_looked_up_after_the_right_to_it() -> None:
    tag = StreamTag("other", "app", "v1")
    answers: dict[Question, Lookup[Any]] = {
        review("other", "app"): Found(AccessAnswer(True)),
        tag: Found(TAG),
        Image(DIGEST): Found(IMAGE),
    }
    asked = rounds(use("reg:5000/other/app:v1"), answers, INTEGRATED)
    assert asked == [{review("other", "app")}, {tag}, {Image(DIGEST)}]


def test_nothing_is_resolved_while_answers_are_awaited() -> None:
    assert resolver({}, final=False).resolve(use(EXACT)) is None


def test_a_digest_has_the_image_of_that_digest() -> None:
    answers: dict[Question, Lookup[Any]] = {Image(DIGEST): Found(IMAGE), PullSpecHolders(EXACT): Found(frozenset())}
    found = resolver(answers).resolve(use(EXACT))
    assert isinstance(found, Attributes)
    assert (found.name.exact, found.image, found.integrated) == (EXACT, IMAGE, False)


@pytest.mark.parametrize(
    "holders, right, integrated",
    [
        (Found(frozenset({"default"})), None, True),
        (Found(frozenset({"other"})), Found(AccessAnswer(True)), True),
        (Found(frozenset({"other"})), Found(AccessAnswer(False)), False),
        (Absent("none"), None, False),
    ],
)
def test_a_pull_spec_of_a_stream_that_may_be_used_is_integrated(
    holders: Lookup[Any], right: Lookup[Any] | None, integrated: bool
) -> None:
    answers: dict[Question, Lookup[Any]] = {Image(DIGEST): Found(IMAGE), PullSpecHolders(EXACT): holders}
    if right is not None:
        answers[review("other")] = right
    found = resolver(answers).resolve(use(EXACT))
    assert isinstance(found, Attributes)
    assert found.integrated is integrated
    assert found.doubt is None


def test_holders_that_cannot_be_looked_up_are_a_doubt() -> None:
    known = resolver({Image(DIGEST): Found(IMAGE), PullSpecHolders(EXACT): Unknown("timed out")})
    found = known.resolve(use(EXACT))
    assert isinstance(found, Attributes)
    assert found.doubt == Doubt("timed out", integrated=True)
    assert known.is_personal, "it must not be cached"


@pytest.mark.parametrize(
    "answer, behaviour, expected",
    [
        (Absent("not found"), Behaviour(), Unresolved("not found", not_found=True)),
        (Unknown("timed out"), Behaviour(), Unresolved("timed out", failed=True)),
        (Ambiguous("two"), Behaviour(), Unresolved("two", failed=True)),
        (Ambiguous("two"), openshift_4(), Unresolved("two")),
        (None, Behaviour(), Unresolved("it was not looked up in time", failed=True)),
    ],
)
def test_why_a_digest_is_not_resolved(answer: Lookup[Any] | None, behaviour: Behaviour, expected: Unresolved) -> None:
    answers: dict[Question, Lookup[Any]] = {PullSpecHolders(EXACT): Found(frozenset())}
    if answer is not None:
        answers[Image(DIGEST)] = answer
    assert resolver(answers, behaviour).resolve(use(EXACT)) == expected


def test_a_local_name_needs_the_streams_consent() -> None:
    tag = StreamTag("default", "app", "v1")
    found = resolver({tag: Found(TAG), Image(DIGEST): Found(IMAGE)}).resolve(use("app:v1"))
    assert isinstance(found, Attributes)
    assert (found.local_rewrite, found.name.exact) == (True, EXACT)
    closed = {**TAG, "lookupPolicy": {"local": False}}
    assert resolver({tag: Found(closed)}).resolve(use("app:v1")) == Unresolved(NO_LOCAL_NAMES)


def test_a_tag_that_does_not_exist_yet_has_its_future_pull_spec() -> None:
    stream = {"spec": {"lookupPolicy": {"local": True}}, "status": {"dockerImageRepository": "reg:5000/default/app"}}
    missing = Absent("no tag", "imagestreamtags")
    answers: dict[Question, Lookup[Any]] = {
        StreamTag("default", "app", "v1"): missing,
        Stream("default", "app"): Found(stream),
    }
    found = resolver(answers).resolve(use("app:v1"))
    assert isinstance(found, Attributes)
    assert (found.name.exact, found.image) == ("reg:5000/default/app:v1", None)
    answers[Stream("default", "app")] = Unknown("timed out")
    assert resolver(answers).resolve(use("app:v1")) == Unresolved("timed out", failed=True)


def test_object_references() -> None:
    answers: dict[Question, Lookup[Any]] = {
        StreamTag("default", "app", "latest"): Found(TAG),
        StreamImage("default", "app", DIGEST): Found({"image": IMAGE}),
        Image(DIGEST): Found(IMAGE),
    }
    known = resolver(answers)
    for image in (use("app:", IMAGE_STREAM_TAG), use(f"app@{DIGEST}", IMAGE_STREAM_IMAGE)):
        found = known.resolve(image)
        assert isinstance(found, Attributes)
        assert found.integrated
    for image in (use("app", IMAGE_STREAM_TAG), use("app", IMAGE_STREAM_IMAGE), use("app", "Widget")):
        assert isinstance(known.resolve(image), Unresolved)


def test_without_rights_nothing_of_another_namespace_is_seen_but_by_imagegate_itself() -> None:
    answers: dict[Question, Lookup[Any]] = {
        review("other", "app"): Found(AccessAnswer(False)),
        StreamTag("other", "app", "v1"): Found(TAG),
        Image(DIGEST): Found(IMAGE),
    }
    image = use("reg:5000/other/app:v1")
    user = resolver(answers, INTEGRATED)
    assert isinstance(user.resolve(image), Unresolved)
    assert user.was_refused
    assert user.needs_second_look(image)
    assert isinstance(resolver(answers, INTEGRATED, own=True, subjects=()).resolve(image), Attributes)


def test_best_effort_keeps_the_name_and_the_doubt() -> None:
    failed = resolver({}).best_effort(use("quay.io/a/b:1"), Unresolved("timed out", failed=True))
    assert failed.name.exact == "quay.io/a/b:1"
    assert failed.doubt == Doubt("timed out", name=True, image=True, integrated=True)
    assert resolver({}).best_effort(use("quay.io/a/b:1"), Unresolved("no")).doubt is None
    assert resolver({}).best_effort(use("NOT VALID"), None) == Attributes(failed.name.__class__())


@pytest.mark.parametrize(
    "text, registry, name", [("my.image:1.0", "", "my.image"), ("my.image/a:1.0", "my.image", "a")]
)
def test_names_with_a_dot(text: str, registry: str, name: str) -> None:
    found = resolver({}).parse(text)
    assert (found.registry, found.name, found.tag) == (registry, name, "1.0")
