"""Selects the entry that decides an image (docs/spec/enforcement.md 6, 8.1 and 8.3)."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from imagegate.caching import BoundedCache
from imagegate.core.enforcement.behaviour import CiseSettings, Dialect, Profile
from imagegate.core.enforcement.entry_index import NameIndex
from imagegate.core.enforcement.image import CiseImage
from imagegate.core.enforcement.nearest import NearestEntries, NearestEntry
from imagegate.core.enforcement.policy import (
    CLUSTER_IMAGE_POLICY,
    DEFAULT_GROUPS,
    IMAGE_POLICY,
    Entry,
    ImagePolicyObject,
    PolicyGroup,
)
from imagegate.core.kube.go_quote import go_quote

ALLOWED_IMAGES_MAX = 4096
ALLOWED_IMAGE_MAX_LENGTH = 512
FEW_ENTRIES = 32
"""Up to this many names are indexed only with the first image, in a tenth of a millisecond: a worker sees few of a
cluster's namespaces, and the index of each takes six kilobytes."""


class NoEntryReason(enum.Enum):
    """The reason why no entry decides."""

    UNAVAILABLE = "unavailable"
    """The policies could not be read."""
    BROKEN = "broken"
    """One of the policies in force cannot be read."""
    NO_POLICIES = "no-policies"
    NO_MATCH_IN_CLUSTER = "no-match-in-cluster"
    NO_MATCH_IN_NAMESPACE = "no-match-in-namespace"


@dataclass(frozen=True, slots=True)
class Selected:
    """The entry that decides, and the spelling of the image that it matched."""

    entry: Entry
    spelling: str


class AllowedImageCache(BoundedCache[str, str]):
    """Image strings that an entry without requirements allows, and that entry's rule: nothing else decides them."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(ALLOWED_IMAGES_MAX)

    def add(self, image: str, rule: str) -> None:
        """Cache the rule that allows an image string, unless the string is very long."""
        if len(image) <= ALLOWED_IMAGE_MAX_LENGTH:
            self.put(image, rule)


class EffectivePolicy:
    """All entries of one namespace or of the cluster, as one list."""

    __slots__ = ("_index", "_nearest", "broken", "entries", "kind", "only_names")

    def __init__(self, kind: str, entries: Sequence[Entry], broken: Sequence[str] = ()) -> None:
        self.kind = kind
        self.broken = tuple(broken)
        """Why objects cannot be read. Any image could be meant by such an object, so that every image is denied."""
        self.entries = tuple(entries)
        self.only_names = not any(entry.requires for entry in self.entries)
        """True if no entry requires more than a matching name, so that nothing has to be looked up."""
        self._nearest: NearestEntries | None = None
        self._index = None if len(self.entries) <= FEW_ENTRIES else self._build_index()

    def _build_index(self) -> NameIndex:
        return NameIndex([entry.name for entry in self.entries])

    def best(self, image: str) -> Entry | None:
        """The best entry for an image string exactly as given."""
        if self._index is None:
            self._index = self._build_index()  # threads may build it at the same time; any of the results is right
        position = self._index.best(image)
        return None if position is None else self.entries[position]

    def nearest(self, image: str) -> NearestEntry | None:
        """The entry that comes nearest to an image string that none matches; None without entries."""
        if self._nearest is None:
            self._nearest = NearestEntries(self.entries)  # as for ``best``
        return self._nearest.nearest(image)


class PolicySet:
    """All policies of a cluster, compiled. Immutable; shared by all threads.

    An ImagePolicy in a namespace, even an empty one, puts the ClusterImagePolicies out of force there.

    Args:
        policies: all objects.
        groups: the groups that count, in order.
        unavailable: the reason why the policies could not be read; then every request is denied with it.
        before: policies whose indexes are used again where the entries are the same.
    """

    def __init__(
        self,
        policies: Iterable[ImagePolicyObject],
        groups: Sequence[PolicyGroup] = DEFAULT_GROUPS,
        *,
        unavailable: str = "",
        before: PolicySet | None = None,
    ) -> None:
        self.unavailable = unavailable
        self.policies = merged_order(policies, groups)
        by_namespace: dict[str, list[ImagePolicyObject]] = {}
        cluster: list[ImagePolicyObject] = []
        for policy in self.policies:
            (by_namespace.setdefault(policy.namespace, []) if policy.kind == IMAGE_POLICY else cluster).append(policy)
        known = {} if before is None else before._namespaces
        self._namespaces: dict[str, EffectivePolicy] = {
            name: _effective(IMAGE_POLICY, objects, known.get(name)) for name, objects in by_namespace.items()
        }
        self._cluster: EffectivePolicy | None = (
            _effective(CLUSTER_IMAGE_POLICY, cluster, None if before is None else before._cluster) if cluster else None
        )

    def effective(self, namespace: str) -> EffectivePolicy | None:
        """The entries in force in a namespace; None if there is no policy at all."""
        return self._namespaces.get(namespace, self._cluster)


def _effective(kind: str, policies: Sequence[ImagePolicyObject], before: EffectivePolicy | None) -> EffectivePolicy:
    entries = tuple(entry for policy in policies for entry in policy.entries)
    broken = tuple(policy.broken for policy in policies if policy.broken)
    if before is not None and before.entries == entries and before.broken == broken:
        return before
    return EffectivePolicy(kind, entries, broken)


def merged_order(policies: Iterable[ImagePolicyObject], groups: Sequence[PolicyGroup]) -> tuple[ImagePolicyObject, ...]:
    """Policies of ``groups`` as they are merged: by group in the order given, then by name in byte order."""
    order = {group: position for position, group in enumerate(groups)}
    in_force = [policy for policy in policies if policy.group in order]
    return tuple(
        sorted(in_force, key=lambda policy: (order[policy.group], policy.namespace.encode(), policy.name.encode()))
    )


def select(
    policies: PolicySet, namespace: str, image: str, parsed: CiseImage | None, settings: CiseSettings
) -> Selected | NoEntryReason:
    """The entry for an image string as written in the object.

    Args:
        parsed: the same image, for the two additions of docs/spec/enforcement.md 8.1; None where only the raw string
        counts.
    """
    if policies.unavailable:
        return NoEntryReason.UNAVAILABLE
    effective = policies.effective(namespace)
    if effective is None:
        return NoEntryReason.NO_POLICIES
    if effective.broken:
        return NoEntryReason.BROKEN
    for spelling in _spellings(image, parsed, settings):
        entry = effective.best(spelling)
        if entry is not None:
            return Selected(entry, spelling)
    return NoEntryReason.NO_MATCH_IN_NAMESPACE if effective.kind == IMAGE_POLICY else NoEntryReason.NO_MATCH_IN_CLUSTER


def _spellings(image: str, parsed: CiseImage | None, settings: CiseSettings) -> Iterator[str]:
    """The raw string first; further spellings can only turn "no match" into an entry's requirements."""
    yield image
    if parsed is None:
        return
    if settings.digest_fallback and parsed.digest and not parsed.tag:
        yield image.partition("@")[0]
    if settings.normalize_image_names:
        yield from parsed.spellings()


def no_entry_text(reason: NoEntryReason, namespace: str, image: str, settings: CiseSettings) -> str:
    """The message where no entry matches an image (docs/spec/enforcement.md 6)."""
    documented = reason is NoEntryReason.NO_POLICIES and settings.profile is Profile.CISE
    if settings.messages is Dialect.CISE or (settings.messages is Dialect.AUTO and documented):
        return f"Deny, no image policies or cluster polices for {image}"
    quoted = go_quote(image)
    if reason is NoEntryReason.NO_POLICIES:
        return f"Deny {quoted}, no image policies or cluster polices"
    if reason is NoEntryReason.NO_MATCH_IN_NAMESPACE:
        return f"Deny {quoted}, no matching repositories in the ImagePolicies"
    return (
        f"Deny {quoted}, no matching repositories in ClusterImagePolicy "
        f"and no ImagePolicies in the {go_quote(namespace)} namespace"
    )
