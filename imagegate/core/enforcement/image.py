"""An image string as ClusterImagePolicy and ImagePolicy read it: normalised, and refused where it is ambiguous.

The grammar is that of ``core.references.docker`` (docs/spec/enforcement.md 9). Stricter than the original where it
admits something that no registry can serve, or crashes: only ``@sha256:`` with 64 lower-case hex digits, only
domains of that grammar.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from imagegate.core.kube.go_quote import go_quote
from imagegate.core.references.docker import DockerReference
from imagegate.core.references.openshift import DEFAULT_TAG, ImageReference
from imagegate.errors import InvalidReference

DOCKER_HUB = "docker.io"
OFFICIAL = "library/"
CACHED_IMAGE_MAX_LENGTH = 1024

_SHA256 = "@sha256:"
_HEX = re.compile(r"[a-f0-9]{64}")
_BRACKETED = re.compile(r"\[([^\]]*)\](?::([0-9]+))?")


@dataclass(frozen=True, slots=True)
class CiseImage:
    """An image string and its parts, Docker's defaults filled in."""

    original: str
    """As written; used in messages and for selection."""
    domain: str
    """Host with port of the registry: ``docker.io``, ``[::1]:5000``."""
    path: str
    """Repository path without the domain: ``library/nginx``."""
    tag: str
    """As written; empty if none was."""
    digest: str
    """64 lower-case hex digits, or empty."""

    @property
    def name(self) -> str:
        """Domain and path."""
        return f"{self.domain}/{self.path}"

    @property
    def tag_or_latest(self) -> str:
        """The tag to pull: ``latest`` where none is written."""
        return self.tag or DEFAULT_TAG

    def asked(self, pinned: str = "") -> ImageReference:
        """The reference for a request to the registry: the digest (``pinned`` before the one written), else the tag."""
        namespace, slash, name = self.path.partition("/")
        if not slash:
            namespace, name = "", namespace
        digest = pinned or self.digest
        if digest:
            return ImageReference(self.domain, namespace, name, id=f"sha256:{digest}")
        return ImageReference(self.domain, namespace, name, self.tag_or_latest)

    @property
    def hostname(self) -> str:
        """The domain without port and brackets."""
        return split_domain(self.domain)[0]

    @property
    def port(self) -> str:
        """The port's digits, or empty."""
        return split_domain(self.domain)[1]

    @property
    def is_ibm_registry(self) -> bool:
        """True if the host belongs to IBM Cloud Container Registry, by whole labels."""
        host = self.hostname
        return (host.startswith("registry") and host.endswith(".bluemix.net")) or (
            host == "icr.io" or host.endswith(".icr.io")
        )

    def at_digest(self, digest: str, *, keep_tag: bool = False) -> str:
        """The reference that a workload is rewritten to: ``NAME@sha256:`` and 64 hex digits, perhaps with tag."""
        tag = f":{self.tag}" if keep_tag and self.tag else ""
        return f"{self.name}{tag}{_SHA256}{digest}"

    def spellings(self) -> tuple[str, ...]:
        """The full names to select by where ``normalizeImageNames`` is on, in order (docs/spec/enforcement.md 8.1)."""
        tail = f":{self.tag}" if self.tag else ""
        if self.digest:
            tail += _SHA256 + self.digest
        tail = tail or f":{DEFAULT_TAG}"
        full = f"{self.name}{tail}"
        if self.domain == DOCKER_HUB and self.path.startswith(OFFICIAL):
            return full, f"{self.domain}/{self.path.removeprefix(OFFICIAL)}{tail}"
        return (full,)


def parse_image(text: str) -> CiseImage:
    """Read an image string.

    Raises:
        InvalidReference: with the original parser's message where that one refuses it too.
    """
    return _parse_cached(text) if len(text) <= CACHED_IMAGE_MAX_LENGTH else _parse(text)


def invalid_image_text(text: str) -> str:
    """The message for an image string that ``parse_image`` refuses."""
    return f"Deny {go_quote(text)}, invalid image name"


def split_domain(domain: str) -> tuple[str, str]:
    """Host name and port of a domain; brackets removed."""
    bracketed = _BRACKETED.fullmatch(domain)
    if bracketed is not None:
        return bracketed[1], bracketed[2] or ""
    host, _, port = domain.partition(":")
    return host, port


def _parse(text: str) -> CiseImage:
    name, *digests = text.split(_SHA256)
    reference = DockerReference.parse(name)
    if reference.digest:
        raise InvalidReference("only sha256 digests are accepted")
    if len(digests) > 1 or any(_HEX.fullmatch(digest) is None for digest in digests):
        raise InvalidReference("a sha256 digest has 64 lower-case hex digits")
    if not reference.domain:
        raise InvalidReference("the registry's name is not a host name")
    return CiseImage(text, reference.domain, reference.path, reference.tag, digests[0] if digests else "")


_parse_cached = lru_cache(maxsize=8192)(_parse)
