"""Secrets and config maps that a cluster refuses."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from imagegate.core.cluster_kinds.validation import object_errors


def errors(type_: str, data: dict[str, bytes], old: dict[str, Any] | None = None, **fields: Any) -> list[str]:
    encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
    return list(map(str, object_errors("Secret", {"type": type_, "data": encoded, **fields}, old)))


DOCKER, OLD_DOCKER = "kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg"


@pytest.mark.parametrize(
    "type_, data, expected",
    [
        ("Opaque", {}, []),
        ("example.com/own", {}, []),
        (DOCKER, {".dockerconfigjson": b"{}"}, []),
        (DOCKER, {}, ["data[.dockerconfigjson]: Required value"]),
        (
            DOCKER,
            {".dockerconfigjson": b"["},
            [
                'data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": unexpected end of JSON input',
            ],
        ),
        (
            DOCKER,
            {".dockerconfigjson": b"[]"},
            [
                (
                    'data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": json: cannot unmarshal '
                    "array into Go value of type map[string]interface {}"
                )
            ],
        ),
        (OLD_DOCKER, {}, ["data[.dockercfg]: Required value"]),
        ("kubernetes.io/basic-auth", {"password": b""}, []),
        (
            "kubernetes.io/basic-auth",
            {},
            ["data[username]: Required value", "data[password]: Required value"],
        ),
        ("kubernetes.io/ssh-auth", {"ssh-privatekey": b""}, ["data[ssh-privatekey]: Required value"]),
        ("kubernetes.io/tls", {"tls.crt": b""}, ["data[tls.key]: Required value"]),
        (
            "kubernetes.io/service-account-token",
            {},
            ["metadata.annotations[kubernetes.io/service-account.name]: Required value"],
        ),
    ],
)
def test_types(type_: str, data: dict[str, bytes], expected: list[str]) -> None:
    assert errors(type_, data) == expected


def test_a_token_names_its_account() -> None:
    metadata = {"annotations": {"kubernetes.io/service-account.name": "default"}}
    assert errors("kubernetes.io/service-account-token", {}, metadata=metadata) == []


@pytest.mark.parametrize("key", ["a/b", "", "ä", ".", "..", "..a", "a" * 254])
def test_keys(key: str) -> None:
    assert errors("Opaque", {key: b""})
    assert object_errors("ConfigMap", {"data": {key: ""}})
    assert object_errors("ConfigMap", {"binaryData": {key: ""}})


def test_sizes() -> None:
    mebibyte = 1024 * 1024
    assert errors("Opaque", {"a": bytes(mebibyte)}) == []
    assert errors("Opaque", {"a": bytes(mebibyte), "b": b"x"}) == ["data: Too long: may not be more than 1048576 bytes"]
    assert object_errors("ConfigMap", {"data": {"a": "x" * mebibyte}}) == []
    assert object_errors("ConfigMap", {"data": {"a": "x" * mebibyte}, "binaryData": {"b": "eA=="}})


def test_changes() -> None:
    old: dict[str, Any] = {"type": "Opaque", "data": {"a": "eA=="}, "immutable": True}
    assert errors("Opaque", {"a": b"x"}, old, immutable=True) == []
    assert errors("other", {"a": b"x"}, old, immutable=True) == ['type: Invalid value: "other": field is immutable']
    refused = "field is immutable when `immutable` is set"
    assert errors("Opaque", {}, old) == [f"immutable: Forbidden: {refused}", f"data: Forbidden: {refused}"]
    assert list(map(str, object_errors("ConfigMap", {"data": {"a": "1"}}, {"immutable": True}))) == [
        f"immutable: Forbidden: {refused}",
        f"data: Forbidden: {refused}",
    ]


def test_config_maps_have_a_key_once() -> None:
    found = {"data": {"a": "1"}, "binaryData": {"a": "eA=="}}
    assert list(map(str, object_errors("ConfigMap", found))) == [
        'data[a]: Invalid value: "a": duplicate of key present in binaryData'
    ]
