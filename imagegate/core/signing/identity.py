"""``signedIdentity``: the images that a signature may be for.

The matching rules of the containers ``policy.json`` format as docs/spec/enforcement.md 13.6 lists them.
Compiled once when a policy is loaded; matching compares strings.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from imagegate.core.kube.go_quote import go_quote
from imagegate.core.references.docker import DOMAIN_PATTERN, PATH_PATTERN, DockerReference, parse_canonical
from imagegate.errors import InvalidPolicy, InvalidReference

DEFAULT_TYPE = "matchRepoDigestOrExact"
ALIASES = {"": DEFAULT_TYPE, "exactReference": "matchExactReference", "exactRepository": "matchExactRepository"}
TAG_AND_DIGEST = "Docker references with both a tag and digest are currently not supported"

_PREFIX = re.compile(rf"{DOMAIN_PATTERN}(?:/{PATH_PATTERN})?")


class IdentityRule(Protocol):
    """Decides if a signature for one reference is valid for an image. Immutable, hashable."""

    def accepts(self, image: DockerReference, signed: DockerReference) -> bool:
        """True if a signature for ``signed`` is valid for ``image``.

        Args:
            image: the image of the workload, read by ``image_identity``.
            signed: ``docker-reference`` of the signature, normalised, no tag added.
        """


@dataclass(frozen=True, slots=True)
class MatchRepoDigestOrExact:
    """With a tag: equal references. With a digest: equal repositories, because the digest is compared elsewhere."""

    def accepts(self, image: DockerReference, signed: DockerReference) -> bool:
        """See ``IdentityRule``."""
        if signed.is_name_only:
            return False
        if image.tag:
            return signed == image
        return bool(image.digest) and signed.repository == image.repository


@dataclass(frozen=True, slots=True)
class MatchExact:
    """Equal references, both with tag or digest."""

    def accepts(self, image: DockerReference, signed: DockerReference) -> bool:
        """See ``IdentityRule``."""
        return not image.is_name_only and signed == image


@dataclass(frozen=True, slots=True)
class MatchRepository:
    """Equal repositories."""

    def accepts(self, image: DockerReference, signed: DockerReference) -> bool:
        """See ``IdentityRule``."""
        return signed.repository == image.repository


@dataclass(frozen=True, slots=True)
class MatchExactReference:
    """The signature is for ``docker_reference``; the name of the image does not count."""

    docker_reference: DockerReference

    def accepts(self, image: DockerReference, signed: DockerReference) -> bool:  # noqa: ARG002
        """See ``IdentityRule``."""
        return signed == self.docker_reference


@dataclass(frozen=True, slots=True)
class MatchExactRepository:
    """The signature is for a repository; the name of the image does not count."""

    docker_repository: str

    def accepts(self, image: DockerReference, signed: DockerReference) -> bool:  # noqa: ARG002
        """See ``IdentityRule``."""
        return signed.repository == self.docker_repository


@dataclass(frozen=True, slots=True)
class RemapIdentity:
    """An image below ``prefix`` counts as the one at the same path below ``signed_prefix``."""

    prefix: str
    signed_prefix: str

    def accepts(self, image: DockerReference, signed: DockerReference) -> bool:
        """See ``IdentityRule``."""
        try:
            remapped = self._remapped(image)
        except InvalidReference:
            return False
        return MatchRepoDigestOrExact().accepts(remapped, signed)

    def _remapped(self, image: DockerReference) -> DockerReference:
        repository = image.repository
        if repository != self.prefix and not repository.startswith(f"{self.prefix}/"):
            return image
        return parse_canonical(self.signed_prefix + str(image).removeprefix(self.prefix))


def signed_identity(
    kind: str = "",
    *,
    docker_reference: str = "",
    docker_repository: str = "",
    prefix: str = "",
    signed_prefix: str = "",
) -> IdentityRule:
    """The rule of a policy's ``signedIdentity`` object; ``kind`` is its ``type``.

    Raises:
        InvalidPolicy: unknown type or bad parameter; the original's message, without a field path.
    """
    match ALIASES.get(kind, kind):
        case "matchRepoDigestOrExact":
            return MatchRepoDigestOrExact()
        case "matchExact":
            return MatchExact()
        case "matchRepository":
            return MatchRepository()
        case "matchExactReference":
            return MatchExactReference(_exact_reference(docker_reference))
        case "matchExactRepository":
            return MatchExactRepository(_parsed_reference("dockerRepository", docker_repository).repository)
        case "remapIdentity":
            return RemapIdentity(_checked_prefix(prefix), _checked_prefix(signed_prefix))
    raise InvalidPolicy(f"invalid SignedIdentity Type: {kind}")


def image_identity(image: str) -> DockerReference:
    """The reference that identities are compared with: normalised, ``:latest`` where nothing is written.

    Raises:
        InvalidReference: not a reference, or one with both tag and digest; the original's message.
    """
    reference = DockerReference.parse(image).with_default_tag()
    if reference.tag and reference.digest:
        raise InvalidReference(TAG_AND_DIGEST)
    return reference


def identity_matches(rule: IdentityRule, image: DockerReference, docker_reference: str) -> bool:
    """True if ``rule`` accepts a signature's ``docker-reference``. A string that is not a reference never does."""
    try:
        signed = DockerReference.parse(docker_reference)
    except InvalidReference:
        return False
    return rule.accepts(image, signed)


def _parsed_reference(field: str, text: str) -> DockerReference:
    try:
        return DockerReference.parse(text)
    except InvalidReference as error:
        raise InvalidPolicy(f"Invalid format of {field} {go_quote(text)}: {error}") from error


def _exact_reference(text: str) -> DockerReference:
    reference = _parsed_reference("dockerReference", text)
    if reference.is_name_only:
        raise InvalidPolicy(f"dockerReference {go_quote(text)} contains neither a tag nor digest")
    return reference


def _checked_prefix(text: str) -> str:
    if _PREFIX.fullmatch(text) is None:
        raise InvalidPolicy(f"prefix {go_quote(text)} is not valid")
    return text
