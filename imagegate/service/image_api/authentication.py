"""How callers of the image API are authenticated behind an API server, followed while the service runs."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable

from imagegate.core.admission.lookup import Found, Lookup
from imagegate.core.admission.request_headers import DelegatedAuthentication

FIRST_LOOK_S = 1.0
"""How long a process waits for its first look: until then it has what its parent read, perhaps long ago."""
READ_EVERY_S = 10.0
"""A CA is added long before it is used, so a change need not be in force at once."""
_log = logging.getLogger(__name__)


class FollowedAuthentication:
    """Data that the API server publishes, read again and again; the last good state stays.

    Args:
        read: reads it once; never raises.
    """

    def __init__(self, read: Callable[[], Lookup[DelegatedAuthentication]], *, every_s: float = READ_EVERY_S) -> None:
        self._read = read
        self._every_s = every_s
        self._ends = threading.Event()
        self._has_looked = threading.Event()
        self.current: DelegatedAuthentication | None = None
        """None until it was read for the first time: nobody can call then."""
        self._failure = "not read yet"

    def look(self) -> None:
        """Read it once."""
        found = self._read()
        if isinstance(found, Found):
            if self.current is not None and found.value != self.current:
                _log.info("the configuration of request-header authentication has changed")
            if found.value != self.current:
                self.current = found.value
            self._failure = ""
            return
        if found.why != self._failure:
            _log.warning("the configuration of request-header authentication cannot be read: %s", found.why)
        self._failure = found.why

    def start(self) -> None:
        """Follow it in a thread of this process. Waits for the first look, but not for an API server that is away."""
        threading.Thread(target=self._follow, name="request-headers", daemon=True).start()
        self._has_looked.wait(FIRST_LOOK_S)

    def stop(self) -> None:
        """End the thread."""
        self._ends.set()

    def _follow(self) -> None:
        while not self._ends.is_set():
            self.look()
            self._has_looked.set()
            self._ends.wait(self._every_s * random.uniform(0.75, 1.0))  # noqa: S311 - spreads requests over time

    def problem(self) -> str:
        """Why requests of the API server cannot be authenticated, or only by an old state; empty if they can."""
        if self._failure:
            return self._failure
        if self.current is None or not self.current.request_header_ca:
            return "there is no request-header client CA: the API server's requests are refused"
        return ""

    def client_cas(self) -> str:
        """The CAs of all certificates that clients may show, in PEM."""
        current = self.current
        return "" if current is None else f"{current.request_header_ca}\n{current.client_ca}".strip()
