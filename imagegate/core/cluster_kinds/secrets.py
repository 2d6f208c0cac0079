"""Validation of Secrets and ConfigMaps.

Source: kubernetes, ``pkg/apis/core/validation/validation.go``, ``ValidateSecret`` and ``ValidateConfigMap``.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from imagegate.core.kube.field_errors import FieldError, forbidden, invalid, required, too_long
from imagegate.core.kube.go_json import syntax_error

JsonObject = dict[str, Any]

DATA_MAX_BYTES = 1024 * 1024
_KEY_MAX_LENGTH = 253
_KEY = re.compile(r"[-._a-zA-Z0-9]+", re.ASCII)
_KEY_TEXT = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  "
    f"or 'key-name', regex used for validation is '{_KEY.pattern}')"
)
_DOCKER = {"kubernetes.io/dockercfg": ".dockercfg", "kubernetes.io/dockerconfigjson": ".dockerconfigjson"}
_ACCOUNT_TOKEN, _ACCOUNT_NAME = "kubernetes.io/service-account-token", "kubernetes.io/service-account.name"
_BASIC_AUTH, _SSH, _TLS = "kubernetes.io/basic-auth", "kubernetes.io/ssh-auth", "kubernetes.io/tls"
_IMMUTABLE = "field is immutable when `immutable` is set"


def secret_errors(found: JsonObject, old: JsonObject | None) -> Iterator[FieldError]:
    """Errors of a Secret that was decoded and has its defaults.

    Args:
        found: the Secret.
        old: the stored one that it replaces; None: it is new.
    """
    if old is not None:
        if found.get("type") != old.get("type"):
            yield invalid("type", found.get("type") or "", "field is immutable")
        yield from _immutable_errors(found, old, ("data",))
    data = {key: base64.b64decode(value) for key, value in (found.get("data") or {}).items()}
    for key in data:
        yield from _key_errors(key, "data")
    if sum(map(len, data.values())) > DATA_MAX_BYTES:
        yield too_long("data", DATA_MAX_BYTES)
    yield from _type_errors(found, data)


def _type_errors(found: JsonObject, data: Mapping[str, bytes]) -> Iterator[FieldError]:
    type_ = found.get("type") or ""
    if type_ == _ACCOUNT_TOKEN:
        if not ((found.get("metadata") or {}).get("annotations") or {}).get(_ACCOUNT_NAME):
            yield required(f"metadata.annotations[{_ACCOUNT_NAME}]")
    elif type_ in _DOCKER:
        key = _DOCKER[type_]
        problem = _json_problem(data[key]) if key in data else ""
        if key not in data:
            yield required(f"data[{key}]")
        elif problem:
            yield invalid(f"data[{key}]", "<secret contents redacted>", problem)
    elif type_ == _BASIC_AUTH:
        if not {"username", "password"} & data.keys():
            yield from (required(f"data[{key}]") for key in ("username", "password"))
    elif type_ == _SSH:
        if not data.get("ssh-privatekey"):
            yield required("data[ssh-privatekey]")
    elif type_ == _TLS:
        yield from (required(f"data[{key}]") for key in ("tls.crt", "tls.key") if key not in data)


def _json_problem(content: bytes) -> str:
    """The reason why the content is not a JSON object; empty if it is one."""
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError:
        return syntax_error(content)
    if value is None or isinstance(value, dict):
        return ""
    kind = {bool: "bool", str: "string", list: "array"}.get(type(value), "number")
    return f"json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"


def config_map_errors(found: JsonObject, old: JsonObject | None) -> Iterator[FieldError]:
    """Errors of a ConfigMap that was decoded; see ``secret_errors``."""
    if old is not None:
        yield from _immutable_errors(found, old, ("data", "binaryData"))
    texts, binary = found.get("data") or {}, found.get("binaryData") or {}
    for key in texts:
        yield from _key_errors(key, "data")
        if key in binary:
            yield invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
    for key in binary:
        yield from _key_errors(key, "binaryData")
    size = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts.values())
    if size + sum(len(base64.b64decode(value)) for value in binary.values()) > DATA_MAX_BYTES:
        yield too_long("", DATA_MAX_BYTES)


def _immutable_errors(found: JsonObject, old: JsonObject, fields: tuple[str, ...]) -> Iterator[FieldError]:
    if not old.get("immutable"):
        return
    if not found.get("immutable"):
        yield forbidden("immutable", _IMMUTABLE)
    for field in fields:
        if (found.get(field) or {}) != (old.get(field) or {}):
            yield forbidden(field, _IMMUTABLE)


def _key_errors(key: str, path: str) -> Iterator[FieldError]:
    if len(key.encode("utf-8", "surrogatepass")) > _KEY_MAX_LENGTH:
        yield invalid(f"{path}[{key}]", key, f"must be no more than {_KEY_MAX_LENGTH} characters")
    if _KEY.fullmatch(key) is None:
        yield invalid(f"{path}[{key}]", key, _KEY_TEXT)
    if key in (".", ".."):
        yield invalid(f"{path}[{key}]", key, f"must not be '{key}'")
    elif key.startswith(".."):
        yield invalid(f"{path}[{key}]", key, "must not start with '..'")
