"""Which entry decides: scopes, merged order, the two additions, and the texts of both dialects."""

from __future__ import annotations

import pytest

from imagegate.core.enforcement.behaviour import CiseSettings, Dialect, Profile
from imagegate.core.enforcement.image import parse_image
from imagegate.core.enforcement.policy import (
    CLUSTER_IMAGE_POLICY,
    IMAGE_POLICY,
    Entry,
    EntrySource,
    ImagePolicyObject,
    PolicyGroup,
)
from imagegate.core.enforcement.selection import (
    ALLOWED_IMAGES_MAX,
    AllowedImageCache,
    NoEntryReason,
    PolicySet,
    Selected,
    no_entry_text,
    select,
)

HEX = "ab" * 32
PORTIERIS, CISE = PolicyGroup.PORTIERIS, PolicyGroup.CISE


def policy(*names: str, namespace: str = "", name: str = "p", group: PolicyGroup = PORTIERIS) -> ImagePolicyObject:
    kind = IMAGE_POLICY if namespace else CLUSTER_IMAGE_POLICY
    entries = tuple(
        Entry(name=text, source=EntrySource(group, kind, namespace, name, position))
        for position, text in enumerate(names)
    )
    return ImagePolicyObject(group=group, kind=kind, namespace=namespace, name=name, entries=entries)


def chosen(
    policies: list[ImagePolicyObject], image: str, settings: CiseSettings | None = None, namespace: str = "default"
) -> object:
    found = select(PolicySet(policies), namespace, image, parse_image(image), settings or CiseSettings())
    return str(found.entry.source) if isinstance(found, Selected) else found


def test_namespace_policy_even_empty_replaces_cluster_policies() -> None:
    cluster = policy("*")
    assert chosen([cluster], "nginx") == "ClusterImagePolicy p repositories[0]"
    assert chosen([cluster, policy(namespace="default")], "nginx") is NoEntryReason.NO_MATCH_IN_NAMESPACE
    assert chosen([cluster, policy(namespace="other")], "nginx") == "ClusterImagePolicy p repositories[0]"


def test_a_policy_of_either_group_counts_as_one() -> None:
    policies = [policy("*"), policy(namespace="default", group=CISE)]
    assert chosen(policies, "nginx") is NoEntryReason.NO_MATCH_IN_NAMESPACE


def test_ties_go_to_the_first_group_then_the_first_name() -> None:
    portieris, cise = policy("icr.io/*/a", name="z"), policy("icr.io/a/*", name="a", group=CISE)
    assert chosen([cise, portieris], "icr.io/a/a:1") == "ClusterImagePolicy z repositories[0]"
    assert (
        chosen([policy("icr.io/*/a", name="b"), policy("icr.io/a/*", name="B")], "icr.io/a/a")
        == "ClusterImagePolicy B repositories[0]"
    )


def test_groups_that_are_not_set_are_not_seen() -> None:
    policies = PolicySet([policy("*", group=CISE)], (PORTIERIS,))
    assert select(policies, "default", "nginx", None, CiseSettings()) is NoEntryReason.NO_POLICIES


def test_most_specific_entry_wins_and_exact_beats_everything() -> None:
    names = ("*", "icr.io/*", "icr.io/a/b", "icr.io/a/b:*")
    assert chosen([policy(*names)], "icr.io/a/b:1") == "ClusterImagePolicy p repositories[3]"
    both = [policy(*names), policy("icr.io/a/b:1", name="q")]
    assert chosen(both, "icr.io/a/b:1") == "ClusterImagePolicy q repositories[0]"


def test_digest_fallback() -> None:
    """What covers every tag covers every digest; a tag beside a digest says nothing about the content."""
    off = CiseSettings(digest_fallback=False)
    assert chosen([policy("icr.io/a/b")], f"icr.io/a/b@sha256:{HEX}") == "ClusterImagePolicy p repositories[0]"
    assert chosen([policy("icr.io/a/b")], f"icr.io/a/b@sha256:{HEX}", off) is NoEntryReason.NO_MATCH_IN_CLUSTER
    assert chosen([policy("icr.io/a/b:1")], f"icr.io/a/b:1@sha256:{HEX}") is NoEntryReason.NO_MATCH_IN_CLUSTER


def test_normalisation_is_off_unless_asked_for_and_tries_both_spellings() -> None:
    settings = CiseSettings(normalize_image_names=True)
    for name in ("docker.io/library/busybox:*", "docker.io/busybox:*"):
        assert chosen([policy(name)], "busybox") is NoEntryReason.NO_MATCH_IN_CLUSTER
        assert chosen([policy(name)], "busybox", settings) == "ClusterImagePolicy p repositories[0]"


def test_additions_never_change_which_entry_wins_a_raw_match() -> None:
    settings = CiseSettings(normalize_image_names=True)
    policies = [policy("docker.io/library/nginx:latest", "nginx*")]
    assert chosen(policies, "nginx", settings) == "ClusterImagePolicy p repositories[1]"


DOCUMENT_003 = "Deny, no image policies or cluster polices for r.io/a"


@pytest.mark.parametrize(
    "reason, portieris",
    [
        (NoEntryReason.NO_POLICIES, 'Deny "r.io/a", no image policies or cluster polices'),
        (NoEntryReason.NO_MATCH_IN_NAMESPACE, 'Deny "r.io/a", no matching repositories in the ImagePolicies'),
        (
            NoEntryReason.NO_MATCH_IN_CLUSTER,
            (
                'Deny "r.io/a", no matching repositories in ClusterImagePolicy '
                'and no ImagePolicies in the "default" namespace'
            ),
        ),
    ],
)
def test_texts_in_both_dialects(reason: NoEntryReason, portieris: str) -> None:
    def text(profile: Profile, messages: Dialect = Dialect.AUTO) -> str:
        return no_entry_text(reason, "default", "r.io/a", CiseSettings(profile=profile, messages=messages))

    assert text(Profile.PORTIERIS) == text(Profile.CLOUDPAK) == portieris
    assert text(Profile.CISE) == (DOCUMENT_003 if reason is NoEntryReason.NO_POLICIES else portieris)
    assert text(Profile.PORTIERIS, Dialect.CISE) == DOCUMENT_003
    assert text(Profile.CISE, Dialect.PORTIERIS) == portieris


def test_what_is_settled_is_remembered_within_bounds() -> None:
    allowed = AllowedImageCache()
    for number in range(2 * ALLOWED_IMAGES_MAX):
        allowed.add(f"a/{number}", "rule")
        assert allowed.get(f"a/{number}") == "rule"
    assert allowed.get("a/0") is None
    allowed.add("a/" + "x" * 1000, "rule")
    assert allowed.get("a/" + "x" * 1000) is None
