"""Artifacts that refer to an image: the referrers API, and the tag that stands in for it.

A registry without the API (docker-registry 2) answers 404; clients then keep an index of referrers under the tag
``sha256-HEX``. Whoever may push to the repository may attach an artifact, so its content proves nothing about its
author. Every manifest and blob has the digest that it was requested by, and every artifact's own ``subject`` names the
image. Source: opencontainers/distribution-spec 1.1, "Listing Referrers", "Referrers Tag Schema".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from imagegate.adapters.registry.client import HttpRegistry
from imagegate.adapters.registry.failures import NotFound
from imagegate.adapters.registry.place import Place
from imagegate.core.admission.lookup import Absent, Found, Lookup
from imagegate.core.references.openshift import ImageReference
from imagegate.core.registry.link_header import next_link
from imagegate.core.registry.manifest import OCI_INDEX, OCI_MANIFEST, bounded_json_object, digest_of, is_strict_digest
from imagegate.errors import Malformed, TooLarge
from imagegate.ports.registry import RegistryAccess
from imagegate.ports.vulnerabilities import FoundDocument, ReportDocuments

ARTIFACTS_MAX = 64
"""Of one image and the wanted types; more are an error, not a choice."""
TOTAL_SHARE = 2
"""Total size of the documents of one image, as a multiple of that of one."""
LISTED_MAX = 4096
PAGES_MAX = 16
_LAYERS_MAX = 8
_CREATED = "org.opencontainers.image.created"


class ReferrerDocuments:
    """The port ``ReportDocuments`` over the artifacts attached to an image.

    Args:
        registry: with its limits, mirrors and credentials.
        types: artifact types, or media types of the configuration, that hold documents.
    """

    def __init__(self, registry: HttpRegistry, types: frozenset[str]) -> None:
        self._registry = registry
        self._types = types

    def documents(
        self, image: ImageReference, *, access: RegistryAccess, max_bytes: int, deadline_s: float
    ) -> Lookup[tuple[FoundDocument, ...]]:
        """See ``ReportDocuments``."""
        if not is_strict_digest(image.id):
            return Absent(f"{image.id[:200]!r} is not a digest")
        return self._registry.ask(
            replace(image, tag=""), access, deadline_s, lambda place: self._found(place, image.id, max_bytes)
        )

    def _found(self, place: Place, digest: str, max_bytes: int) -> Found[tuple[FoundDocument, ...]]:
        wanted = [each for each in _listed(place, digest) if _type(each) in self._types]
        if len(wanted) > ARTIFACTS_MAX:
            raise TooLarge(f"{place.shown} has more than {ARTIFACTS_MAX} attached reports")
        found: list[FoundDocument] = []
        left = TOTAL_SHARE * max_bytes
        for each in wanted:
            for document in _documents(place, each, digest, max_bytes):
                found.append(document)
                left -= len(document.content)
                if left < 0:  # whoever may push attaches as many as they like
                    raise TooLarge(
                        f"the reports attached to {place.shown} have more than {TOTAL_SHARE * max_bytes} bytes"
                    )
        return Found(tuple(found), place.url(f"referrers/{digest}"))


def _listed(place: Place, digest: str) -> list[Mapping[str, Any]]:
    """Descriptors of the artifacts that refer to ``digest``.

    Raises:
        NotFound: there are none, or they are not shown without another credential.
        EvidenceError: the list cannot be read.
    """
    url: str | None = place.url(f"referrers/{digest}")
    found: list[Mapping[str, Any]] = []
    for _ in range(PAGES_MAX):
        if url is None:
            return found
        try:
            index, link = _index(place, url)
        except NotFound:
            if found:
                raise
            return _index(place, place.url(f"manifests/{digest.replace(':', '-', 1)}"))[0]
        found += index
        if len(found) > LISTED_MAX:
            raise TooLarge(f"{place.shown} has more than {LISTED_MAX} referrers")
        url = None if link is None else place.next_page(url, link)
    raise Malformed(f"{place.shown}: the registry's pages of referrers have no end")


def _index(place: Place, url: str) -> tuple[list[Mapping[str, Any]], str | None]:
    """The descriptors of an index, and the link to the next page. Raises ``EvidenceError``."""
    limit = place.registry.limits.manifest_max_bytes
    answer = place.registry.get(place, url, accept=OCI_INDEX, max_bytes=limit)
    if answer.content_type != OCI_INDEX:
        raise Malformed(f"{place.shown}: {answer.content_type or 'no Content-Type'!r} is not a list of referrers")
    entries = bounded_json_object(answer.body, "list of referrers").get("manifests")
    if entries is None:
        return [], None
    if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
        raise Malformed(f"{place.shown}: the list of referrers has a wrong form")
    return entries, next_link(answer.headers.get("Link", ""))


def _type(descriptor: Mapping[str, Any]) -> object:
    """The artifact type; registries that list an artifact without one leave it out."""
    return descriptor.get("artifactType")


def _documents(place: Place, descriptor: Mapping[str, Any], subject: str, max_bytes: int) -> Iterator[FoundDocument]:
    """The documents in one artifact. Raises ``EvidenceError``."""
    digest = descriptor.get("digest")
    if not isinstance(digest, str) or not is_strict_digest(digest):
        raise Malformed(f"{place.shown}: a referrer has no digest")
    limit = place.registry.limits.manifest_max_bytes
    url = place.url(f"manifests/{digest}")
    try:
        answer = place.registry.get(place, url, accept=OCI_MANIFEST, max_bytes=limit)
    except NotFound as error:
        raise Malformed(f"{place.shown}: the listed artifact {digest} is missing") from error
    _check(answer.body, digest, f"the artifact {digest}")
    manifest = bounded_json_object(answer.body, "artifact")
    about = manifest.get("subject")
    if not isinstance(about, dict) or about.get("digest") != subject:
        raise Malformed(f"the artifact {digest} is listed for {subject}, and is about another image")
    layers = manifest.get("layers")
    if not isinstance(layers, list) or not 0 < len(layers) <= _LAYERS_MAX:
        raise Malformed(f"the artifact {digest} has no layers, or more than {_LAYERS_MAX}")
    for layer in layers:
        blob = layer.get("digest") if isinstance(layer, dict) else None
        if not isinstance(blob, str) or not is_strict_digest(blob):
            raise Malformed(f"a layer of the artifact {digest} has no digest")
        try:
            content = place.registry.get(place, place.url(f"blobs/{blob}"), accept="*/*", max_bytes=max_bytes).body
        except NotFound as error:
            raise Malformed(f"a layer of the artifact {digest} is missing") from error
        _check(content, blob, f"a layer of the artifact {digest}")
        shown = f"{place.image.as_repository().exact}@{digest}"
        yield FoundDocument(shown, content, True, _created(manifest), is_attached=True)


def _check(content: bytes, digest: str, what: str) -> None:
    if digest_of(content, digest.partition(":")[0]) != digest:
        raise Malformed(f"{what}: its content has another digest")


def _created(manifest: Mapping[str, Any]) -> datetime | None:
    annotations = manifest.get("annotations")
    written = annotations.get(_CREATED) if isinstance(annotations, dict) else None
    try:
        found = datetime.fromisoformat(written) if isinstance(written, str) else None
        return None if found is None or found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


if TYPE_CHECKING:  # mypy checks each adapter against its port
    _: type[ReportDocuments] = ReferrerDocuments
