"""The containers ``policy.json`` and ``registries.d`` of a node, made from ClusterImagePolicy and ImagePolicy objects.

A node that reads them (CRI-O, Podman, skopeo) pulls no image that the policies deny. Where a scope holds images that
are denied, it rejects all of its images, unless the caller allows more.
Source: containers-policy.json(5), containers-registries.d(5), crio.conf(5) ``signature_policy_dir``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from imagegate.core.enforcement.entry_index import NameIndex
from imagegate.core.enforcement.policy import IMAGE_POLICY, Entry
from imagegate.core.enforcement.selection import EffectivePolicy, PolicySet
from imagegate.core.kube.go_quote import go_quote
from imagegate.documents.convert.container_requirements import REJECT, Keys, Note, Requirement, joined, requirements_of
from imagegate.documents.convert.container_scopes import EVERYTHING, Deciders, Shape, deciders, reaches, scoped
from imagegate.documents.convert.losses import Effect, Loss
from imagegate.documents.image_policies import LoadedPolicies, Place

POLICY, REGISTRIES = "policy.json", "registries.d/imagegate.yaml"


@dataclass(slots=True)
class NodeFiles:
    """Files for nodes by their paths in a folder, and what they do not say."""

    files: dict[str, str] = field(default_factory=dict)
    losses: list[Loss] = field(default_factory=list)


def container_policies(loaded: LoadedPolicies, keys: Keys, *, allow_wider: bool = False) -> NodeFiles:
    """``policy.json`` for the cluster, ``policies/NAMESPACE.json`` for namespaces with a policy, ``registries.d``.

    Args:
        loaded: the policies.
        keys: where the nodes find keys.
        allow_wider: write scopes that also hold images that no entry matches.
    """
    policies = PolicySet(loaded.policies)
    result = NodeFiles()
    stores: dict[str, str] = {}
    if policies.effective("") is None:
        text = "there is no ClusterImagePolicy: images are rejected in all other namespaces"
        result.losses.append(Loss(POLICY, 0, "", text))
    namespaces = sorted({policy.namespace for policy in policies.policies if policy.kind == IMAGE_POLICY})
    for namespace in ("", *namespaces):
        file = f"policies/{namespace}.json" if namespace else POLICY
        work = _Conversion(policies.effective(namespace), loaded, keys, file, allow_wider)
        result.files[file] = work.policy()
        result.losses += work.losses
        for scope, (url, entry) in work.stores.items():
            if stores.setdefault(scope, url) != url:
                text = f"registries.d has one store for {scope or 'all images'}: {stores[scope]}"
                result.losses.append(work.loss(entry, "policy.simple.storeURL", text, Effect.NARROWER))
    if stores:
        result.files[REGISTRIES] = _registries(stores)
    result.losses = sorted(dict.fromkeys(result.losses), key=lambda loss: (loss.file, loss.line))
    return result


class _Conversion:
    """The entries in force in one namespace, or in all that have no policy of their own."""

    def __init__(
        self, policy: EffectivePolicy | None, loaded: LoadedPolicies, keys: Keys, file: str, allow_wider: bool
    ) -> None:
        self._entries: tuple[Entry, ...] = () if policy is None else policy.entries
        self._loaded = loaded
        self._file = file
        self._allow_wider = allow_wider
        self.losses: list[Loss] = []
        self.stores: dict[str, tuple[str, Entry]] = {}
        self._scoped = [scoped(entry.name) for entry in self._entries]
        self._names = NameIndex([entry.name for entry in self._entries])
        self._requirements = [requirements_of(entry, keys, self._noter(entry)) for entry in self._entries]
        self._note_broken(policy)

    def policy(self) -> str:
        """The file's text."""
        scopes: dict[str, list[Requirement]] = {EVERYTHING: self._required(EVERYTHING)}
        for scope in sorted({each.scope for each in self._scoped if each.shape is not Shape.NONE} - {EVERYTHING}):
            scopes[scope] = self._required(scope)
        self._note_scopeless(scopes)
        document = {"default": [REJECT], "transports": {"docker": scopes}}
        return json.dumps(document, indent=2) + "\n"

    def _note_scopeless(self, scopes: Mapping[str, list[Requirement]]) -> None:
        """Entries without a scope, unless all scopes that their images are in require the same."""
        for position, (entry, each) in enumerate(zip(self._entries, self._scoped, strict=True)):
            around = [scope for scope in scopes if reaches(each.pattern, scope)]
            if each.shape is Shape.NONE and any(scopes[scope] != self._requirements[position] for scope in around):
                text = (
                    f"{go_quote(entry.name)} is no scope of policy.json: its images must meet what others require too"
                )
                self.losses.append(self.loss(entry, "name", text, Effect.NARROWER))

    def _note_broken(self, policy: EffectivePolicy | None) -> None:
        for why in policy.broken if policy is not None else ():
            self.losses.append(Loss(self._file, 0, "", f"{why}: every image is rejected", Effect.NARROWER))
            self._requirements = [[REJECT] for _ in self._requirements]

    def _required(self, scope: str) -> list[Requirement]:
        found = deciders(scope, self._scoped, self._names)
        required = joined(each for position in sorted(found.positions) for each in self._requirements[position])
        self._note_store(scope, found)
        if scope == EVERYTHING and found.unmatched:
            return [REJECT]
        self._note_stricter(scope, found, required)
        if not found.unmatched or required == [REJECT]:
            return required
        entry = self._entries[next(self._positions_of(scope))]
        if self._allow_wider:
            text = f"scope {scope} also holds {found.unmatched}, which no entry matches"
            self.losses.append(self.loss(entry, "name", text, Effect.WIDER))
            return required
        text = f"scope {scope} would also hold {found.unmatched}, which no entry matches: rejected; see --allow-wider"
        self.losses.append(self.loss(entry, "name", text, Effect.NARROWER))
        return [REJECT]

    def _note_stricter(self, scope: str, found: Deciders, required: list[Requirement]) -> None:
        """Entries with images in the scope that must meet what other entries require as well."""
        for position in sorted(found.positions):
            if self._scoped[position].shape is Shape.NONE or self._requirements[position] == required:
                continue
            others = [self._entries[each] for each in sorted(found.positions) if each != position]
            named = ", ".join(go_quote(each.name) for each in others)
            text = f"its images in scope {scope or 'of all images'} must also meet the requirements of {named}"
            self.losses.append(self.loss(self._entries[position], "name", text, Effect.NARROWER))

    def _note_store(self, scope: str, found: Deciders) -> None:
        own = [*self._positions_of(scope), *sorted(found.positions)]
        for position in own:
            if url := self._entries[position].simple.store_url:
                self.stores.setdefault(scope, (url, self._entries[position]))

    def _positions_of(self, scope: str) -> Iterator[int]:
        return (
            position
            for position, each in enumerate(self._scoped)
            if each.shape is not Shape.NONE and each.scope == scope
        )

    def loss(self, entry: Entry, path: str, text: str, effect: Effect) -> Loss:
        """A difference at an entry."""
        place = self._loaded.entries.get(entry.source, Place(self._file, 0))
        return Loss(place.file, place.line, f"spec.repositories[{entry.source.position}].{path}", text, effect)

    def _noter(self, entry: Entry) -> Note:
        return lambda path, text, effect: self.losses.append(self.loss(entry, path, text, effect))


def _registries(stores: dict[str, str]) -> str:
    """``registries.d``: the store of the longest scope counts."""
    lines = []
    if EVERYTHING in stores:
        lines += ["default-docker:", f"  lookaside: {json.dumps(stores[EVERYTHING])}"]
    scopes = sorted(scope for scope in stores if scope != EVERYTHING)
    if scopes:
        lines.append("docker:")
        for scope in scopes:
            lines += [f"  {json.dumps(scope)}:", f"    lookaside: {json.dumps(stores[scope])}"]
    return "\n".join(lines) + "\n"
