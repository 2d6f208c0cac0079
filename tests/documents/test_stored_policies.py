"""Policy objects of a cluster, whatever they hold."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.core.enforcement.behaviour import CiseSettings
from imagegate.core.enforcement.policy import CLUSTER_IMAGE_POLICY, IMAGE_POLICY, PolicyGroup
from imagegate.core.enforcement.selection import NoEntryReason, PolicySet, Selected, select
from imagegate.documents.stored_policies import SENTENCE_MAX_LENGTH, WARNINGS_MAX, StoredPolicy, read_stored_policy

GROUP = PolicyGroup.PORTIERIS


def stored(spec: Any, kind: str = IMAGE_POLICY) -> StoredPolicy:
    metadata = {"name": "p", "namespace": "shop", "resourceVersion": "7", "uid": "u", "managedFields": []}
    return read_stored_policy({"metadata": metadata, "spec": spec}, GROUP, kind)


def repositories(*entries: Any) -> dict[str, Any]:
    return {"repositories": list(entries)}


def test_a_good_object() -> None:
    found = stored(repositories({"name": "a.example/*", "policy": None}, {"name": "b.example/*"}))
    assert (found.broken, found.warnings, found.key) == ("", (), (GROUP.value, IMAGE_POLICY, "shop", "p"))
    assert [entry.name for entry in found.policy.entries] == ["a.example/*", "b.example/*"]
    assert str(found.policy.entries[1].source) == "ImagePolicy shop/p repositories[1]"


def test_the_same_content_is_equal_whatever_else_the_object_says() -> None:
    one = read_stored_policy({"metadata": {"name": "p", "namespace": "s", "uid": "1"}, "spec": {}}, GROUP, IMAGE_POLICY)
    two = read_stored_policy({"metadata": {"name": "p", "namespace": "s", "uid": "2"}, "spec": {}}, GROUP, IMAGE_POLICY)
    other = read_stored_policy({"metadata": {"name": "p", "namespace": "s"}, "spec": None}, GROUP, IMAGE_POLICY)
    assert one == two
    assert one != other


@pytest.mark.parametrize(
    "entry, why",
    [
        ({"policy": {"trust": {"enabled": "true"}}}, 'policy.trust.enabled: expected bool, got "true"'),
        ({"policy": {"simple": {"requirements": {"type": "reject"}}}}, "policy.simple.requirements: expected a list"),
        ({"policy": []}, "policy: expected a mapping"),
        ({"policy": {"simple": {"requirements": ["reject"]}}}, "policy.simple.requirements[0]: expected a mapping"),
    ],
)
def test_requirements_that_cannot_be_read_deny_what_the_entry_decides(entry: dict[str, Any], why: str) -> None:
    found = stored(repositories({"name": "a.example/*"}, {"name": "a.example/b/*", **entry}))
    good, broken = found.policy.entries
    assert not found.policy.broken
    assert (good.broken, good.requires) == ("", False)
    assert broken.requires
    assert broken.broken == found.broken
    assert found.broken.startswith(f"ImagePolicy shop/p ({GROUP.value}) cannot be read: spec.repositories[1].{why}")


@pytest.mark.parametrize(
    "spec",
    [
        "x",
        [],
        {"repositories": {}},
        {"repositories": "a"},
        repositories({"name": "a.example/*"}, {"name": 5}),
        repositories({"name": "a.example/*"}, {"name": ["b.example/*"]}),
        repositories({"name": "a.example/*"}, 5),
        repositories({"name": "a.example/*"}, [[]]),
    ],
)
def test_entries_that_are_not_known_deny_everything_in_the_scope(spec: Any) -> None:
    found = stored(spec)
    assert found.policy.broken == found.broken != ""
    policies = PolicySet([found.policy])
    settings = CiseSettings()
    assert select(policies, "shop", "a.example/a:1", None, settings) is NoEntryReason.BROKEN
    assert select(policies, "other", "a.example/a:1", None, settings) is NoEntryReason.NO_POLICIES


def test_one_broken_object_leaves_the_others_in_force() -> None:
    fallback = stored(repositories({"name": "*"}), CLUSTER_IMAGE_POLICY).policy
    policies = PolicySet([stored("x").policy, fallback])
    assert isinstance(select(policies, "other", "a.example/a:1", None, CiseSettings()), Selected)
    assert select(policies, "shop", "a.example/a:1", None, CiseSettings()) is NoEntryReason.BROKEN


def test_unchanged_entries_keep_their_index() -> None:
    one, two = stored(repositories({"name": "a"})).policy, stored(repositories({"name": "b"}), CLUSTER_IMAGE_POLICY)
    before = PolicySet([one, two.policy])
    changed = stored(repositories({"name": "c"}), CLUSTER_IMAGE_POLICY).policy
    after = PolicySet([one, changed], before=before)
    assert after.effective("shop") is before.effective("shop")
    assert after.effective("other") is not before.effective("other")


def test_what_somebody_wrote_does_not_fill_messages() -> None:
    found = stored(repositories(*({"name": "a", "x" * 5000: 1} for _ in range(50))))
    assert len(found.warnings) == WARNINGS_MAX
    assert max(map(len, found.warnings)) <= SENTENCE_MAX_LENGTH + 3
    broken = stored(repositories(*({"name": "a", "policy": {"trust": "y" * 5000}} for _ in range(50))))
    assert len(broken.broken) < 4 * SENTENCE_MAX_LENGTH
    assert broken.broken.endswith("; and 47 more")


def test_depth_is_limited() -> None:
    deep: Any = []
    for _ in range(900):
        deep = [deep]
    found = stored({"repositories": deep})
    assert "nested deeper than 200 levels" in found.policy.broken


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**63) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["repositories", "name", "policy", "trust", "simple", "requirements", "type", "enabled", "va"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(VALUES)
def test_any_object_is_read_or_broken(spec: Any) -> None:
    found = stored(spec)
    marked = bool(found.policy.broken) or any(entry.broken for entry in found.policy.entries)
    assert marked <= bool(found.broken)
