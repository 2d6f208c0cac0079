"""One repository at one registry: its manifests, configurations, tags and signatures.

Nothing a registry says is taken on trust: a digest is the hash of the bytes received, a media type must be one that was
asked for, pages of tags stay in their repository.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

from imagegate.adapters.http.answer import HttpAnswer
from imagegate.adapters.registry.contents import TAG, media_type, signature_blobs, tags_of
from imagegate.adapters.registry.endpoints import Endpoint, Endpoints, Opening, RegistryFailure
from imagegate.adapters.registry.failures import NotFound, error_kind_of, is_retryable
from imagegate.core.admission.lookup import Found
from imagegate.core.kube.printable import printable
from imagegate.core.references.openshift import ImageReference
from imagegate.core.registry.egress import joined, shown_url
from imagegate.core.registry.link_header import next_link
from imagegate.core.registry.manifest import (
    MANIFEST_MAX_BYTES,
    MEDIA_TYPES,
    Manifest,
    digest_of,
    is_strict_digest,
    parse_manifest,
)
from imagegate.core.registry.pull_secrets import Credential
from imagegate.errors import EvidenceError, Malformed, TooLarge
from imagegate.ports.registry import RegistryErrorKind

_ACCEPT = ", ".join(MEDIA_TYPES)


@dataclass(frozen=True, slots=True)
class RegistryLimits:
    """Limits for one registry. Bytes are counted after decompression."""

    manifest_max_bytes: int = MANIFEST_MAX_BYTES
    config_max_bytes: int = 8 * 1024 * 1024
    tags_page_max_bytes: int = 4 * 1024 * 1024
    tags_max: int = 100_000
    tag_pages_max: int = 1000
    signatures_max_bytes: int = 4 * 1024 * 1024
    endpoint_ttl_s: float = 300.0


class Requests(Protocol):
    """The parts of its client that a place needs."""

    @property
    def endpoints(self) -> Endpoints:
        """Registries seen."""

    @property
    def limits(self) -> RegistryLimits:
        """Limits of answers."""

    def get(self, place: Place, url: str, *, accept: str, max_bytes: int, opening: Opening | None = None) -> HttpAnswer:
        """GET below a repository, with the place's credential. Raises ``EvidenceError``.

        Args:
            opening: the same question as it was just answered to a stranger; enough where nothing would be sent.
        """


@dataclass(slots=True)
class Place:
    """One repository at one registry, with one credential and a deadline (an instant of ``time.monotonic``)."""

    registry: Requests
    image: ImageReference
    host: str
    insecure: bool
    credential: Credential | None
    until: float

    @property
    def path(self) -> str:
        """``team/app``."""
        return self.image.as_v2().repository_name

    @property
    def shown(self) -> str:
        """The reference for messages: with Docker's defaults, most specific."""
        return self.image.most_specific().exact

    @property
    def endpoint(self) -> Endpoint:
        """The registry as it answered before."""
        return self.registry.endpoints.get(self.host, insecure=self.insecure, until=self.until)

    def url(self, rest: str, *, root: str = "v2") -> str:
        """A URL below the repository: ``manifests/v1``."""
        return f"{self.endpoint.base_url}/{root}/{self.path}/{rest}"

    def manifest(self) -> Found[Manifest]:
        """See ``ports.registry``; raises ``EvidenceError``, as the others."""
        wanted = self.image.id or self.image.tag
        if not (is_strict_digest(wanted) if self.image.id else wanted and TAG.fullmatch(wanted)):
            raise Malformed(f"{wanted[:200]!r} is not a tag, sha256 or sha512 digest")
        limit = self.registry.limits.manifest_max_bytes
        path = f"/v2/{self.path}/manifests/{wanted}"
        opening = self.registry.endpoints.open(
            self.host, path, _ACCEPT, insecure=self.insecure, until=self.until, subject=self.path
        )
        url = self.url(f"manifests/{wanted}")
        answer = self.registry.get(self, url, accept=_ACCEPT, max_bytes=limit, opening=opening)
        algorithm = self.image.id.partition(":")[0] if self.image.id else "sha256"
        manifest = parse_manifest(answer.body, media_type(answer, self.shown), algorithm=algorithm, max_bytes=limit)
        if self.image.id and manifest.digest != self.image.id:
            raise RegistryFailure(
                RegistryErrorKind.INTEGRITY,
                f"content integrity error: the manifest retrieved (media type: {manifest.media_type}) with digest"
                f" {self.image.id} does not match the digest calculated from the content {manifest.digest}",
            )
        return Found(manifest, _source(answer))

    def blob(self, digest: str) -> Found[bytes]:
        """A configuration blob, whose digest is verified."""
        limit = self.registry.limits.config_max_bytes
        answer = self.registry.get(self, self.url(f"blobs/{digest}"), accept="*/*", max_bytes=limit)
        if digest_of(answer.body, digest.partition(":")[0]) != digest:
            raise RegistryFailure(
                RegistryErrorKind.INTEGRITY, f"content integrity error: a blob of {self.shown} is not {digest}"
            )
        return Found(answer.body, _source(answer))

    def tags(self) -> Found[tuple[str, ...]]:
        """See ``ports.registry``."""
        limits, seen = self.registry.limits, set[str]()
        url, tags = self.url("tags/list?n=1000"), list[str]()
        while True:
            if url in seen or len(seen) >= limits.tag_pages_max:
                raise Malformed(f"{self.shown}: the registry's pages of tags have no end")
            seen.add(url)
            answer = self.registry.get(self, url, accept="application/json", max_bytes=limits.tags_page_max_bytes)
            tags.extend(tags_of(answer.body))
            if len(tags) > limits.tags_max:
                raise TooLarge(f"{self.shown}: more than {limits.tags_max} tags")
            link = next_link(answer.headers.get("Link", ""))
            if link is None:
                return Found(tuple(dict.fromkeys(tags)), _source(answer))
            url = self.next_page(url, link)

    def next_page(self, url: str, link: str) -> str:
        """The URL of the next page: this list, with the query of the link.

        Registries behind a proxy name a host or path of their own, which is not asked.

        Raises:
            Malformed: the link has no query.
        """
        query = urlsplit(joined(url, link)).query
        if not query:
            raise Malformed(f"{self.shown}: the next page is elsewhere: {printable(link, 200)!r}")
        return urlunsplit(urlsplit(url)._replace(query=query, fragment=""))

    def signatures(self, digest: str) -> Found[tuple[bytes, ...]]:
        """See ``ports.registry``."""
        known = self.registry.endpoints.get(self.host, insecure=self.insecure, until=self.until, for_signatures=True)
        if not known.signatures:
            raise NotFound(f"registry {self.host} has no signature extension")
        url = self.url(f"signatures/{digest}", root="extensions/v2")
        limit = self.registry.limits.signatures_max_bytes
        try:
            answer = self.registry.get(self, url, accept="application/json", max_bytes=limit)
            return Found(signature_blobs(answer.body), _source(answer))
        except (NotFound, EvidenceError) as error:
            why = f"downloading signatures for {digest} in {self.image.as_repository().exact}: {error}"
            raise RegistryFailure(error_kind_of(error), why, retryable=is_retryable(error)) from error


def _source(answer: HttpAnswer) -> str:
    return shown_url(answer.url)
