"""Users whom the API server's aggregation layer names in headers of a request.

The API server authenticates a caller, and hands the request on with the caller's name in ``X-Remote-*`` headers. It
proves itself with a client certificate. Source: k8s.io/apiserver, authentication/request/headerrequest; the
configuration is the ConfigMap ``extension-apiserver-authentication`` of the namespace ``kube-system``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from imagegate.core.admission.request import User
from imagegate.errors import InvalidInput

Headers = Iterable[tuple[bytes, bytes]]
"""Names in lower case and values, in the order in which they were sent; not joined, for groups may hold commas."""

AUTHENTICATED = "system:authenticated"
UNAUTHENTICATED = "system:unauthenticated"
ANONYMOUS = "system:anonymous"
VALUES_MAX = 4096
"""Groups and extra values of one user."""
_BEGIN = "-----BEGIN CERTIFICATE-----"
_STANDARD_PREFIX = b"x-remote-"


class InvalidRequestHeaders(InvalidInput):
    """The headers name no user that can be told from another, or their configuration cannot be read."""


@dataclass(frozen=True, slots=True)
class RequestHeaders:
    """Headers that name the user, and common names that may send them; an empty list of names allows all."""

    allowed_names: tuple[str, ...] = ()
    username: tuple[str, ...] = ("X-Remote-User",)
    groups: tuple[str, ...] = ("X-Remote-Group",)
    extra_prefixes: tuple[str, ...] = ("X-Remote-Extra-",)
    uid: tuple[str, ...] = ()

    def name_a_user(self, headers: Headers) -> bool:
        """True if a header claims something about the user: such a request must come from the API server."""
        single = {name.lower().encode() for name in (*self.username, *self.groups, *self.uid)}
        prefixes = (_STANDARD_PREFIX, *(prefix.lower().encode() for prefix in self.extra_prefixes))
        return any(name in single or name.startswith(prefixes) for name, _ in headers)

    def user(self, headers: Headers) -> User | None:
        """The user; None if the headers name none.

        Raises:
            InvalidRequestHeaders: a value is not UTF-8, or there are too many.
        """
        sent = list(headers)
        name = _first(sent, self.username)
        if not name:
            return None
        groups = [value for header in self.groups for value in _values(sent, header) if value]
        extra = self._extra(sent)
        if len(groups) + sum(len(values) for _, values in extra) > VALUES_MAX:
            raise InvalidRequestHeaders(f"the user has more than {VALUES_MAX} groups and extra values")
        return with_authenticated_group(User(name, _first(sent, self.uid), tuple(dict.fromkeys(groups)), extra))

    def _extra(self, sent: list[tuple[bytes, bytes]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Keys are the rest of the header's name in lower case, percent-decoded; each may be sent several times."""
        found: dict[str, list[str]] = {}
        for prefix in self.extra_prefixes:
            start = prefix.lower().encode()
            for header, value in sent:
                if header.startswith(start):
                    found.setdefault(_unescaped(header[len(start) :]), []).append(_text(value))
        return tuple((key, tuple(values)) for key, values in sorted(found.items()))


@dataclass(frozen=True, slots=True)
class DelegatedAuthentication:
    """Data that the API server publishes for servers behind it. CAs are PEM; empty: no such certificates are accepted.

    Raises:
        InvalidRequestHeaders: a CA bundle holds something else than certificates; or both hold the same CA and every
            common name is allowed, so that any user with a certificate could name any other.
    """

    request_headers: RequestHeaders = RequestHeaders()
    request_header_ca: str = ""
    client_ca: str = ""

    def __post_init__(self) -> None:
        request_header = _keys("request-header client CA", self.request_header_ca)
        client = _keys("client CA", self.client_ca)
        if not self.request_headers.allowed_names and not request_header.isdisjoint(client):
            raise InvalidRequestHeaders(
                "the request-header client CA is a client CA too, and every common name is allowed: any user with a "
                "client certificate could name any other; allow only the names of the API server"
            )


def _keys(name: str, bundle: str) -> set[bytes]:
    """The CAs of a bundle by their keys: a renewed certificate of a CA is no other CA."""
    try:
        return {
            each.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            for each in certificates(bundle)
        }
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidRequestHeaders(f"the {name} cannot be read: {error}") from error


def certificates(bundle: str) -> list[x509.Certificate]:
    """The certificates of a PEM bundle; none of an empty one.

    Raises:
        ValueError: it holds none, or a damaged one.
    """
    if not bundle:
        return []
    found = x509.load_pem_x509_certificates(bundle.encode("ascii"))
    if bundle.count(_BEGIN) != len(found):
        raise ValueError("a certificate is cut off")
    return found


def read_delegated_authentication(data: Mapping[str, Any]) -> DelegatedAuthentication:
    """The ``data`` of the ConfigMap ``extension-apiserver-authentication``.

    Raises:
        InvalidRequestHeaders: an entry has another form.
    """
    return DelegatedAuthentication(
        RequestHeaders(
            allowed_names=_list(data, "requestheader-allowed-names"),
            username=_list(data, "requestheader-username-headers"),
            groups=_list(data, "requestheader-group-headers"),
            extra_prefixes=_list(data, "requestheader-extra-headers-prefix"),
            uid=_list(data, "requestheader-uid-headers"),
        ),
        request_header_ca=_string(data, "requestheader-client-ca-file"),
        client_ca=_string(data, "client-ca-file"),
    )


def with_authenticated_group(user: User) -> User:
    """The user in the group of all who have logged in. Source: k8s.io/apiserver, ``AuthenticatedGroupAdder``."""
    if user.name == ANONYMOUS or AUTHENTICATED in user.groups or UNAUTHENTICATED in user.groups:
        return user
    return user._replace(groups=(*user.groups, AUTHENTICATED))


def _list(data: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """A JSON list of strings; a missing one is empty."""
    written = _string(data, key)
    if not written:
        return ()
    try:
        found = json.loads(written)
    except (ValueError, RecursionError) as error:
        raise InvalidRequestHeaders(f"{key} is not JSON") from error
    if not isinstance(found, list) or not all(isinstance(each, str) and each.isascii() for each in found):
        raise InvalidRequestHeaders(f"{key} is not a list of ASCII strings")
    if key != "requestheader-allowed-names" and not all(found):
        raise InvalidRequestHeaders(f"{key} has an empty string, which is no header")
    return tuple(found)


def _string(data: Mapping[str, Any], key: str) -> str:
    value = data.get(key, "")
    if not isinstance(value, str):
        raise InvalidRequestHeaders(f"{key} is not a string")
    return value


def _first(sent: list[tuple[bytes, bytes]], headers: tuple[str, ...]) -> str:
    """The first value of the first header that has one."""
    return next((first for header in headers if (first := next(_values(sent, header), ""))), "")


def _values(sent: list[tuple[bytes, bytes]], header: str) -> Iterator[str]:
    wanted = header.lower().encode()
    return (_text(value) for name, value in sent if name == wanted)


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidRequestHeaders("a header that names the user is not UTF-8") from error


def _unescaped(key: bytes) -> str:
    """Percent-decoded; as it is if that is not possible, as in Go's ``url.PathUnescape``."""
    escapes = key.split(b"%")[1:]
    is_valid = all(len(each) >= 2 and all(digit in b"0123456789abcdef" for digit in each[:2]) for each in escapes)
    return _text(unquote_to_bytes(key) if is_valid else key)
