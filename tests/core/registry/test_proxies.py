"""Which proxy a request takes."""

from __future__ import annotations

import pytest

from imagegate.core.registry.proxies import Exceptions, Proxy, ProxyRules, is_internal_name

PROXY = Proxy("proxy.corp", 3128)


@pytest.mark.parametrize(
    "text, host, port, authorization",
    [
        ("http://proxy.corp:3128", "proxy.corp", 3128, ""),
        ("proxy.corp:3128", "proxy.corp", 3128, ""),
        ("HTTP://Proxy.Corp/", "proxy.corp", 80, ""),
        ("http://[fd00::1]:3128", "fd00::1", 3128, ""),
        ("http://alice:s%40crt@proxy.corp:3128", "proxy.corp", 3128, "Basic YWxpY2U6c0BjcnQ="),
        ("alice:secret@10.0.0.1:8080", "10.0.0.1", 8080, "Basic YWxpY2U6c2VjcmV0"),
    ],
)
def test_proxies(text: str, host: str, port: int, authorization: str) -> None:
    assert Proxy.of(text) == Proxy(host, port, authorization)
    assert "secret" not in repr(Proxy.of(text))


@pytest.mark.parametrize(
    "text",
    ["https://a:secret@p", "socks5://a:secret@p", "http://a:secret@p/x", "http://a:secret@", "http://a:secret@p:0"],
)
def test_what_is_no_proxy_is_said_without_its_password(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        Proxy.of(text)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "entry, host, port, covered",
    [
        ("*", "r.io", 443, True),
        ("r.io", "r.io", 443, True),
        (" R.IO ", "r.io", 443, True),
        ("r.io", "a.r.io", 443, True),
        ("r.io", "xr.io", 443, False),
        ("r.io:5000", "r.io", 5000, True),
        ("r.io:5000", "r.io", 443, False),
        ("r.io:5000", "a.r.io", 5000, True),
        (".r.io", "a.r.io", 443, True),
        (".r.io", "r.io", 443, False),
        ("*.r.io", "a.b.r.io", 443, True),
        ("*.r.io", "r.io", 443, False),
        (".r.io:5000", "a.r.io", 443, False),
        ("10.0.0.0/8", "10.1.2.3", 443, True),
        ("10.0.0.0/8", "11.1.2.3", 443, False),
        ("10.0.0.0/8", "r.io", 443, False),
        ("10.1.2.3/8", "10.9.9.9", 443, True),
        ("fd00::/8", "fd00::1", 443, True),
        ("10.1.2.3", "10.1.2.3", 443, True),
        ("10.1.2.3:80", "10.1.2.3", 443, False),
        ("[fd00::1]:80", "fd00::1", 80, True),
        ("fd00::1", "fd00::1", 443, True),
        ("", "r.io", 443, False),
    ],
)
def test_exceptions(entry: str, host: str, port: int, *, covered: bool) -> None:
    rules = ProxyRules(https=PROXY, exceptions=Exceptions.of([entry, "other.example"]))
    assert (rules.proxy("https", host, port) is None) is covered


@pytest.mark.parametrize("entry", ["10.0.0.0/33", "a b", "r.io:x", "http://r.io/"])
def test_what_is_no_exception(entry: str) -> None:
    with pytest.raises(ValueError):
        Exceptions.of([entry])


def test_a_proxy_for_each_scheme() -> None:
    rules = ProxyRules(https=PROXY)
    assert rules.proxy("https", "r.io", 443) is PROXY
    assert rules.proxy("http", "r.io", 80) is None


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1"])
def test_this_machine_takes_none(host: str) -> None:
    assert ProxyRules(https=PROXY, cluster_internal=True).proxy("https", host, 443) is None


@pytest.mark.parametrize("host", ["registry.default.svc", "registry.default.svc.cluster.local"])
def test_the_cluster_takes_none_unless_asked_for(host: str) -> None:
    assert ProxyRules(https=PROXY).proxy("https", host, 5000) is None
    assert ProxyRules(https=PROXY, cluster_internal=True).proxy("https", host, 5000) is PROXY


@pytest.mark.parametrize(
    "host, internal",
    [("registry", True), ("metadata.google.internal", True), ("a.svc", True), ("r.io", False), ("10.0.0.1", False)],
)
def test_names_that_public_dns_does_not_have(host: str, *, internal: bool) -> None:
    assert is_internal_name(host) is internal
