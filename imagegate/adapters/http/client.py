"""Bounded HTTP: one request with limits on retries, redirects, bytes and time.

Every URL, also a redirect's, is brought into its canonical form and judged by ``core.registry.egress`` before it is
asked. The caller's credentials go to the origin (scheme, host and port) they were given for and nowhere else; a
redirect to another origin goes without them, and never from HTTPS to HTTP. Bodies are read in pieces, decompressed in
pieces, and dropped as soon as they pass their limit.
"""

from __future__ import annotations

import copy
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import requests
from requests.structures import CaseInsensitiveDict

from imagegate import __version__
from imagegate.adapters.http.answer import HttpAnswer, retry_after
from imagegate.adapters.http.circuits import CircuitOpen, Circuits, Failure, Permit
from imagegate.adapters.http.egress import CheckedAdapter, DeadlineTlsSocket, Resolver, Route, deadline, resolve, routed
from imagegate.adapters.http.failures import (
    OWN_LIMITS,
    CertificateRefused,
    NotTls,
    UnavailableStatus,
    chain,
    translate_errors,
)
from imagegate.adapters.http.name_resolver import NameUnresolved
from imagegate.adapters.http.tls import HostCertificates, TlsContexts
from imagegate.adapters.http.tunnel import ProxyRefused
from imagegate.core.registry.egress import (
    DEFAULT_PORTS,
    AddressPolicy,
    BlockedHosts,
    Sender,
    Target,
    join_host_port,
    joined,
    read_url,
    shown_url,
)
from imagegate.core.registry.error_text import secrets_of
from imagegate.core.registry.proxies import ProxyRules
from imagegate.core.registry.special_addresses import Address
from imagegate.errors import Refused, TooLarge, Unreachable
from imagegate.ports.tracing import request_to

_PIECE_BYTES = 64 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_RETRIED = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Limits for one server.

    Attributes:
        attempts: requests at most for one answer, retries included, redirects not.
        backoff_s: pause before the first retry, doubled for each further one.
        retry_after_max_s: a ``Retry-After`` longer than this is not waited for.
        redirects: hops at most for one request.
        connect_timeout_s: for one connection.
        error_body_bytes: of an error response; the rest is not read.
    """

    attempts: int = 3
    backoff_s: float = 0.2
    retry_after_max_s: float = 5.0
    redirects: int = 5
    connect_timeout_s: float = 5.0
    error_body_bytes: int = 64 * 1024


@dataclass(frozen=True, slots=True)
class _Hop:
    """One request of a chain of redirects; ``sender`` answered the one before it.

    ``subject`` and ``call`` are for circuits: see ``Circuits.permit``.
    """

    method: str
    target: Target
    headers: Mapping[str, str]
    form: Mapping[str, str] | None = None
    sender: Sender | None = None
    subject: str = ""
    call: object = field(default_factory=object)


class HttpClient:
    """Asks by GET (and POST for tokens). Safe for threads.

    Args:
        addresses: where it may connect to.
        ca_files: PEM bundles trusted beside the system's.
        certificates: authorities and client certificates of single hosts.
        proxies: for some or all hosts; None: requests go to the servers themselves.
        limits: see ``HttpLimits``.
        sleep: waits between attempts; replaced in tests.
        resolver: from names to addresses; replaced in tests.
        circuits: of the servers that are asked; clients that ask the same ones share them.
        told_hosts: servers (``host[:port]``) that are told which trace a request belongs to; no others are.
    """

    def __init__(
        self,
        *,
        addresses: AddressPolicy | None = None,
        ca_files: tuple[str, ...] = (),
        certificates: HostCertificates | None = None,
        proxies: ProxyRules | None = None,
        limits: HttpLimits | None = None,
        sleep: Callable[[float], None] = time.sleep,
        resolver: Resolver = resolve,
        circuits: Circuits | None = None,
        told_hosts: frozenset[str] = frozenset(),
    ) -> None:
        self.circuits = circuits or Circuits()
        self._told_hosts = told_hosts
        self._addresses = addresses or AddressPolicy()
        self._limits = limits or HttpLimits()
        self._sleep = sleep
        of_hosts: Any = {"certificates": certificates, "socket_class": DeadlineTlsSocket}
        verified = TlsContexts(ca_files, verify=True, **of_hosts)
        unverified = TlsContexts(verify=False, **of_hosts)
        connections: Any = {"resolver": resolver, "proxies": proxies}
        self._verified = CheckedAdapter(self._addresses, verified, **connections)
        self._unverified = CheckedAdapter(self._addresses, unverified, verify=False, **connections)

    def refusing(self, blocked: BlockedHosts) -> HttpClient:
        """This client, with its connections, with ``blocked`` added to its blocked hosts."""
        client = copy.copy(self)
        client._addresses = replace(self._addresses, blocked=self._addresses.blocked | blocked)
        return client

    def without_retries(self) -> HttpClient:
        """This client, with its connections, for callers that retry in their own way."""
        client = copy.copy(self)
        client._limits = replace(self._limits, attempts=1)
        return client

    def check(self, target: Target, sender: Sender | None) -> None:
        """Judge a URL by its name, as before asking it.

        Raises:
            Refused: requests to it are not permitted, or not if ``sender`` names it.
        """
        self._addresses.check(target, sender)

    def close(self) -> None:
        """Close idle connections."""
        self._verified.close()
        self._unverified.close()

    def get(
        self,
        url: str,
        *,
        until: float,
        max_bytes: int,
        headers: Mapping[str, str] | None = None,
        authorization: str | None = None,
        verify: bool = True,
        sender: Sender | None = None,
        subject: str = "",
    ) -> HttpAnswer:
        """GET ``url``.

        Args:
            until: instant of ``time.monotonic`` by which the body has been read.
            max_bytes: of the decoded body of a success.
            headers: sent to every hop; nothing secret.
            authorization: sent to the origin of ``url`` only.
            verify: check certificates; False also lets a plain ``http`` URL pass.
            sender: the server whose answer names ``url``; None: an image, a policy or the settings do.
            subject: what is asked about, a repository; empty: the server itself. See ``Circuits.permit``.

        Raises:
            CircuitOpen: the server has not answered lately; nothing was sent.
            Unreachable: no connection, no answer in time, 429 or 5xx to the end.
            Refused: an address or a redirect that is not permitted.
            TooLarge: more than ``max_bytes``.
            Malformed: the answer is not HTTP as it should be.
        """
        hop = _Hop("GET", read_url(url), self._headers(headers, authorization), sender=sender, subject=subject)
        return self._attempts(hop, until=until, max_bytes=max_bytes, verify=verify)

    def post_form(
        self,
        url: str,
        form: Mapping[str, str],
        *,
        until: float,
        max_bytes: int,
        headers: Mapping[str, str] | None = None,
        verify: bool = True,
        sender: Sender | None = None,
    ) -> HttpAnswer:
        """POST a form; a redirect is refused, since the form may hold a password. The rest is as for ``get``."""
        hop = _Hop("POST", read_url(url), self._headers(headers, None), form, sender=sender)
        return self._attempts(hop, until=until, max_bytes=max_bytes, verify=verify)

    @staticmethod
    def _headers(headers: Mapping[str, str] | None, authorization: str | None) -> dict[str, str]:
        # identity: a compressed answer costs more than it saves here; one that comes anyway is decoded piece by piece
        ours = {"User-Agent": f"imagegate/{__version__}", "Accept-Encoding": "identity", **(headers or {})}
        return ours if authorization is None else {**ours, "Authorization": authorization}

    def _attempts(self, hop: _Hop, *, until: float, max_bytes: int, verify: bool) -> HttpAnswer:
        for attempt in range(self._limits.attempts):
            last = attempt + 1 == self._limits.attempts
            pause = self._limits.backoff_s * 2**attempt * (1 + random.random() / 4)  # noqa: S311
            try:
                answer = self._hops(hop, until=until, max_bytes=max_bytes, verify=verify)
            except (NotTls, CertificateRefused, CircuitOpen, ProxyRefused):
                raise
            except Unreachable:
                if last or not self._pause(pause, until):
                    raise
                continue
            if answer.status not in _RETRIED:
                return answer
            asked = retry_after(answer)
            wait = asked or pause
            if last or wait > self._limits.retry_after_max_s or not self._pause(wait, until):
                credential = hop.headers.get("Authorization")
                if answer.status == 429 and asked and credential and answer.url == hop.target.url:
                    self.circuits.pause(_server(hop), credential, asked)
                said = answer.sentence
                shown = f"{shown_url(answer.url)} answered with status {answer.status}{said and f': {said}'}"
                raise UnavailableStatus(shown, answer.status)
        raise Unreachable("no attempt was allowed")

    def _pause(self, seconds: float, until: float) -> bool:
        if time.monotonic() + seconds >= until:
            return False
        self._sleep(seconds)
        return True

    def _hops(self, first: _Hop, *, until: float, max_bytes: int, verify: bool) -> HttpAnswer:
        hop, seen = first, {first.target.url}
        for _ in range(self._limits.redirects + 1):
            answer = self._once(hop, until=until, max_bytes=max_bytes, verify=verify)
            location = answer.headers.get("Location")
            if answer.status not in _REDIRECTS or location is None:
                return answer
            if first.method != "GET":
                raise Refused(f"{shown_url(answer.url)} redirects a request that holds a password")
            hop = _redirected(hop, joined(hop.target.url, location), answer.server)
            if hop.target.url in seen:
                raise Refused(f"{shown_url(answer.url)} redirects in a circle")
            seen.add(hop.target.url)
        raise Refused(f"{shown_url(first.target.url)} redirects more than {self._limits.redirects} times")

    def _once(self, hop: _Hop, *, until: float, max_bytes: int, verify: bool) -> HttpAnswer:
        url, origin = hop.target.url, hop.target.origin
        left = until - time.monotonic()
        if left <= 0:
            raise Unreachable(f"no time left to ask {shown_url(url)}")
        if origin.scheme == "http" and verify:
            raise Refused(f"{shown_url(url)} may not be contacted")
        self._addresses.check(hop.target, hop.sender)
        permit = self.circuits.permit(
            _server(hop), subject=hop.subject, credential=hop.headers.get("Authorization"), call=hop.call
        )
        began = time.monotonic()
        met: list[frozenset[Address]] = []
        try:
            answer = self._traced(hop, met, until=until, max_bytes=max_bytes, verify=verify)
        except BaseException as error:
            _note_failure(permit, error, seconds=time.monotonic() - began, connected=bool(met))
            raise
        permit.answered(answer.status)
        secrets = secrets_of(hop.headers.get("Authorization", ""), hop.form)
        return replace(answer, server=Sender(origin, met[-1]), secrets=secrets)

    def _traced(
        self, hop: _Hop, met: list[frozenset[Address]], *, until: float, max_bytes: int, verify: bool
    ) -> HttpAnswer:
        """As ``_sent``, as a step of the look-up that it is for."""
        origin = hop.target.origin
        about = {"imagegate.subject": hop.subject} if hop.subject else {}
        with request_to(hop.method, origin.host, origin.port, about) as span:
            if span is not None and _server(hop) in self._told_hosts:
                hop = replace(hop, headers={**hop.headers, "traceparent": span.traceparent})
            answer = self._sent(hop, met, until=until, max_bytes=max_bytes, verify=verify)
            if span is not None:
                span.set({"http.response.status_code": answer.status})
            return answer

    def _sent(
        self, hop: _Hop, met: list[frozenset[Address]], *, until: float, max_bytes: int, verify: bool
    ) -> HttpAnswer:
        """The answer to one request. Adds the addresses of the server to ``met`` once it is connected."""
        adapter = self._verified if verify else self._unverified
        with deadline(until), routed(Route(self._addresses, hop.sender), met), translate_errors(hop.target.url):
            prepared = requests.Request(hop.method, hop.target.url, headers=dict(hop.headers), data=hop.form).prepare()
            left = max(until - time.monotonic(), 0.001)
            timeout = (min(left, self._limits.connect_timeout_s), left)
            response = adapter.send(prepared, stream=True, timeout=timeout, verify=verify)
            try:
                return self._read(response, max_bytes)
            finally:
                response.close()

    def _read(self, response: requests.Response, max_bytes: int) -> HttpAnswer:
        success = response.status_code == 200
        limit = max_bytes if success else self._limits.error_body_bytes
        body, size = [], 0
        for piece in _pieces(response):
            size += len(piece)
            if size > limit:
                if success:
                    raise TooLarge(f"{shown_url(str(response.url))} sends more than {limit} bytes")
                break
            body.append(piece)
        headers: CaseInsensitiveDict[str] = response.headers
        if success and "Content-Encoding" not in headers and size < _declared(headers):
            raise Unreachable(f"{shown_url(str(response.url))} closed the connection before the end of its answer")
        authenticate = tuple(response.raw.headers.getlist("WWW-Authenticate"))
        return HttpAnswer(response.status_code, headers, b"".join(body), str(response.url), authenticate)


def _server(hop: _Hop) -> str:
    """The name of a server's circuit: its own if an image, a policy or the settings lead there."""
    origin = hop.target.origin
    name = server_name(origin.host, origin.port)
    if hop.sender is None or hop.sender.origin == origin:
        return name
    return f"{name} (where {hop.sender.origin.authority} leads)"


def server_name(host: str, port: int | None) -> str:
    """The name of a server in ``Circuits``: ``HOST[:PORT]``, without the port of HTTPS."""
    return join_host_port(host, None if port == DEFAULT_PORTS["https"] else port)


def _note_failure(permit: Permit, error: BaseException, *, seconds: float, connected: bool) -> None:
    """Tell the server's circuit of a request that has no answer."""
    causes = list(chain(error))
    is_ours = any(isinstance(cause, OSError) and cause.errno in OWN_LIMITS for cause in causes)
    if not isinstance(error, Unreachable) or isinstance(error, (NotTls, CertificateRefused, NameUnresolved)) or is_ours:
        permit.unclear()
    elif not any(isinstance(cause, TimeoutError) for cause in causes):
        permit.failed(Failure.CONNECTION, connected=connected, in_go=error.in_go)
    else:
        permit.timed_out(seconds, connected=connected)


def _redirected(hop: _Hop, location: str, sender: Sender | None) -> _Hop:
    """The request that a redirect leads to.

    Raises:
        Refused: it leads away from HTTPS, or to no HTTP URL.
        Malformed: it is not a URL.
    """
    before = hop.target
    try:
        after = read_url(location)
    except Refused as error:
        raise Refused(
            f"{shown_url(before.url)} redirects to {shown_url(location)}, which may not be contacted"
        ) from error
    if before.origin.scheme == "https" and after.origin.scheme != "https":
        raise Refused(f"{shown_url(before.url)} redirects to {shown_url(location)}, which is not HTTPS")
    headers = dict(hop.headers)
    if after.origin != before.origin:
        headers.pop("Authorization", None)
    return _Hop("GET", after, headers, sender=sender, subject=hop.subject, call=hop.call)


def _pieces(response: requests.Response) -> Iterator[bytes]:
    """The body, decoded; no piece is larger than ``_PIECE_BYTES``, whatever it was compressed to."""
    while piece := response.raw.read1(_PIECE_BYTES, decode_content=True):
        yield piece


def _declared(headers: Mapping[str, str]) -> int:
    length = headers.get("Content-Length", "")
    return int(length[:18]) if length.isascii() and length.isdigit() else 0
