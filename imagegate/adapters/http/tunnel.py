"""A tunnel through an HTTP proxy (RFC 9110 section 9.3.6), for HTTPS and for plain HTTP alike.

One way for both: the proxy sees a host and a port, never a request, a credential or an answer.
"""

from __future__ import annotations

import re
import socket

from imagegate import __version__
from imagegate.core.kube.printable import printable
from imagegate.core.registry.error_text import error_sentence, secrets_of
from imagegate.core.registry.proxies import Proxy
from imagegate.errors import Malformed, Unreachable

_HEAD_MAX_BYTES = 16 * 1024
_PIECE_BYTES = 4096
_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: ([^\r\n]*))?\r?\n")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_CONTENT_TYPE = re.compile(rb"\ncontent-type:[ \t]*([^;\r\n]*)", re.IGNORECASE)
_UNANSWERED = frozenset({502, 503, 504})


class ProxyRefused(Unreachable):
    """The proxy does not let this request pass; asking again will not help."""


class TunnelFailed(Unreachable):
    """The proxy could not reach the server, or gave no answer."""


def open_tunnel(sock: socket.socket, proxy: Proxy, authority: str) -> None:
    """Turn a connection to ``proxy`` into one to ``authority`` (``HOST:PORT``).

    Raises:
        ProxyRefused: the proxy forbids it, or wants a user and a password.
        TunnelFailed: the proxy cannot reach the server, closes the connection or does not answer in time.
        Malformed: the answer is not HTTP.
    """
    try:
        sock.sendall(_request(proxy, authority))
        head, rest = _head(sock, proxy)
    except TimeoutError as error:
        raise TunnelFailed(f"proxy {proxy.shown} did not answer in time for {authority}") from error
    except OSError as error:
        raise TunnelFailed(f"proxy {proxy.shown}: {error}") from error
    status = _STATUS.match(head)
    if status is None:
        raise Malformed(f"proxy {proxy.shown} does not answer as an HTTP proxy")
    code = int(status.group(1))
    if not 200 <= code < 300:
        raise _refusal(proxy, authority, code, head, rest)
    if rest:
        raise Malformed(f"proxy {proxy.shown} sends data before the server at {authority} was asked")


def _request(proxy: Proxy, authority: str) -> bytes:
    lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}", f"User-Agent: imagegate/{__version__}"]
    if proxy.authorization:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def _head(sock: socket.socket, proxy: Proxy) -> tuple[bytes, bytes]:
    """The head of the answer, and what came after it."""
    received, piece = bytearray(), bytearray(_PIECE_BYTES)
    while (end := _HEAD_END.search(received)) is None:
        if len(received) > _HEAD_MAX_BYTES:
            raise Malformed(f"proxy {proxy.shown} sends more than {_HEAD_MAX_BYTES} bytes of headers")
        size = sock.recv_into(piece)
        if not size:
            raise TunnelFailed(f"proxy {proxy.shown} closed the connection without an answer")
        received += piece[:size]
    return bytes(received[: end.end()]), bytes(received[end.end() :])


def _refusal(proxy: Proxy, authority: str, code: int, head: bytes, body: bytes) -> Unreachable:
    status = _STATUS.match(head)
    reason = printable(((status and status.group(2)) or b"").decode("latin-1").strip(), 100)
    kind = _CONTENT_TYPE.search(head)
    content_type = kind.group(1).decode("latin-1").strip().lower() if kind else ""
    said = error_sentence(content_type, body, secrets=secrets_of(proxy.authorization))
    shown = f"status {code}{reason and f' {reason}'}{said and f': {said}'}"
    if code == 407:
        why = "does not accept the user and password" if proxy.authorization else "asks for a user and a password"
        return ProxyRefused(f"proxy {proxy.shown} {why} ({shown}); see registry.proxy")
    kind_of = TunnelFailed if code in _UNANSWERED else ProxyRefused
    return kind_of(f"proxy {proxy.shown} does not connect to {authority} ({shown})")
