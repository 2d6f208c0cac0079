"""Selection of the entry that decides (docs/spec/enforcement.md 6 and 8.3), raw matching, Portieris' texts."""

from __future__ import annotations

from typing import Any

from imagegate.core.enforcement.behaviour import CiseSettings, Profile
from imagegate.core.enforcement.policy import (
    CLUSTER_IMAGE_POLICY,
    IMAGE_POLICY,
    Entry,
    EntrySource,
    ImagePolicyObject,
    PolicyGroup,
)
from imagegate.core.enforcement.selection import PolicySet, Selected, no_entry_text, select
from tests.conformance.context import Context, differences

_GROUP = PolicyGroup.PORTIERIS
_SETTINGS = CiseSettings(
    profile=Profile.PORTIERIS, groups=(_GROUP,), digest_fallback=False, normalize_image_names=False
)


def run(case: dict[str, Any], context: Context) -> str | None:
    """Select among the case's policies and compare entry and text."""
    policies = PolicySet(_objects(case), _SETTINGS.groups)
    found = select(policies, case["namespace"], case["image"], None, _SETTINGS)
    if isinstance(found, Selected):
        source = found.entry.source
        got: dict[str, Any] = {
            "selected": {
                "kind": source.kind,
                "policy": source.policy,
                "index": source.position,
                "repository": found.entry.name,
            },
            "error": None,
        }
    else:
        got = {"selected": None, "error": no_entry_text(found, case["namespace"], case["image"], _SETTINGS)}
    return differences({"selected": case["selected"], "error": case["error"]}, got)


def _objects(case: dict[str, Any]) -> list[ImagePolicyObject]:
    return [_object(IMAGE_POLICY, policy) for policy in case["image_policies"]] + [
        _object(CLUSTER_IMAGE_POLICY, policy) for policy in case["cluster_image_policies"]
    ]


def _object(kind: str, policy: dict[str, Any]) -> ImagePolicyObject:
    namespace, name = policy.get("namespace", ""), policy["name"]
    entries = tuple(
        Entry(name=repository, source=EntrySource(_GROUP, kind, namespace, name, position))
        for position, repository in enumerate(policy["repositories"])
    )
    return ImagePolicyObject(group=_GROUP, kind=kind, namespace=namespace, name=name, entries=entries)
