"""Keys of an Image that are marks."""

from __future__ import annotations

import pytest

from imagegate.core.image_policy.config import ExecutionRule, ValueCondition
from imagegate.core.image_policy.marks import DENY_ANNOTATION, Marks
from imagegate.core.kube.label_selector import LabelSelector, Requirement

RULES = (
    ExecutionRule(reject=True, match_image_annotations=(ValueCondition("example.com/a"), ValueCondition("b"))),
    ExecutionRule(match_image_labels=(LabelSelector.of({"c": "1"}, (Requirement("d", "Exists"),)),)),
    ExecutionRule(match_docker_image_labels=(ValueCondition("of-the-configuration"),)),
)


def test_keys_that_rules_read() -> None:
    assert Marks.of(RULES) == Marks(frozenset({DENY_ANNOTATION, "example.com/a", "b"}), frozenset({"c", "d"}))
    assert Marks.of(()) == Marks()


@pytest.mark.parametrize(
    "old, new, changed",
    [
        ({}, {}, []),
        ({"annotations": None}, {"labels": None}, []),
        ({}, {"annotations": {"b": ""}}, ["annotation b"]),
        ({"annotations": {"b": "1"}}, {"annotations": {"b": "1", "e": "2"}}, []),
        ({"annotations": {"b": "1"}}, {}, ["annotation b"]),
        ({"labels": {"c": "1", "d": "1"}}, {"labels": {"c": "2", "e": "1"}}, ["label c", "label d"]),
        ({"labels": {"b": "1"}}, {"annotations": {"c": "1"}}, []),
    ],
)
def test_changes(old: dict[str, object], new: dict[str, object], changed: list[str]) -> None:
    assert Marks.of(RULES).changed(old, new) == changed
    everything = Marks(every=True).changed(old, new)
    assert set(changed) <= set(everything)
