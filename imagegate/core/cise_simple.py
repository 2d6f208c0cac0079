"""The ``simple`` requirement of an entry: from Secrets and a tag to requirements on one manifest (spec section 13).

What the requirements mean is ``core.simple_signing``; here is which keys, which manifest and which texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from imagegate.core.cise_checks import Outcome, Refused, Subject, Verified
from imagegate.core.cise_policy import (
    IMAGE_POLICY,
    Entry,
    RequirementType,
    SignedIdentity,
    SimpleRequirement,
)
from imagegate.core.cise_questions import (
    Asking,
    InvalidSecret,
    ManifestDigest,
    NeedsCredentials,
    Secret,
    SecretItem,
    secret_item,
)
from imagegate.core.decision import DenialCode
from imagegate.core.docker_reference import DockerReference
from imagegate.core.evidence import Absent, Found, Lookup, Unknown
from imagegate.core.go_quote import go_quote
from imagegate.core.key_ring import SECRET_ITEM, InvalidKeyRing, KeyRing
from imagegate.core.pull_secrets import Credential, PullSecret
from imagegate.core.signed_identity import IdentityRule, image_identity, signed_identity
from imagegate.core.simple_signing import (
    ImageSignatures,
    InsecureAcceptAnything,
    InvalidStoreSecret,
    LookasideStore,
    Refusal,
    Reject,
    Requirement,
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

    def evaluate(self, subject: Subject, asking: Asking) -> Outcome | None:
        """See ``Check``. First the Secrets, then the manifest, then its signatures."""
        keys = {question: asking(question) for question in _key_questions(subject)}
        store_secret = subject.entry.simple.store_secret
        stored = asking(Secret(subject.namespace, store_secret)) if store_secret else None
        pulls = subject.pulls.secrets(asking)
        if pulls is None or None in keys.values() or (store_secret and stored is None):
            return None
        try:
            requirements = tuple(_compiled(each, subject, keys) for each in subject.entry.simple.requirements)
            store = _store(subject, stored)
            identity = _identity(subject)
        except _Unmet as unmet:
            return unmet.outcome
        if isinstance(requirements[0], Reject):  # nothing that could be read would change the answer
            return _outcome(conclude(requirements, identity, "", None), "", subject)
        manifest = asking(_manifest(subject, pulls))
        if manifest is None:
            return None
        if not isinstance(manifest, Found):
            return _no_manifest(subject, manifest, pulls)
        digest: str = manifest.value
        signatures: Lookup[object] | None = None
        if rings(requirements):
            signatures = asking(ImageSignatures(identity, digest, requirements, store, pulls))
            if signatures is None:
                return None
        return _outcome(conclude(requirements, identity, digest, signatures), digest, subject, signatures)


def _key_namespace(requirement: SimpleRequirement, subject: Subject) -> str:
    return requirement.key_secret_namespace or subject.namespace


def _may_read(namespace: str, subject: Subject) -> bool:
    """An ImagePolicy's author may use the keys of no other namespace unless the settings say so."""
    source = subject.entry.source
    if source.kind != IMAGE_POLICY or namespace == source.namespace:
        return True
    return namespace in subject.settings.simple_key_namespaces


def _key_questions(subject: Subject) -> list[Secret]:
    """The Secrets of the keys, up to the first requirement that cannot hold anyway."""
    questions = []
    for requirement in subject.entry.simple.requirements:
        if requirement.type == RequirementType.SIGNED_BY:
            namespace = _key_namespace(requirement, subject)
            if not requirement.key_secret or not _may_read(namespace, subject):
                break
            questions.append(Secret(namespace, requirement.key_secret))
    return questions


def _compiled(
    requirement: SimpleRequirement, subject: Subject, keys: dict[Secret, Lookup[object] | None]
) -> Requirement:
    match requirement.type:
        case RequirementType.INSECURE_ACCEPT_ANYTHING:
            return InsecureAcceptAnything()
        case RequirementType.REJECT:
            return Reject()
        case RequirementType.SIGNED_BY:
            return SignedBy(_key_ring(requirement, subject, keys), _identity_rule(requirement.signed_identity))
    raise _Unmet(Refused(DenialCode.SIGNATURE, f"simple policy invalid Type: {requirement.type}"))


def _key_ring(requirement: SimpleRequirement, subject: Subject, keys: dict[Secret, Lookup[object] | None]) -> KeyRing:
    if not requirement.key_secret:
        raise _Unmet(Refused(DenialCode.SIGNATURE, "KeySecret missing in signedBy requirement"))
    namespace = _key_namespace(requirement, subject)
    if not _may_read(namespace, subject):
        own = go_quote(subject.entry.source.namespace)
        text = f"imagegate: an ImagePolicy of namespace {own} may not use keys of namespace {go_quote(namespace)}"
        raise _Unmet(Refused(DenialCode.SIGNATURE, text))
    secret = _secret(subject, keys.get(Secret(namespace, requirement.key_secret)))
    try:
        return _cached_key_ring(requirement.key_secret, namespace, secret_item(secret, SECRET_ITEM))
    except (InvalidKeyRing, InvalidSecret) as error:
        raise _Unmet(Refused(DenialCode.SIGNATURE, str(error))) from error


@lru_cache(maxsize=1024)
def _cached_key_ring(name: str, namespace: str, item: SecretItem | None) -> KeyRing:
    return KeyRing.of_secret(name, namespace, {} if item is None else {SECRET_ITEM: item.content})


def _secret(subject: Subject, answer: Lookup[object] | None) -> Mapping[str, Any]:
    """The Secret. One that cannot be read denies with the reader's text."""
    if answer is None:
        raise _Unmet(subject.out_of_time())
    if isinstance(answer, Absent):
        raise _Unmet(Refused(DenialCode.SIGNATURE, answer.why))
    if not isinstance(answer, Found):
        raise _Unmet(subject.lacks(answer, answer.why))
    return answer.value if isinstance(answer.value, Mapping) else {}


@lru_cache(maxsize=1024)
def _cached_identity_rule(identity: SignedIdentity) -> IdentityRule:
    return signed_identity(
        identity.type,
        docker_reference=identity.docker_reference,
        docker_repository=identity.docker_repository,
        prefix=identity.prefix,
        signed_prefix=identity.signed_prefix,
    )


def _identity_rule(identity: SignedIdentity) -> IdentityRule:
    try:
        return _cached_identity_rule(identity)
    except InvalidPolicy as error:
        raise _Unmet(Refused(DenialCode.SIGNATURE, str(error))) from error


def _store(subject: Subject, answer: Lookup[object] | None) -> LookasideStore | None:
    """The lookaside store; None where the policy names none. Its Secret is read whether it is used or not."""
    simple = subject.entry.simple
    credential: Credential | None = None
    try:
        if simple.store_secret:
            secret = _secret(subject, answer)
            items = {name: item for name in STORE_ITEMS if (item := secret_item(secret, name)) is not None}
            credential = store_credential(simple.store_secret, {name: item.content for name, item in items.items()})
        return LookasideStore.create(simple.store_url, credential) if simple.store_url else None
    except (InvalidPolicy, InvalidSecret, InvalidStoreSecret) as error:
        raise _Unmet(Refused(DenialCode.SIGNATURE, str(error))) from error


def _identity(subject: Subject) -> DockerReference:
    """The reference that signatures must be for."""
    try:
        return image_identity(subject.image.original)
    except InvalidReference as error:
        raise _Unmet(Refused(DenialCode.SIGNATURE, f"simple: {error}")) from error


def _manifest(subject: Subject, pulls: tuple[PullSecret, ...]) -> ManifestDigest:
    return ManifestDigest(subject.image.asked(subject.pinned), pulls)


def _no_manifest(subject: Subject, answer: Absent | Unknown, pulls: tuple[PullSecret, ...]) -> Refused:
    if isinstance(answer, Absent):
        return Refused(DenialCode.SIGNATURE, f"simple: {answer.why}")
    if isinstance(answer, NeedsCredentials) and not pulls:
        text = f"Deny {go_quote(subject.written)}, no valid ImagePullSecret, 0 tried"
        return Refused(DenialCode.NO_PULL_SECRET, text)
    return subject.lacks(answer, f"simple: {answer.why}")


def _outcome(refusal: Refusal | None, digest: str, subject: Subject, answer: Lookup[object] | None = None) -> Outcome:
    if refusal is None:
        return Verified(digest.removeprefix("sha256:"))
    if refusal.lacks_evidence:
        return subject.lacks(answer, refusal.text)
    return Refused(DenialCode.SIGNATURE, refusal.text)
