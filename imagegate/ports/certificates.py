"""Secrets with certificates, and the objects of a cluster that say which CA to trust."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from imagegate.errors import ImagegateError


class ObjectsUnavailable(ImagegateError):
    """The cluster's objects cannot be read or written now. ``str()`` says why."""


class Overtaken(ObjectsUnavailable):
    """Another process has written the object meanwhile: read it again."""


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """A Secret."""

    data: Mapping[str, bytes]
    """Decoded; an entry that is not base64 is left out."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    version: str = ""
    """The resource version; empty: the Secret does not exist yet."""


@dataclass(frozen=True, slots=True)
class Trust:
    """One place that names a server and the CA to trust for it."""

    pointer: str
    """JSON Pointer of the ``caBundle``."""
    host: str
    """``SERVICE.NAMESPACE.svc``, or the host of the ``url``; empty: there is no server to trust."""
    bundle: bytes


@dataclass(frozen=True, slots=True)
class TrustingObject:
    """A webhook configuration or an APIService."""

    path: str
    """Of the API."""
    name: str
    """``KIND NAME``, for messages."""
    version: str
    annotations: Mapping[str, str]
    trusts: tuple[Trust, ...]


class CertificateObjects(Protocol):
    """Objects in the API of a cluster. Every method may raise ``ObjectsUnavailable``."""

    def secret(self, name: str) -> StoredSecret | None:
        """A Secret of the install namespace; None if there is none."""

    def put_secret(self, name: str, secret: StoredSecret) -> StoredSecret:
        """Create the Secret, or replace data and annotations of the version that ``secret`` names.

        Returns:
            The Secret as it is stored.

        Raises:
            Overtaken: it exists already, or no longer in that version.
        """

    def annotate_secret(self, name: str, annotations: Mapping[str, str]) -> None:
        """Set annotations of a Secret, whatever else it holds."""

    def trusting(self) -> list[TrustingObject]:
        """The objects that the settings name and that exist."""

    def set_bundle(self, trusting: TrustingObject, pointers: tuple[str, ...], bundle: bytes) -> None:
        """Write ``bundle`` at the pointers of an object in the version that was read.

        Raises:
            Overtaken: the object is not in that version any more.
        """


class PairFile(Protocol):
    """A file with a certificate chain and its key, read by all processes of a replica."""

    def content(self) -> bytes:
        """Chain and key as they are written; empty if there is no file.

        Raises:
            OSError: it cannot be read.
        """

    def put(self, content: bytes) -> None:
        """Replace it in one step.

        Raises:
            OSError: it cannot be written.
        """
