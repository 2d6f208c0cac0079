from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from imagegate.core.admission.request import Phase
from imagegate.core.kube.label_selector import LabelSelector
from imagegate.errors import InvalidPolicy
from imagegate.service.policies.policy_set import (
    ConfiguredPlugin,
    Held,
    Mode,
    Modes,
    PolicyHolder,
    PolicySet,
    unavailable,
)
from imagegate.service.review.lookups import LookUp
from imagegate.service.review.reviewer import Reviewer
from tests.service.plugins import NOW, allowing, request


def policies(version: str, *names: str) -> PolicySet:
    return PolicySet(tuple(ConfiguredPlugin(allowing(name)) for name in names), version=version)


class Documents:
    """What is read next: a set, or an error."""

    def __init__(self, first: PolicySet) -> None:
        self.next: PolicySet | Exception = first
        self.now = NOW

    def load(self) -> PolicySet:
        if isinstance(self.next, Exception):
            raise self.next
        return self.next

    def clock(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture
def documents() -> Documents:
    return Documents(policies("one", "image-policy"))


def test_a_good_set_replaces_the_one_before(documents: Documents) -> None:
    begun: list[str] = []
    holder = PolicyHolder(documents.load, documents.clock)
    holder.put(replace(policies("two"), begins=lambda: begun.append(holder.current.version)))
    assert holder.current.version == "two"
    assert begun == ["one"], "before it is in force"
    assert (holder.state.at, holder.state.error) == (NOW + timedelta(seconds=2), "")


@pytest.mark.parametrize(
    "error, shown",
    [
        (InvalidPolicy("policy.yaml:3: executionRules: wrong"), "policy.yaml:3: executionRules: wrong"),
        (KeyError("surprise"), "internal error: KeyError; see the log"),
    ],
)
def test_a_bad_set_leaves_the_last_good_one_in_force(
    documents: Documents, error: Exception, shown: str, caplog: pytest.LogCaptureFixture
) -> None:
    holder = PolicyHolder(documents.load, documents.clock)
    documents.next = error
    with caplog.at_level(logging.ERROR):
        found = holder.read(documents.load)
        assert isinstance(found, str)
        holder.keep(found)
        holder.keep(found)
    assert holder.current.version == "one"
    assert holder.state.error == shown
    assert caplog.text.count("the last good ones stay in force") == 1, "said once, not with every look"
    documents.next = policies("two")
    good = holder.read(documents.load)
    assert isinstance(good, PolicySet)
    holder.put(good)
    assert holder.state.error == ""


def test_a_bad_set_at_the_start_is_an_error(documents: Documents) -> None:
    documents.next = InvalidPolicy("policy.yaml:1: wrong")
    with pytest.raises(InvalidPolicy):
        PolicyHolder(documents.load, documents.clock)


def test_a_listener_is_told_how_each_attempt_ended(documents: Documents) -> None:
    told: list[tuple[str, bool, str]] = []
    holder = PolicyHolder(documents.load, documents.clock)
    holder.listen(lambda state: told.append((state.error, state.held is not None, state.restored)))
    holder.restored("kept since yesterday")
    holder.keep("wrong")
    holder.hold(Held(since=NOW, reasons=("image-policy is switched off",), rules=()))
    holder.put(policies("two"))
    holder.good()
    assert told == [
        ("", False, "kept since yesterday"),
        ("wrong", False, "kept since yesterday"),
        ("", True, "kept since yesterday"),
        ("", False, ""),
        ("", False, ""),
    ]


def test_warnings_of_the_documents_are_logged_once(documents: Documents, caplog: pytest.LogCaptureFixture) -> None:
    documents.next = PolicySet(version="one", warnings=("policy.yaml:3: doubtful",))
    with caplog.at_level(logging.INFO):
        holder = PolicyHolder(documents.load, documents.clock)
        holder.put(documents.next)
    assert caplog.text.count("policy.yaml:3: doubtful") == 1


@pytest.mark.parametrize("names", [None, {"image-policy"}, {"no-such"}, set[str]()])
@pytest.mark.parametrize("phase", Phase)
def test_policies_that_cannot_be_read_deny_whatever_is_asked(names: set[str] | None, phase: Phase) -> None:
    holder = PolicyHolder(lambda: unavailable("too many open files"), lambda: NOW)
    outcome = Reviewer(holder, LookUp({}), clock=lambda: NOW).decide(request(phase), plugins=names)
    assert not outcome.allowed
    assert "the policies cannot be read: too many open files" in str(outcome.to_review())


def test_plugins_are_asked_by_name_or_all_that_are_not_only_by_name() -> None:
    plugins = policies("", "image-policy", "cise").plugins
    hook = ConfiguredPlugin(allowing("cise"), only_as="cise-va")
    found = PolicySet((*plugins, hook))
    assert [each.name for each in found.chain(None)] == ["image-policy", "cise"]
    assert found.chain({"cise-va"}) == (hook,)
    assert found.chain({"cise", "no-such"}) == (plugins[1],)
    assert found.names == {"image-policy", "cise", "cise-va"}


@pytest.mark.parametrize(
    "labels, mode",
    [
        ({"stage": "test"}, Mode.WARN),
        ({"stage": "test", "team": "x"}, Mode.WARN),
        ({"team": "x"}, Mode.AUDIT),
        ({}, Mode.ENFORCE),
    ],
)
def test_the_first_selector_that_matches_decides_the_mode(labels: dict[str, str], mode: Mode) -> None:
    selectors = ((LabelSelector.of({"stage": "test"}), Mode.WARN), (LabelSelector.of({"team": "x"}), Mode.AUDIT))
    assert Modes(Mode.ENFORCE, selectors).for_labels(labels) is mode


@pytest.mark.parametrize("default", Mode)
@pytest.mark.parametrize("other", Mode)
def test_the_strictest_mode_counts_where_labels_are_unknown(default: Mode, other: Mode) -> None:
    modes = Modes(default, ((LabelSelector.of({"a": "b"}), other),))
    order = [Mode.ENFORCE, Mode.WARN, Mode.AUDIT]
    assert modes.strictest() is min(default, other, key=order.index)
