"""Reading tokens, and where credentials may go. The exchange itself is in ``test_client_hostile``."""

from __future__ import annotations

import json
from typing import Any

import pytest

from imagegate.adapters.http.credentials import basic
from imagegate.adapters.registry.auth import DEFAULT_TOKEN_S, LONGEST_TOKEN_S, TokenRealms, read_token
from imagegate.core.registry.pull_secrets import Credential
from imagegate.errors import Malformed

REGISTRY = "https://r.corp:5000"


@pytest.mark.parametrize(
    "answer, token, lifetime_s",
    [
        ({"token": "t", "access_token": "other", "expires_in": 90}, "t", 90.0),
        ({"access_token": "a"}, "a", DEFAULT_TOKEN_S),
        ({"token": "t", "expires_in": 10**12}, "t", LONGEST_TOKEN_S),
        ({"token": "t", "expires_in": -1}, "t", DEFAULT_TOKEN_S),
        ({"token": "t", "expires_in": True}, "t", DEFAULT_TOKEN_S),
        ({"token": "t", "expires_in": "90"}, "t", DEFAULT_TOKEN_S),
    ],
)
def test_a_token_and_its_lifetime(answer: dict[str, Any], token: str, lifetime_s: float) -> None:
    assert read_token(json.dumps(answer).encode()) == (token, lifetime_s)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"token": 1}', b'{"token": "a\\r\\nb"}', b'{"token": "a b"}'])
def test_what_is_not_a_token(body: bytes) -> None:
    with pytest.raises(Malformed):
        read_token(body)


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
