"""Requirements of an entry as requirements of the containers ``policy.json``.

All requirements of a list must hold there too, so that several entries can be joined into the strictest. A
requirement that cannot be said becomes ``reject``.
Source: containers-policy.json(5), "Policy requirements"; docs/spec/enforcement.md 13.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from imagegate.core.enforcement.policy import (
    IMAGE_POLICY,
    Entry,
    RequirementType,
    SignedIdentity,
    SimpleRequirement,
)
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.signing.identity import ALIASES
from imagegate.core.signing.key_ring import InvalidKeyRing, KeyRing
from imagegate.documents.convert.losses import Effect

Requirement = dict[str, Any]
REJECT: Requirement = {"type": "reject"}
ACCEPT: Requirement = {"type": "insecureAcceptAnything"}
_NAMES = {"matchExactReference": "exactReference", "matchExactRepository": "exactRepository"}
_PARAMETERS = {
    "exactReference": {"dockerReference": "docker_reference"},
    "exactRepository": {"dockerRepository": "docker_repository"},
    "remapIdentity": {"prefix": "prefix", "signedPrefix": "signed_prefix"},
}

Note = Callable[[str, str, Effect], None]
"""Records a field, a sentence about it, and its effect."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Paths at which nodes find the public keys of Secrets."""

    secrets: Mapping[tuple[str, str], bytes]
    """The item ``key`` by namespace and name of the Secret; written into the file."""
    folder: str
    """Folder of the nodes for the keys of all other Secrets."""

    def path(self, namespace: str, name: str) -> str:
        """The file of a Secret's key on a node."""
        return f"{self.folder.rstrip('/')}/{namespace}.{name}.gpg"


def requirements_of(entry: Entry, keys: Keys, note: Note) -> list[Requirement]:
    """The requirements that decide as the entry does, or more strictly.

    Args:
        note: called for everything that is not said exactly.
    """
    found: list[Requirement] = []
    if entry.broken:
        note("policy", f"{entry.broken}: its images are rejected", Effect.NARROWER)
        found.append(REJECT)
    if entry.trust.enabled:
        note("policy.trust", "policy.json knows no content trust: images of this entry are rejected", Effect.NARROWER)
        found.append(REJECT)
    if entry.vulnerability.enabled:
        text = "policy.json knows no vulnerability reports: images of this entry are rejected"
        note(
            "policy.va" if entry.source.group.value.startswith("sec") else "policy.vulnerability", text, Effect.NARROWER
        )
        found.append(REJECT)
    for position, requirement in enumerate(entry.simple.requirements):
        found.append(_simple(requirement, entry, keys, _narrower(note, f"policy.simple.requirements[{position}]")))
    if entry.simple.store_secret:
        text = "registries.d has no credentials for a store: signatures there are not found"
        note("policy.simple.storeSecret", text, Effect.NARROWER)
    return joined(found)


def _narrower(note: Note, path: str) -> Callable[[str], None]:
    return lambda text: note(path, text, Effect.NARROWER)


def joined(requirements: Iterable[Requirement]) -> list[Requirement]:
    """All of these requirements, each once; ``ACCEPT`` alone if there is nothing else."""
    found: list[Requirement] = []
    for requirement in requirements:
        if requirement == REJECT:
            return [REJECT]
        if requirement != ACCEPT and requirement not in found:
            found.append(requirement)
    return found or [ACCEPT]


def _simple(requirement: SimpleRequirement, entry: Entry, keys: Keys, note: Callable[[str], None]) -> Requirement:
    match requirement.type:
        case RequirementType.INSECURE_ACCEPT_ANYTHING:
            return ACCEPT
        case RequirementType.SIGNED_BY if requirement.key_secret:
            return _signed_by(requirement, entry, keys, note)
    return REJECT  # what a review denies too


def _signed_by(requirement: SimpleRequirement, entry: Entry, keys: Keys, note: Callable[[str], None]) -> Requirement:
    namespace = requirement.key_secret_namespace or entry.source.namespace
    if not namespace:
        note(
            "the key is read from each workload's own namespace, and a node knows no namespaces: images of this entry "
            "are rejected; set keySecretNamespace"
        )
        return REJECT
    if entry.source.kind == IMAGE_POLICY and namespace != entry.source.namespace:
        note(f"keys of namespace {go_quote(namespace)} need cise.simple.keyNamespaces: images are rejected")
        return REJECT
    key = _key(requirement.key_secret, namespace, keys, note)
    return REJECT if key is None else {"type": "signedBy", "keyType": "GPGKeys", **key, **_identity(requirement)}


def _key(name: str, namespace: str, keys: Keys, note: Callable[[str], None]) -> dict[str, str] | None:
    item = keys.secrets.get((namespace, name))
    if item is None:
        path = keys.path(namespace, name)
        note(f"Secret {namespace}/{name} is not given (--secrets): put its key into {path} on every node")
        return {"keyPath": path}
    try:
        ring = KeyRing.parse(item)
    except InvalidKeyRing as error:
        note(f"Secret {namespace}/{name}: {error}: images of this entry are rejected")
        return None
    return {"keyData": base64.b64encode(b"".join(ring.blocks)).decode()}


def _identity(requirement: SimpleRequirement) -> dict[str, Any]:
    identity: SignedIdentity = requirement.signed_identity
    kind = ALIASES.get(identity.type, identity.type)
    kind = _NAMES.get(kind, kind)
    parameters = {name: getattr(identity, field) for name, field in _PARAMETERS.get(kind, {}).items()}
    return {"signedIdentity": {"type": kind, **parameters}}
