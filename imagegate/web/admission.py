"""The admission endpoints: from the bytes of a request to a status and the bytes of an answer.

Plain functions without Flask, since every pod of a cluster waits for them. Two servers call them: WSGI servers through
``AdmissionEndpoints.__call__``, the event loop through ``web.asgi``.

A request that cannot be read is answered with an HTTP error and a Kubernetes Status. A review that can be read is
answered with 200 and an AdmissionReview, also when it is denied.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs

import orjson

from imagegate.core.admission.request import Phase
from imagegate.errors import InvalidReview
from imagegate.service.review.lookups import Steps, finish
from imagegate.service.review.reviewer import Reviewer, internal_error
from imagegate.web.http_error import HttpError
from imagegate.web.peer_certificate import peer_certificate

if TYPE_CHECKING:
    from imagegate.web.client_certificates import Callers

BODY_MAX_BYTES = 8 * 1024 * 1024
TIMEOUT_MAX_S = 30.0
"""The longest ``timeoutSeconds`` a webhook may have."""

StartResponse = Callable[..., Any]


class Endpoint(NamedTuple):
    """The phase and the plug-ins of a path."""

    phase: Phase
    plugins: frozenset[str] | None = None
    """None: every configured plug-in."""
    error_prefix: str = ""
    """Put before the reason when a request cannot be read; Portieris' words on its endpoints."""


_PORTIERIS = "bad request, unable to decode admission review body: "
ENDPOINTS: Mapping[str, Endpoint] = {
    "/mutate": Endpoint(Phase.MUTATE),
    "/validate": Endpoint(Phase.VALIDATE),
    "/mutate/image-policy": Endpoint(Phase.MUTATE, frozenset({"image-policy"})),
    "/validate/image-policy": Endpoint(Phase.VALIDATE, frozenset({"image-policy"})),
    "/mutate/always-pull": Endpoint(Phase.MUTATE, frozenset({"always-pull"})),
    "/validate/always-pull": Endpoint(Phase.VALIDATE, frozenset({"always-pull"})),
    "/validate/imports": Endpoint(Phase.VALIDATE, frozenset({"import-gate"})),
    "/validate/policies": Endpoint(Phase.VALIDATE, frozenset({"policy-guard"})),
    "/admit": Endpoint(Phase.MUTATE, frozenset({"cise-admit"}), _PORTIERIS),
    "/admit/trust": Endpoint(Phase.MUTATE, frozenset({"cise-trust"}), _PORTIERIS),
    "/admit/va": Endpoint(Phase.VALIDATE, frozenset({"cise-va"}), _PORTIERIS),
}


def unconfigured_paths(configured: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Paths of which no plug-in is configured, with the names of the plug-ins.

    Args:
        configured: names that select the plug-ins in force.
    """
    return {
        path: tuple(sorted(endpoint.plugins))
        for path, endpoint in ENDPOINTS.items()
        if endpoint.plugins is not None and endpoint.plugins.isdisjoint(configured)
    }


class Received(NamedTuple):
    """A complete HTTP request."""

    method: str
    content_type: str
    content_encoding: str
    query: str
    body: bytes
    arrived: float | None = None
    """When its first byte was received, on the monotonic clock; None: not known, the time limit runs from now."""
    certificate: bytes | None = None
    """The client's certificate, DER; None: it has shown none, or nobody asked."""
    traceparent: str = ""
    """The header of this name, where reviews are traced."""


class Reply(NamedTuple):
    """The answer, as JSON."""

    status: str
    """Code and reason: ``200 OK``."""
    body: bytes

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The headers of the answer."""
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(self.body)))]
        if self.status.startswith("405"):
            headers.append(("Allow", "POST"))
        return headers


class AdmissionEndpoints:
    """Answers the paths of ``ENDPOINTS``. A WSGI application when it is called.

    Args:
        fallback: the WSGI application for every other path.
        callers: clients that may send reviews; None: all.
    """

    def __init__(
        self,
        reviewer: Reviewer,
        fallback: Callable[[dict[str, Any], StartResponse], Iterable[bytes]],
        *,
        body_max_bytes: int = BODY_MAX_BYTES,
        callers: Callers | None = None,
    ) -> None:
        self._callers = callers
        self._review = reviewer.review_in_steps
        self.is_traced = reviewer.is_traced
        """Requests are received with their ``traceparent``."""
        self.fallback = fallback
        self.body_max_bytes = body_max_bytes

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request of a WSGI server."""
        endpoint = ENDPOINTS.get(environ["PATH_INFO"])
        if endpoint is None:
            return self.fallback(environ, start_response)
        try:
            received = _read_request(environ, self.body_max_bytes)
        except HttpError as error:
            reply = error_reply(endpoint, error)
        else:
            reply = finish(self.answer_in_steps(endpoint, received))
        start_response(reply.status, reply.headers)
        return [reply.body]

    def answer_in_steps(self, endpoint: Endpoint, received: Received) -> Steps[Reply]:
        """Answer one request; yields a ``Wait`` for each round of look-ups that are not cached."""
        try:
            if self._callers is not None:
                self._callers.check(received.certificate)
            # again for WSGI, which has checked before it read the body; the event loop has the body by now
            check_head(received.method, received.content_type, received.content_encoding)
            document = decode_body(received.body)
            answer = yield from self._review(
                document,
                endpoint.phase,
                endpoint.plugins,
                timeout_s(received.query),
                received.arrived,
                received.traceparent,
            )
            return Reply("200 OK", _encode(answer, document))
        except HttpError as error:
            return error_reply(endpoint, error)
        except InvalidReview as error:
            return error_reply(endpoint, HttpError("400 Bad Request", str(error)))
        except MemoryError:
            return _out_of_memory_reply(endpoint, received.body)


def error_reply(endpoint: Endpoint, error: HttpError) -> Reply:
    """The answer to a request that is not read."""
    return Reply(error.status, status_body(error.status, f"{endpoint.error_prefix}{error}"))


_UID = re.compile(rb'"request"\s*:\s*\{[^{}]*?"uid"\s*:\s*"([^"\\]{1,256})"')
_VERSION = re.compile(rb'"apiVersion"\s*:\s*"(admission\.k8s\.io/v1(?:beta1)?)"')
_SEARCHED_BYTES = 4096
"""The API server writes version and uid at the beginning."""
_NO_MEMORY = "the service has no memory left for this request"


def _out_of_memory_reply(endpoint: Endpoint, body: bytes) -> Reply:
    """A denial with the review's uid; 503 if the uid is not near the beginning of the body.

    The body is searched, not decoded: decoding is what there was no memory for.
    """
    head = body[:_SEARCHED_BYTES]
    uid, version = _UID.search(head), _VERSION.search(head)
    if uid is None:
        return error_reply(
            endpoint, HttpError("503 Service Unavailable", "the service has no memory left for this request")
        )
    document = {
        "apiVersion": version[1].decode() if version else "",
        "request": {"uid": uid[1].decode("utf-8", "replace")},
    }
    return Reply("200 OK", orjson.dumps(internal_error(document)))


def _read_request(environ: Mapping[str, Any], max_bytes: int) -> Received:
    method, encoding = environ["REQUEST_METHOD"], environ.get("HTTP_CONTENT_ENCODING", "identity")
    media_type = environ.get("CONTENT_TYPE", "")
    check_head(method, media_type, encoding)
    try:
        body = read_body(environ, max_bytes)
    except MemoryError as error:
        raise HttpError("503 Service Unavailable", _NO_MEMORY) from error
    certificate = peer_certificate(environ)
    query, traceparent = environ.get("QUERY_STRING", ""), environ.get("HTTP_TRACEPARENT", "")
    return Received(method, media_type, encoding, query, body, certificate=certificate, traceparent=traceparent)


def check_head(method: str, media_type: str, encoding: str) -> None:
    """Check that a request can hold a review.

    Raises:
        HttpError: it is not a POST of plain JSON.
    """
    if method != "POST":
        raise HttpError("405 Method Not Allowed", "an AdmissionReview is sent by POST")
    if encoding != "identity":
        raise HttpError("415 Unsupported Media Type", "a Content-Encoding is not accepted: send plain JSON")
    # compared whole first: the API server sends exactly this, and need not pay for the parsing
    if media_type != "application/json" and media_type.partition(";")[0].strip().lower() != "application/json":
        raise HttpError("415 Unsupported Media Type", "the Content-Type must be application/json")


def decode_body(body: bytes) -> object:
    """Decode the JSON of a body.

    Raises:
        HttpError: it is not JSON.
    """
    if not body:
        raise HttpError("400 Bad Request", "the body is empty")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if error.msg.casefold().startswith("not enough memory"):  # orjson reports a failed allocation like this
            raise MemoryError(error.msg) from error
        raise HttpError("400 Bad Request", f"the body is not JSON: {error}") from error


def read_body(environ: Mapping[str, Any], max_bytes: int = BODY_MAX_BYTES) -> bytes:
    """Read the body of a WSGI request, at most ``max_bytes`` and one.

    Raises:
        HttpError: it is too large, or shorter than announced.
    """
    stream = environ["wsgi.input"]
    announced = environ.get("CONTENT_LENGTH")
    if announced:
        if not announced.isdecimal():
            raise HttpError("400 Bad Request", "the Content-Length is not a number")
        if len(announced) > 18 or int(announced) > max_bytes:
            raise too_large(max_bytes)
        body: bytes = stream.read(int(announced))
        if len(body) < int(announced):
            raise HttpError("400 Bad Request", f"the body ended after {len(body)} of {announced} bytes")
        return body
    if not environ.get("wsgi.input_terminated"):
        return b""  # without a length, a server that does not mark the end of the body would block in read()
    body = stream.read(max_bytes + 1)
    if len(body) > max_bytes:
        raise too_large(max_bytes)
    return body


def too_large(max_bytes: int) -> HttpError:
    """The error for a body that is larger than ``max_bytes``."""
    return HttpError("413 Content Too Large", f"the body is larger than {max_bytes} bytes")


def _encode(answer: dict[str, Any], document: object) -> bytes:
    try:
        return orjson.dumps(answer)
    except (TypeError, MemoryError):  # a string that is not UTF-8, or a number beyond 64 bits, in a look-up's result
        return orjson.dumps(internal_error(document))


def status_body(status: str, why: str) -> bytes:
    """A Kubernetes Status for an HTTP error, as JSON."""
    code, _, reason = status.partition(" ")
    return orjson.dumps(
        {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": why.encode("utf-8", "replace").decode("utf-8"),  # orjson refuses lone surrogates
            "reason": _REASONS.get(code, reason.replace(" ", "")),
            "code": int(code),
        }
    )


_REASONS = {"405": "MethodNotAllowed", "413": "RequestEntityTooLarge", "415": "UnsupportedMediaType"}
"""Kubernetes' reasons, where they differ from HTTP's."""

_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


@lru_cache(maxsize=64)  # an API server sends one query for each webhook configuration
def timeout_s(query: str) -> float | None:
    """Seconds that the API server waits, from its ``?timeout=10s``; None if the query does not say.

    A Go duration (``time.ParseDuration``); one that cannot be read, or is zero, counts as not given.
    """
    if len(query) > 1024:  # bounds the parsing, and the memory of the cached queries
        return None
    duration = parse_qs(query).get("timeout", [""])[0]
    if not duration or _DURATION_PART.sub("", duration):
        return None
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in _DURATION_PART.findall(duration))
    return min(seconds, TIMEOUT_MAX_S) or None
