"""Which spellings of a registry's host are one place, for what permits and for what rejects."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.core.references.registry_hosts import broad, broad_pattern, ipv4_address, places, spelled, texts
from imagegate.core.references.wildcard import Wildcard


@pytest.mark.parametrize(
    "host, one_spelling",
    [
        ("reg.corp", "reg.corp"),
        ("Reg.Corp", "reg.corp"),
        ("reg.corp.", "reg.corp"),
        ("reg.corp.:0443", "reg.corp"),
        ("reg.corp:443", "reg.corp"),
        ("reg.corp:80", "reg.corp:80"),  # another port: what permits must not guess
        ("reg.corp:05000", "reg.corp:5000"),
        ("reg.corp:0", "reg.corp:0"),
        ("docker.io", "docker.io"),
        ("index.docker.io", "index.docker.io"),
        ("10.1", "10.1"),
        ("a.svc.cluster.local:5000", "a.svc.cluster.local:5000"),
        ("[::1]:5000", "[::1]:5000"),
        ("", ""),
    ],
)
def test_one_spelling_for_what_permits(host: str, one_spelling: str) -> None:
    assert spelled(host) == one_spelling


@pytest.mark.parametrize(
    "host, found",
    [
        ("reg.corp:80", {"reg.corp"}),
        ("Registry.Hub.Docker.com:443", {"docker.io"}),
        ("registry-1.docker.io", {"docker.io"}),
        ("registry-1.docker.io:5000", {"registry-1.docker.io:5000"}),
        ("a.b.svc.cluster.local:5000", {"a.b.svc:5000"}),
        ("a.b.svc.cluster.local.", {"a.b.svc"}),
        ("svc.cluster.local", {"svc.cluster.local"}),
        ("172.30.1.1:5000", {"172.30.1.1:5000"}),
        ("172.30.257:5000", {"172.30.1.1:5000"}),
        ("0xAC1E0101:5000", {"172.30.1.1:5000"}),
        ("2887647489:5000", {"172.30.1.1:5000"}),
        ("0254.036.1.1:05000", {"172.30.1.1:5000", "254.36.1.1:5000"}),
        ("010.0.0.1", {"8.0.0.1", "10.0.0.1"}),
        ("10.0.0.08", {"10.0.0.08", "10.0.0.8"}),
        ("256.0.0.1", {"256.0.0.1"}),
        ("1.2.3.4.5", {"1.2.3.4.5"}),
        ("1.2.3.x", {"1.2.3.x"}),
    ],
)
def test_places_for_what_rejects(host: str, found: set[str]) -> None:
    assert places(host) == found
    assert broad(host) in found


@pytest.mark.parametrize(
    "name, address",
    [
        ("127.1", "127.0.0.1"),
        ("1.2.3", "1.2.0.3"),
        ("4294967295", "255.255.255.255"),
        ("4294967296", ""),
        ("037777777777", "255.255.255.255"),
        ("040000000000", ""),
        ("0x0.0X7f.010.0", "0.127.8.0"),
        ("0x", "0.0.0.0"),
        ("000000000000000001", "0.0.0.1"),
        ("9" * 5000, ""),
        ("0x" + "f" * 5000, ""),
        ("256.1", ""),
        ("1.256.1", ""),
        ("1.16777216", ""),
        ("1.16777215", "1.255.255.255"),
        ("09", ""),
        ("1..2", ""),
        ("1.2.3.4.5", ""),
        ("1.2.3.x", ""),
        ("", ""),
    ],
)
def test_an_ipv4_address_as_the_resolver_reads_it(name: str, address: str) -> None:
    assert ipv4_address(name) == address


def test_a_name_of_thousands_of_digits_is_a_name() -> None:
    assert broad("1." + "9" * 5000) == "1." + "9" * 5000


HOSTS = st.from_regex(r"[a-zA-Z0-9]{1,5}(\.[a-zA-Z0-9]{1,5}){0,3}(:[0-9]{1,5})?", fullmatch=True)


@given(HOSTS)
def test_one_spelling_is_its_own(host: str) -> None:
    assert spelled(spelled(host)) == spelled(host)
    assert broad(broad(host)) == broad(host)
    assert broad(spelled(host)) == broad(host)


@given(HOSTS)
def test_a_host_is_found_by_itself_as_a_pattern(host: str) -> None:
    """Whatever spelling is written in a rejecting pattern, the same spelling in an image is found."""
    assert any(Wildcard(pattern).matches(text) for pattern in (host, broad_pattern(host)) for text in texts(host))
    for other in (host.upper(), f"{host}.", host.swapcase()):
        if ":" not in other or not other.endswith("."):
            assert any(Wildcard(broad_pattern(host)).matches(text) for text in texts(other))
