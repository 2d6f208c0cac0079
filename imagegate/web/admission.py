"""The admission endpoints as a bare WSGI callable: every microsecond here is paid by every pod.

An unreadable request is answered with an HTTP error and a Status; anything that can be read is answered with
200 and an AdmissionReview, also when it is denied.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import orjson

from imagegate.core.admission import Phase
from imagegate.errors import InvalidReview
from imagegate.service.review import Reviewer, internal_error

BODY_MAX_BYTES = 8 * 1024 * 1024
TIMEOUT_MAX_S = 30.0
"""The longest ``timeoutSeconds`` a webhook may have."""

StartResponse = Callable[..., Any]


class Endpoint(NamedTuple):
    """What a path asks for."""

    phase: Phase
    plugins: frozenset[str] | None = None
    """None: all that are configured."""
    undecodable: str = ""
    """What stands before the reason where a body cannot be read."""


_PORTIERIS = "bad request, unable to decode admission review body: "
ENDPOINTS: Mapping[str, Endpoint] = {
    "/mutate": Endpoint(Phase.MUTATE),
    "/validate": Endpoint(Phase.VALIDATE),
    "/mutate/image-policy": Endpoint(Phase.MUTATE, frozenset({"image-policy"})),
    "/validate/image-policy": Endpoint(Phase.VALIDATE, frozenset({"image-policy"})),
    "/mutate/always-pull": Endpoint(Phase.MUTATE, frozenset({"always-pull"})),
    "/validate/always-pull": Endpoint(Phase.VALIDATE, frozenset({"always-pull"})),
    "/validate/imports": Endpoint(Phase.VALIDATE, frozenset({"import-gate"})),
    "/admit": Endpoint(Phase.MUTATE, frozenset({"cise-admit"}), _PORTIERIS),
    "/admit/trust": Endpoint(Phase.MUTATE, frozenset({"cise-trust"}), _PORTIERIS),
    "/admit/va": Endpoint(Phase.VALIDATE, frozenset({"cise-va"}), _PORTIERIS),
}


class Refusal(Exception):
    """A request that is not read: an HTTP status and why."""

    def __init__(self, status: str, why: str) -> None:
        super().__init__(why)
        self.status = status


class AdmissionEndpoints:
    """WSGI: the paths of ``ENDPOINTS``; everything else goes to ``fallback``."""

    def __init__(
        self,
        reviewer: Reviewer,
        fallback: Callable[[dict[str, Any], StartResponse], Iterable[bytes]],
        *,
        body_max_bytes: int = BODY_MAX_BYTES,
    ) -> None:
        self._review = reviewer.review
        self._fallback = fallback
        self._body_max_bytes = body_max_bytes

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        endpoint = ENDPOINTS.get(environ["PATH_INFO"])
        if endpoint is None:
            return self._fallback(environ, start_response)
        try:
            document = read_document(environ, self._body_max_bytes)
            answer = self._review(
                document, endpoint.phase, endpoint.plugins, timeout_s(environ.get("QUERY_STRING", ""))
            )
            status, body = "200 OK", _encode(answer, document)
        except Refusal as refusal:
            status, body = refusal.status, _status(refusal.status, f"{endpoint.undecodable}{refusal}")
        except InvalidReview as error:
            status, body = "400 Bad Request", _status("400 Bad Request", f"{endpoint.undecodable}{error}")
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        if status.startswith("405"):
            headers.append(("Allow", "POST"))
        start_response(status, headers)
        return [body]


def read_document(environ: Mapping[str, Any], max_bytes: int = BODY_MAX_BYTES) -> object:
    """The request's body, decoded from JSON.

    Raises:
        Refusal: it is not a POST of JSON, is larger than ``max_bytes``, or is not JSON.
    """
    if environ["REQUEST_METHOD"] != "POST":
        raise Refusal("405 Method Not Allowed", "an AdmissionReview is sent by POST")
    if environ.get("HTTP_CONTENT_ENCODING", "identity") != "identity":
        raise Refusal("415 Unsupported Media Type", "a Content-Encoding is not accepted: send plain JSON")
    media_type = environ.get("CONTENT_TYPE", "")
    if media_type != "application/json" and media_type.partition(";")[0].strip().lower() != "application/json":
        raise Refusal("415 Unsupported Media Type", "the Content-Type must be application/json")
    body = read_body(environ, max_bytes)
    if not body:
        raise Refusal("400 Bad Request", "the body is empty")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refusal("400 Bad Request", f"the body is not JSON: {error}") from error


def read_body(environ: Mapping[str, Any], max_bytes: int = BODY_MAX_BYTES) -> bytes:
    """The body, never reading more than ``max_bytes`` and one.

    Raises:
        Refusal: it is too large, or shorter than announced.
    """
    stream = environ["wsgi.input"]
    announced = environ.get("CONTENT_LENGTH")
    if announced:
        if not announced.isdecimal():
            raise Refusal("400 Bad Request", "the Content-Length is not a number")
        if len(announced) > 18 or int(announced) > max_bytes:
            raise _too_large(max_bytes)
        body: bytes = stream.read(int(announced))
        if len(body) < int(announced):
            raise Refusal("400 Bad Request", f"the body ended after {len(body)} of {announced} bytes")
        return body
    if not environ.get("wsgi.input_terminated"):
        return b""
    body = stream.read(max_bytes + 1)
    if len(body) > max_bytes:
        raise _too_large(max_bytes)
    return body


def _too_large(max_bytes: int) -> Refusal:
    return Refusal("413 Content Too Large", f"the body is larger than {max_bytes} bytes")


def _encode(answer: dict[str, Any], document: object) -> bytes:
    try:
        return orjson.dumps(answer)
    except TypeError:  # a text that is not UTF-8, or a number beyond 64 bits, from some answer outside
        return orjson.dumps(internal_error(document))


def _status(status: str, why: str) -> bytes:
    code, _, reason = status.partition(" ")
    return orjson.dumps(
        {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": why.encode("utf-8", "replace").decode("utf-8"),
            "reason": _REASONS.get(code, reason.replace(" ", "")),
            "code": int(code),
        }
    )


_REASONS = {"405": "MethodNotAllowed", "413": "RequestEntityTooLarge", "415": "UnsupportedMediaType"}

_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


@lru_cache(maxsize=64)
def timeout_s(query: str) -> float | None:
    """How long the API server waits, in seconds, from its ``?timeout=10s``; None where it does not say.

    A Go duration (``time.ParseDuration``); one that cannot be read, or is zero, counts as not given.
    """
    if len(query) > 1024:
        return None
    text = parse_qs(query).get("timeout", [""])[0]
    if not text or _DURATION_PART.sub("", text):
        return None
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in _DURATION_PART.findall(text))
    return min(seconds, TIMEOUT_MAX_S) or None
