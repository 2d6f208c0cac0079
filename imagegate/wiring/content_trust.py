"""The client of trust servers, and what it remembers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from imagegate.adapters.files.trust_states import TrustStateFolder
from imagegate.adapters.http.client import HttpClient
from imagegate.adapters.registry.auth import TokenRealms
from imagegate.adapters.registry.trust_server import NotaryServers
from imagegate.core.content_trust.errors import InvalidPinning
from imagegate.core.content_trust.pinning import Pinning
from imagegate.core.content_trust.question import TrustedImage
from imagegate.errors import InvalidSettings
from imagegate.ports.content_trust import TrustStates, TrustStoreError
from imagegate.service.evidence.content_trust import TrustLimits, TrustReader
from imagegate.service.review.lookups import Answerer
from imagegate.settings.load import Settings
from imagegate.settings.sections import CisePathSettings, PinningSettings


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
    reader = TrustReader(
        NotaryServers(http, TokenRealms.with_known(settings.registry.token_realms)),
        states or MemoryTrustStates(),
        _pinning(given.trust.pinning),
        limits=TrustLimits() if given.cache else TrustLimits(accepted_s=0, refused_s=0),
        first_use=first_use,
    )
    return Answerer(reader.ask, cached=reader.cached, host=_host)


def _host(question: TrustedImage) -> str:
    return urlsplit(question.server).netloc.rpartition("@")[2].lower()


def _pinning(given: PinningSettings) -> Pinning:
    try:
        bundles = tuple((prefix, Path(path).read_bytes()) for prefix, path in given.ca.items())
    except OSError as error:
        raise InvalidSettings(f"cise.trust.pinning.ca: {error.filename}: {error.strerror}") from error
    pinning = Pinning(tuple(given.certs.items()), bundles, given.tofu)
    try:
        pinning.check(datetime.now(UTC))
    except InvalidPinning as error:
        raise InvalidSettings(f"cise.trust.pinning.ca: {error}") from error
    return pinning
