"""Reading tokens, and where credentials may go. The exchange itself is in ``test_client_hostile``."""

from __future__ import annotations

import json
from typing import Any

import pytest

from imagegate.adapters.http.credentials import basic
from imagegate.adapters.registry.auth import LONGEST_TOKEN_S, SHORTEST_TOKEN_S, TokenRealms, read_token
from imagegate.core.registry.pull_secrets import Credential
from imagegate.errors import Malformed

REGISTRY = "https://r.corp:5000"
NOW = 1767225610.0  # 2026-01-01T00:00:10Z


@pytest.mark.parametrize(
    "answer, token, lifetime_s",
    [
        ({"token": "t", "access_token": "other", "expires_in": 90}, "t", 90.0),
        ({"access_token": "a"}, "a", SHORTEST_TOKEN_S),
        ({"token": "t", "expires_in": 10**12}, "t", LONGEST_TOKEN_S),
        ({"token": "t", "expires_in": -1}, "t", SHORTEST_TOKEN_S),
        ({"token": "t", "expires_in": True}, "t", SHORTEST_TOKEN_S),
        ({"token": "t", "expires_in": "90"}, "t", SHORTEST_TOKEN_S),
        ({"token": "t", "expires_in": 0}, "t", SHORTEST_TOKEN_S),
        ({"token": "t", "expires_in": 5}, "t", SHORTEST_TOKEN_S),
        ({"token": "t", "expires_in": 10**400}, "t", LONGEST_TOKEN_S),
        ({"token": "t", "expires_in": None}, "t", SHORTEST_TOKEN_S),
        ({"token": "t", "expires_in": 90.5}, "t", 90.5),
        ({"token": "", "access_token": "a"}, "a", SHORTEST_TOKEN_S),
        ({"token": None, "access_token": "a"}, "a", SHORTEST_TOKEN_S),
        ({"token": "t", "expires_in": 300, "issued_at": "2026-01-01T00:00:00Z"}, "t", 290.0),  # ten seconds ago
        ({"token": "t", "expires_in": 300, "issued_at": "2026-01-01T02:00:00.000+02:00"}, "t", 290.0),
        ({"token": "t", "expires_in": 300, "issued_at": "2025-12-31T00:00:00Z"}, "t", 300.0),  # a clock that is wrong
        ({"token": "t", "expires_in": 300, "issued_at": "2099-01-01T00:00:00Z"}, "t", 300.0),
        ({"token": "t", "expires_in": 300, "issued_at": "2026-01-01 00:00:00"}, "t", 300.0),  # local: unknown where
        ({"token": "t", "expires_in": 300, "issued_at": "yesterday"}, "t", 300.0),
        ({"token": "t", "expires_in": 300, "issued_at": 1767225600}, "t", 300.0),
        ({"token": "t", "expires_in": 300, "issued_at": "9" * 10_000}, "t", 300.0),
    ],
)
def test_a_token_and_its_lifetime(answer: dict[str, Any], token: str, lifetime_s: float) -> None:
    assert read_token(json.dumps(answer).encode(), now=NOW) == (token, lifetime_s)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"token": 1}', b'{"token": "a\\r\\nb"}', b'{"token": "a b"}'])
def test_what_is_not_a_token(body: bytes) -> None:
    with pytest.raises(Malformed):
        read_token(body, now=NOW)


@pytest.mark.parametrize(
    "realm, base_url, allowed",
    [
        ("https://r.corp:5000/token", REGISTRY, True),
        ("https://auth.corp/token", REGISTRY, True),
        ("https://AUTH.corp:443/token", REGISTRY, True),
        ("http://auth.corp/token", REGISTRY, False),
        ("https://auth.corp:8443/token", REGISTRY, False),
        ("https://auth.evil/token", REGISTRY, False),
        ("https://auth.evil/token", "https://any.corp", True),
        ("http://auth.evil/token", "https://any.corp", False),
        ("https://auth.docker.io/token", "https://registry-1.docker.io", True),
        ("https://auth.docker.io/token", REGISTRY, False),
    ],
)
def test_credentials_go_to_the_registry_and_to_realms_of_the_settings(
    realm: str, base_url: str, *, allowed: bool
) -> None:
    realms = TokenRealms.with_known({"r.corp:5000": ["auth.corp"], "any.corp": ["*"]})
    assert realms.may_have_credentials(realm, base_url) is allowed


def test_basic() -> None:
    assert basic(Credential("alice", "pä:ss")) == "Basic YWxpY2U6cMOkOnNz"
