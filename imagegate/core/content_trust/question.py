"""The question after an image's trusted digest, and its answers.

Source: docs/spec/enforcement.md 12.3 to 12.10.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from imagegate.core.admission.lookup import Unknown
from imagegate.core.admission.plugin import Question
from imagegate.core.registry.pull_secrets import PullSecret

if TYPE_CHECKING:  # verifies with cryptography, which takes time and memory
    from imagegate.core.content_trust.repository import Anchor
    from imagegate.core.content_trust.signed_digest import SignedDigest


@dataclass(frozen=True, slots=True)
class SignerSecret:
    """The items of a signer's Secret, unread; None where an item is missing."""

    secret: str
    name: bytes | None
    public_key: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedImage(Question):
    """The digest that a repository's trust data gives an image: ``Found`` of ``TrustedDigest``.

    ``Absent``: the server has no trust data for the repository. The classes below are other definite answers; any
    other ``Unknown`` means that the data could not be read.
    """

    server: str
    """Base URL of the trust server, without a slash at its end."""
    registry: str
    """``HOST[:PORT]`` of the image's registry, with Docker's default."""
    repository: str
    """Path without the registry."""
    tag: str
    """Empty only where a digest alone is given."""
    digest: str = ""
    """``sha256:`` and hex of the only image that may run; empty where the tag decides."""
    signers: tuple[SignerSecret, ...] = ()
    signer_key_must_sign: bool = True
    secrets: tuple[PullSecret, ...] = ()
    registry_tokens: bool = True
    """False: the server gets no token that a credential of the registry was exchanged for."""
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        parts = (self.server, self.registry, self.repository, self.tag, self.digest, self.signers, self.secrets)
        # The class is frozen, and every look-up of a review hashes it: hash once.
        object.__setattr__(self, "_hash", hash((*parts, self.signer_key_must_sign, self.registry_tokens)))

    def __hash__(self) -> int:
        return self._hash

    @property
    def gun(self) -> str:
        """The repository's name at the trust server (globally unique name)."""
        return f"{self.registry}/{self.repository}"


@dataclass(frozen=True, slots=True)
class TrustedDigest:
    """A digest that trust data vouches for, and how the repository came to be trusted."""

    signed: SignedDigest
    anchor: Anchor
    timestamp_stored: bool
    """The server had no timestamp to give, and the stored one is still valid."""
    verified_at: datetime


@dataclass(frozen=True, slots=True)
class TrustRefused(Unknown):
    """Trust data was read, and does not vouch for the image; ``why`` is the cause as the original words it."""

    detail: str = ""
    """The same with role and version."""


@dataclass(frozen=True, slots=True)
class UnusableSigner(Unknown):
    """A signer's Secret has no usable name or public key."""


@dataclass(frozen=True, slots=True)
class NoTrustCredentials(Unknown):
    """The trust server wants credentials, and none that may be sent is accepted."""


@dataclass(frozen=True, slots=True)
class AuthEndpointUnresolved(Unknown):
    """The trust server could not be reached at all, or does not say where tokens are issued."""
