"""The rule that a denial names: it is really unmet, and changing what is said makes it match."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.core.admission.hint import HINT_MAX
from imagegate.core.image_policy.attributes import Attributes, Doubt
from imagegate.core.image_policy.behaviour import Behaviour
from imagegate.core.image_policy.config import PODS, ExecutionRule, ValueCondition
from imagegate.core.image_policy.execution_rules import RuleList, Rules, matches
from imagegate.core.image_policy.request import Exclusions
from imagegate.core.image_policy.unmet import nearest_rule, rejection_hint, unmet_conditions
from imagegate.core.references.openshift import ImageReference

DOCUMENTED = Behaviour()
NONE_OFF = Exclusions(frozenset(), restricted=False)
REGISTRIES = ("docker.io", "quay.io", "registry.corp", "registry.corp:5000", "mirror.corp:5000", "")
GOLD = ValueCondition("tier", set=False, value="gold")

rules = st.builds(
    ExecutionRule,
    name=st.sampled_from(("a", "b", "c")),
    on_resources=st.just((PODS,)),
    match_registries=st.lists(st.sampled_from(REGISTRIES), max_size=2, unique=True).map(tuple),
    match_integrated_registry=st.booleans(),
    match_image_annotations=st.sampled_from(((), (GOLD,))),
    skip_on_resolution_failure=st.booleans(),
    invert_match=st.sampled_from((False, False, False, True)),
)
images: st.SearchStrategy[dict[str, Any] | None] = st.sampled_from(
    (None, {"metadata": {"annotations": {}}}, {"metadata": {"annotations": {"tier": "gold"}}})
)


def compiled(*given_rules: ExecutionRule) -> RuleList:
    covering = Rules(given_rules, DOCUMENTED).covering((PODS,))
    assert covering is not None
    return covering


def attributes(registry: str, image: dict[str, Any] | None = None, *, integrated: bool = False) -> Attributes:
    return Attributes(ImageReference(registry, "team", "app", "1"), image, integrated)


def corrected(clause: str, rule: ExecutionRule, seen: Attributes) -> tuple[ExecutionRule, Attributes]:
    """The rule and the image after the one change that a clause asks for."""
    if clause.startswith("it is for registry"):
        return rule, seen._replace(name=replace(seen.name, registry=rule.match_registries[0]))
    if clause.startswith("it is for images of the integrated"):
        return rule, seen._replace(integrated=True)
    if clause.startswith("it is skipped"):
        return replace(rule, skip_on_resolution_failure=False), seen
    if clause.startswith("its conditions hold"):
        return replace(rule, invert_match=False), seen
    return rule, seen._replace(image={"metadata": {"annotations": {"tier": "gold"}}})


@given(st.lists(rules, min_size=1, max_size=5), st.sampled_from(REGISTRIES), images, st.booleans())
def test_changing_what_is_said_makes_the_rule_match_and_nothing_less_does(
    given_rules: list[ExecutionRule], registry: str, image: dict[str, Any] | None, integrated: bool
) -> None:
    covering, seen = compiled(*given_rules), attributes(registry, image, integrated=integrated)
    found = nearest_rule(covering, seen, NONE_OFF, DOCUMENTED)
    if covering.decide(seen, NONE_OFF).accepted:
        return
    assert found is not None
    assert found.compiled in covering.rules
    for count in range(len(found.unmet) + 1):
        for clauses in combinations(found.unmet, count):
            rule, changed = found.compiled.rule, seen
            for clause in clauses:
                rule, changed = corrected(clause, rule, changed)
            again = compiled(rule).rules[0]
            is_whole = count == len(found.unmet)
            if is_whole and clauses[0].startswith("it is skipped"):  # what it says of other images is said next
                continue
            assert compiled(rule).decide(changed, NONE_OFF).accepted is is_whole
            assert (unmet_conditions(again, changed, DOCUMENTED) == ()) is is_whole


@pytest.mark.parametrize(
    "registry, name",
    [
        ("registry.corp:5001", "same host"),  # another port
        ("new.registry.corp", "same host"),
        ("quay.io", "typo"),
        ("elsewhere.example", "first"),
    ],
)
def test_the_rule_for_the_registry_most_like_it(registry: str, name: str) -> None:
    covering = compiled(
        ExecutionRule(name="first", match_registries=("docker.io",), on_resources=(PODS,)),
        ExecutionRule(name="same host", match_registries=("registry.corp:5000",), on_resources=(PODS,)),
        ExecutionRule(name="typo", match_registries=("quai.io",), on_resources=(PODS,)),
    )
    found = nearest_rule(covering, attributes(registry), NONE_OFF, DOCUMENTED)
    assert found is not None
    assert found.compiled.rule.name == name


def test_a_rule_for_the_registry_comes_before_one_for_another() -> None:
    covering = compiled(
        ExecutionRule(name="other", match_registries=("docker.io",), on_resources=(PODS,)),
        ExecutionRule(name="own", match_registries=("quay.io",), match_image_annotations=(GOLD,), on_resources=(PODS,)),
    )
    found = nearest_rule(covering, attributes("quay.io"), NONE_OFF, DOCUMENTED)
    assert found is not None
    assert found.hint == (
        "nearest rule: executionRules[1] own would allow it, but it asks for annotation tier=gold of the Image, "
        "and the image is not known here"
    )


def test_a_rule_that_the_namespace_switches_off_is_not_named() -> None:
    covering = compiled(ExecutionRule(name="own", match_registries=("quay.io",), on_resources=(PODS,)))
    off = Exclusions(frozenset({"own"}), restricted=False)
    assert nearest_rule(covering, attributes("docker.io"), off, DOCUMENTED) is None
    assert off.used == set()


def test_nothing_is_said_of_an_image_in_doubt() -> None:
    covering = compiled(ExecutionRule(name="own", match_registries=("quay.io",), on_resources=(PODS,)))
    seen = attributes("docker.io")._replace(doubt=Doubt("timed out", name=True))
    assert nearest_rule(covering, seen, NONE_OFF, DOCUMENTED) is None


def test_nothing_is_said_where_a_rule_accepts_what_the_user_sees() -> None:
    covering = compiled(ExecutionRule(name="own", match_registries=("quay.io",), on_resources=(PODS,)))
    assert nearest_rule(covering, attributes("quay.io"), NONE_OFF, DOCUMENTED) is None


def test_a_hint_stays_short() -> None:
    names = tuple(f"{'r' * 300}{number}.example" for number in range(2000))
    rule = ExecutionRule(name="n" * 5000, match_registries=names, on_resources=(PODS,))
    found = nearest_rule(compiled(rule), attributes("docker.io"), NONE_OFF, DOCUMENTED)
    assert found is not None
    assert len(found.hint) <= HINT_MAX


@pytest.mark.parametrize(
    "rule, registry, image, hint",
    [
        (ExecutionRule(match_registries=("docker.io",)), "docker.io", None, 'its registry is "docker.io"'),
        (
            ExecutionRule(match_registries=("docker.io",)),
            "",
            None,
            "it names no registry, and so is pulled from docker.io",
        ),
        (
            ExecutionRule(match_image_annotations=(GOLD,)),
            "quay.io",
            {"metadata": {"annotations": {"tier": "gold"}}},
            "the Image has annotation tier=gold",
        ),
        (ExecutionRule(), "quay.io", None, "it has no condition"),
        (
            ExecutionRule(match_registries=("docker.io",), invert_match=True),
            "quay.io",
            None,
            "its conditions do not hold, and invertMatch turns that round",
        ),
        (
            ExecutionRule(match_docker_image_labels=(GOLD,)),
            "quay.io",
            {"metadata": {}},
            "the Image's labels cannot be read",
        ),
    ],
)
def test_a_rejection_says_why_its_rule_matches(
    rule: ExecutionRule, registry: str, image: dict[str, Any] | None, hint: str
) -> None:
    (found,) = compiled(replace(rule, reject=True, on_resources=(PODS,))).rules
    seen = attributes(registry, image)
    assert matches(found, seen, DOCUMENTED)
    assert rejection_hint(found, seen, DOCUMENTED) == f"it rejects this image because {hint}"
