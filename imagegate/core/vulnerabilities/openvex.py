"""OpenVEX documents: statements that an image is not affected by a vulnerability, or has it fixed.

Source: OpenVEX specification 0.2.0, and 0.0.1, whose statements name the vulnerability by a string.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, unquote

from imagegate.core.registry.manifest import bounded_json_object
from imagegate.core.vulnerabilities.report import Finding, child, objects, purl_digest, text, texts, time
from imagegate.errors import Malformed, TooLarge

VEX_MAX_BYTES = 8 * 1024 * 1024
STATEMENTS_MAX = 20_000
_CONTEXT = "https://openvex.dev/ns"
_SUPPRESSING = frozenset({"not_affected", "fixed"})
_STATUSES = _SUPPRESSING | {"affected", "under_investigation"}
_OLDEST = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class VexProduct:
    """An image that a statement names: by digest, else by repository (``HOST/PATH``)."""

    digests: frozenset[str]
    repository: str = ""

    def covers(self, digests: frozenset[str], repository: str) -> bool:
        """True if the product is the image. A product with a digest covers no other digest of its repository."""
        if self.digests:
            return bool(self.digests & digests)
        return bool(self.repository) and self.repository == repository


@dataclass(frozen=True, slots=True)
class VexStatement:
    """One statement about one vulnerability."""

    names: frozenset[str]
    """Identifiers of the vulnerability, in upper case."""
    products: tuple[VexProduct, ...]
    packages: frozenset[str]
    """Package URLs that the statement is limited to; empty: every package of the image."""
    status: str
    made: datetime
    reason: str

    @property
    def suppresses(self) -> bool:
        """True for ``not_affected`` and ``fixed``."""
        return self.status in _SUPPRESSING

    def covers(self, finding: Finding, digests: frozenset[str], repository: str) -> bool:
        """True if the statement is about this finding in this image."""
        if not self.names & finding.names:
            return False
        if self.packages and not any(_same_package(each, finding.purl) for each in self.packages):
            return False
        return any(product.covers(digests, repository) for product in self.products)


@dataclass(frozen=True, slots=True)
class VexDocument:
    """One document."""

    author: str
    statements: tuple[VexStatement, ...]


def deciding_statement(
    documents: Iterable[VexDocument], finding: Finding, digests: frozenset[str], repository: str
) -> tuple[VexStatement, str] | None:
    """The newest statement about a finding, and its author; None if there is none.

    Of statements of the same time one that does not suppress wins.
    """
    found = [
        (statement, document.author)
        for document in documents
        for statement in document.statements
        if statement.covers(finding, digests, repository)
    ]
    return max(found, key=lambda each: (each[0].made, not each[0].suppresses), default=None)


def is_openvex(document: Mapping[str, Any]) -> bool:
    """True if the document's context is OpenVEX."""
    context = document.get("@context")
    return isinstance(context, str) and (context == _CONTEXT or context.startswith(f"{_CONTEXT}/"))


def read_openvex(raw: bytes) -> VexDocument:
    """Read a document.

    Raises:
        Malformed: it is no OpenVEX document, or has a statement that cannot be read.
        TooLarge: more bytes, statements or depth than allowed.
    """
    if len(raw) > VEX_MAX_BYTES:
        raise TooLarge(f"it has more than {VEX_MAX_BYTES} bytes")
    document = bounded_json_object(raw, "it")
    if not is_openvex(document):
        raise Malformed("it is not an OpenVEX document")
    author = text(document, "author")
    if not author:
        raise Malformed("it has no author")
    made = time(document, "timestamp")
    statements = objects(document, "statements", STATEMENTS_MAX)
    return VexDocument(author, tuple(_statement(each, made) for each in statements))


def _statement(entry: Mapping[str, Any], document_made: datetime | None) -> VexStatement:
    status = text(entry, "status")
    if status not in _STATUSES:
        raise Malformed(f"a statement has the status {status[:40]!r}")
    products = [{"@id": each} if isinstance(each, str) else each for each in _any_list(entry, "products")]
    parts = [part for product in products for part in _any_list(product, "subcomponents")]
    reason = text(entry, "justification") or text(entry, "impact_statement") or text(entry, "action_statement")
    return VexStatement(
        _names(entry),
        tuple(map(_product, products)),
        frozenset(text(part, "@id") if isinstance(part, dict) else str(part) for part in parts),
        status,
        time(entry, "timestamp") or document_made or _OLDEST,
        reason,
    )


def _any_list(parent: Mapping[str, Any], key: str) -> list[Any]:
    value = parent.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, (str, dict)) for each in value):
        raise Malformed(f"{key} is not a list of products")
    return value


def _names(entry: Mapping[str, Any]) -> frozenset[str]:
    vulnerability = entry.get("vulnerability")
    if isinstance(vulnerability, str):
        names: tuple[str, ...] = (vulnerability,)
    else:
        described = child(entry, "vulnerability")
        names = (text(described, "name"), *texts(described, "aliases"))
    found = frozenset(name.upper() for name in names if name)
    if not found:
        raise Malformed("a statement names no vulnerability")
    return found


def _product(product: Mapping[str, Any]) -> VexProduct:
    """An image by its package URL (``pkg:oci/app@sha256%3A...?repository_url=HOST/PATH``) or SHA-256 hash.

    Products that are no images cover nothing.
    """
    purls = [text(product, "@id"), text(child(product, "identifiers"), "purl")]
    digests = {purl_digest(purl) for purl in purls}
    if content := text(child(product, "hashes"), "sha-256"):
        digests.add(f"sha256:{content.lower()}")
    digests.discard("")
    return VexProduct(frozenset(digests), next(filter(None, map(_repository, purls)), ""))


def _repository(purl: str) -> str:
    """``HOST/PATH`` of the package URL of an image; empty if it has none, or a version that is not a digest."""
    head, _, query = purl.partition("#")[0].partition("?")
    if not head.startswith("pkg:oci/") or ("@" in head and not purl_digest(purl)):
        return ""
    name = unquote(head.removeprefix("pkg:oci/").partition("@")[0])
    url = (parse_qs(query).get("repository_url") or [""])[0].strip("/")
    return url if url == name or url.endswith(f"/{name}") else f"{url}/{name}" if url else ""


def _same_package(stated: str, found: str) -> bool:
    """True if package URLs name the same package; the one stated may leave out version and qualifiers."""
    if not found:
        return False
    stated_name, _, stated_rest = stated.partition("?")[0].partition("@")
    found_name, _, found_rest = found.partition("?")[0].partition("@")
    return unquote(stated_name) == unquote(found_name) and (
        not stated_rest or unquote(stated_rest) == unquote(found_rest)
    )
