"""The contract of requirements: pull credentials, wording, and refusals for lack of time."""

from __future__ import annotations

import json
from typing import Any

import pytest

from imagegate.core.admission.answer_reader import AnswerReader
from imagegate.core.admission.decision import DenialCode
from imagegate.core.admission.lookup import Absent, DeadlineExceeded, Found, Lookup, Unknown
from imagegate.core.admission.plugin import KnownAnswers
from imagegate.core.enforcement.behaviour import CiseSettings, Dialect
from imagegate.core.enforcement.image import parse_image
from imagegate.core.enforcement.policy import CLUSTER_IMAGE_POLICY, Entry, EntrySource, PolicyGroup
from imagegate.core.enforcement.questions import Secret, ServiceAccount
from imagegate.core.enforcement.requirement import ImageUnderPolicy, PullSource, Refused
from imagegate.core.registry.pull_secrets import PullSecret

CONFIG = json.dumps({"auths": {"r.example.com": {"username": "a", "password": "b"}}})
PULL_SECRET = Found({"stringData": {".dockerconfigjson": CONFIG}})
MINE = {"imagePullSecrets": [{"name": "mine"}]}


def names(source: PullSource, answers: dict[Any, Lookup[Any]], *, final: bool = True) -> list[str] | None:
    found = source.secrets(AnswerReader(KnownAnswers(answers), final=final))
    return None if found is None else [secret.name for secret in found]


def test_the_pods_own_secrets() -> None:
    assert names(PullSource("ns", MINE, is_pod=True), {Secret("ns", "mine"): PULL_SECRET}) == ["mine"]


@pytest.mark.parametrize("answer", [Absent("none"), Unknown("down"), Found({"data": {}})])
def test_a_secret_without_credentials_is_left_out(answer: Lookup[Any]) -> None:
    assert names(PullSource("ns", MINE, is_pod=True), {Secret("ns", "mine"): answer}) == []


def test_a_template_takes_those_of_its_service_account() -> None:
    answers: dict[Any, Lookup[Any]] = {ServiceAccount("ns", "default"): Found(MINE), Secret("ns", "mine"): PULL_SECRET}
    assert names(PullSource("ns", {}, is_pod=False), answers) == ["mine"]
    assert names(PullSource("ns", {}, is_pod=True), answers) == [], "the API server has copied them into a Pod"
    assert names(PullSource("ns", {"serviceAccountName": "other"}, is_pod=False), answers) == []


def test_those_of_the_nodes_are_last() -> None:
    node = (PullSecret("node", ()),)
    answers: dict[Any, Lookup[Any]] = {Secret("ns", "mine"): PULL_SECRET}
    assert names(PullSource("ns", MINE, True, node), answers) == ["mine", "node"]
    assert names(PullSource("ns", {}, True, node), {}) == ["node"]
    assert names(PullSource("ns", MINE, True, node), {}, final=False) is None


def test_secrets_are_awaited() -> None:
    assert names(PullSource("ns", MINE, is_pod=True), {}, final=False) is None
    assert names(PullSource("ns", {}, is_pod=False), {}, final=False) is None


def test_the_cache_key_tells_credentials_apart() -> None:
    keys = [
        PullSource("ns", MINE, is_pod=True).cache_key,
        PullSource("other", MINE, is_pod=True).cache_key,
        PullSource("ns", {}, is_pod=True).cache_key,
        PullSource("ns", {}, is_pod=False).cache_key,
        PullSource("ns", {"serviceAccount": "robot"}, is_pod=False).cache_key,
    ]
    assert len(set(keys)) == len(keys)
    assert PullSource("ns", {**MINE, "serviceAccount": "robot"}, is_pod=False).cache_key == keys[0]


def under(group: PolicyGroup, messages: Dialect = Dialect.AUTO) -> ImageUnderPolicy:
    entry = Entry(name="*", source=EntrySource(group, CLUSTER_IMAGE_POLICY, "", "p", 0))
    settings = CiseSettings(messages=messages)
    return ImageUnderPolicy("ns", "a", parse_image("a"), "", entry, PullSource("ns", {}, is_pod=True), settings)


@pytest.mark.parametrize("group", PolicyGroup)
@pytest.mark.parametrize("messages", Dialect)
def test_the_group_of_the_entry_chooses_the_wording_unless_the_settings_do(
    group: PolicyGroup, messages: Dialect
) -> None:
    by_group = Dialect.CISE if group is PolicyGroup.CISE else Dialect.PORTIERIS
    assert under(group, messages).dialect is (by_group if messages is Dialect.AUTO else messages)


def test_lack_of_time_is_reported_as_such() -> None:
    subject = under(PolicyGroup.CISE)
    late = Refused(DenialCode.DEADLINE, 'imagegate: deadline exceeded while checking "a"')
    assert subject.lacks(DeadlineExceeded("late"), "text") == late == subject.out_of_time()
    assert subject.lacks(Unknown("down"), "text") == Refused(DenialCode.LOOK_UP_FAILED, "text")
