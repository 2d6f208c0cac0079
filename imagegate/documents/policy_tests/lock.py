"""The lock file of policy tests: digests, signatures, trust data and statuses as they were when it was written."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar

from imagegate.core.content_trust.limits import MAX_UPDATE_BYTES
from imagegate.core.references.docker import check_digest
from imagegate.core.signing.requirements import SIGNATURES_MAX
from imagegate.documents.policy_tests.read import InvalidSuite, read_instant
from imagegate.documents.policy_tests.suite import API_VERSION, Place
from imagegate.documents.yaml.fields import Fields, Report
from imagegate.documents.yaml.source import read_source
from imagegate.errors import InvalidDigest

KIND = "PolicyTestLock"
_WRITTEN_NOW = Place("", 0, "")


class SignaturesKey(NamedTuple):
    """Signatures are looked up by these."""

    image: str
    """``HOST/PATH@DIGEST``."""
    store: str
    """URL of the lookaside store; empty: the registry's own."""


class LockedSignatures(NamedTuple):
    """All signatures that a store had."""

    blobs: tuple[bytes, ...]
    place: Place = _WRITTEN_NOW


class TrustKey(NamedTuple):
    """Trust data is looked up by these."""

    server: str
    gun: str
    """``HOST/PATH``."""


class LockedTrust(NamedTuple):
    """The files that a trust server gave; none: it had no trust data."""

    at: datetime
    """When: they are verified as of then."""
    files: Mapping[str, bytes]
    place: Place = _WRITTEN_NOW


class AdvisorKey(NamedTuple):
    """Statuses of Vulnerability Advisor are looked up by these."""

    image: str
    account: str


class LockedStatus(NamedTuple):
    """A status of Vulnerability Advisor."""

    status: str
    place: Place = _WRITTEN_NOW


@dataclass(slots=True)
class Lock:
    """Everything in a lock file."""

    file: str = ""
    images: dict[str, str] = field(default_factory=dict)
    """Image with Docker's defaults -> digest."""
    signatures: dict[SignaturesKey, LockedSignatures] = field(default_factory=dict)
    trust: dict[TrustKey, LockedTrust] = field(default_factory=dict)
    advisor: dict[AdvisorKey, LockedStatus] = field(default_factory=dict)

    def add(self, other: Lock) -> None:
        """Add the entries of ``other``, which replace those of the same name.

        Entries about digests that a tag had, and has no more, are dropped.
        """
        moved = {self.images.get(name, digest) for name, digest in other.images.items()} - set(other.images.values())
        for image in [name for name in self.images if _digest(name) in moved]:
            del self.images[image]
        for key in [each for each in self.signatures if _digest(each.image) in moved]:
            del self.signatures[key]
        self.images |= other.images
        self.signatures |= other.signatures
        self.trust |= other.trust
        self.advisor |= other.advisor


def read_lock(text: str, file: str) -> Lock:
    """A lock file.

    Raises:
        ConfigError: not YAML, another kind of document, or an entry that is wrong; with file, line and field.
    """
    report = Report(file)
    documents = [node for node in read_source(text, file).documents if node.value is not None]
    if len(documents) != 1:
        raise InvalidSuite(f"{file}:1: expected one document of kind {KIND}")
    fields = Fields(documents[0], "", report)
    for name, value in (("apiVersion", API_VERSION), ("kind", KIND)):
        if fields.text(name) != value:
            fields.error(name, f"expected {value}")
    images = fields.child("images")
    lock = Lock(file, {name: images.text(name) for name in images.entries})
    for name, digest in lock.images.items():
        _check_digest(images, name, digest)
    _collect(fields, "signatures", _signatures, lock.signatures)
    _collect(fields, "trust", _trust, lock.trust)
    _collect(fields, "advisor", _status, lock.advisor)
    fields.finish()
    report.check(InvalidSuite)
    return lock


def lock_document(lock: Lock) -> dict[str, object]:
    """The lock file's document, in the order of names; sections without entries are left out."""
    sections: dict[str, object] = {
        "images": dict(sorted(lock.images.items())),
        "signatures": [
            {**_without_empty(key._asdict()), "blobs": list(map(_base64, found.blobs))}
            for key, found in sorted(lock.signatures.items())
        ],
        "trust": [
            {
                **key._asdict(),
                "at": found.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "files": {name: _base64(content) for name, content in sorted(found.files.items())},
            }
            for key, found in sorted(lock.trust.items())
        ],
        "advisor": [
            {**_without_empty(key._asdict()), "status": found.status} for key, found in sorted(lock.advisor.items())
        ],
    }
    found = {name: section for name, section in sections.items() if section or name == "images"}
    return {"apiVersion": API_VERSION, "kind": KIND, **found}


def _without_empty(fields: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value}


K = TypeVar("K")
V = TypeVar("V", LockedSignatures, LockedTrust, LockedStatus)


def _collect(fields: Fields, name: str, read: Callable[[Fields], tuple[K, V]], into: dict[K, V]) -> None:
    for key, value in fields.each(name, read) or ():
        known = into.setdefault(key, value)
        if known is not value:
            text = f"the same as that in line {known.place.line}"
            fields.report.error(value.place.line, value.place.path, text)


def _signatures(fields: Fields) -> tuple[SignaturesKey, LockedSignatures]:
    image = _required(fields, "image")
    _check_digest(fields, "image", _digest(image))
    blobs = tuple(
        _content(fields, "blobs", text, f"{fields.at('blobs')}[{index}]")
        for index, text in enumerate(fields.texts("blobs") or ())
    )
    if not fields.has("blobs"):
        fields.error("blobs", "required: [] where a store has no signatures")
    if len(blobs) >= SIGNATURES_MAX:
        fields.error("blobs", f"more than {SIGNATURES_MAX} signatures")
    return SignaturesKey(image, fields.text("store")), LockedSignatures(blobs, _place(fields))


def _trust(fields: Fields) -> tuple[TrustKey, LockedTrust]:
    key = TrustKey(_required(fields, "server"), _required(fields, "gun"))
    _required(fields, "at")
    at = read_instant(fields, "at") or datetime.fromtimestamp(0, UTC)
    written = fields.child("files")
    files = {name: _content(written, name, written.text(name)) for name in written.entries}
    if not fields.has("files"):
        fields.error("files", "required: {} where a server has no trust data")
    if sum(map(len, files.values())) > MAX_UPDATE_BYTES:
        fields.error("files", f"more than {MAX_UPDATE_BYTES} bytes")
    return key, LockedTrust(at, files, _place(fields))


def _status(fields: Fields) -> tuple[AdvisorKey, LockedStatus]:
    key = AdvisorKey(_required(fields, "image"), fields.text("account"))
    return key, LockedStatus(_required(fields, "status"), _place(fields))


def _content(fields: Fields, name: str, text: str, at: str = "") -> bytes:
    """The bytes of a string, or of an element of the list ``name``, whose path is ``at``."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:  # ValueError: characters beyond ASCII
        fields.report.error(fields.line_of(name), at or fields.at(name), f"not base64: {error}")
        return b""


def _digest(image: str) -> str:
    return image.rpartition("@")[2]


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _check_digest(fields: Fields, name: str, digest: str) -> None:
    try:
        check_digest(digest)
    except InvalidDigest as error:
        fields.error(name, f"{digest}: {error}")


def _required(fields: Fields, name: str) -> str:
    value = fields.text(name)
    if not value:
        fields.error(name, "required")
    return value


def _place(fields: Fields) -> Place:
    return Place(fields.report.file, fields.line, fields.path)
