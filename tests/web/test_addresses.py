"""Addresses as ``--bind`` names them, and what is said of those that nothing can listen at."""

from __future__ import annotations

import socket
from contextlib import closing

import pytest

from imagegate.errors import InvalidSettings
from imagegate.web.addresses import Address, AddressUnavailable, check_available, parse_address


@pytest.mark.parametrize(
    "text, host, port",
    [
        ("127.0.0.1", "127.0.0.1", 8080),
        ("127.0.0.1:9000", "127.0.0.1", 9000),
        ("localhost", "localhost", 8080),
        ("[::1]", "::1", 8080),
        ("[::1]:9000", "::1", 9000),
        ("::1", "::1", 8080),
        ("::", "::", 8080),
        ("0.0.0.0:0", "0.0.0.0", 0),
        ("node-1.example.com:65535", "node-1.example.com", 65535),
    ],
)
def test_addresses(text: str, host: str, port: int) -> None:
    assert parse_address(text) == Address(host, port)
    assert parse_address(str(Address(host, port))) == Address(host, port)


@pytest.mark.parametrize(
    "text, why",
    [
        ("localhost:abc", "'abc' is not a port"),
        ("localhost:", "'' is not a port"),
        ("localhost:65536", "'65536' is not a port"),
        ("localhost:-1", "'-1' is not a port"),
        ("localhost:\u0661", "is not a port"),
        ("localhost:80:90", "'80:90' is not a port"),
        ("", "expected HOST:PORT"),
        (":8080", "expected HOST:PORT"),
        ("[localhost]:8080", "expected HOST:PORT"),
        ("[::1]8080", "expected HOST:PORT"),
        ("http://localhost:8080", "expected HOST:PORT"),
        ("unix:/run/imagegate.sock", "expected HOST:PORT"),
    ],
)
def test_texts_that_are_not_addresses(text: str, why: str) -> None:
    with pytest.raises(InvalidSettings, match=why):
        parse_address(text)


def test_a_port_that_another_program_listens_at() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        address = Address("127.0.0.1", taken.getsockname()[1])
        with pytest.raises(AddressUnavailable, match=rf"^{address} is in use by another program; --bind HOST:PORT"):
            check_available(address)
    check_available(address)


def test_a_name_is_tried_as_the_server_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that has an IPv6 address too, on a machine without IPv6, can be listened at."""
    asked: list[int] = []
    look_up = socket.getaddrinfo

    def noted(host: str, port: int, family: int, kind: int) -> list[object]:
        asked.append(family)
        return list(look_up(host, port, family, kind))

    monkeypatch.setattr(socket, "getaddrinfo", noted)
    check_available(Address("localhost", 0))
    assert asked == [socket.AF_INET]
