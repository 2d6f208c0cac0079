"""The order of accept and reject rules, and results in doubt (docs/spec/image-policy.md 7 and 14 row 18)."""

from __future__ import annotations

from typing import Any

import pytest

from imagegate.core.admission.request import GroupResource
from imagegate.core.image_policy.attributes import Attributes, Doubt
from imagegate.core.image_policy.behaviour import Behaviour, openshift_4
from imagegate.core.image_policy.config import ExecutionRule, ValueCondition
from imagegate.core.image_policy.execution_rules import RuleList, RuleResult, Rules, UpstreamPanic, covers
from imagegate.core.references.openshift import ImageReference

PODS = GroupResource("", "pods")
HUB = ("docker.io",)
DENY = (ValueCondition("deny", value="true"),)


def accept(name: str = "", **fields: Any) -> ExecutionRule:
    return ExecutionRule(name=name, on_resources=(PODS,), **fields)


def reject(name: str = "", **fields: Any) -> ExecutionRule:
    return accept(name, reject=True, **fields)


def rules(*given: ExecutionRule, behaviour: Behaviour | None = None) -> RuleList:
    found = Rules(given, behaviour or Behaviour()).covering((PODS,))
    assert found is not None
    return found


def image(name: str, **annotations: str) -> Attributes:
    known = {"metadata": {"annotations": annotations}} if annotations else None
    return Attributes(ImageReference.parse(name), known)


def decide(found: RuleList, attributes: Attributes) -> tuple[bool, str]:
    result = found.decide(attributes, lambda _rule: False)
    return result.accepted, "" if result.rule is None else result.rule.rule.name


def weigh(found: RuleList, attributes: Attributes, **options: Any) -> RuleResult:
    return found.weigh(attributes, lambda _rule: False, lambda _rule: "", **options)


def test_the_first_matching_reject_rule_wins_over_any_accept_rule() -> None:
    found = rules(accept("all"), reject("hub", match_registries=HUB), reject("hub too", match_registries=HUB))
    assert decide(found, image("docker.io/a/b")) == (False, "hub")
    assert decide(found, image("quay.io/a/b")) == (True, "all")


def test_when_nothing_matches_accept_rules_decide() -> None:
    assert decide(rules(reject("hub", match_registries=HUB)), image("quay.io/a/b")) == (True, "")
    mixed = rules(reject("hub", match_registries=HUB), accept("red hat", match_registries=("registry.redhat.io",)))
    assert decide(mixed, image("quay.io/a/b")) == (False, "")


def test_a_rule_that_only_warns_rejects_nothing() -> None:
    result = rules(reject("hub", match_registries=HUB, mode="warn")).decide(image("docker.io/a/b"), lambda _rule: False)
    assert result.accepted
    assert [rule.rule.name for rule in result.softened] == ["hub"]


def test_a_rule_that_is_switched_off_does_not_count() -> None:
    found = rules(reject("hub", match_registries=HUB))
    assert found.decide(image("docker.io/a/b"), lambda rule: rule.rule.name == "hub").accepted


@pytest.mark.parametrize("skips, accepted", [(True, True), (False, True)])
def test_conditions_on_the_image_need_one(skips: bool, accepted: bool) -> None:
    found = rules(reject("deny", match_image_annotations=DENY, skip_on_resolution_failure=skips))
    assert decide(found, image("quay.io/a/b"))[0] is accepted
    assert decide(found, image("quay.io/a/b", deny="true")) == (False, "deny")


def test_an_inverted_rule_matches_what_its_conditions_do_not() -> None:
    found = rules(reject("not ours", match_registries=("reg.example.com",), invert_match=True))
    assert decide(found, image("reg.example.com/a/b")) == (True, "")
    assert decide(found, image("docker.io/a/b")) == (False, "not ours")


def test_registries_compare_in_any_spelling_for_reject_rules_only() -> None:
    assert decide(rules(reject("hub", match_registries=HUB)), image("index.docker.io/a/b")) == (False, "hub")
    assert decide(rules(reject("hub", match_registries=HUB)), image("nginx")) == (False, "hub")
    assert not decide(rules(accept("hub", match_registries=HUB)), image("nginx"))[0]
    exact = rules(reject("hub", match_registries=HUB), behaviour=openshift_4())
    assert decide(exact, image("index.docker.io/a/b")) == (True, "")


def test_the_index_finds_what_walking_the_list_finds() -> None:
    found = rules(
        *(reject(f"r{n}", match_registries=(f"r{n}.example.com",)) for n in range(50)),
        reject("pattern", match_registry_patterns=("*.evil.example",)),
    )
    assert decide(found, image("r7.example.com/a")) == (False, "r7")
    assert decide(found, image("x.evil.example/a")) == (False, "pattern")
    assert len(found.candidates(image("r7.example.com/a"))) == 2


def test_a_reject_rule_that_may_match_leaves_the_result_in_doubt() -> None:
    found = rules(reject("deny", match_image_annotations=DENY))
    doubtful = image("quay.io/a/b")._replace(doubt=Doubt("timed out", image=True))
    assert weigh(found, doubtful) == RuleResult(False, None, (), "timed out")
    assert weigh(found, doubtful._replace(doubt=None)).accepted


def test_what_holds_whatever_the_answer_is_not_in_doubt() -> None:
    doubtful = image("docker.io/a/b")._replace(doubt=Doubt("timed out", image=True))
    sure = weigh(rules(reject("hub", match_registries=HUB), reject("deny", match_image_annotations=DENY)), doubtful)
    assert (sure.accepted, sure.in_doubt) == (False, "")


def test_an_accept_rule_that_may_match_does_not_accept() -> None:
    found = rules(accept("labelled", match_image_annotations=DENY))
    doubtful = image("quay.io/a/b")._replace(doubt=Doubt("timed out", image=True))
    assert weigh(found, doubtful) == RuleResult(False, None, (), "timed out")
    assert weigh(found, doubtful, rejects_only=True).accepted


def test_metadata_that_crashes_the_original_is_reported_as_such() -> None:
    condition = (ValueCondition("a", value="b"),)
    broken = {"metadata": {}, "dockerImageMetadata": {"Id": "x"}}
    attributes = image("quay.io/a/b")._replace(image=broken)
    found = rules(reject("labels", match_docker_image_labels=condition), behaviour=openshift_4())
    with pytest.raises(UpstreamPanic, match="nil pointer dereference"):
        found.decide(attributes, lambda _rule: False)


@pytest.mark.parametrize(
    "target, resource, documented, original",
    [
        (PODS, PODS, True, True),
        (GroupResource("", "builds"), GroupResource("build.openshift.io", "builds"), True, False),
        (GroupResource("apps", "*"), GroupResource("apps", "deployments"), True, False),
        (GroupResource("", "*"), GroupResource("apps", "deployments"), False, False),
    ],
)
def test_covers(target: GroupResource, resource: GroupResource, documented: bool, original: bool) -> None:
    assert covers(target, resource, Behaviour()) is documented
    assert covers(target, resource, openshift_4()) is original


def test_a_resource_without_rules_has_no_list() -> None:
    assert Rules((accept("a"),), Behaviour()).covering((GroupResource("batch", "jobs"),)) is None
