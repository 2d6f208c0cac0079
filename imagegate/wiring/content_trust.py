"""The client of trust servers, and what it remembers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from imagegate.adapters.files.trust_states import TrustStateFolder
from imagegate.adapters.http.client import HttpClient
from imagegate.adapters.registry.auth import TokenRealms
from imagegate.adapters.registry.trust_server import NotaryServers
from imagegate.core.admission.lookup import Lookup
from imagegate.core.content_trust.question import TrustedDigest, TrustedImage
from imagegate.errors import InvalidSettings
from imagegate.ports.content_trust import TrustServers, TrustStates, TrustStoreError
from imagegate.service.review.lookups import Answerer
from imagegate.settings.enforcement import CisePathSettings, PinningSettings
from imagegate.settings.load import Settings

if TYPE_CHECKING:  # imports cryptography
    from imagegate.core.content_trust.pinning import Pinning
    from imagegate.service.evidence.content_trust import TrustReader


class MemoryTrustStates:
    """The ``TrustStates`` port for commands, which decide once and end. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._states: dict[tuple[str, str], bytes] = {}

    def get(self, server: str, gun: str) -> bytes | None:
        """See ``TrustStates``."""
        return self._states.get((server, gun))

    def replace(self, server: str, gun: str, *, before: bytes | None, after: bytes) -> bool:
        """See ``TrustStates``."""
        with self._lock:
            if self._states.get((server, gun)) != before:
                return False
            self._states[server, gun] = after
            return True


def trust_state_folder(folder: Path) -> TrustStates:
    """The folder of ``cise.trust.store``.

    Raises:
        InvalidSettings: it cannot be used.
    """
    try:
        return TrustStateFolder(folder)
    except TrustStoreError as error:
        raise InvalidSettings(f"cise.trust.store: {error}") from error


def trust_answerer(
    settings: Settings, http: HttpClient, states: TrustStates | None, *, first_use: Callable[[], None]
) -> Answerer:
    """Answers ``TrustedImage``; the arguments are those of ``registries.evidence_answerers``.

    Raises:
        InvalidSettings: a pinned CA cannot be used.
    """
    given = settings.cise or CisePathSettings()

    def make() -> TrustReader:
        return trust_reader(settings, notary_servers(settings, http), states, first_use=first_use)

    reader = _ReaderOnDemand(make)
    if given.trust.pinning != PinningSettings():  # what is wrong with it is said at the start
        reader.made()
    return Answerer(reader.ask, cached=reader.cached, host=_host)


def notary_servers(settings: Settings, http: HttpClient) -> NotaryServers:
    """Trust servers over HTTP."""
    return NotaryServers(http, TokenRealms.with_known(settings.registry.token_realms))


def trust_reader(
    settings: Settings,
    servers: TrustServers,
    states: TrustStates | None = None,
    *,
    first_use: Callable[[], None] = lambda: None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> TrustReader:
    """Verifies the trust data that ``servers`` give, with the pins of the settings.

    Args:
        states: remembers what was trusted; None: the reader alone.

    Raises:
        InvalidSettings: a pinned CA cannot be used.
    """
    from imagegate.service.evidence.content_trust import TrustLimits, TrustReader

    given = settings.cise or CisePathSettings()
    return TrustReader(
        servers,
        states or MemoryTrustStates(),
        _pinning(given.trust.pinning),
        limits=TrustLimits() if given.cache else TrustLimits(accepted_s=0, refused_s=0),
        first_use=first_use,
        now=now,
    )


class _ReaderOnDemand:
    """Makes the reader with the first question: most services verify no trust data, and cryptography takes 6 MiB."""

    def __init__(self, make: Callable[[], TrustReader]) -> None:
        self._make = make
        self._making = threading.Lock()
        self._made: TrustReader | None = None

    def made(self) -> TrustReader:
        with self._making:
            if self._made is None:
                self._made = self._make()
        return self._made

    def cached(self, question: TrustedImage) -> Lookup[TrustedDigest] | None:
        """The cached answer; None if nothing was asked yet."""
        return None if self._made is None else self._made.cached(question)

    def ask(self, question: TrustedImage, *, deadline_s: float) -> Lookup[TrustedDigest]:
        """See ``TrustReader.ask``."""
        return (self._made or self.made()).ask(question, deadline_s=deadline_s)


def _host(question: TrustedImage) -> str:
    return urlsplit(question.server).netloc.rpartition("@")[2].lower()


def _pinning(given: PinningSettings) -> Pinning:
    try:
        bundles = tuple((prefix, Path(path).read_bytes()) for prefix, path in given.ca.items())
    except OSError as error:
        raise InvalidSettings(f"cise.trust.pinning.ca: {error.filename}: {error.strerror}") from error
    from imagegate.core.content_trust.errors import InvalidPinning
    from imagegate.core.content_trust.pinning import Pinning

    pinning = Pinning(tuple(given.certs.items()), bundles, given.tofu)
    try:
        pinning.check(datetime.now(UTC))
    except InvalidPinning as error:
        raise InvalidSettings(f"cise.trust.pinning.ca: {error}") from error
    return pinning
