"""The registry at a host: its scheme, its authentication challenges, its signature extension.

``GET /v2/`` finds out. It is not needed if the first request for a manifest is answered as only a registry does
(docs/spec/enforcement.md 13.4, docs/spec/import-gate.md 6.1).
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from typing import NamedTuple
from urllib.parse import urlsplit

from imagegate.adapters.http.answer import HttpAnswer
from imagegate.adapters.http.client import HttpClient
from imagegate.adapters.http.failures import NotTls
from imagegate.caching import SingleFlight, TimedCache
from imagegate.core.registry.auth_challenge import Challenge, readable_challenges
from imagegate.core.registry.egress import Sender, same_origin
from imagegate.core.registry.manifest import MEDIA_TYPES
from imagegate.errors import EvidenceError, Refused, Unreachable
from imagegate.ports.registry import RegistryErrorKind

_SIGNATURES_HEADER = "X-Registry-Supports-Signatures"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A registry that answered ``GET /v2/``, or a request for a manifest as only a registry does."""

    base_url: str
    verify: bool
    challenges: tuple[Challenge, ...]
    signatures: bool | None
    """True if it has the signature extension; None: only ``GET /v2/`` can tell."""
    server: Sender | None = None
    """The server that answered, and so named the token realm."""


class Opening(NamedTuple):
    """The answer to the first request to a registry."""

    url: str
    answer: HttpAnswer


class RegistryFailure(EvidenceError):
    """An error with its ``RegistryErrorKind``, which a port method turns into ``RegistryUnknown``."""

    def __init__(self, error_kind: RegistryErrorKind, why: str, *, retryable: bool = False, in_go: str = "") -> None:
        super().__init__(why)
        self.in_go = in_go
        self.error_kind = error_kind
        self.retryable = retryable


class Endpoints:
    """Registries seen, each cached for a while. Safe for threads.

    Args:
        http: sends the requests.
        ttl_s: seconds to cache a registry's description.
        max_bytes: limit of its first answer.
    """

    def __init__(self, http: HttpClient, *, ttl_s: float, max_bytes: int) -> None:
        self._http = http
        self._ttl_s = ttl_s
        self._max_bytes = max_bytes
        self._known: TimedCache[tuple[str, bool], Endpoint] = TimedCache(1024)
        self._pings: SingleFlight[tuple[str, bool], Endpoint] = SingleFlight()
        self._opening: set[tuple[str, bool]] = set()
        self._lock = threading.Lock()

    def get(self, host: str, *, insecure: bool, until: float, for_signatures: bool = False) -> Endpoint:
        """The registry at ``host``, requested once in ``ttl_s``. Raises ``EvidenceError``.

        Args:
            for_signatures: the result must say whether it has the signature extension.
        """
        key = (host, insecure)

        def known() -> Endpoint | None:
            kept = self._known.get(key)
            return None if kept is not None and for_signatures and kept.signatures is None else kept

        kept = known()
        if kept is not None:
            return kept

        def ask() -> Endpoint:
            # another thread may have cached it meanwhile
            return known() or self._ping(host, insecure=insecure, until=until)

        try:
            return self._pings.do(key, ask, until=until, failures=(Unreachable,))
        except TimeoutError as error:
            raise Unreachable(f"{host} did not answer in time") from error

    def _ping(self, host: str, *, insecure: bool, until: float) -> Endpoint:
        answer, verify = self._first_answer(host, "/v2/", "*/*", insecure=insecure, until=until)
        if answer.status not in {200, 401, 403}:
            raise RegistryFailure(RegistryErrorKind.NOT_V2, f'registry "{host}" does not support the v2 Registry API')
        parts = urlsplit(answer.url)
        base_url = f"{parts.scheme}://{host}"
        if not same_origin(answer.url, base_url):
            raise Refused(f"{host} redirects its API to {parts.netloc}")
        return self._learn((host, insecure), _endpoint(base_url, answer, verify=verify))

    def _learn(self, key: tuple[str, bool], endpoint: Endpoint) -> Endpoint:
        self._known.put(key, endpoint, ttl_s=self._ttl_s)
        return endpoint

    def open(self, host: str, path: str, accept: str, *, insecure: bool, until: float, subject: str) -> Opening | None:
        """Request a manifest of an unknown registry at once, without credentials and without ``GET /v2/`` first.

        The manifest itself, or a 401 with its challenges, says all that ``GET /v2/`` would have said. After any other
        answer ``GET /v2/`` must confirm that it is a registry. Raises ``EvidenceError``.

        Returns:
            None if the registry is known, or another thread is opening it.
        """
        key = (host, insecure)
        with self._lock:
            if self._known.get(key) is not None or key in self._opening:
                return None
            self._opening.add(key)
        try:
            answer, verify = self._first_answer(host, path, accept, insecure=insecure, until=until, subject=subject)
        finally:
            with self._lock:
                self._opening.discard(key)
        base_url = f"{urlsplit(answer.url).scheme}://{host}"
        speaks = answer.status == 200 and answer.content_type in MEDIA_TYPES
        is_registry = (speaks or challenges_of(answer)) and same_origin(answer.url, base_url)
        if is_registry and self._known.get(key) is None:
            found = _endpoint(base_url, answer, verify=verify)
            self._learn(key, replace(found, signatures=found.signatures or None))
        return Opening(f"{base_url}{path}", answer)

    def _first_answer(
        self, host: str, path: str, accept: str, *, insecure: bool, until: float, subject: str = ""
    ) -> tuple[HttpAnswer, bool]:
        """GET over TLS; only for an insecure registry without checking certificates, or without TLS."""
        limit, headers = self._max_bytes, {"Accept": accept}
        now = time.monotonic()
        tls_until = now + (until - now) / 2 if insecure else until  # half the time for TLS, half for what may follow
        try:
            url = f"https://{host}{path}"
            answer = self._http.get(
                url, until=tls_until, max_bytes=limit, headers=headers, verify=not insecure, subject=subject
            )
        except NotTls as error:
            if not insecure:
                why = f"{host} is HTTP only"
                raise RegistryFailure(RegistryErrorKind.HTTP_ONLY, why, in_go=error.in_go) from error
        except Unreachable:
            if not insecure:
                raise
        else:
            return answer, not insecure
        plain = f"http://{host}{path}"
        return self._http.get(
            plain, until=until, max_bytes=limit, headers=headers, verify=False, subject=subject
        ), False

    def learn_challenges(self, host: str, answer: HttpAnswer, *, insecure: bool) -> None:
        """Add the challenges of a registry whose first answer was public and had none."""
        kept = self._known.get((host, insecure))
        if kept is not None and not kept.challenges:
            self._learn((host, insecure), replace(kept, challenges=challenges_of(answer), server=answer.server))

    def discard(self, host: str, *, insecure: bool) -> None:
        """Forget a registry that does not answer: another server may replace it."""
        self._known.discard((host, insecure))


def _endpoint(base_url: str, answer: HttpAnswer, *, verify: bool) -> Endpoint:
    has_extension = answer.headers.get(_SIGNATURES_HEADER, "").strip() == "1"
    return Endpoint(base_url, verify, challenges_of(answer), has_extension, answer.server)


def challenges_of(answer: HttpAnswer) -> tuple[Challenge, ...]:
    """The challenges of a 401; empty for any other answer."""
    return readable_challenges(answer.authenticate) if answer.status == 401 else ()
