"""Addresses for granian. ``test_granian.py`` runs the service under it."""

from __future__ import annotations

import pytest

from imagegate.errors import InvalidSettings
from imagegate.web.granian_server import _address


@pytest.mark.parametrize(
    "bind, wrong",
    [(("127.0.0.1:1", "127.0.0.1:2"), "one address only"), (("unix:/x",), "HOST:PORT")],
)
def test_addresses_that_granian_cannot_listen_at(bind: tuple[str, ...], wrong: str) -> None:
    with pytest.raises(InvalidSettings, match=wrong):
        _address(bind)


def test_addresses_that_it_can() -> None:
    assert _address(("[::1]:8081",)) == ("::1", 8081)
    assert _address(("localhost",)) == ("localhost", 8080)
