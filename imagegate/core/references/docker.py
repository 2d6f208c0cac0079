"""Image references as container tools name them: always with domain and path, nothing else made up.

The language and the errors of distribution/reference (``regexp.go``, ``normalize.go``) as
docs/spec/enforcement.md 9 writes them down, matched in linear time. OpenShift's reading of the same
texts, which keeps what is not written empty, is ``core.references.openshift``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from imagegate.errors import InvalidDigest, InvalidReference

DEFAULT_DOMAIN = "docker.io"
LEGACY_DEFAULT_DOMAIN = "index.docker.io"
OFFICIAL_PREFIX = "library/"
DEFAULT_TAG = "latest"
PATH_MAX_LENGTH = 255
CACHED_MAX_LENGTH = 1024

# Possessive groups, "(...)*+", are wrong before CPython 3.11.5 (gh-106052): a group that fails half way keeps what it
# has read. Single characters may be possessive; every group here takes at least one character that nothing after it
# can begin with, so that giving it up never helps and costs one step.
_DOMAIN_PART = r"[A-Za-z0-9](?:[A-Za-z0-9-]++(?<!-))?"
DOMAIN_PATTERN = rf"(?:{_DOMAIN_PART}(?:\.{_DOMAIN_PART})*|\[[A-Fa-f0-9:]++\])(?::[0-9]++)?"
_COMPONENT = r"[a-z0-9]++(?:(?:__|[._]|-++)[a-z0-9]++)*"
PATH_PATTERN = rf"{_COMPONENT}(?:/{_COMPONENT})*"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_ALGORITHM = r"[A-Za-z][A-Za-z0-9]*+(?:[-_+.][A-Za-z][A-Za-z0-9]*+)*"
_REST = rf"(?::(?P<tag>{_TAG}))?(?:@(?P<digest>{_ALGORITHM}:[0-9a-fA-F]{{32,}}+))?"
_WITH_DOMAIN = re.compile(rf"(?P<domain>{DOMAIN_PATTERN})/(?P<path>{PATH_PATTERN}){_REST}")
_WITHOUT_DOMAIN = re.compile(rf"(?P<path>{PATH_PATTERN}){_REST}")
_IDENTIFIER = re.compile(r"[a-f0-9]{64}")
_DIGEST = re.compile(r"[a-z0-9]++(?:[.+_-][a-z0-9]++)*:[a-zA-Z0-9=_-]++")
_LOWER_HEX = re.compile(r"[a-f0-9]*+")
_HEX_DIGITS = {"sha256": 64, "sha384": 96, "sha512": 128}


def check_digest(text: str) -> None:
    """Raise unless ``text`` is ``ALGORITHM:HEX`` of a supported algorithm, in lower case, complete.

    Stricter than OpenShift's reading (``core.references.openshift.check_digest``), which takes upper-case digits.

    Raises:
        InvalidDigest: with opencontainers/go-digest's message.
    """
    algorithm, _, value = text.partition(":")
    digits = _HEX_DIGITS.get(algorithm)
    if digits is None:
        raise InvalidDigest(
            "unsupported digest algorithm" if _DIGEST.fullmatch(text) else "invalid checksum digest format"
        )
    if not value:
        raise InvalidDigest("invalid checksum digest format")
    if len(value) != digits:
        raise InvalidDigest("invalid checksum digest length")
    if _LOWER_HEX.fullmatch(value) is None:
        raise InvalidDigest("invalid checksum digest format")


@dataclass(frozen=True, slots=True)
class DockerReference:
    """A normalised reference. ``tag`` and ``digest`` hold only what was written.

    ``domain`` is empty only for a name whose first part looks like a host but is not one (``a_b.c/x``).
    """

    domain: str
    path: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> DockerReference:
        """Read ``[DOMAIN/]PATH[:TAG][@DIGEST]`` and fill in ``docker.io`` and ``library/``.

        Raises:
            InvalidReference: with distribution/reference's message.
        """
        if len(text) <= CACHED_MAX_LENGTH:
            return _parse_cached(text)
        return _parse(text)

    @property
    def repository(self) -> str:
        """``DOMAIN/PATH``: equal strings mean the same repository."""
        return f"{self.domain}/{self.path}" if self.domain else self.path

    @property
    def is_name_only(self) -> bool:
        """True if it has neither tag nor digest."""
        return not self.tag and not self.digest

    @property
    def familiar(self) -> str:
        """The short form tools print: without ``docker.io/`` and ``library/``, with tag and digest."""
        name = self.repository
        if self.domain == DEFAULT_DOMAIN:
            name = self.path
            short = name.removeprefix(OFFICIAL_PREFIX)
            if short != name and "/" not in short:
                name = short
        return f"{name}{self._suffix()}"

    def __str__(self) -> str:
        return f"{self.repository}{self._suffix()}"

    def _suffix(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{tag}@{self.digest}" if self.digest else tag

    def with_default_tag(self) -> DockerReference:
        """``:latest`` added where there is neither tag nor digest."""
        return replace(self, tag=DEFAULT_TAG) if self.is_name_only else self


def parse_canonical(text: str) -> DockerReference:
    """Read a reference that must be written in full, with its domain.

    Raises:
        InvalidReference: it cannot be read, or is a short form.
    """
    reference = DockerReference.parse(text)
    if str(reference) != text:
        raise InvalidReference("repository name must be canonical")
    return reference


def _parse(text: str) -> DockerReference:
    if _IDENTIFIER.fullmatch(text):
        raise InvalidReference(f"invalid repository name ({text}), cannot specify 64-byte hexadecimal strings")
    domain, rest = _split_domain(text)
    remote = rest.partition(":")[0]
    if _go_lower(remote) != remote:
        raise InvalidReference(f"invalid reference format: repository name ({remote}) must be lowercase")
    full = f"{domain}/{rest}"
    found = _match(full)
    if found is None:
        lowered = _go_lower(full)
        if lowered != full and _match(lowered):
            raise InvalidReference("repository name must be lowercase")
        raise InvalidReference("invalid reference format")
    parts = found.groupdict()
    if len(parts["path"]) > PATH_MAX_LENGTH:
        raise InvalidReference(f"repository name must not be more than {PATH_MAX_LENGTH} characters")
    digest = parts["digest"] or ""
    if digest:
        try:
            check_digest(digest)
        except InvalidDigest as error:
            raise InvalidReference(str(error)) from error
    return DockerReference(parts.get("domain", ""), parts["path"], parts["tag"] or "", digest)


# Bounded: clients choose the names. Errors are not cached, so that refused names use no room.
_parse_cached = lru_cache(maxsize=8192)(_parse)


def _match(full: str) -> re.Match[str] | None:
    return _WITH_DOMAIN.fullmatch(full) or _WITHOUT_DOMAIN.fullmatch(full)  # fullmatch: "$" lets a newline through


def _split_domain(text: str) -> tuple[str, str]:
    """The domain and the rest; a first part counts as a domain only if it cannot be a Docker Hub user."""
    first, slash, rest = text.partition("/")
    if not slash:
        return DEFAULT_DOMAIN, OFFICIAL_PREFIX + text
    if first == LEGACY_DEFAULT_DOMAIN:
        first = DEFAULT_DOMAIN
    elif first != "localhost" and "." not in first and ":" not in first and _go_lower(first) == first:
        return DEFAULT_DOMAIN, text
    if first == DEFAULT_DOMAIN and "/" not in rest:
        rest = OFFICIAL_PREFIX + rest
    return first, rest


def _go_lower(text: str) -> str:
    """Lower case as Go's strings.ToLower: one code point to one code point."""
    return text.replace("\u0130", "i").lower()
