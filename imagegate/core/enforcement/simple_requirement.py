"""The ``simple`` requirement of an entry: from Secrets and a tag to requirements on one manifest.

Source: docs/spec/enforcement.md 13.

``core.signing.requirements`` evaluates the requirements; this module finds keys and manifest and words refusals.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from imagegate.core.admission.answer_reader import AnswerReader
from imagegate.core.admission.decision import DenialCode
from imagegate.core.admission.lookup import Absent, Found, Impossible, Lookup, Unknown
from imagegate.core.enforcement.policy import (
    IMAGE_POLICY,
    Entry,
    RequirementType,
    SignedIdentity,
    SimpleRequirement,
)
from imagegate.core.enforcement.questions import (
    InvalidSecret,
    ManifestDigest,
    NeedsCredentials,
    Secret,
    SecretItem,
    secret_item,
)
from imagegate.core.enforcement.requirement import ImageUnderPolicy, Refused, RequirementResult, Verified
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.references.docker import DockerReference
from imagegate.core.registry.pull_secrets import Credential, PullSecret
from imagegate.core.signing.identity import IdentityRule, image_identity, signed_identity
from imagegate.core.signing.key_ring import SECRET_ITEM, InvalidKeyRing, KeyRing
from imagegate.core.signing.requirements import (
    ImageSignatures,
    InsecureAcceptAnything,
    InvalidStoreSecret,
    LookasideStore,
    Reject,
    Requirement,
    SignatureRejection,
    SignedBy,
    conclude,
    rings,
    store_credential,
)
from imagegate.errors import InvalidPolicy, InvalidReference

STORE_ITEMS = ("username", "password")


class _Unmet(Exception):  # never leaves this module
    """Evaluation ends here."""

    def __init__(self, outcome: Refused) -> None:
        super().__init__(outcome.text)
        self.outcome = outcome


class SimpleCheck:
    """Red Hat simple signing."""

    kind = "simple"

    def applies(self, entry: Entry) -> bool:
        """See ``Check``."""
        return entry.simple.enabled

    def evaluate(self, subject: ImageUnderPolicy, reader: AnswerReader) -> RequirementResult | None:
        """See ``Check``. Secrets and manifest are looked up together, then the signatures."""
        plan = _lookup_plan(subject.entry, subject.namespace, subject.settings.simple_key_namespaces)
        keys = [reader(question) for question in plan.keys]
        stored = None if plan.store is None else reader(plan.store)
        pulls = subject.pulls.secrets(reader)
        manifest: Lookup[Any] | None = None
        if plan.is_sound and pulls is not None:
            manifest = reader(ManifestDigest(subject.image.asked(subject.pinned), pulls))
        if pulls is None or (plan.store is not None and stored is None):
            return None
        for answer in keys:
            if answer is None:
                return None
        try:
            unread = iter(keys)
            requirements = tuple([_with_keys(each, subject, unread) for each in subject.entry.simple.requirements])
            store = _read_store(subject, stored)
            identity = _signed_reference(subject)
        except _Unmet as unmet:
            return unmet.outcome
        if isinstance(requirements[0], Reject):  # no answer could change the result
            return _as_result(conclude(requirements, identity, "", None), "", subject)
        if manifest is None:
            return None
        if not isinstance(manifest, Found):
            return _no_manifest(subject, manifest, pulls)
        digest: str = manifest.value
        signatures: Lookup[object] | None = None
        if rings(requirements):
            signatures = reader(ImageSignatures(identity, digest, requirements, store, pulls))
            if signatures is None:
                return None
        return _as_result(conclude(requirements, identity, digest, signatures), digest, subject, signatures)


@dataclass(frozen=True, slots=True)
class _Plan:
    """The look-ups for an entry that depend on the entry alone."""

    keys: tuple[Secret, ...]
    """Secrets of the keys, up to the first requirement that cannot hold anyway."""
    store: Secret | None
    is_sound: bool
    """True if the manifest matters: every requirement is well-formed, and the first is not ``reject``."""


@lru_cache(maxsize=4096)
def _lookup_plan(entry: Entry, namespace: str, key_namespaces: frozenset[str]) -> _Plan:
    keys: list[Secret] = []
    simple = entry.simple
    is_sound = simple.requirements[0].type != RequirementType.REJECT
    for requirement in simple.requirements:
        if requirement.type == RequirementType.SIGNED_BY:
            key_namespace = _key_namespace(requirement, namespace)
            if not requirement.key_secret or not _may_read(key_namespace, entry, key_namespaces):
                is_sound = False
                break
            keys.append(Secret(key_namespace, requirement.key_secret))
        elif requirement.type not in tuple(RequirementType):
            is_sound = False
            break
    return _Plan(tuple(keys), Secret(namespace, simple.store_secret) if simple.store_secret else None, is_sound)


def _key_namespace(requirement: SimpleRequirement, namespace: str) -> str:
    return requirement.key_secret_namespace or namespace


def _may_read(namespace: str, entry: Entry, key_namespaces: frozenset[str]) -> bool:
    """True if the entry may use keys of ``namespace``: an ImagePolicy only its own, unless the settings list more."""
    source = entry.source
    return source.kind != IMAGE_POLICY or namespace == source.namespace or namespace in key_namespaces


def _with_keys(
    requirement: SimpleRequirement, subject: ImageUnderPolicy, keys: Iterator[Lookup[object] | None]
) -> Requirement:
    """The requirement with its keys; ``keys`` has the answers for the ``signedBy`` that follow, in order."""
    match requirement.type:
        case RequirementType.INSECURE_ACCEPT_ANYTHING:
            return InsecureAcceptAnything()
        case RequirementType.REJECT:
            return Reject()
        case RequirementType.SIGNED_BY:
            return _signed_by(requirement, subject, keys)
    raise _Unmet(Refused(DenialCode.SIGNATURE, f"simple policy invalid Type: {requirement.type}"))


def _signed_by(
    requirement: SimpleRequirement, subject: ImageUnderPolicy, keys: Iterator[Lookup[object] | None]
) -> SignedBy:
    if not requirement.key_secret:
        raise _Unmet(Refused(DenialCode.SIGNATURE, "KeySecret missing in signedBy requirement"))
    namespace = _key_namespace(requirement, subject.namespace)
    if not _may_read(namespace, subject.entry, subject.settings.simple_key_namespaces):
        own = go_quote(subject.entry.source.namespace)
        text = f"imagegate: an ImagePolicy of namespace {own} may not use keys of namespace {go_quote(namespace)}"
        raise _Unmet(Refused(DenialCode.SIGNATURE, text))
    secret = _read_secret(subject, next(keys, None))
    try:
        return _cached_signed_by(requirement, namespace, secret_item(secret, SECRET_ITEM))
    except (InvalidKeyRing, InvalidSecret, InvalidPolicy) as error:
        raise _Unmet(Refused(DenialCode.SIGNATURE, str(error))) from error


@lru_cache(maxsize=1024)
def _cached_signed_by(requirement: SimpleRequirement, namespace: str, item: SecretItem | None) -> SignedBy:
    ring = KeyRing.of_secret(requirement.key_secret, namespace, {} if item is None else {SECRET_ITEM: item.content})
    return SignedBy(ring, _identity_rule(requirement.signed_identity))


def _read_secret(subject: ImageUnderPolicy, answer: Lookup[object] | None) -> Mapping[str, Any]:
    """The Secret.

    Raises:
        _Unmet: it cannot be read, with the message of the look-up.
    """
    if isinstance(answer, (Absent, Impossible)):
        raise _Unmet(Refused(DenialCode.SIGNATURE, answer.why))
    if not isinstance(answer, Found):
        raise _Unmet(subject.out_of_time() if answer is None else subject.lacks(answer, answer.why))
    return answer.value if isinstance(answer.value, Mapping) else {}


def _identity_rule(identity: SignedIdentity) -> IdentityRule:
    return signed_identity(
        identity.type,
        docker_reference=identity.docker_reference,
        docker_repository=identity.docker_repository,
        prefix=identity.prefix,
        signed_prefix=identity.signed_prefix,
    )


def _read_store(subject: ImageUnderPolicy, answer: Lookup[object] | None) -> LookasideStore | None:
    """The lookaside store; None where the policy names none. Its Secret must be valid even if it is not used."""
    simple = subject.entry.simple
    credential: Credential | None = None
    try:
        if simple.store_secret:
            secret = _read_secret(subject, answer)
            items = {name: item for name in STORE_ITEMS if (item := secret_item(secret, name)) is not None}
            credential = store_credential(simple.store_secret, {name: item.content for name, item in items.items()})
        return LookasideStore.create(simple.store_url, credential) if simple.store_url else None
    except (InvalidPolicy, InvalidSecret, InvalidStoreSecret) as error:
        raise _Unmet(Refused(DenialCode.SIGNATURE, str(error))) from error


def _signed_reference(subject: ImageUnderPolicy) -> DockerReference:
    """The reference that signatures must name."""
    try:
        return image_identity(subject.image.original)
    except InvalidReference as error:
        raise _Unmet(Refused(DenialCode.SIGNATURE, f"simple: {error}")) from error


def _no_manifest(
    subject: ImageUnderPolicy, answer: Absent | Impossible | Unknown, pulls: tuple[PullSecret, ...]
) -> Refused:
    if isinstance(answer, (Absent, Impossible)):
        return Refused(DenialCode.SIGNATURE, f"simple: {answer.why}")
    if isinstance(answer, NeedsCredentials) and not pulls:
        text = f"Deny {go_quote(subject.written)}, no valid ImagePullSecret, 0 tried"
        return Refused(DenialCode.NO_PULL_SECRET, text)
    return subject.lacks(answer, f"simple: {answer.why}")


def _as_result(
    refusal: SignatureRejection | None, digest: str, subject: ImageUnderPolicy, answer: Lookup[object] | None = None
) -> RequirementResult:
    if refusal is None:
        return Verified(digest.removeprefix("sha256:"))
    if refusal.lacks_evidence:
        return subject.lacks(answer, refusal.text)
    return Refused(DenialCode.SIGNATURE, refusal.text)
