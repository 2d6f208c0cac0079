"""Red Hat simple signing: checks the signatures of an image against a policy's requirements.

Nothing here fetches or verifies OpenPGP. A plug-in asks ``ImageSignatures``, the service fetches and verifies
them, and ``conclude`` decides. Source: docs/spec/enforcement.md 13.1 to 13.6; containers/image,
docs/containers-policy.json.5.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from imagegate.core.admission.lookup import Absent, Found, Lookup, Unknown
from imagegate.core.admission.plugin import Question
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.references.docker import DockerReference
from imagegate.core.registry.pull_secrets import Credential, PullSecret
from imagegate.core.signing.claims import Claims, InvalidClaims
from imagegate.core.signing.identity import IdentityRule, identity_matches
from imagegate.core.signing.key_ring import KeyRing
from imagegate.errors import InvalidInput, InvalidPolicy

NO_SIGNATURE = "A signature was required, but no signature exists"
NO_REQUIREMENTS = "List of verification policy requirements must not be empty"
SIGNATURES_MAX = 128
SIGNATURE_MAX_BYTES = 4 * 1024 * 1024
TOO_MANY_SIGNATURES = f"server provided {SIGNATURES_MAX} signatures, assuming that's unreasonable and a server error"


@dataclass(frozen=True, slots=True)
class InsecureAcceptAnything:
    """Holds for every image."""


@dataclass(frozen=True, slots=True)
class Reject:
    """Holds for no image."""


@dataclass(frozen=True, slots=True)
class SignedBy:
    """Holds if one signature is by any key of the ring and for this image."""

    key_ring: KeyRing
    identity: IdentityRule


Requirement: TypeAlias = InsecureAcceptAnything | Reject | SignedBy


@dataclass(frozen=True, slots=True)
class Verification:
    """One signature blob against one key ring.

    ``error`` is empty exactly if the blob is a good signed message by a key of the ring: then ``payload`` is
    its content and ``fingerprint`` the primary key's, in upper-case hex.
    """

    payload: bytes = b""
    fingerprint: str = ""
    error: str = ""
    valid_until: datetime | None = None
    """Time at which the key or the signature expires, whichever is first; None: never."""


@dataclass(frozen=True, slots=True)
class SignatureCheck:
    """One signature blob of an image against every key ring of the requirements."""

    source: str
    """Origin of the blob, for the trace."""
    by_ring: Mapping[KeyRing, Verification]


@dataclass(frozen=True, slots=True)
class LookasideStore:
    """A store of signatures beside the registry: ``<url>/<repository path>@sha256=<hex>/signature-<n>``."""

    url: str
    """Without a final slash."""
    credential: Credential | None = None
    """Sent to the store's own origin only."""

    @classmethod
    def create(cls, url: str, credential: Credential | None = None) -> LookasideStore:
        """The store of a policy's ``storeURL``.

        Raises:
            InvalidPolicy: not an HTTP URL; the original's message.
        """
        if not url.startswith(("https://", "http://")):
            raise InvalidPolicy(f"expecting https:// or http:// URL, got: {url}")
        return cls(url.rstrip("/"), credential)


class InvalidStoreSecret(InvalidInput):
    """The Secret of a store lacks an item; the original's message."""


def store_credential(name: str, data: Mapping[str, bytes]) -> Credential:
    """The credential in a ``storeSecret``.

    Raises:
        InvalidStoreSecret: an item is missing or is not UTF-8.
    """
    values = []
    for item in ("username", "password"):
        if item not in data:
            raise InvalidStoreSecret(f"secret: {name}, does not contain {item}")
        try:
            values.append(data[item].decode())
        except UnicodeDecodeError as error:
            raise InvalidStoreSecret(f"secret: {name}, {item} is not text") from error
    return Credential(*values)


@dataclass(frozen=True, slots=True)
class ImageSignatures(Question):
    """The signatures of one manifest, fetched and verified: ``Found(tuple[SignatureCheck, ...])``.

    All signatures, or the first ones if they already meet ``requirements``. ``Found(())``: there are none.
    Ask only where ``rings(requirements)`` is not empty.
    """

    image: DockerReference
    """From ``identity.image_identity``."""
    digest: str
    """Of the manifest as it was read, ``sha256:`` and hex."""
    requirements: tuple[Requirement, ...]
    store: LookasideStore | None = None
    secrets: tuple[PullSecret, ...] = ()
    """For the registry's own signature extension."""
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        fields = (self.image, self.digest, self.requirements, self.store, self.secrets)
        # Computed once, because every look-up of a review hashes it; a frozen dataclass can be set in no other way.
        object.__setattr__(self, "_hash", hash(fields))

    def __hash__(self) -> int:
        return self._hash


@dataclass(frozen=True, slots=True)
class UnusableKeys(Unknown):
    """A key ring has no key that can sign."""


@dataclass(frozen=True, slots=True)
class SignatureRejection:
    """Why an image does not meet its requirements."""

    reason: str
    """The original's sentence."""
    text: str
    """The sentence with the prefix of the original's denials, for the user."""
    lacks_evidence: bool = False
    """True if the look-up failed, false if the signatures do not meet the requirements."""

    @classmethod
    def denied(cls, reason: str) -> SignatureRejection:
        """The rejection by the policy, with the original's prefix."""
        return cls(reason, f"simple: policy denied the request: {reason}")


def conclude(
    requirements: Sequence[Requirement], image: DockerReference, digest: str, answer: Lookup[Any] | None
) -> SignatureRejection | None:
    """Decide with the answer to ``ImageSignatures``; None: all requirements hold.

    Args:
        answer: None where no signatures are needed, or they were not looked up.
    """
    if not rings(requirements):
        return check_requirements(requirements, image, digest, ())
    if isinstance(answer, Found) and isinstance(answer.value, tuple):
        return check_requirements(requirements, image, digest, answer.value)
    if isinstance(answer, UnusableKeys):
        return SignatureRejection(answer.why, answer.why)
    if isinstance(answer, Absent):
        return check_requirements(requirements, image, digest, ())
    why = answer.why if isinstance(answer, Unknown) else "signatures were not looked up"
    return SignatureRejection(why, f"simple: {why}", lacks_evidence=True)


def rings(requirements: Iterable[Requirement]) -> tuple[KeyRing, ...]:
    """The key rings that signatures are verified with, each once, up to the first ``Reject``."""
    found: dict[KeyRing, None] = {}
    for requirement in requirements:
        if isinstance(requirement, Reject):
            break
        if isinstance(requirement, SignedBy):
            found[requirement.key_ring] = None
    return tuple(found)


def unmet(
    requirements: Iterable[Requirement], image: DockerReference, digest: str, check: SignatureCheck
) -> tuple[Requirement, ...]:
    """Every ``SignedBy`` before the first ``Reject`` that ``check`` does not satisfy: more signatures are needed."""
    still_open: list[Requirement] = []
    for requirement in requirements:
        if isinstance(requirement, Reject):
            break
        if isinstance(requirement, SignedBy) and rejection(requirement, image, digest, check):
            still_open.append(requirement)
    return tuple(still_open)


def check_requirements(
    requirements: Sequence[Requirement], image: DockerReference, digest: str, signatures: Sequence[SignatureCheck]
) -> SignatureRejection | None:
    """The rejection by the first of ``requirements`` that does not hold; None if all hold.

    Args:
        image: from ``identity.image_identity``.
        digest: of the manifest that was read, ``sha256:`` and hex.
        signatures: all of them, or the first ones if they are enough.
    """
    if not requirements:
        return SignatureRejection.denied(NO_REQUIREMENTS)
    for requirement in requirements:
        if isinstance(requirement, Reject):
            return SignatureRejection.denied(f"Running image docker://{image.familiar} is rejected by policy.")
        if isinstance(requirement, SignedBy):
            refusal = _check_signed_by(requirement, image, digest, signatures)
            if refusal is not None:
                return refusal
    return None


def rejection(requirement: SignedBy, image: DockerReference, digest: str, check: SignatureCheck) -> str:
    """Why one signature does not satisfy ``requirement``; empty if it does."""
    verification = check.by_ring.get(requirement.key_ring)
    if verification is None:
        return "signature was not verified"
    if verification.error:
        return verification.error
    try:
        claims = Claims.parse(verification.payload)
    except InvalidClaims as error:
        return str(error)
    if claims.docker_manifest_digest != digest:
        return f"Signature for digest {claims.docker_manifest_digest} does not match"
    if not identity_matches(requirement.identity, image, claims.docker_reference):
        return f"Signature for identity {go_quote(claims.docker_reference)} is not accepted"
    return ""


def _check_signed_by(
    requirement: SignedBy, image: DockerReference, digest: str, signatures: Sequence[SignatureCheck]
) -> SignatureRejection | None:
    reasons = []
    for check in signatures:
        reason = rejection(requirement, image, digest, check)
        if not reason:
            return None
        reasons.append(reason)
    if not reasons:
        return SignatureRejection.denied(NO_SIGNATURE)
    if len(reasons) == 1:
        return SignatureRejection.denied(reasons[0])
    return SignatureRejection.denied(f"None of the signatures were accepted, reasons: {'; '.join(reasons)}")
