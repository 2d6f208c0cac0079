"""Bounded HTTP: one request with retries, redirects, bytes and time kept within limits.

The caller's credentials go to the origin (scheme, host and port) they were given for and nowhere else; a redirect to
another origin goes without them, and never from HTTPS to HTTP. Bodies are read in pieces, decompressed in pieces, and
dropped as soon as they pass their limit.
"""

from __future__ import annotations

import random
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import SplitResult, urljoin, urlsplit

import requests
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import HTTPError

from imagegate import __version__
from imagegate.adapters.http_egress import AddressPolicy, CheckedAdapter, Resolver, deadline, resolve
from imagegate.errors import Malformed, Refused, TooLarge, Unreachable

_PIECE_BYTES = 64 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_RETRIED = frozenset({429, 500, 502, 503, 504})
_NOT_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")


class NotTls(Unreachable):
    """The server does not speak TLS where TLS was asked for."""


class CertificateRefused(Unreachable):
    """The server's certificate is not trusted; asking again will not help."""


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """How much a server may cost.

    Attributes:
        attempts: requests at most for one answer, retries included, redirects not.
        backoff_s: pause before the first retry, doubled for each further one.
        retry_after_max_s: a ``Retry-After`` longer than this is not waited for.
        redirects: hops at most for one request.
        connect_timeout_s: for one connection.
        error_body_bytes: of an answer that is no success; the rest is not read.
    """

    attempts: int = 3
    backoff_s: float = 0.2
    retry_after_max_s: float = 5.0
    redirects: int = 5
    connect_timeout_s: float = 5.0
    error_body_bytes: int = 64 * 1024


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """One answer, read to its end.

    ``url`` is the last one asked, after redirects; ``authenticate`` are the lines of ``WWW-Authenticate``.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str
    authenticate: tuple[str, ...] = ()

    @property
    def content_type(self) -> str:
        """Media type in lower case without parameters."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()


class HttpClient:
    """Asks by GET (and POST for tokens). Safe for threads.

    Args:
        addresses: where it may connect to.
        ca_files: PEM bundles trusted beside the system's.
        limits: see ``HttpLimits``.
        sleep: waits between attempts; replaced in tests.
        resolver: from names to addresses; replaced in tests.
    """

    def __init__(
        self,
        *,
        addresses: AddressPolicy | None = None,
        ca_files: tuple[str, ...] = (),
        limits: HttpLimits | None = None,
        sleep: Callable[[float], None] = time.sleep,
        resolver: Resolver = resolve,
    ) -> None:
        self._addresses = addresses or AddressPolicy()
        self._limits = limits or HttpLimits()
        self._sleep = sleep
        self._verified = CheckedAdapter(self._addresses, ca_files=ca_files, resolver=resolver)
        self._unverified = CheckedAdapter(self._addresses, verify=False, resolver=resolver)

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
    ) -> HttpAnswer:
        """GET ``url``.

        Args:
            until: instant of ``time.monotonic`` by which the body has been read.
            max_bytes: of the decoded body of a success.
            headers: sent to every hop; nothing secret.
            authorization: sent to the origin of ``url`` only.
            verify: check certificates; False also lets a plain ``http`` URL pass.

        Raises:
            Unreachable: no connection, no answer in time, 429 or 5xx to the end.
            Refused: an address or a redirect that is not permitted.
            TooLarge: more than ``max_bytes``.
            Malformed: the answer is not HTTP as it should be.
        """
        request = requests.Request("GET", url, headers=self._headers(headers, authorization))
        return self._attempts(request, until=until, max_bytes=max_bytes, verify=verify)

    def post_form(
        self, url: str, form: Mapping[str, str], *, until: float, max_bytes: int, verify: bool = True
    ) -> HttpAnswer:
        """POST a form; a redirect is refused, since the form may hold a password. Raises as ``get``."""
        request = requests.Request("POST", url, data=dict(form), headers=self._headers(None, None))
        return self._attempts(request, until=until, max_bytes=max_bytes, verify=verify)

    @staticmethod
    def _headers(headers: Mapping[str, str] | None, authorization: str | None) -> dict[str, str]:
        # identity: a compressed answer costs more than it saves here; one that comes anyway is decoded piece by piece
        ours = {"User-Agent": f"imagegate/{__version__}", "Accept-Encoding": "identity", **(headers or {})}
        return ours if authorization is None else {**ours, "Authorization": authorization}

    def _attempts(self, request: requests.Request, *, until: float, max_bytes: int, verify: bool) -> HttpAnswer:
        for attempt in range(self._limits.attempts):
            last = attempt + 1 == self._limits.attempts
            pause = self._limits.backoff_s * 2**attempt * (1 + random.random() / 4)  # noqa: S311
            try:
                answer = self._hops(request, until=until, max_bytes=max_bytes, verify=verify)
            except (NotTls, CertificateRefused):
                raise
            except Unreachable:
                if last or not self._pause(pause, until):
                    raise
                continue
            if answer.status not in _RETRIED:
                return answer
            wait = _retry_after(answer, pause)
            if last or wait > self._limits.retry_after_max_s or not self._pause(wait, until):
                raise Unreachable(f"{_shown(answer.url)} answered with status {answer.status}")
        raise Unreachable("no attempt was allowed")

    def _pause(self, seconds: float, until: float) -> bool:
        if time.monotonic() + seconds >= until:
            return False
        self._sleep(seconds)
        return True

    def _hops(self, request: requests.Request, *, until: float, max_bytes: int, verify: bool) -> HttpAnswer:
        hop, seen = request, {str(request.url)}
        for _ in range(self._limits.redirects + 1):
            answer = self._once(hop, until=until, max_bytes=max_bytes, verify=verify)
            target = answer.headers.get("Location")
            if answer.status not in _REDIRECTS or target is None:
                return answer
            if request.method != "GET":
                raise Refused(f"{_shown(answer.url)} redirects a request that holds a password")
            hop = self._redirected(hop, urljoin(answer.url, target))
            if hop.url in seen:
                raise Refused(f"{_shown(answer.url)} redirects in a circle")
            seen.add(str(hop.url))
        raise Refused(f"{_shown(str(request.url))} redirects more than {self._limits.redirects} times")

    def _redirected(self, request: requests.Request, target: str) -> requests.Request:
        before, after = _split(str(request.url)), _split(target)
        if after.scheme not in {"http", "https"} or (before.scheme == "https" and after.scheme != "https"):
            raise Refused(f"{_shown(str(request.url))} redirects to {_shown(target)}, which is not HTTPS")
        headers = dict(request.headers)
        if _origin(before) != _origin(after):
            headers.pop("Authorization", None)
            named = self._addresses.names(after.hostname or "", _origin(after)[2])
            if named and not self._addresses.names(before.hostname or "", _origin(before)[2]):
                # a stranger must not send us into a host that only the settings let us reach
                raise Refused(f"{_shown(str(request.url))} redirects to {_shown(target)}, which is not permitted")
        return requests.Request("GET", target, headers=headers)

    def _once(self, request: requests.Request, *, until: float, max_bytes: int, verify: bool) -> HttpAnswer:
        url = str(request.url)
        left = until - time.monotonic()
        if left <= 0:
            raise Unreachable(f"no time left to ask {_shown(url)}")
        parts = _split(url)
        permitted = parts.scheme == "https" or (parts.scheme == "http" and not verify)
        if not permitted or not parts.hostname or parts.username:
            raise Refused(f"{_shown(url)} may not be asked")
        adapter = self._verified if verify else self._unverified
        with deadline(until), _troubles(url):
            prepared = request.prepare()
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
                    raise TooLarge(f"{_shown(str(response.url))} sends more than {limit} bytes")
                break
            body.append(piece)
        headers: CaseInsensitiveDict[str] = response.headers
        if success and "Content-Encoding" not in headers and size < _declared(headers):
            raise Unreachable(f"{_shown(str(response.url))} closed the connection before the end of its answer")
        authenticate = tuple(response.raw.headers.getlist("WWW-Authenticate"))
        return HttpAnswer(response.status_code, headers, b"".join(body), str(response.url), authenticate)


def _pieces(response: requests.Response) -> Iterator[bytes]:
    """The body, decoded; no piece is larger than ``_PIECE_BYTES``, whatever it was compressed to."""
    while piece := response.raw.read1(_PIECE_BYTES, decode_content=True):
        yield piece


def _declared(headers: Mapping[str, str]) -> int:
    length = headers.get("Content-Length", "")
    return int(length[:18]) if length.isascii() and length.isdigit() else 0


@contextmanager
def _troubles(url: str) -> Iterator[None]:
    """The libraries' exceptions as ours."""
    try:
        yield
    except (requests.RequestException, HTTPError, OSError, ValueError) as error:
        raise _trouble(url, error) from error


def _trouble(url: str, error: BaseException) -> Exception:
    causes = list(_chain(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return CertificateRefused(f"{_shown(url)}: certificate refused: {cause.verify_message}")
        if isinstance(cause, ssl.SSLError) and cause.reason in _NOT_TLS:
            return NotTls(f"{_shown(url)} does not speak TLS")
    if any(isinstance(cause, TimeoutError) for cause in causes):
        return Unreachable(f"{_shown(url)} did not answer in time")
    if isinstance(error, ValueError) and not isinstance(error, (requests.RequestException, OSError)):
        return Malformed(f"{_shown(url)}: {error}")
    return Unreachable(f"{_shown(url)}: {causes[-1] if causes else error}")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception and what it was made from; requests and urllib3 hide it in arguments and ``reason``."""
    waiting, seen = [error], set[int]()
    while waiting and len(seen) < 32:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        inner = [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
        waiting.extend(cause for cause in inner if isinstance(cause, BaseException))


def _retry_after(answer: HttpAnswer, otherwise: float) -> float:
    text = answer.headers.get("Retry-After", "").strip()
    if not text:
        return otherwise
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(otherwise, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return otherwise


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  (checks the port's range)
    except ValueError as error:
        raise Malformed(f"{url[:200]!r} is not a URL") from error
    return parts


def _origin(parts: SplitResult) -> tuple[str, str, int]:
    return parts.scheme, (parts.hostname or "").lower(), parts.port or (443 if parts.scheme == "https" else 80)


def same_origin(one: str, other: str) -> bool:
    """Whether two URLs have the same scheme, host and port.

    Raises:
        Malformed: one of them is no URL.
    """
    return _origin(_split(one)) == _origin(_split(other))


def _shown(url: str) -> str:
    """A URL for messages: without query (signed blob locations are secrets) and user."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"[:512]
