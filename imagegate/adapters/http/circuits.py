"""Circuit breakers: a server that does not answer is not asked for a while.

One circuit a server (``HOST:PORT``), in one process. Closed: requests go out. After some failures in a row it opens:
requests are refused at once, with the reason. After a pause one request goes out as a probe (half-open). An answer
closes the circuit; a failure opens it again, for twice as long. Refusing never permits anything: the caller has
no answer, as before.

Requests are chosen by whoever may create a pod, so it matters what counts:

- A failure: no connection, no answer (or no end of it) in time, a 5xx. Not a name without an address (the name
  resolver remembers those), not a refused certificate, not a request whose own time was too short to tell.
- A failure of one *subject* (a repository) says little of the server: one that is slow must not shut out the
  others. Failures after the connection count only if they are of several subjects, or of the server itself.
- An answer: any status but 401 (given before the server does any work), 429 and 5xx. So nobody opens a circuit with
  images that are absent or forbidden, and between the answers to others a few failures do not add up.
- 429 with ``Retry-After`` limits one client: requests with the same credential are refused until then, no others, and
  none without: those find out whether a credential is needed.
- Where another server's answer leads (a redirect, a token server), it has a circuit of its own: no server can have
  the circuit of a stranger opened.

Only servers with failures are remembered, a bounded number of them: forgetting one merely closes its circuit.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from imagegate.caching import TimedCache
from imagegate.errors import Unreachable

_SUBJECTS_MAX = 16
_KNOWN_S = 3600.0
_log = logging.getLogger(__name__)


class CircuitOpen(Unreachable):
    """The server is not asked now, since it has not answered lately."""


class State(StrEnum):
    """State of a circuit that is remembered."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Failure(StrEnum):
    """Kinds of failures, as messages name them: nothing of the request, which others may not see."""

    CONNECTION = "no connection"
    TIME_OUT = "no answer in time"
    SERVER_ERROR = "a server error"
    LIMITED = "too many requests"


@dataclass(frozen=True, slots=True)
class CircuitLimits:
    """Limits of circuits.

    Attributes:
        failures: in a row, until a circuit opens; 0: it never does.
        new_failures: the same for a server that has never answered, if they are of the server itself.
        subjects: different ones that failures after the connection must be of.
        patience_s: a request with less time than this is not counted if its time runs out.
        open_s: pause until the first probe; doubled after each that fails.
        open_max_s: longest pause, also of a ``Retry-After``.
        servers: number of servers remembered; the one that failed longest ago is forgotten first.
    """

    failures: int = 5
    new_failures: int = 2
    subjects: int = 3
    patience_s: float = 2.0
    open_s: float = 5.0
    open_max_s: float = 30.0
    servers: int = 1024


class Circuit(NamedTuple):
    """A circuit that is not closed, as operators see it."""

    server: str
    """``HOST:PORT``."""
    state: State
    why: Failure
    since: datetime
    probe_at: datetime
    """Earliest time of the next probe."""

    def __str__(self) -> str:
        again = (
            "it is being tried now" if self.state is State.HALF_OPEN else f"tried again at {self.probe_at:%H:%M:%S} UTC"
        )
        return f"{self.server} is not asked since {self.since:%H:%M:%S} UTC: {self.why}; {again}"


Listener = Callable[[State, int], None]
"""Called with the new state of a circuit, and the number of circuits that are not closed."""


@dataclass(slots=True, eq=False)
class _Server:
    """The memory of one server. Guarded by the lock of ``Circuits``."""

    name: str
    state: State = State.CLOSED
    of_server: int = 0
    """Failures in a row of the server itself."""
    failures: int = 0
    """Failures in a row, of the server itself or of subjects."""
    subjects: set[str] = field(default_factory=set)
    last_call: object = None
    why: Failure = Failure.CONNECTION
    in_go: str = ""
    """The last failure to connect, in the words of Go's client."""
    is_down: bool = False
    """True if failures of the server itself opened the circuit: then any sign of life closes it."""
    since: float = 0.0
    pause_s: float = 0.0
    """The last pause; kept until there is an answer."""
    probe_at: float = 0.0
    probing: bool = False


class Permit:
    """Permission for one request. Exactly one of its methods is to be called, when the request has ended."""

    __slots__ = ("_circuits", "_server", "_subject", "call", "is_probe")

    def __init__(self, circuits: Circuits, server: str, *, subject: str, call: object, is_probe: bool) -> None:
        self._circuits = circuits
        self._server = server
        self._subject = subject
        self.call = call
        """Identity of the logical request: its retries count as one failure."""
        self.is_probe = is_probe

    def answered(self, status: int) -> None:
        """The server has answered."""
        if status >= 500:
            self.failed(Failure.SERVER_ERROR)
            return
        self._circuits.alive(self._server, is_answer=bool(self._subject) and status not in {401, 429})

    def failed(self, why: Failure, *, connected: bool = True, in_go: str = "") -> None:
        """The server has not answered; ``connected``: it was reached; ``in_go``: see ``Unreachable``."""
        self._circuits.failed(self._server, why, self._subject if connected else "", self, in_go=in_go)

    def timed_out(self, after_s: float, *, connected: bool) -> None:
        """There was no answer, or no end of one, within ``after_s``; that may have been too short."""
        if after_s >= self._circuits.patience_s:
            self.failed(Failure.TIME_OUT, connected=connected)
        else:
            self.unclear()

    def unclear(self) -> None:
        """The request says nothing of the server."""
        if self.is_probe:
            self._circuits.unclear(self._server)


class Circuits:
    """The circuits of one process. Safe for threads; empty until the first failure, so it may be made before a fork.

    Args:
        limits: see ``CircuitLimits``.
        clock: seconds, monotonic.
    """

    def __init__(self, limits: CircuitLimits | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits or CircuitLimits()
        self.patience_s = self._limits.patience_s
        """See ``CircuitLimits``."""
        self._clock = clock
        self._lock = threading.Lock()
        self._servers: dict[str, _Server] = {}
        self._paused: TimedCache[str, str] = TimedCache(self._limits.servers, clock=clock)
        """Reasons why servers are not asked with a credential, by both."""
        self._answered: TimedCache[str, bool] = TimedCache(4 * self._limits.servers, clock=clock)
        """Servers that have answered lately."""
        self._listener: Listener = lambda _state, _number: None

    def listen(self, listener: Listener) -> None:
        """Call ``listener`` after each change of a state. It must be quick and must not raise."""
        self._listener = listener

    def problem(self, server: str) -> str:
        """Why a request to ``HOST:PORT`` would be refused now; empty if one would not be. Takes no lock."""
        kept = self._servers.get(server)
        return "" if kept is None or self._may_ask(kept) else str(self._shown(kept))

    def permit(
        self, server: str, *, subject: str = "", credential: str | None = None, call: object | None = None
    ) -> Permit:
        """Permission to ask a server.

        Args:
            server: ``HOST:PORT``, and what leads there if that is another server's answer.
            subject: what is asked about, a repository; empty: the server itself.
            credential: the ``Authorization`` header, if any.
            call: the same object for the retries of one request.

        Raises:
            CircuitOpen: not now.
        """
        why = self._paused.get(_with_credential(server, credential)) if credential and len(self._paused) else None
        if why is not None:
            raise CircuitOpen(why)
        kept = self._servers.get(server)
        is_probe = kept is not None and self._admitted_as_probe(kept, subject)
        return Permit(self, server, subject=subject, call=call or object(), is_probe=is_probe)

    def unclosed(self) -> list[Circuit]:
        """Circuits that are not closed; the oldest first."""
        with self._lock:
            kept = [server for server in self._servers.values() if server.state is not State.CLOSED]
            return [self._shown(server) for server in sorted(kept, key=lambda server: server.since)]

    def pause(self, server: str, credential: str, seconds: float) -> None:
        """Refuse requests with this ``Authorization`` header for so long: the server has limited them."""
        seconds = min(seconds, self._limits.open_max_s)
        if self._limits.failures and seconds > 0:
            until = datetime.now(UTC) + timedelta(seconds=seconds)
            why = f"{server} is not asked with this credential: {Failure.LIMITED}; tried again at {until:%H:%M:%S} UTC"
            self._paused.put(_with_credential(server, credential), why, ttl_s=seconds)

    def alive(self, server: str, *, is_answer: bool) -> None:
        """The server has given an answer, or a sign of life; for ``Permit``."""
        if self._answered.get(server) is None:
            self._answered.put(server, True, ttl_s=_KNOWN_S)
        if server not in self._servers:
            return
        with self._lock:
            kept = self._servers.get(server)
            if kept is None:
                return
            was_closed = kept.state is State.CLOSED
            if is_answer or (not was_closed and kept.is_down) or not kept.subjects:
                del self._servers[server]
            else:
                # It talks, but whether it answers is not known yet: the next failure opens the circuit again.
                kept.of_server = 0
                if not was_closed:
                    kept.state, kept.probing = State.CLOSED, False
                    kept.failures = self._limits.failures - 1
            number = self._unclosed()
        if not was_closed:
            _log.warning("registry or server answers again", extra={"server": server})
            self._listener(State.CLOSED, number)

    def failed(self, server: str, why: Failure, subject: str, permit: Permit, *, in_go: str = "") -> None:
        """The server has not answered; for ``Permit``."""
        if not self._limits.failures:
            return
        with self._lock:
            kept = self._servers.get(server)
            if kept is None:
                self._make_room()
                kept = self._servers[server] = _Server(server)
            if kept.state is State.OPEN or (kept.state is State.HALF_OPEN and not permit.is_probe):
                return  # a request of before it opened
            if kept.state is State.CLOSED:
                if permit.call is kept.last_call:
                    return
                kept.last_call = permit.call
                kept.failures += 1
                if subject:
                    if len(kept.subjects) < _SUBJECTS_MAX:
                        kept.subjects.add(subject)
                else:
                    kept.of_server += 1
                if not self._is_enough(kept):
                    return
                kept.is_down = not subject
                kept.since = self._clock()
            kept.in_go = in_go
            self._open(kept, why)
            shown, number = self._shown(kept), self._unclosed()
        _log.warning("registry or server does not answer", extra={"server": server, "circuit": str(shown)})
        self._listener(State.OPEN, number)

    def unclear(self, server: str) -> None:
        """A probe ended without telling anything: the next request is one; for ``Permit``."""
        with self._lock:
            kept = self._servers.get(server)
            if kept is not None:
                kept.probing = False

    def _is_enough(self, kept: _Server) -> bool:
        limits = self._limits
        of_server = limits.failures
        if self._answered.get(kept.name) is None:
            of_server = min(of_server, limits.new_failures)
        return kept.of_server >= of_server or (
            kept.failures >= limits.failures and len(kept.subjects) >= limits.subjects
        )

    def _open(self, kept: _Server, why: Failure) -> None:
        limits = self._limits
        kept.pause_s = min(kept.pause_s * 2 or limits.open_s, limits.open_max_s)
        kept.state, kept.why, kept.probing = State.OPEN, why, False
        kept.probe_at = self._clock() + kept.pause_s

    def _make_room(self) -> None:
        """Forget the server that began to fail first, if there are too many."""
        while len(self._servers) >= self._limits.servers:
            del self._servers[next(iter(self._servers))]

    def _may_ask(self, kept: _Server, subject: str = "") -> bool:
        if kept.state is State.CLOSED:
            return True
        # For a while only subjects that have not failed may probe: else one slow repository could fail every probe.
        pause_s = self._limits.open_s if not kept.is_down and subject in kept.subjects else 0
        return not kept.probing and self._clock() >= kept.probe_at + pause_s

    def _admitted_as_probe(self, kept: _Server, subject: str) -> bool:
        """True for a probe, False where the circuit is closed.

        Raises:
            CircuitOpen: the request must not go out.
        """
        with self._lock:
            if not self._may_ask(kept, subject):
                raise CircuitOpen(str(self._shown(kept)), in_go=kept.in_go)
            if kept.state is State.CLOSED:
                return False
            is_new = kept.state is State.OPEN
            kept.state, kept.probing = State.HALF_OPEN, True
            number = self._unclosed()
        if is_new:
            self._listener(State.HALF_OPEN, number)
        return True

    def _unclosed(self) -> int:
        return sum(server.state is not State.CLOSED for server in self._servers.values())

    def _shown(self, kept: _Server) -> Circuit:
        now, at = self._clock(), datetime.now(UTC)
        since, probe_at = (at + timedelta(seconds=instant - now) for instant in (kept.since, kept.probe_at))
        return Circuit(kept.name, kept.state, kept.why, since, probe_at)


def _with_credential(server: str, credential: str) -> str:
    digest = hashlib.sha256(credential.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{server} {digest}"
