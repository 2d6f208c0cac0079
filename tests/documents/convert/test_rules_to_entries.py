"""Execution rules as entries: whatever an entry allows, the rules allow, whatever else is known about the image."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagegate.core.enforcement.behaviour import CiseSettings, Profile
from imagegate.core.enforcement.image import parse_image
from imagegate.core.enforcement.policy import PolicyGroup
from imagegate.core.enforcement.selection import PolicySet, Selected, select
from imagegate.core.image_policy.attributes import Attributes
from imagegate.core.image_policy.behaviour import Behaviour
from imagegate.core.image_policy.config import PODS
from imagegate.core.image_policy.execution_rules import Rules
from imagegate.core.profile import Profile as ConfigProfile
from imagegate.core.references.openshift import ImageReference
from imagegate.documents.convert.losses import Effect, is_exact
from imagegate.documents.convert.made_policy import MadeEntry, policy_text
from imagegate.documents.convert.rules_to_entries import ConvertedRules, rules_to_entries
from imagegate.documents.image_policies import read_policies
from imagegate.documents.master_config import MasterConfig, read_config
from tests.documents.test_master_config import Files

SETTINGS = CiseSettings.for_profile(Profile.PORTIERIS)
HEAD = """\
kind: MasterConfig
imagePolicyConfig: {internalRegistryHostname: "reg.svc:5000"}
admissionConfig:
  pluginConfig:
    openshift.io/ImagePolicy:
      configuration:
        kind: ImagePolicyConfig
        apiVersion: v1
        resolutionRules: []
        executionRules:
"""
KEYED = {"matchImageAnnotations": [{"key": "k", "set": True}]}
METADATA: tuple[dict[str, Any] | None, ...] = (None, {"metadata": {}}, {"metadata": {"annotations": {"k": "v"}}})


def config(*rules: dict[str, Any] | str, head: str = HEAD) -> tuple[MasterConfig, str]:
    listed = [rule if isinstance(rule, str) else f"- {json.dumps(rule)}\n" for rule in rules]
    text = head + "".join("".join(f"        {line}\n" for line in each.splitlines()) for each in listed)
    return read_config(text, "m.yaml", ConfigProfile.DOCUMENTED, Files()), text


def convert(*rules: dict[str, Any] | str, allow_wider: bool = False, head: str = HEAD) -> ConvertedRules:
    return rules_to_entries(*config(*rules, head=head), allow_wider=allow_wider)


def names(made: ConvertedRules) -> list[str]:
    return [f"{'!' if entry.reject else ''}{entry.name}" for entry in made.entries]


def by_entries(entries: list[MadeEntry], image: str) -> bool:
    loaded = read_policies(policy_text(PolicyGroup.PORTIERIS, "made", entries), "made.yaml")
    found = select(PolicySet(loaded.policies), "default", image, parse_image(image), SETTINGS)
    return isinstance(found, Selected) and not found.entry.simple.requirements


def by_rules(parsed: MasterConfig, image: str, metadata: dict[str, Any] | None) -> bool:
    assert parsed.image_policy is not None
    covering = Rules(parsed.image_policy.execution_rules, Behaviour()).covering((PODS,))
    name = ImageReference.parse(image)
    facts = Attributes(name, metadata, name.registry == "reg.svc:5000")
    return covering is None or covering.decide(facts, lambda _: False).accepted


registries = st.sampled_from(
    [
        "a.corp",
        "b.corp",
        "b.corp:443",
        "B.corp",
        "docker.io",
        "index.docker.io",
        "",
        "reg.svc:5000",
        "10.0.0.1",
        "localhost",
    ]
)
patterns = st.sampled_from(["*", "*.corp", "?.corp", "a*", "a.*", "*.corp:443", "docker.*", "*:5000", "10.*"])
rules = st.fixed_dictionaries(
    {},
    optional={
        "reject": st.booleans(),
        "matchRegistries": st.lists(registries, max_size=3),
        "matchRegistryPatterns": st.lists(patterns, max_size=2),
        "matchIntegratedRegistry": st.booleans(),
        "invertMatch": st.booleans(),
        "skipOnResolutionFailure": st.booleans(),
        "matchImageAnnotations": st.just(KEYED["matchImageAnnotations"]),
        "onResources": st.sampled_from([[{"resource": "pods"}], [{"resource": "builds"}]]),
    },
)
IMAGES = (
    "a.corp/x:1", "b.corp/x:1", "b.corp:443/x", "B.corp/x", "B.CORP/x", "c.corp/team/x", "docker.io/x",
    "index.docker.io/t/x",
    "registry-1.docker.io/t/x", "nginx", "team/nginx:1", "abc/x", "reg.svc:5000/ns/x", "10.0.0.1/x", "localhost/x",
    "10.1/x", "evil.org/a.corp/x", "a.corp.evil.org/x", "localhost:5000/x",
)  # fmt: skip


@settings(max_examples=1500, deadline=None)
@given(st.lists(rules, min_size=1, max_size=4))
def test_no_entry_allows_what_the_rules_deny(written: list[dict[str, Any]]) -> None:
    named = [{"name": f"r{number}", **rule} for number, rule in enumerate(written)]
    parsed, text = config(*named)
    made = rules_to_entries(parsed, text)
    exact = is_exact(made.losses)
    for image in IMAGES:
        allowed = by_entries(made.entries, image)
        for metadata in METADATA:
            before = by_rules(parsed, image, metadata)
            assert before or not allowed, image
            if exact:
                assert allowed == before, image


@pytest.mark.parametrize(
    "written, expected, effects",
    [
        ([{"matchRegistries": ["a.corp"]}], ["a.corp/*"], set()),
        ([{"matchRegistries": ["docker.io"]}], ["docker.io/*", "index.docker.io/*", "registry-1.docker.io/*"], set()),
        ([{"matchRegistries": ["a.corp", ""]}], ["a.corp/*"], {"narrower"}),
        ([{"matchRegistries": ["different", "a.corp/x"]}], [], set()),
        ([{"matchRegistryPatterns": ["*.corp", "?.org", "a*"]}], ["*.corp/*"], {"narrower"}),
        ([{}], ["*"], set()),
        ([{"matchIntegratedRegistry": True}], ["reg.svc:5000/*"], {"narrower"}),
        ([{"matchRegistries": ["a.corp", "b.corp"]}, {"reject": True, "matchRegistries": ["b.corp:80"]}],
         ["a.corp/*"], {"note"}),
        ([{"matchRegistries": ["a.corp"]}, {"reject": True, **KEYED}], [], {"narrower"}),
        ([{"matchRegistries": ["a.corp"]}, {"reject": True, "matchRegistries": ["b.corp"], **KEYED}],
         ["a.corp/*"], set()),
        ([{"reject": True, "matchRegistries": ["docker.io"]}], [], {"narrower"}),
        ([{"matchRegistries": ["a.corp"]}, {"reject": True, "mode": "warn"}], ["a.corp/*"], {"note"}),
        ([{"matchRegistries": ["a.corp"], "onResources": [{"resource": "builds"}]}], ["*"], {"unenforced"}),
        ([{"matchRegistries": ["a.corp"], "invertMatch": True}], [], {"narrower"}),
    ],
)  # fmt: skip
def test_entries(written: list[dict[str, Any]], expected: list[str], effects: set[str]) -> None:
    made = convert(*({"name": f"r{number}", **rule} for number, rule in enumerate(written)))
    assert names(made) == expected
    assert {str(loss.effect) for loss in made.losses} == effects


def test_what_is_wider_is_written_on_request() -> None:
    rejecting = {"name": "no-hub", "reject": True, "matchRegistries": ["b.corp"]}
    made = convert(rejecting, allow_wider=True)
    assert names(made) == ["*", "!b.corp/*", "!b.corp:443/*", "!b.corp:80/*"]
    assert [loss.effect for loss in made.losses] == [Effect.WIDER]
    denied = convert(
        {"name": "marked", "reject": True, **KEYED}, {"name": "a", "matchRegistries": ["a.corp"]}, allow_wider=True
    )
    assert names(denied) == ["a.corp/*"]
    assert [loss.effect for loss in denied.losses] == [Effect.WIDER]


@pytest.mark.parametrize(
    "resolution, expected, effect",
    [
        ("RequiredRewrite", [], Effect.NARROWER),
        ("AttemptRewrite", ["a.corp/*"], Effect.NOTE),
        ("Attempt", ["a.corp/*"], None),
    ],
)
def test_resolution(resolution: str, expected: list[str], effect: Effect | None) -> None:
    head = HEAD.replace("resolutionRules: []", f"resolveImages: {resolution}")
    made = convert({"name": "a", "matchRegistries": ["a.corp"]}, head=head)
    assert names(made) == expected
    assert [loss.effect for loss in made.losses] == ([] if effect is None else [effect])
    assert names(convert({"name": "a", "matchRegistries": ["a.corp"]}, head=head, allow_wider=True)) == ["a.corp/*"]


def test_comments_of_a_rule_go_with_its_entries() -> None:
    rule = "# about the rule\n- name: a  # its name\n  # inside\n  matchRegistries:\n  - a.corp\n# of the next"
    made = convert(rule, {"name": "b", "matchRegistries": ["b.corp"]})
    assert [entry.comments for entry in made.entries] == [
        ("about the rule", "its name", "inside", "executionRules[0] a"),
        ("of the next", "executionRules[1] b"),
    ]
