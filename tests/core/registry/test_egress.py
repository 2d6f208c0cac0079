"""One form for every spelling of a host, and who may be asked on whose word."""

from __future__ import annotations

import socket
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.core.registry.egress import (
    AddressPolicy,
    BlockedHosts,
    Origin,
    Sender,
    canonical_host,
    canonical_registry,
    read_url,
    same_origin,
    shown_url,
    split_host_port,
)
from imagegate.errors import EvidenceError, Malformed, Refused

STRANGER = Sender(Origin("https", "evil.example.com", 443), frozenset({ip_address("93.184.216.34")}))


@pytest.mark.parametrize(
    "text, host",
    [
        ("registry.corp", "registry.corp"),
        ("Registry.CORP", "registry.corp"),
        ("registry.corp.", "registry.corp"),
        ("LOCALHOST.", "localhost"),
        ("my_registry", "my_registry"),
        ("bücher.corp", "xn--bcher-kva.corp"),
        ("ⓡegistry.corp", "registry.corp"),
        ("registry。corp", "registry.corp"),
        ("reg\xadistry.corp", "registry.corp"),
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1.", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("0X7F.0.0.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("017700000001", "127.0.0.1"),
        ("10.0.258", "10.0.1.2"),
        ("[::1]", "::1"),
        ("[0:0:0:0:0:0:0:1]", "::1"),
        ("[FD00::00A]", "fd00::a"),
        ("[::ffff:127.0.0.1]", "127.0.0.1"),
        ("[::ffff:7f00:1]", "127.0.0.1"),
    ],
)
def test_one_form_for_every_spelling(text: str, host: str) -> None:
    assert canonical_host(text) == host


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "a..b",
        ".a",
        "a b",
        "a\tb",
        "a\nb",
        "a\\b",
        "a/b",
        "user@host",
        "regi%73try.corp",
        "%6c%6f%63alhost",
        "host%00",
        "-a.corp",
        "a-.corp",
        "a" * 64,
        ".".join(["a" * 60] * 5),
        "256.0.0.1",
        "1.2.3.4.5",
        "08.0.0.1",
        "4294967296",
        "0x1ffffffff",
        "a.b.1",
        "[::1",
        "[::1%25eth0]",
        "[fe80::1%eth0]",
        "[127.0.0.1]",
        "registry.corp..",
        "\udcff",
        "ﷺ" * 40,
        "*.corp",
    ],
)
def test_what_is_no_host(text: str) -> None:
    with pytest.raises(Malformed):
        canonical_host(text)


@given(st.lists(st.integers(min_value=0, max_value=2**32), min_size=1, max_size=5), st.sampled_from(["d", "x", "o"]))
def test_ipv4_forms_are_read_as_the_system_reads_them(numbers: list[int], base: str) -> None:
    text = ".".join({"d": str(number), "x": hex(number), "o": f"0{number:o}"}[base] for number in numbers)
    try:
        expected = socket.inet_ntoa(socket.inet_aton(text))
    except OSError:
        with pytest.raises(Malformed):
            canonical_host(text)
    else:
        assert canonical_host(text) == expected


@given(st.text(max_size=40))
def test_any_text_is_one_host_or_none(text: str) -> None:
    try:
        once = canonical_host(text)
    except Malformed:
        return
    assert once.isascii()
    assert canonical_host(once) == once


@pytest.mark.parametrize(
    "text, found",
    [
        ("r.corp", ("r.corp", None)),
        ("R.corp:0443", ("r.corp", 443)),
        ("r.corp:", ("r.corp", None)),
        ("[::1]", ("::1", None)),
        ("[::1]:5000", ("::1", 5000)),
        ("::1", ("::1", None)),
        ("localhost.:80", ("localhost", 80)),
    ],
)
def test_host_and_port(text: str, found: tuple[str, int | None]) -> None:
    assert split_host_port(text) == found


@pytest.mark.parametrize(
    "text", ["r.corp:0", "r.corp:65536", "r.corp:-1", "r.corp:٣", "r.corp:80:80", "r.corp: 80", ":80"]
)
def test_no_host_and_port(text: str) -> None:
    with pytest.raises(Malformed):
        split_host_port(text)


@pytest.mark.parametrize(
    "url, canonical, origin",
    [
        ("HTTPS://R.Corp./v2/?a=B#c", "https://r.corp/v2/?a=B", Origin("https", "r.corp", 443)),
        ("https://r.corp:0443/x", "https://r.corp:443/x", Origin("https", "r.corp", 443)),
        ("http://0x7f.1:5000/x", "http://127.0.0.1:5000/x", Origin("http", "127.0.0.1", 5000)),
        ("http://[::FFFF:7f00:1]/", "http://127.0.0.1/", Origin("http", "127.0.0.1", 80)),
        ("https://[FE80::0:1]:5/", "https://[fe80::1]:5/", Origin("https", "fe80::1", 5)),
        ("https://r.c\torp/x\n/y", "https://r.corp/x/y", Origin("https", "r.corp", 443)),
    ],
)
def test_urls(url: str, canonical: str, origin: Origin) -> None:
    target = read_url(url)
    assert (target.url, target.origin) == (canonical, origin)
    assert read_url(target.url) == target


@pytest.mark.parametrize(
    "url",
    [
        "ftp://r.corp/",
        "file:///etc/passwd",
        "//r.corp/",
        "/v2/",
        "",
        "https://",
        "https:///v2/",
        "https://user@r.corp/",
        "https://user:pw@r.corp/",
        "https://r.corp@evil.com/",
        "https://r.corp\\@evil.com/",
        "https://r.corp%2f@evil.com/",
        "https://r.corp%00.evil.com/",
        "https://[::1",
        "https://[fe80::1%25eth0]/",
        "https://r.corp:99999/",
        "https://r.corp:port/",
        "javascript:alert(1)",
    ],
)
def test_urls_that_may_not_be_asked(url: str) -> None:
    with pytest.raises((Malformed, Refused)):
        read_url(url)


def test_what_is_judged_is_what_the_library_connects_to() -> None:
    """requests decodes %73 and drops dots on its own; of a canonical URL it changes nothing."""
    import requests
    from urllib3.util import parse_url

    for url in ("https://R.corp.:0443/a%20b?c=%73#d", "http://127.1/x", "https://[::0001]:5/", "https://BÜCHER.corp/"):
        target = read_url(url)
        prepared = requests.Request("GET", target.url).prepare().url
        assert prepared is not None
        asked = parse_url(prepared)
        assert (asked.host or "").strip("[]") == target.origin.host
        assert (asked.port or {"https": 443, "http": 80}[asked.scheme or ""]) == target.origin.port


def test_same_origin() -> None:
    assert same_origin("https://r.corp/a", "https://R.CORP.:443/b")
    assert same_origin("http://127.0.0.1/", "http://[::ffff:7f00:1]:80/")
    for other in ("http://r.corp/a", "https://r.corp:444/", "https://r.corp.evil.com/", "https://u@r.corp/", "/a", ""):
        assert not same_origin("https://r.corp/a", other)


@pytest.mark.parametrize(
    "url, shown",
    [
        ("https://u:pw@r.corp/a?sig=secret", "https://r.corp/a"),
        ("ftp://x/\x1b[2J", "ftp://x/\\x1b[2J"),
        ("https://r.corp/\u202egnp", "https://r.corp/\\u202egnp"),
        ("https://[bad\x1b", "'https://[bad\\x1b'"),
    ],
)
def test_urls_for_messages(url: str, shown: str) -> None:
    assert shown_url(url) == shown


@pytest.mark.parametrize(
    "blocked, asked",
    [
        ("r.corp", "r.corp"),
        ("r.corp", "R.CORP"),
        ("R.Corp", "r.corp:443"),
        ("r.corp", "r.corp:80"),
        ("r.corp", "r.corp:5000"),
        ("r.corp.", "r.corp"),
        ("r.corp:5000", "r.corp:05000"),
        ("r.corp:443", "r.corp"),
        ("127.0.0.1:5000", "127.1:5000"),
        ("127.0.0.1", "0x7f000001"),
        ("reg.ns.svc", "reg.ns.svc.cluster.local:5000"),
        ("reg.ns.svc.cluster.local", "reg.ns.svc"),
        *(
            (blocked, asked)
            for blocked in ("docker.io", "index.docker.io", "registry-1.docker.io:443", "Registry.Hub.Docker.com")
            for asked in (
                "docker.io",
                "index.docker.io",
                "registry-1.docker.io",
                "registry.hub.docker.com",
                "Docker.io:443",
            )
        ),
        ("docker.io", "auth.docker.io"),
    ],
)
def test_blocked_in_every_spelling(blocked: str, asked: str) -> None:
    assert BlockedHosts.of([blocked]).covers_registry(asked)
    assert not BlockedHosts.of(["other.corp"]).covers_registry(asked)


@pytest.mark.parametrize(
    "blocked, asked",
    [
        ("r.corp:5000", "r.corp"),
        ("r.corp:5000", "r.corp:5001"),
        ("r.corp", "r.corp.evil.com"),
        ("r.corp", "sub.r.corp"),
        ("auth.docker.io", "docker.io"),
        ("docker.io", "docker.io.corp"),
    ],
)
def test_not_blocked(blocked: str, asked: str) -> None:
    assert not BlockedHosts.of([blocked]).covers_registry(asked)


@pytest.mark.parametrize("text", ["", "*.corp", "https://r.corp", "r.corp/team", "r.corp:x"])
def test_settings_that_name_no_host_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a host name|no port"):
        AddressPolicy.of(blocked=[text])
    with pytest.raises(ValueError, match=r"not a host name|no port"):
        AddressPolicy.of(hosts=[text])


def test_a_blocked_address_is_blocked_whatever_its_name() -> None:
    policy = AddressPolicy.of(blocked=["93.184.216.34:443"])
    for address in ("93.184.216.34", "::ffff:93.184.216.34"):
        assert not policy.permits("other.example.com", 443, ip_address(address))
    assert policy.permits("other.example.com", 5000, ip_address("93.184.216.34"))
    assert policy.permits("other.example.com", 443, ip_address("93.184.216.35"))


@pytest.mark.parametrize("host", ["registry.corp", "REGISTRY.corp", "registry.corp.", "registry.corp:443"])
@pytest.mark.parametrize("address", ["10.0.0.1", "93.184.216.34"])
def test_a_stranger_never_leads_to_a_named_host(host: str, address: str) -> None:
    policy = AddressPolicy.of(hosts=["Registry.Corp."], networks=["10.0.0.0/8"])
    target = read_url(f"https://{host}/x")
    with pytest.raises(Refused, match="leads to"):
        policy.check(target, STRANGER)
    assert not policy.permits_from(STRANGER, "registry.corp", 443, ip_address(address))
    policy.check(target, None)
    assert policy.permits("registry.corp", 443, ip_address(address))


def test_a_stranger_never_leads_into_a_named_network() -> None:
    policy = AddressPolicy.of(networks=["10.0.0.0/8", "169.254.169.254/32"])
    for address in ("10.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "169.254.169.254", "192.168.0.1"):
        assert not policy.permits_from(STRANGER, "x.example.com", 443, ip_address(address))
    assert policy.permits_from(STRANGER, "cdn.example.com", 443, ip_address("151.101.1.1"))
    policy.check(read_url("https://x.example.com/"), STRANGER)


def test_named_hosts_lead_to_one_another_and_a_host_to_itself() -> None:
    one, two = ip_address("10.0.0.1"), ip_address("10.0.0.2")
    policy = AddressPolicy.of(hosts=["registry.corp", "storage.corp:9000"], networks=["10.0.0.0/8"])
    registry = Sender(Origin("https", "registry.corp", 443), frozenset({one}))
    policy.check(read_url("http://storage.corp:9000/x"), registry)
    assert policy.permits_from(registry, "storage.corp", 9000, two)
    unnamed = Sender(Origin("https", "other.corp", 443), frozenset({one}))
    assert policy.permits_from(unnamed, "other.corp", 8443, one)  # its own host, at its own address
    assert not policy.permits_from(unnamed, "other.corp", 8443, two)  # the name leads elsewhere now
    assert not policy.permits_from(unnamed, "third.corp", 443, one)  # the address, but not the name
    assert not policy.permits_from(registry, "third.corp", 443, two)  # in a network is not named


@pytest.mark.parametrize(
    "text, same",
    [
        ("R.corp:443", "r.corp"),
        ("r.corp:80", "r.corp"),
        ("r.corp:05000", "r.corp:5000"),
        ("index.docker.io", "docker.io"),
    ],
)
def test_registries_of_rules(text: str, same: str) -> None:
    assert canonical_registry(text) == canonical_registry(same)


@given(st.text(max_size=60))
def test_no_url_makes_it_fail_otherwise(text: str) -> None:
    policy = AddressPolicy.of(hosts=["registry.corp"])
    try:
        target = read_url(text)
        policy.check(target, STRANGER)
    except EvidenceError:
        return
    assert "registry.corp" not in target.origin.host
