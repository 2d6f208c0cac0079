"""What is remembered of images: the same answers, the same verdict; any other answer, another look."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from imagegate.core.admission.answer_reader import AnswerReader
from imagegate.core.admission.lookup import Absent, Found, Lookup, Unknown
from imagegate.core.admission.plugin import KnownAnswers, Question
from imagegate.core.admission.trace import Trace
from imagegate.core.enforcement.policy import Entry
from imagegate.core.enforcement.questions import ManifestDigest, Secret, ServiceAccount
from imagegate.core.enforcement.requirement import ImageUnderPolicy, RequirementResult
from imagegate.core.enforcement.simple_requirement import SimpleCheck
from imagegate.core.enforcement.verdict_cache import RESULTS_MAX
from imagegate.core.signing.requirements import ImageSignatures
from tests.support.enforcement_setup import (
    NOW,
    OTHER_DIGEST,
    SIGNED_ENTRY,
    SIGNED_IMAGE,
    CiseSetup,
    key_secret,
    pod,
    policy,
    request,
    workload,
)


class Counted(SimpleCheck):
    """The check itself; counts how often it must decide."""

    def __init__(self) -> None:
        self.decided = 0

    def evaluate(self, subject: ImageUnderPolicy, reader: AnswerReader) -> RequirementResult | None:
        self.decided += reader.final
        return super().evaluate(subject, reader)

    def applies(self, entry: Entry) -> bool:
        return super().applies(entry)


@pytest.fixture
def check() -> Counted:
    return Counted()


@pytest.fixture
def world(check: Counted) -> CiseSetup:
    documents = policy(SIGNED_ENTRY) + key_secret("signer1")
    return CiseSetup(documents, checks=(check,))


def answers(world: CiseSetup, *images: str, **spec: Any) -> KnownAnswers:
    """What a first review is told."""
    told = KnownAnswers()
    asked = request(pod(*images, **spec))
    while missing := [each for each in world.plugin.questions(asked, told) if each not in told]:
        told.update((each, world._answer(each)) for each in missing)
    return told


def decided(world: CiseSetup, told: KnownAnswers, **spec: Any) -> list[str]:
    return [denial.because for denial in world.plugin.decide(request(pod(SIGNED_IMAGE, **spec)), told, now=NOW).denials]


def test_the_same_answers_are_not_judged_again(world: CiseSetup, check: Counted) -> None:
    told = answers(world, SIGNED_IMAGE)
    asked = request(pod(SIGNED_IMAGE))
    first = world.plugin.decide(asked, told, now=NOW)
    assert first.rewrites
    assert not first.denials
    assert world.plugin.decide(asked, KnownAnswers(told), now=NOW) == first
    assert check.decided == 1
    world.plugin.decide(asked, told, now=NOW, trace=Trace())  # an explanation is always of a real look
    assert check.decided == 2


def _changed(told: KnownAnswers, kind: type[Question], change: Callable[[Any], Lookup[Any]]) -> KnownAnswers:
    return KnownAnswers({each: change(answer) if isinstance(each, kind) else answer for each, answer in told.items()})


@pytest.mark.parametrize(
    "kind, change",
    [
        (ManifestDigest, lambda _: Found(OTHER_DIGEST)),
        (ManifestDigest, lambda _: Unknown("down")),
        (ManifestDigest, lambda _: Absent("gone")),
        (ImageSignatures, lambda _: Found(())),
        (ImageSignatures, lambda _: Unknown("down")),
        (ImageSignatures, lambda _: Absent("none")),
        (Secret, lambda _: Absent('secrets "key" not found')),
        (Secret, lambda _: Unknown("down")),
        (Secret, lambda answer: replace(answer, value={**answer.value, "stringData": {"key": "none"}})),
    ],
)
def test_another_answer_is_judged(world: CiseSetup, kind: type[Question], change: Callable[[Any], Lookup[Any]]) -> None:
    told = answers(world, SIGNED_IMAGE)
    assert decided(world, told) == []
    other = _changed(told, kind, change)
    assert decided(world, other) != []
    assert decided(world, other) != []  # a refusal is not replaced by what was kept before it
    assert decided(world, told) == []


@pytest.mark.parametrize("kind", [ManifestDigest, ImageSignatures, Secret])
def test_an_answer_that_is_missing_now_denies(world: CiseSetup, kind: type[Question]) -> None:
    told = answers(world, SIGNED_IMAGE)
    assert decided(world, told) == []
    assert (
        decided(world, KnownAnswers({each: answer for each, answer in told.items() if not isinstance(each, kind)}))
        != []
    )


def test_other_circumstances_are_judged(world: CiseSetup, check: Counted) -> None:
    """Namespace, pull secrets and service account belong to the question that is asked."""
    told = answers(world, SIGNED_IMAGE)
    assert decided(world, told) == []
    seen = check.decided
    in_another = request(pod(SIGNED_IMAGE), namespace="other")
    assert world.plugin.decide(in_another, told, now=NOW).denials  # the key is in namespace default
    config = json.dumps({"auths": {"127.0.0.1:5000": {"username": "a", "password": "b"}}})
    mine = Secret("default", "mine"), Found({"stringData": {".dockerconfigjson": config}})
    robot = ServiceAccount("default", "robot"), Found({"imagePullSecrets": [{"name": "mine"}]})
    more = KnownAnswers({**told, mine[0]: mine[1], robot[0]: robot[1]})
    assert decided(world, more, imagePullSecrets=[{"name": "mine"}])  # nobody asked the registry with that one
    with_account = request(workload("Deployment", SIGNED_IMAGE, serviceAccountName="robot"))
    assert world.plugin.decide(with_account, more, now=NOW).denials  # nor for that account
    assert check.decided == seen + 3
    assert decided(world, more) == []
    assert check.decided == seen + 3


def test_what_is_remembered_has_an_end(world: CiseSetup) -> None:
    assert decided(world, KnownAnswers()) != []
    assert not world.plugin.verdict_cache._results  # refusals are not kept
    told = answers(world, SIGNED_IMAGE)
    assert decided(world, told) == []
    (kept,) = world.plugin.verdict_cache._results._values.values()
    for number in range(RESULTS_MAX + 10):
        world.plugin.verdict_cache.add(number, kept)
        assert len(world.plugin.verdict_cache._results) <= RESULTS_MAX
    assert decided(world, told) == []
