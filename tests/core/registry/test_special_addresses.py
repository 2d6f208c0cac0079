"""Which addresses are not simply a server on the internet, as our own lists have it."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.core.registry.egress import AddressPolicy
from imagegate.core.registry.special_addresses import embedded, is_public, is_reached_by_network_only, wrapped

PUBLIC = (
    "1.1.1.1",
    "93.184.216.34",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.1",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2606:2800:220:1:248:1893:25c8:1946",
    "2001:200::1",
    "2001:4860:4860::8888",
    "3ffe::1",
    "64:ff9b::5db8:d822",
    "2002:5db8:d822::1",
    "::ffff:93.184.216.34",
)
SPECIAL = (
    "0.0.0.0",
    "0.1.2.3",
    "10.1.2.3",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.8",
    "192.0.0.9",
    "192.0.0.170",
    "192.0.0.192",
    "192.0.2.1",
    "192.31.196.1",
    "192.52.193.1",
    "192.88.99.1",
    "192.168.255.255",
    "192.175.48.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "168.63.129.16",
    "::",
    "::1",
    "::2",
    "::10.0.0.1",
    "::93.184.216.34",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:10.0.0.1",
    "::ffff:0:93.184.216.34",
    "64:ff9b::a00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a00:1",
    "64:ff9b:1::5db8:d822",
    "64:ff9b:1:a00:0:100::",
    "64:ff9b:2::1",
    "100::1",
    "100:0:0:1::1",
    "200::1",
    "1fff::1",
    "2001::1",
    "2001:0:5db8:d822:0:0:a247:27dd",
    "2001:0:0:0:0:0:80ff:fffe",
    "2001:1::1",
    "2001:2::1",
    "2001:3::1",
    "2001:4:112::1",
    "2001:10::1",
    "2001:20::1",
    "2001:30::1",
    "2001:1ff:ffff::1",
    "2001:db8::1",
    "2002:a00:1::",
    "2002:a9fe:a9fe::1",
    "2606:2800:220:1:0:5efe:a00:1",
    "2606:2800:220:1:200:5efe:7f00:1",
    "2620:4f:8000::1",
    "3fff::1",
    "3fff:fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "feff::1",
    "ff02::1",
)
BY_NETWORK_ONLY = (
    "0.0.0.0",
    "169.254.169.254",
    "169.254.170.2",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "fe80::1",
    "ff02::1",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd20:ce::254",
    "::ffff:169.254.169.254",
    "::ffff:0:169.254.169.254",
    "::169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a9fe:a9fe",
    "64:ff9b:1:a9fe:a9:fe00::",
    "2002:a9fe:a9fe::1",
    "2001:0:a9fe:a9fe::",
    "fe80::5efe:a00:1",
    "2606:2800:220:1:0:5efe:a9fe:a9fe",
)


@pytest.mark.parametrize("address", PUBLIC)
def test_public(address: str) -> None:
    assert is_public(ip_address(address))
    assert AddressPolicy().permits("r.io", 443, ip_address(address))


@pytest.mark.parametrize("address", SPECIAL)
def test_special(address: str) -> None:
    assert not is_public(ip_address(address))
    assert not AddressPolicy().permits("r.io", 443, ip_address(address))
    network = f"{address}/{ip_address(address).max_prefixlen}"
    assert AddressPolicy.of(networks=[network]).permits("r.io", 443, ip_address(address))


@pytest.mark.parametrize("address", BY_NETWORK_ONLY)
def test_naming_the_host_is_not_enough(address: str) -> None:
    assert is_reached_by_network_only(ip_address(address))
    assert not AddressPolicy.of(hosts=["r.corp"]).permits("r.corp", 443, ip_address(address))


@pytest.mark.parametrize("address", ["10.0.0.1", "::1", "fec0::1", "fd00::1", "::ffff:0:10.0.0.1", "64:ff9b:1::a00:1"])
def test_naming_the_host_is_enough(address: str) -> None:
    assert AddressPolicy.of(hosts=["r.corp"]).permits("r.corp", 443, ip_address(address))


@pytest.mark.parametrize("prefix, text", [(48, "64:ff9b:1:c000:2:2100::"), (96, "64:ff9b:1::c000:221")])
def test_translated_addresses_by_the_examples_of_rfc_6052(prefix: int, text: str) -> None:
    assert IPv4Address("192.0.2.33") in embedded(ip_address(text))


def test_bits_that_a_stranger_chooses_permit_nothing() -> None:
    """Only what is another form of one IPv4 address counts as being in that address's network."""
    policy = AddressPolicy.of(networks=["10.0.0.0/8"])
    for text in ("::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::"):
        assert policy.permits("r.corp", 443, ip_address(text))
    for text in ("64:ff9b:1:a00:1:0:a9fe:a9fe", "2001:0:a00:1::", "fe80::5efe:a00:1", "2606:2800:220:1:0:5efe:a00:1"):
        assert not policy.permits("r.corp", 443, ip_address(text))
        assert wrapped(ip_address(text)) == ()


@given(st.integers(min_value=0, max_value=2**128 - 1))
def test_ipv6_outside_of_global_unicast_is_public_only_through_ipv4(bits: int) -> None:
    address = IPv6Address(bits)
    if is_public(address) and address not in ip_network("2000::/3"):
        (inner,) = wrapped(address)
        assert is_public(inner)


@given(st.integers(min_value=0, max_value=2**32 - 1))
def test_every_wrapping_of_a_special_address_is_special(bits: int) -> None:
    inner = IPv4Address(bits)
    forms = (0xFFFF << 32 | bits, 0x64_FF9B << 96 | bits, 0x2002 << 112 | bits << 80, 0xFFFF << 48 | bits, bits)
    for form in forms:
        assert is_public(inner) or not is_public(IPv6Address(form))


@given(st.integers(min_value=0, max_value=2**32 - 1))
def test_what_python_calls_private_is_never_public(bits: int) -> None:
    address = IPv4Address(bits)
    assert not (address.is_private and is_public(address))
