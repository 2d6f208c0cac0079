"""Sentences about rules that do not match."""

from __future__ import annotations

from typing import Any

import pytest

from imagegate.core.admission.hint import NAMED_MAX
from imagegate.core.image_policy.attributes import Attributes
from imagegate.core.image_policy.behaviour import Behaviour
from imagegate.core.image_policy.config import ExecutionRule, ValueCondition
from imagegate.core.image_policy.execution_rules import compile_rule, matches
from imagegate.core.image_policy.unmet import unmet_conditions
from imagegate.core.references.openshift import ImageReference

DOCUMENTED = Behaviour()
LABEL = ValueCondition("tier", set=False, value="gold")


def attributes(name: str, *, integrated: bool = False, image: dict[str, Any] | None = None) -> Attributes:
    return Attributes(ImageReference.parse(name), image, integrated)


@pytest.mark.parametrize(
    "rule, name, image, said",
    [
        (ExecutionRule(match_registries=("docker.io",)), "docker.io/a", None, ()),
        (
            ExecutionRule(match_registries=("docker.io",)),
            "quay.io/a/b",
            None,
            ('it is for registry "docker.io", and this image\'s is "quay.io"',),
        ),
        (
            ExecutionRule(match_registry_patterns=("*.corp",), match_integrated_registry=True),
            "quay.io/a/b",
            None,
            (
                'it is for images of the integrated registry, and this image\'s is "quay.io"',
                'it is for registry "*.corp", and this image\'s is "quay.io"',
            ),
        ),
        (
            ExecutionRule(match_image_annotations=(LABEL,)),
            "quay.io/a/b",
            None,
            ("it asks for annotation tier=gold of the Image, and the image is not known here",),
        ),
        (
            ExecutionRule(match_image_annotations=(LABEL, ValueCondition("seen", set=True))),
            "quay.io/a/b",
            {"metadata": {"annotations": {"seen": "1"}}},
            ("the Image lacks annotation tier=gold, annotation seen",),
        ),
        (
            ExecutionRule(match_registries=("docker.io",), invert_match=True),
            "docker.io/a",
            None,
            ("its conditions hold, and invertMatch turns that round",),
        ),
    ],
)
def test_each_condition_that_does_not_hold_is_said(
    rule: ExecutionRule, name: str, image: dict[str, Any] | None, said: tuple[str, ...]
) -> None:
    compiled = compile_rule(0, rule, DOCUMENTED)
    found = attributes(name, image=image)
    assert unmet_conditions(compiled, found, DOCUMENTED) == said
    assert matches(compiled, found, DOCUMENTED) is not bool(said)


def test_a_long_list_is_cut() -> None:
    rule = ExecutionRule(match_registries=tuple(f"r{number}.example" for number in range(NAMED_MAX + 7)))
    (text,) = unmet_conditions(compile_rule(0, rule, DOCUMENTED), attributes("quay.io/a/b"), DOCUMENTED)
    assert 'r2.example" and 7 more' in text
