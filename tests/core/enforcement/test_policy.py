"""Entries as values: what they require, whether they rewrite, and their name in messages."""

from __future__ import annotations

from typing import Any

import pytest

from imagegate.core.enforcement.policy import (
    CLUSTER_IMAGE_POLICY,
    IMAGE_POLICY,
    Entry,
    EntrySource,
    PolicyGroup,
    SimplePolicy,
    SimpleRequirement,
    TrustPolicy,
    VulnerabilityPolicy,
)

SIMPLE = SimplePolicy(requirements=(SimpleRequirement(type="reject"),))
TRUST = TrustPolicy(enabled=True)
REPORT = VulnerabilityPolicy(enabled=True)


def entry(name: str = "a/*", namespace: str = "", **fields: Any) -> Entry:
    kind = IMAGE_POLICY if namespace else CLUSTER_IMAGE_POLICY
    return Entry(name=name, source=EntrySource(PolicyGroup.PORTIERIS, kind, namespace, "p", 2), **fields)


@pytest.mark.parametrize(
    "fields, requires, rewrites",
    [
        ({}, False, False),
        ({"simple": SIMPLE}, True, True),
        ({"trust": TRUST}, True, True),
        ({"vulnerability": REPORT}, True, False),
        ({"simple": SIMPLE, "mutate_image": True}, True, True),
        ({"simple": SIMPLE, "mutate_image": False}, True, False),
        ({"simple": SimplePolicy(store_url="https://s")}, False, False),
    ],
)
def test_requirements_and_rewriting(fields: dict[str, Any], requires: bool, rewrites: bool) -> None:
    found = entry(**fields)
    assert (found.requires, found.rewrites) == (requires, rewrites)


def test_entries_in_messages() -> None:
    assert entry().rule == "ClusterImagePolicy p repositories[2] a/*"
    assert entry("", "shop").rule == "ImagePolicy shop/p repositories[2]"


def test_two_entries_are_never_equal() -> None:
    assert entry() != entry()
