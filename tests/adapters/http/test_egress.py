"""Addresses that may be connected to, names that change their mind, and sockets that obey a deadline."""

from __future__ import annotations

import socket
import time
from ipaddress import ip_address

import pytest

from imagegate.adapters.http.client import HttpClient
from imagegate.adapters.http.egress import connect, deadline, resolve
from imagegate.core.registry.egress import AddressPolicy
from imagegate.core.registry.special_addresses import Address
from imagegate.errors import Malformed, Refused, Unreachable
from tests.support.certificates import Authority
from tests.support.registry_simulator import RegistrySimulator
from tests.support.simulator import Response

PUBLIC = ("93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946")
PRIVATE = (
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "127.0.0.1",
    "127.8.8.8",
    "100.64.0.1",
    "::1",
    "fd00::1",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "64:ff9b::a00:1",
    "2002:a00:1::",
    "::10.0.0.1",
    "198.18.0.1",
    "240.0.0.1",
)
NEVER_BY_NAME = (
    "169.254.169.254",
    "169.254.1.1",
    "fe80::1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::",
    "fd00:ec2::254",
    "100.100.100.200",
    "168.63.129.16",
    "0.0.0.0",
    "::",
    "224.0.0.1",
    "ff02::1",
)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address: str) -> None:
    assert AddressPolicy().permits("r.io", 443, ip_address(address))


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_need_the_host_or_the_network(address: str) -> None:
    at = ip_address(address)
    assert not AddressPolicy().permits("r.corp", 443, at)
    for hosts in (("r.corp",), ("r.corp:443",), ("R.Corp",)):
        assert AddressPolicy.of(hosts=hosts).permits("r.corp", 443, at)
    for hosts in (("r.corp:5000",), ("corp",), ("x.r.corp",)):
        assert not AddressPolicy.of(hosts=hosts).permits("r.corp", 443, at)
    assert AddressPolicy.of(networks=(f"{address}/{at.max_prefixlen}",)).permits("r.corp", 443, at)


@pytest.mark.parametrize("address", NEVER_BY_NAME)
def test_metadata_and_link_local_only_by_network(address: str) -> None:
    at = ip_address(address)
    assert not AddressPolicy().permits("r.corp", 443, at)
    assert not AddressPolicy.of(hosts=("r.corp", "r.corp:443")).permits("r.corp", 443, at)
    assert AddressPolicy.of(networks=(f"{address}/{at.max_prefixlen}",)).permits("r.corp", 443, at)


def test_hosts_and_networks_as_settings_have_them() -> None:
    policy = AddressPolicy.of_texts(["10.0.0.0/8", "Registry.Corp:5000", "fd00::/8", "r.corp", "192.168.1.1"])
    assert policy.hosts == {"registry.corp:5000", "r.corp"}
    assert [str(network) for network in policy.networks] == ["10.0.0.0/8", "fd00::/8", "192.168.1.1/32"]


def test_a_network_counts_for_every_way_to_write_its_addresses() -> None:
    policy = AddressPolicy.of(networks=("10.0.0.0/8",))
    assert policy.permits("r.corp", 443, ip_address("::ffff:10.0.0.1"))
    assert not policy.permits("r.corp", 443, ip_address("::ffff:192.168.0.1"))


@pytest.mark.parametrize("text", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1"])
def test_other_ways_to_write_the_loopback(text: str) -> None:
    """The resolver reads them as addresses; what it makes of them is what is checked."""

    def as_the_system_does(host: str, port: int) -> list[Address]:
        return [ip_address(socket.inet_ntoa(socket.inet_aton(host)))]

    with pytest.raises(Refused):
        connect(AddressPolicy(), text, 443, 1.0, resolve=as_the_system_does)


def test_the_address_that_was_checked_is_the_one_connected_to(ca: Authority) -> None:
    """A name that leads elsewhere when it is looked up again (DNS rebinding) is not looked up again."""
    asked: list[str] = []

    def rebinding(host: str, port: int) -> list[Address]:
        asked.append(host)
        return [ip_address("127.0.0.1" if len(asked) == 1 else "10.0.0.1")]

    policy = AddressPolicy.of(networks=("127.0.0.1/32",))
    server = ca.issue("rebound", names=("r.example.test",))
    with RegistrySimulator(tls=server) as simulator:
        url = f"https://r.example.test:{simulator.port}/v2/"
        client = HttpClient(addresses=policy, ca_files=(str(ca.bundle),), resolver=rebinding)
        assert client.get(url, until=time.monotonic() + 10, max_bytes=100).status == 200
        assert asked == ["r.example.test"]
        client.close()  # a new connection asks again, and what it is told then is checked again
        with pytest.raises(Refused, match=r"10\.0\.0\.1"):
            client.get(url, until=time.monotonic() + 10, max_bytes=100)
        assert len(simulator.requests) == 1


def test_of_several_addresses_only_the_permitted_are_tried(ca: Authority) -> None:
    server = ca.issue("named", names=("r.example.test",))

    def several(host: str, port: int) -> list[Address]:
        return [ip_address(text) for text in ("169.254.169.254", "10.0.0.1", "127.0.0.1")]

    with RegistrySimulator(tls=server) as simulator:
        policy = AddressPolicy.of(networks=("127.0.0.1/32",))
        client = HttpClient(addresses=policy, ca_files=(str(ca.bundle),), resolver=several)
        url = f"https://r.example.test:{simulator.port}/v2/"
        assert client.get(url, until=time.monotonic() + 10, max_bytes=100).status == 200
        # the certificate is checked for the name, not for the address
        other = HttpClient(addresses=policy, ca_files=(str(ca.bundle),), resolver=several)
        with pytest.raises(Unreachable, match="certificate refused"):
            other.get(url.replace("r.example", "s.example"), until=time.monotonic() + 10, max_bytes=100)


def test_an_address_needs_no_resolver() -> None:
    assert resolve("127.0.0.1", 443) == [ip_address("127.0.0.1")]
    assert resolve("::1", 443) == [ip_address("::1")]
    assert ip_address("127.0.0.1") in resolve("localhost", 443)


@pytest.mark.parametrize("name", ["a" * 64 + ".localhost", "..", "\udcff"])
def test_a_name_that_cannot_be(name: str) -> None:
    with pytest.raises(Unreachable, match="cannot resolve"):
        resolve(name, 443)


def test_a_passed_deadline_stops_reads() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        connected = connect(AddressPolicy.of(networks=("127.0.0.0/8",)), "127.0.0.1", server.getsockname()[1], 5.0)
        with connected, server.accept()[0] as peer:
            peer.sendall(b"ab")
            buffer = bytearray(1)
            assert connected.recv_into(buffer) == 1
            with deadline(time.monotonic() - 1), pytest.raises(TimeoutError):
                connected.recv_into(buffer)


def test_deadlines_nest_and_the_earlier_counts() -> None:
    early = time.monotonic() - 1
    with deadline(early), deadline(time.monotonic() + 100), pytest.raises(Unreachable):
        connect(AddressPolicy.of(networks=("127.0.0.0/8",)), "127.0.0.1", 9, 1.0)


def test_a_form_is_posted_and_never_redirected(ca: Authority) -> None:
    """It holds a password: nobody but the server that was named may have it."""
    client = HttpClient(addresses=AddressPolicy.of(networks=("127.0.0.1/32",)), ca_files=(str(ca.bundle),))
    with RegistrySimulator(tls=ca.server) as simulator:
        url = f"{simulator.url}/token"
        answer = client.post_form(url, {"password": "a&b"}, until=time.monotonic() + 10, max_bytes=1000)
        assert answer.status == 200
        assert simulator.requests[-1].method == "POST"
        assert simulator.requests[-1].body == b"password=a%26b"
        simulator.misbehave["/token"] = lambda request, honest: Response(307, headers={"Location": "/token2"})
        with pytest.raises(Refused, match="holds a password"):
            client.post_form(url, {"password": "x"}, until=time.monotonic() + 10, max_bytes=1000)
        assert simulator.count(path="/token2") == 0


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "https://a:b@127.0.0.1/", "https://", "ftp://127.0.0.1/", "x"])
def test_urls_that_are_not_asked(url: str) -> None:
    client = HttpClient(addresses=AddressPolicy.of(networks=("127.0.0.1/32",)))
    with pytest.raises((Refused, Malformed)):
        client.get(url, until=time.monotonic() + 10, max_bytes=10)
