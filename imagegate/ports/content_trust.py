"""Trust servers, and the memory of what was trusted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from imagegate.core.admission.lookup import Lookup
from imagegate.core.content_trust.fetches import Fetch
from imagegate.core.content_trust.question import TrustedImage
from imagegate.errors import EvidenceError


class NotAuthorized(EvidenceError):
    """The trust server refuses this credential, or no token could be had with it."""


class AuthEndpointError(EvidenceError):
    """The trust server asks for a token, and does not say where one is issued."""


class TrustSession(Protocol):
    """One repository at one trust server, with one credential or none."""

    @property
    def reached(self) -> bool:
        """True once the server has answered anything at all."""

    def fetch(self, fetch: Fetch, *, until: float) -> Lookup[bytes]:
        """One file, by ``until`` (an instant of ``time.monotonic``); errors outside are ``Unknown``.

        Raises:
            NotAuthorized: try the next session.
            AuthEndpointError: no session can help.
        """


class TrustServers(Protocol):
    """Trust servers over HTTP. Safe for threads."""

    def sessions(self, question: TrustedImage) -> Iterator[TrustSession]:
        """Sessions for the question's repository: anonymous, then one for each credential that may be sent."""


class TrustStoreError(EvidenceError):
    """The memory of trust data cannot be read or written."""


class RememberedTrust(NamedTuple):
    """The memory of one repository."""

    server: str
    gun: str
    state: bytes


class TrustStates(Protocol):
    """The memory of each repository, shared by all processes of the service. Safe for threads."""

    def get(self, server: str, gun: str) -> bytes | None:
        """As it was stored; None: nothing ever was.

        Raises:
            TrustStoreError: it cannot be read. That must never count as "nothing".
        """

    def replace(self, server: str, gun: str, *, before: bytes | None, after: bytes) -> bool:
        """Store ``after`` if ``before`` is still what is stored; False if another process was faster.

        Raises:
            TrustStoreError: it cannot be written.
        """


class ListedTrustStates(TrustStates, Protocol):
    """Those that a store keeps, and that can be moved to another one."""

    def every(self) -> Iterator[RememberedTrust]:
        """All of them, in order.

        Raises:
            TrustStoreError: they cannot be read.
        """
