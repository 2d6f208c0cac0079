"""Rules that lint calls without effect: taken out together, they change no verdict."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagegate.core.admission.request import GroupResource
from imagegate.core.image_policy.attributes import Attributes
from imagegate.core.image_policy.behaviour import Behaviour, openshift_4
from imagegate.core.image_policy.config import PODS, ExecutionRule, ValueCondition
from imagegate.core.image_policy.execution_rules import CompiledRule, RuleResult, Rules
from imagegate.core.references.openshift import ImageReference
from imagegate.core.references.wildcard import Wildcard
from imagegate.documents.lint.shadowing import described, pattern_covers, shadowed_rules

DOCUMENTED, EXACT = Behaviour(), openshift_4()
BUILDS = GroupResource("build.openshift.io", "builds")
registries = st.sampled_from(
    ["a.io", "b.io", "a.io:443", "a.io:80", "A.io", "docker.io", "index.docker.io", "", "10.1", "10.0.0.1", "s.svc",
     "s.svc.cluster.local"]
)  # fmt: skip
patterns = st.sampled_from(["*", "*.io", "a.*", "?.io", "*.io:443", "a.io", "*:80", "??.io", "docker.*"])
conditions = st.lists(st.sampled_from([ValueCondition("k", set=True), ValueCondition("m", value="v")]), max_size=2)
rules = st.builds(
    ExecutionRule,
    reject=st.booleans(),
    on_resources=st.sampled_from(
        [(PODS,), (PODS, BUILDS), (BUILDS,), (GroupResource("", "builds"),), (GroupResource("", "*"),)]
    ),
    invert_match=st.sampled_from([False, False, False, True]),
    match_integrated_registry=st.sampled_from([False, False, True]),
    match_registries=st.lists(registries, max_size=3).map(tuple),
    match_registry_patterns=st.lists(patterns, max_size=2).map(tuple),
    match_image_annotations=st.one_of(st.just(()), conditions.map(tuple)),
    skip_on_resolution_failure=st.booleans(),
)
images: st.SearchStrategy[dict[str, Any] | None] = st.one_of(
    st.none(),
    st.dictionaries(st.sampled_from("km"), st.sampled_from(["v", "w"])).map(
        lambda found: {"metadata": {"annotations": found}}
    ),
)
facts = st.builds(
    lambda registry, image, integrated: Attributes(ImageReference(registry, "n", "x"), image, integrated),
    registries,
    images,
    st.booleans(),
)


def nothing_excluded(_: CompiledRule) -> bool:
    return False


def decided(
    rules: list[ExecutionRule], resource: GroupResource, fact: Attributes, behaviour: Behaviour
) -> RuleResult | None:
    covering = Rules(rules, behaviour).covering((resource,))
    return None if covering is None else covering.decide(fact, nothing_excluded)


@pytest.mark.parametrize("behaviour", [DOCUMENTED, EXACT], ids=["documented", "openshift-4"])
@settings(max_examples=1500, deadline=None)
@given(st.lists(rules, min_size=1, max_size=5), st.lists(facts, min_size=1, max_size=8))
def test_rules_without_effect_change_nothing(
    behaviour: Behaviour, written: list[ExecutionRule], asked: list[Attributes]
) -> None:
    found = shadowed_rules(written, behaviour)
    redundant = {shadow.position for shadow in found if not shadow.is_rejected}
    unreachable = {shadow.position for shadow in found if shadow.is_rejected}
    kept = [rule for position, rule in enumerate(written) if position not in redundant]
    for fact in asked:
        for resource in (PODS, BUILDS):
            before, after = decided(written, resource, fact, behaviour), decided(kept, resource, fact, behaviour)
            assert (before is None) == (after is None)
            if before is not None and after is not None:
                assert before.accepted == after.accepted
                assert not (before.accepted and before.rule is not None and before.rule.index in unreachable)


def rule(*names: str, reject: bool = False, patterns: tuple[str, ...] = ()) -> ExecutionRule:
    return ExecutionRule(reject=reject, on_resources=(PODS,), match_registries=names, match_registry_patterns=patterns)


@pytest.mark.parametrize(
    "written, found",
    [
        ([rule(patterns=("*.io",)), rule("a.io")], [(1, (0,), False)]),
        ([rule("a.io"), rule(patterns=("*.io",))], [(0, (1,), False)]),
        ([rule("a.io", reject=True), rule("b.io", reject=True), rule("a.io", "b.io")], [(2, (0, 1), True)]),
        ([rule("a.io", reject=True), rule("b.io"), rule("a.io", "b.io")], [(2, (0, 1), False)]),
        ([rule("a.io:80", reject=True), rule("a.io")], [(1, (0,), True)]),
        ([rule("docker.io", reject=True), rule("index.docker.io", "")], [(1, (0,), True)]),
        ([rule("a.io", "b.io"), rule("a.io"), rule("b.io")], [(1, (0,), False), (2, (0,), False)]),
        ([rule(patterns=("?.io",)), rule(patterns=("*.io",))], [(0, (1,), False)]),
        ([rule(patterns=("??.io",)), rule(patterns=("*.io",))], [(0, (1,), False)]),
        ([rule("a.io"), rule("c.io")], []),
    ],
)
def test_proofs(written: list[ExecutionRule], found: list[tuple[int, tuple[int, ...], bool]]) -> None:
    assert [tuple(each) for each in shadowed_rules(written, DOCUMENTED)] == found


@given(st.text("a.?*", max_size=5), st.text("a.?*", max_size=5), st.text("a.b", max_size=6))
def test_a_pattern_that_covers_another_matches_all_its_texts(wide: str, narrow: str, text: str) -> None:
    if pattern_covers(wide, narrow) and Wildcard(narrow).matches(text):
        assert Wildcard(wide).matches(text)


def test_long_lists_take_reasonable_time() -> None:
    written = [rule(f"r{number % 50}.io") for number in range(3000)]
    assert len(shadowed_rules(written, DOCUMENTED)) == 2950


def test_many_rules_are_named_briefly() -> None:
    assert described([1], str) == "1"
    assert described([1, 2], str) == "1 and 2"
    assert described([1, 2, 3], str) == "1, 2 and 3"
    assert described([1, 2, 3, 4, 5], str) == "1, 2, 3 and 2 more"
