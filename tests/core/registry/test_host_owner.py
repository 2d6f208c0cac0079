"""Hosts of one owner are recognised, roughly."""

from __future__ import annotations

import pytest

from imagegate.core.registry.host_owner import registrable


@pytest.mark.parametrize(
    "host, owner",
    [
        ("localhost", "localhost"),
        ("registry.corp", "registry.corp"),
        ("a.b.evil.example", "evil.example"),
        ("a.b.evil.example:5000", "evil.example"),
        ("A.Evil.Example.", "evil.example"),
        ("a.evil.co.uk", "evil.co.uk"),
        ("evil.co.uk", "evil.co.uk"),
        ("r.ns.svc.cluster.local", "cluster.local"),
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.7:5000", "192.0.2.7"),
        ("[2001:db8::1]:5000", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("1.2.3.4.5", "4.5"),
        ("", ""),
    ],
)
def test_who_owns_a_host(host: str, owner: str) -> None:
    assert registrable(host) == owner
