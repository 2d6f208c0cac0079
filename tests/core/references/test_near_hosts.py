"""The registry that is most like another one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.core.references.near_hosts import NearHosts, host_of

NAMES = ("docker.io", "quay.io", "registry.corp:5000", "*.icr.io", "[fd00::1]:5000", "images.dept.corp.example")


@pytest.mark.parametrize(
    "registry, nearest",
    [
        ("registry.corp", "registry.corp:5000"),
        ("REGISTRY.corp:443", "registry.corp:5000"),
        ("us.icr.io", "*.icr.io"),
        ("mirror.dept.corp.example", "images.dept.corp.example"),
        ("other.corp.example", "images.dept.corp.example"),
        ("qauy.io", "quay.io"),
        ("regisrty.corp:5000", "registry.corp:5000"),
        ("[fd00::1]:5001", "[fd00::1]:5000"),
        ("", "docker.io"),
        ("127.0.0.1", "docker.io"),
    ],
)
def test_host_then_domain_then_spelling_then_the_first(registry: str, nearest: str) -> None:
    near = NearHosts((name, name) for name in NAMES)
    assert near.nearest(registry) == nearest
    assert near.nearest(registry) == nearest  # from the cache


def test_nothing_is_near_nothing() -> None:
    assert NearHosts[str](()).nearest("quay.io") is None


@given(st.lists(st.text(max_size=20), max_size=8), st.text(max_size=400))
def test_any_text_finds_one_of_the_values(names: list[str], registry: str) -> None:
    near = NearHosts((name, at) for at, name in enumerate(names))
    found = near.nearest(registry)
    assert (found in range(len(names))) if names else found is None


@pytest.mark.parametrize(
    "registry, host",
    [
        ("a.B:5000", "a.b"),
        ("*.corp", "corp"),
        ("*", ""),
        ("", ""),
        ("[::1]:5000", "[::1]:5000"),
        ("x" * 300, "x" * 253),
    ],
)
def test_the_host_of_a_registry(registry: str, host: str) -> None:
    assert host_of(registry) == host
