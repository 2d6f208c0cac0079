"""The key of the records of rewritten images, in a Secret that all replicas share."""

from __future__ import annotations

import base64
import binascii
import secrets
import time
from collections.abc import Callable
from urllib.parse import quote

from imagegate.adapters.kubernetes_api.connection import ApiError, Connection, JsonObject

ENTRY = "key"
KEY_MIN_BYTES = 16
_MADE_BYTES = 32
_DEADLINE_S = 5.0
_AGAIN_S = 0.5
_NOT_FOUND, _CONFLICT = 404, 409


class KeyUnavailable(Exception):
    """The key cannot be read or made; the message says why, and what to do."""


def shared_key(
    connection: Connection, namespace: str, name: str, *, wait_s: float, sleep: Callable[[float], None] = time.sleep
) -> bytes:
    """The key in a Secret, made if there is none: of replicas that start at once one makes it, the others read it.

    Args:
        wait_s: how long to try again while the API server does not answer.

    Raises:
        KeyUnavailable: no answer in time, no right to read or make it, or what is there is not a key. Objects that were
            rewritten with a key are worth nothing without it, so it is never replaced.
    """
    until = time.monotonic() + wait_s
    while True:
        try:
            return _key(connection, namespace, name)
        except ApiError as error:
            if error.status in (401, 403) or time.monotonic() > until:
                raise KeyUnavailable(f"Secret {namespace}/{name}: {error}") from error
        sleep(_AGAIN_S)


def _key(connection: Connection, namespace: str, name: str) -> bytes:
    collection = f"/api/v1/namespaces/{quote(namespace, safe='')}/secrets"
    path = f"{collection}/{quote(name, safe='')}"
    try:
        return _read(connection.get(path, deadline_s=_DEADLINE_S), f"{namespace}/{name}")
    except ApiError as error:
        if error.status != _NOT_FOUND:
            raise
    body: JsonObject = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app.kubernetes.io/name": "imagegate"}},
        "data": {ENTRY: base64.b64encode(secrets.token_hex(_MADE_BYTES).encode()).decode()},
    }
    try:
        return _read(connection.post(collection, body, deadline_s=_DEADLINE_S), f"{namespace}/{name}")
    except ApiError as error:
        if error.status != _CONFLICT:
            raise
    return _read(connection.get(path, deadline_s=_DEADLINE_S), f"{namespace}/{name}")


def _read(secret: JsonObject, where: str) -> bytes:
    data = secret.get("data")
    text = data.get(ENTRY) if isinstance(data, dict) else None
    try:
        key = base64.b64decode(text, validate=True).strip() if isinstance(text, str) else b""
    except binascii.Error:
        key = b""
    if len(key) < KEY_MIN_BYTES:
        raise KeyUnavailable(
            f"Secret {where}: entry {ENTRY!r} is not a key of at least {KEY_MIN_BYTES} bytes: restore the Secret from a"
            " backup, or delete it and apply every rewritten workload again"
        )
    return key
