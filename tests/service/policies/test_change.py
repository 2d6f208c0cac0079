"""Which reloads look like an accident."""

from __future__ import annotations

from collections.abc import Hashable

import pytest

from imagegate.core.kube.label_selector import LabelSelector
from imagegate.service.policies.change import RuleChange, Texts, change
from imagegate.service.policies.policy_set import ConfiguredPlugin, Mode, Modes, PolicySet, RuleCounts
from tests.service.plugins import allowing

ACCEPT, REJECT = "accept", "reject"
ENFORCED = Modes()
TEAM = LabelSelector.of({"team": "a"})


def counts(*rules: str, requirements: int = 0, **more: int) -> RuleCounts:
    content: frozenset[Hashable] = frozenset(rules)
    accepts = sum(rule.startswith(ACCEPT) for rule in rules)
    return RuleCounts(
        total=len(rules),
        accepts=accepts,
        rejects=len(rules) - accepts,
        enforced=more.get("enforced", len(rules)),
        unconditional=more.get("unconditional", 0),
        requirements=requirements,
        content=lambda: content,
    )


def policies(*rules: str, modes: Modes = ENFORCED, ending: str = "optional", **more: int) -> PolicySet:
    plugin = ConfiguredPlugin(allowing("image-policy"), modes, rules=counts(*rules, **more))
    return PolicySet((plugin,), ending=ending)


BEFORE = policies("reject a", "accept b", "accept c", "accept d")


def test_nothing_changes() -> None:
    assert change(BEFORE, BEFORE) == change(PolicySet(), PolicySet())
    assert not change(BEFORE, BEFORE).reasons
    assert not change(BEFORE, BEFORE).rules


@pytest.mark.parametrize(
    "after, reason",
    [
        (PolicySet(), "image-policy is switched off"),
        (policies(), "image-policy loses all of its 4 rules"),
        (policies("reject a", "accept x"), "image-policy loses half of its rules or more: 4 -> 2"),
        (policies("accept b", "accept c", "accept d"), "image-policy rejects by fewer rules: 1 -> 0"),
        (policies("reject a", "reject e", "reject f"), "image-policy has no rule left that accepts"),
        (
            policies("reject a", "accept b", "accept c", "accept *", unconditional=1),
            "another rule that accepts every image",
        ),
        (
            policies("reject a", "accept b", "accept c", "accept d", enforced=2),
            "enforces half of its rules or fewer: 4 -> 2",
        ),
        (
            policies("reject a", "accept b", "accept c", "accept d", modes=Modes(Mode.WARN)),
            "enforced less: enforce -> warn",
        ),
        (
            policies("reject a", "accept b", "accept c", "accept d", modes=Modes(by_namespace=((TEAM, Mode.AUDIT),))),
            "enforced less: enforce -> enforce (audit in some namespaces)",
        ),
    ],
)
def test_what_may_admit_more_needs_a_second_reason(after: PolicySet, reason: str) -> None:
    found = change(BEFORE, after)
    assert any(reason in each for each in found.reasons), found.reasons
    assert found.cut_off == ()


@pytest.mark.parametrize(
    "after",
    [
        policies("reject a", "accept b"),  # only permissions are gone
        policies("reject a", "accept b", "accept c"),
        policies("reject a", "accept x", "accept y", "accept z"),
        policies("reject a", "reject e", "accept b", "accept c", "accept d"),
        policies("reject a", "accept b", "accept c", "accept d", modes=Modes(by_namespace=((TEAM, Mode.ENFORCE),))),
    ],
)
def test_what_only_forbids_more_or_is_as_much_counts_at_once(after: PolicySet) -> None:
    assert change(BEFORE, after).reasons == ()


def test_requirements_that_are_gone_are_said() -> None:
    before = policies("accept a", "accept b", "accept c", requirements=2)
    after = policies("accept a", "accept b", "accept c", requirements=1)
    assert change(before, after).reasons == ("image-policy requires less of images: 2 -> 1 requirements",)
    assert change(after, before).reasons == ()


def test_a_mode_that_protects_some_namespaces_may_not_vanish() -> None:
    before = policies("accept a", modes=Modes(Mode.WARN, ((TEAM, Mode.ENFORCE),)))
    after = policies("accept a", modes=Modes(Mode.WARN))
    assert change(before, after).reasons
    assert change(after, before).reasons == ()


def test_rules_before_and_after_are_told() -> None:
    (told,) = change(BEFORE, policies("reject a")).rules
    assert told == RuleChange("image-policy", 4, 1)
    assert str(told) == "image-policy: 4 rules -> 1 rule"
    assert str(change(BEFORE, PolicySet()).rules[0]) == "image-policy: 4 rules -> off"
    assert str(change(PolicySet(), BEFORE).rules[0]) == "image-policy: off -> 4 rules"


class TestTexts:
    def test_a_beginning_that_ends_in_the_middle_of_a_line_is_for_an_operator(self) -> None:
        found = change(BEFORE, BEFORE, Texts(beginnings=("p",), unended=("p",)))
        assert len(found.cut_off) == 1
        assert found.weaker == ()

    def test_a_beginning_of_whole_lines_needs_a_second_reason_unless_it_only_forbids(self) -> None:
        texts = Texts(beginnings=("p",))
        assert change(BEFORE, policies("reject a", "accept b", "accept c"), texts).reasons == ()
        (reason,) = change(BEFORE, policies("reject a", "accept b", "accept c", "accept x"), texts).reasons
        assert reason == "p is the beginning of what is in force: is it cut off?"

    @pytest.mark.parametrize(
        "texts, reason",
        [
            (Texts(emptied=("p",)), "p is empty"),
            (Texts(unended=("p",)), "p ends in the middle of a line"),
            (Texts(unmarked=("p has lost its marker",)), "p has lost its marker"),
        ],
    )
    def test_other_signs(self, texts: Texts, reason: str) -> None:
        assert change(BEFORE, BEFORE, texts).reasons == (reason,)

    def test_the_requirement_of_a_sign_may_not_vanish(self) -> None:
        marked = policies("accept a", ending="marker")
        assert change(marked, policies("accept a")).reasons == ("documents.ending is no longer marker",)
        assert change(policies("accept a"), marked).reasons == ()
