"""Questions of the CISE path, and Secrets as an API server or a file has them."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from imagegate.core.enforcement.questions import InvalidSecret, ManifestDigest, pull_secret, secret_item
from imagegate.core.references.openshift import ImageReference
from imagegate.core.registry.pull_secrets import InvalidPullSecret

CONFIG = json.dumps({"auths": {"r.example.com": {"username": "a", "password": "b"}}})
IMAGE = ImageReference.parse("r.example.com/a/b:1")


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_equal_questions_have_equal_hashes() -> None:
    secret = pull_secret({"stringData": {".dockerconfigjson": CONFIG}}, "mine")
    assert ManifestDigest(IMAGE) == ManifestDigest(IMAGE)
    assert hash(ManifestDigest(IMAGE)) == hash(ManifestDigest(IMAGE))
    assert ManifestDigest(IMAGE) != ManifestDigest(IMAGE, (secret,))


@pytest.mark.parametrize(
    "secret, content",
    [
        ({"data": {"key": encoded("a")}}, b"a"),
        ({"stringData": {"key": "a"}}, b"a"),
        ({"data": {"key": encoded("a")}, "stringData": {"key": "b"}}, b"b"),
        ({"data": {"key": f" {encoded('a')}\n"}}, b"a"),
    ],
)
def test_items(secret: dict[str, Any], content: bytes) -> None:
    item = secret_item(secret, "key")
    assert item is not None
    assert item.content == content


@pytest.mark.parametrize("secret", [{}, {"data": []}, {"data": {"key": 5}}, {"data": {"other": "YQ=="}}])
def test_items_that_are_missing(secret: dict[str, Any]) -> None:
    assert secret_item(secret, "key") is None


def test_an_item_that_is_not_base64() -> None:
    item = secret_item({"data": {"key": "*"}}, "key")
    assert item is not None
    with pytest.raises(InvalidSecret, match="key is not base64"):
        _ = item.content
    assert "*" not in repr(item), "content stays out of logs"


@pytest.mark.parametrize(
    "secret", [{"data": {".dockerconfigjson": encoded(CONFIG)}}, {"stringData": {".dockerconfigjson": CONFIG}}]
)
def test_pull_secrets_are_read_once_for_the_same_content(secret: dict[str, Any]) -> None:
    assert pull_secret(secret, "mine") is pull_secret({**secret, "metadata": {"resourceVersion": "7"}}, "mine")


def test_a_secret_without_credentials() -> None:
    with pytest.raises(InvalidPullSecret):
        pull_secret({"data": {"key": "YQ=="}}, "mine")
