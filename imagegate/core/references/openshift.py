"""Image references as OpenShift reads them: five fields, holding only what was written.

Grammar and derived forms: openshift/library-go, pkg/image/reference and pkg/image/internal; the same
language as distribution/reference, ``regexp.go``, written so that matching takes linear time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from urllib.parse import quote

from imagegate.errors import InvalidDigest, InvalidReference

DOCKER_HUB_HOSTS = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})
DEFAULT_TAG = "latest"
NAME_MAX_LENGTH = 255
CACHED_REFERENCE_MAX_LENGTH = 1024  # longer strings are parsed each time: clients choose them, and caches hold them
NAMES_CACHED = 2048
"""Entries of each cache of names: a cluster's images repeat, and a stranger's cannot use more than some megabytes."""
"""Parsed references and checked digests; each takes half a kilobyte, in every worker."""

_COMPONENT = r"[a-z0-9]+(?:(?:__|[._]|-+)[a-z0-9]+)*"
_HOST_PART = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_NAME = rf"(?:{_HOST_PART}(?:\.{_HOST_PART})*(?::[0-9]+)?/)?{_COMPONENT}(?:/{_COMPONENT})*"
_ALGORITHM = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*"
_REFERENCE = re.compile(
    rf"(?P<name>{_NAME})(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}}))?(?:@(?P<digest>{_ALGORITHM}:[0-9a-fA-F]{{32,}}))?"
)
_DIGEST = re.compile(r"[a-zA-Z0-9\-_+.]+:[a-fA-F0-9]+")
_GO_HOST_SAFE = "-_.~!$&'()*+,;=:[]<>\""  # net/url, shouldEscape in mode encodeHost
_HEX_DIGITS = {"sha256": 64, "sha384": 96, "sha512": 128}


def check_digest(text: str) -> None:
    """Raise unless ``text`` is a digest of a supported algorithm and length.

    Raises:
        InvalidDigest: with the original's message.
    """
    if _DIGEST.fullmatch(text) is None:
        raise InvalidDigest("invalid checksum digest format")
    algorithm, _, value = text.partition(":")
    digits = _HEX_DIGITS.get(algorithm)
    if digits is None:
        raise InvalidDigest("unsupported digest algorithm")
    if len(value) != digits:
        raise InvalidDigest("invalid checksum digest length")


@lru_cache(maxsize=NAMES_CACHED)
def is_digest(text: str) -> bool:
    """True if ``text`` is a digest of a supported algorithm and length."""
    try:
        check_digest(text)
    except InvalidDigest:
        return False
    return True


@dataclass(frozen=True, slots=True)
class ImageReference:
    """An image reference, holding only what was written; every field may be empty.

    Defaults are not filled in on parsing: ``mysql`` may name an image stream tag in the pod's
    namespace before it names ``docker.io/library/mysql``.
    """

    registry: str = ""
    namespace: str = ""
    name: str = ""
    tag: str = ""
    id: str = ""

    @classmethod
    def parse(cls, text: str) -> ImageReference:
        """Read ``[REGISTRY[:PORT]/][NAMESPACE/]NAME[:TAG][@DIGEST]``.

        A string without ``/`` whose name has a dot or begins with ``localhost`` is a registry only.

        Raises:
            InvalidReference: ``text`` does not fit the grammar; the original's message.
        """
        if len(text) <= CACHED_REFERENCE_MAX_LENGTH:
            return _parse_cached(text)
        return _parse(text)

    @property
    def name_string(self) -> str:
        """``NAME``, ``NAME:TAG`` or ``NAME@DIGEST``; with both tag and digest the tag is dropped."""
        if not self.name:
            return ""
        if self.id:
            return f"{self.name}{'@' if is_digest(self.id) else ':'}{self.id}"
        return f"{self.name}:{self.tag}" if self.tag else self.name

    @property
    def exact(self) -> str:
        """The reference without any default; empty for a registry-only reference."""
        name = self.name_string
        if not name:
            return ""
        return f"{self._prefix(self.namespace)}{name}"

    @property
    def repository_name(self) -> str:
        """``[NAMESPACE/]NAME``; empty without a name."""
        if not self.name:
            return ""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    def __str__(self) -> str:
        """Like ``exact``, with ``library`` where a Docker Hub registry is written without a namespace."""
        namespace = self.namespace
        if not namespace and self.registry in DOCKER_HUB_HOSTS:
            namespace = "library"
        name = self.name_string
        if not name:
            return ""
        return f"{self._prefix(namespace)}{name}"

    def _prefix(self, namespace: str) -> str:
        registry = f"{self.registry}/" if self.registry else ""
        return f"{registry}{namespace}/" if namespace else registry

    def with_docker_defaults(self) -> ImageReference:
        """``docker.io``, ``library`` and ``latest`` filled in (the original's DockerClientDefaults)."""
        registry = self.registry or "docker.io"
        namespace = self.namespace
        if not namespace and registry in DOCKER_HUB_HOSTS:
            namespace = "library"
        return replace(self, registry=registry, namespace=namespace, tag=self.tag or DEFAULT_TAG)

    def minimal(self) -> ImageReference:
        """The reference as a Docker daemon needs it (the original's DaemonMinimal)."""
        registry, namespace, tag = self.registry, self.namespace, self.tag
        if registry in ("index.docker.io", "registry-1.docker.io"):
            registry = "docker.io"
        if registry in DOCKER_HUB_HOSTS and namespace == "library":
            namespace = ""
        if tag == DEFAULT_TAG:
            tag = ""
        return replace(self, registry=registry, namespace=namespace, tag=tag)

    def as_repository(self) -> ImageReference:
        """Tag and digest cleared."""
        return replace(self, tag="", id="")

    def most_specific(self) -> ImageReference:
        """The tag is cleared if there is a digest; an id that is not a digest becomes the tag."""
        if not self.id:
            return self
        if is_digest(self.id):
            return replace(self, tag="")
        if not self.tag:
            return replace(self, tag=self.id, id="")
        return self

    def as_v2(self) -> ImageReference:
        """``docker.io`` and ``index.docker.io`` become the host that serves the registry API."""
        if self.registry in ("docker.io", "index.docker.io"):
            return replace(self, registry="registry-1.docker.io")
        return self

    def host_and_port(self, *, insecure: bool = False) -> tuple[str, str]:
        """Host and port to contact; port 443, or 80 if ``insecure``, if none is written.

        Two empty strings for a registry that cannot be split (more than one colon).
        """
        registry = self.as_v2().with_docker_defaults().registry
        if ":" not in registry:
            return registry, "80" if insecure else "443"
        return _split_host_port(registry)

    @property
    def canonical_repository(self) -> str:
        """The repository with Docker's defaults: equal strings mean the same repository; empty without a name."""
        if not self.name:
            return ""
        registry = self.registry or "docker.io"
        namespace = self.namespace
        if not namespace and registry in DOCKER_HUB_HOSTS:
            namespace = "library"
        return f"{registry}/{namespace}/{self.name}" if namespace else f"{registry}/{self.name}"

    @property
    def registry_url(self) -> str:
        """``https://HOST``; ``https:`` where no registry is written (as the original)."""
        registry = self.as_v2().registry
        return f"https://{quote(registry, safe=_GO_HOST_SAFE)}" if registry else "https:"


def _split_host_port(text: str) -> tuple[str, str]:
    """Go's net.SplitHostPort for a text with a colon; two empty strings for its errors."""
    head, _, port = text.rpartition(":")
    if text.startswith("["):
        host, bracket, rest = head[1:].partition("]")
        if not bracket or rest or "[" in host or "[" in port or "]" in port:
            return "", ""
        return host, port
    if any(character in text for character in "[]") or ":" in head:
        return "", ""
    return head, port


def _parse(text: str) -> ImageReference:
    found = _REFERENCE.fullmatch(text)  # not match(): "$" lets a final newline through
    if found is None:
        if not text:
            raise InvalidReference("repository name must have at least one component")
        lowered = _go_lower(text)
        if lowered != text and _REFERENCE.fullmatch(lowered):
            raise InvalidReference("repository name must be lowercase")
        raise InvalidReference("invalid reference format")
    name, tag, digest = found["name"], found["tag"] or "", found["digest"] or ""
    if len(name) > NAME_MAX_LENGTH:
        raise InvalidReference("repository name must not be more than 255 characters")
    if digest:
        try:
            check_digest(digest)
        except InvalidDigest as error:
            raise InvalidReference(str(error)) from error
    first, slash, rest = name.partition("/")
    if not slash:
        if "." in name or name.startswith("localhost"):
            return ImageReference(registry=text, id=digest)
        return ImageReference(name=name, tag=tag, id=digest)
    registry = ""
    if ":" in first or "." in first or first == "localhost":
        registry, name = first, rest
    namespace, slash, rest = name.partition("/")
    if slash:
        return ImageReference(registry, namespace, rest, tag, digest)
    return ImageReference(registry, "", name, tag, digest)


_parse_cached = lru_cache(maxsize=NAMES_CACHED)(_parse)


def _go_lower(text: str) -> str:
    """Lower case as Go's strings.ToLower: one code point to one code point."""
    return text.replace("\u0130", "i").lower()
