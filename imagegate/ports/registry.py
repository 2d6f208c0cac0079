"""Look-ups in an image registry.

References are given as written; adapters fill in Docker's defaults, follow mirrors, and choose among the given pull
secrets for the host that is really contacted. A credential goes to no other host than the one its secret names.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from imagegate.core.admission.lookup import Lookup, Unknown
from imagegate.core.references.openshift import ImageReference
from imagegate.core.registry.manifest import Manifest
from imagegate.core.registry.pull_secrets import PullSecret


class RegistryErrorKind(StrEnum):
    """Reason why a registry gave no usable answer; used for metrics and import statuses."""

    UNREACHABLE = "unreachable"  # no connection, no answer in time, 429 or 5xx to the end
    UNAUTHORIZED = "unauthorized"  # 401 or 403, credentials were sent and the repository is refused
    NO_CREDENTIALS = "no-credentials"  # 401 or 403 and there was nothing to send
    BAD_CREDENTIALS = "bad-credentials"  # the registry or its token server does not know this user and password
    HTTP_ONLY = "http-only"  # plain HTTP was answered where TLS is required
    REALM = "realm"  # the token server is on a host to which credentials are not sent
    BLOCKED = "blocked"  # address or registry refused by the settings
    NOT_V2 = "not-v2"  # no registry API v2 there
    INTEGRITY = "integrity"  # content does not have the digest that was requested
    MALFORMED = "malformed"
    TOO_LARGE = "too-large"


@dataclass(frozen=True, slots=True)
class RegistryUnknown(Unknown):
    """An ``Unknown`` that names the kind of failure."""

    error_kind: RegistryErrorKind = RegistryErrorKind.UNREACHABLE
    in_go: str = ""
    """The failure in the words of Go's client, with its URL, as OpenShift's API server passes it on; empty if they are
    not known. For answers that clients know from there; ``why`` says more."""


@dataclass(frozen=True, slots=True)
class RegistryAccess:
    """Credentials and options of a registry request. Hashable: part of every cache key, so that callers with other
    credentials do not share answers.

    Attributes:
        secrets: pull secrets in the order in which they are tried.
        anonymous_first: try without credentials before any is sent (signature checks). Otherwise credentials are sent
            first where a secret covers the repository, and no credentials only after they were refused as wrong.
        insecure: certificates are not verified, and plain HTTP is used where TLS is not spoken.
    """

    secrets: tuple[PullSecret, ...] = ()
    anonymous_first: bool = False
    insecure: bool = False


ANONYMOUS = RegistryAccess()


class Registry(Protocol):
    """An image registry, or a folder that holds what a registry holds. Safe for threads. Nothing raises for errors
    outside: they are ``RegistryUnknown``; ``Absent`` means that the registry says there is none.

    Every ``deadline_s`` is a number of seconds from now, retries and redirects included.
    """

    def manifest(
        self, image: ImageReference, *, access: RegistryAccess = ANONYMOUS, deadline_s: float
    ) -> Lookup[Manifest]:
        """The manifest (or list) that ``image`` names by digest, else by tag, else by ``latest``.

        If a reference has both, the digest counts. A list is returned as the list. The content has the requested
        digest. ``Found.source`` is the URL that answered, or ``cache``.
        """

    def config(
        self, image: ImageReference, manifest: Manifest, *, access: RegistryAccess = ANONYMOUS, deadline_s: float
    ) -> Lookup[bytes]:
        """The configuration blob of ``manifest`` in ``image``'s repository; its digest is verified.

        ``Absent`` for a manifest that has none (lists, schema 1).
        """

    def tags(
        self, repository: ImageReference, *, access: RegistryAccess = ANONYMOUS, deadline_s: float
    ) -> Lookup[tuple[str, ...]]:
        """All tags of ``image``'s repository, all pages, in the registry's order. Tag and digest of the reference
        do not matter. An empty string among them is passed on (some registries have one for ``latest``).
        """

    def signatures(
        self, image: ImageReference, digest: str, *, access: RegistryAccess = ANONYMOUS, deadline_s: float
    ) -> Lookup[tuple[bytes, ...]]:
        """Simple-signing blobs of ``digest`` by the registry's own signature extension, unverified; may be empty.

        ``Absent``: this registry has no such extension (docs/spec/enforcement.md 13.4), so the signatures are
        elsewhere.
        """
