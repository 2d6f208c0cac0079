"""Requests of this machine's user, of proxies, and of web pages."""

from __future__ import annotations

import pytest
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from imagegate.web.local_requests import (
    cross_origin_problem,
    header_spelling,
    is_local_name,
    is_loopback,
    proxy_header,
)


def request(**headers: str) -> Request:
    spelled = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(EnvironBuilder(base_url="http://localhost:8080/", headers=spelled.items()).get_environ())


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://localhost:8080"},
        {"Origin": "http://LOCALHOST:8080", "Sec_Fetch_Site": "same-origin"},
        {"Sec_Fetch_Site": "none"},
    ],
)
def test_our_own_pages_and_programs_may_send(headers: dict[str, str]) -> None:
    assert cross_origin_problem(request(**headers)) == ""


@pytest.mark.parametrize(
    "headers, shown",
    [
        ({"Origin": "http://localhost:8081"}, "http://localhost:8081"),
        ({"Origin": "https://localhost:8080"}, "https://localhost:8080"),
        ({"Origin": "http://evil.example"}, "http://evil.example"),
        ({"Origin": "null"}, "null"),
        ({"Origin": "http://localhost:8080/path"}, "http://localhost:8080/path"),
        ({"Origin": "http://user@localhost:8080"}, "http://user@localhost:8080"),
        ({"Origin": "http://localhost:port"}, "http://localhost:port"),
        ({"Sec_Fetch_Site": "cross-site"}, "Sec-Fetch-Site: cross-site"),
        ({"Sec_Fetch_Site": "same-site"}, "Sec-Fetch-Site: same-site"),
    ],
)
def test_pages_of_other_origins_may_not(headers: dict[str, str], shown: str) -> None:
    assert shown in cross_origin_problem(request(**headers))


@pytest.mark.parametrize(
    "header", ["X-Forwarded-For", "X-Remote-User", "Forwarded", "Via", "X-Real-Ip", "X-Original-Forwarded-For"]
)
def test_proxies_are_recognised_by_their_headers(header: str) -> None:
    assert proxy_header(request(**{header: "a"})) == header


def test_headers_that_look_similar_are_not_those_of_proxies() -> None:
    assert proxy_header(request(Viable="a", X_Real_Ip_Not="b", User_Agent="kubectl")) == ""


def test_a_dash_that_a_server_let_through_hides_no_header() -> None:
    environ = EnvironBuilder().get_environ()
    assert proxy_header(Request({**environ, "HTTP_X-Forwarded-For": "a"})) == "X-Forwarded-For"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8080", "127.0.0.1", "127.9.9.9:80", "[::1]", "[::1]:8080"])
def test_names_of_this_machine(host: str) -> None:
    assert is_local_name(host)


@pytest.mark.parametrize(
    "host", ["", "evil.example", "localhost.evil.example", "192.0.2.1:80", "127.0.0.1.nip.io", ":80"]
)
def test_other_names(host: str) -> None:
    assert not is_local_name(host)


def test_addresses_and_spellings() -> None:
    assert [is_loopback(address) for address in ("127.0.0.1", "::1", "192.0.2.1", "", "localhost")] == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert header_spelling("X_REMOTE_USER") == "X-Remote-User"
