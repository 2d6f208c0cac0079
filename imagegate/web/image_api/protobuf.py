"""Objects that typed clients send as protobuf (``kubectl create namespace``, ``kubectl create deployment``).

Only the kinds of ``kubernetes_messages.json``, and of these only fields that it knows: a field that was skipped
could hold an image that nobody checked, so an unknown one refuses the object. The envelope is
k8s.io/apimachinery's ``runtime.Unknown`` behind four magic bytes.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from importlib import resources
from typing import Any

import orjson

from imagegate.errors import InvalidInput

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
MAGIC = b"k8s\x00"
DEPTH_MAX = 60
_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5
_METADATA = "meta.ObjectMeta"
_OPTIONS = ("CreateOptions", "DeleteOptions", "GetOptions", "ListOptions", "PatchOptions", "UpdateOptions")
"""Sent in the version of the object that they are for."""
_OPTIONS_VERSION = "meta.k8s.io/v1"


@lru_cache(maxsize=1)
def _table() -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(
        resources.files("imagegate.web.image_api").joinpath("kubernetes_messages.json").read_bytes()
    )
    return found


def decode(body: bytes) -> dict[str, Any]:
    """The object as JSON.

    Raises:
        InvalidInput: not such a body, or of a kind or with a field that is not known here.
    """
    if not body.startswith(MAGIC):
        raise InvalidInput("the body does not begin as Kubernetes' protobuf does")
    version, kind, raw = "", "", b""
    for number, value in _fields(body[len(MAGIC) :]):
        if number == 1:
            parts = dict(_fields(_as_bytes(value)))
            version, kind = _text(parts.get(1, b"")), _text(parts.get(2, b""))
        elif number == 2:
            raw = _as_bytes(value)
        elif number == 3 and value:
            raise InvalidInput("the object is encoded in a way that is not supported")
    root = f"{_OPTIONS_VERSION if kind in _OPTIONS else version} {kind}"
    message = _table()["roots"].get(root)
    if message is None:
        raise InvalidInput(f"{kind or 'an object'} of {version or 'no version'} is not read as protobuf: send JSON")
    return {"kind": kind, "apiVersion": version, **_message(message, raw, kind, 0)}


def _fields(raw: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field numbers and values of a message as they come."""
    at = 0
    while at < len(raw):
        tag, at = _varint(raw, at)
        number, wire_type = tag >> 3, tag & 7
        value: int | bytes
        if wire_type == _VARINT:
            value, at = _varint(raw, at)
        else:
            if wire_type == _BYTES:
                size, at = _varint(raw, at)
            elif wire_type in (_FIXED_64, _FIXED_32):
                size = 8 if wire_type == _FIXED_64 else 4
            else:
                raise InvalidInput(f"malformed protobuf: wire type {wire_type}")
            if at + size > len(raw):
                raise InvalidInput("malformed protobuf: it ends in the middle of a field")
            value, at = raw[at : at + size], at + size
        yield number, value


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(raw):
            break
        byte = raw[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
    raise InvalidInput("malformed protobuf: a number without an end")


def _message(name: str, raw: bytes, path: str, depth: int) -> dict[str, Any]:
    if depth > DEPTH_MAX:
        raise InvalidInput(f"{path}: nested deeper than {DEPTH_MAX} levels")
    known = _table()["messages"][name]
    found: dict[str, Any] = {}
    for number, value in _fields(raw):
        entry = known.get(str(number))
        if entry is None:
            raise InvalidInput(f"{path}: field {number} is not known here: send JSON")
        field, word, *flags = entry
        at = f"{path}.{field}" if field else path
        if not field:
            found.update(_message(word, _as_bytes(value), at, depth + 1))
        elif word[0] == "[":
            found.setdefault(field, []).append(_value(word[1:-1], value, at, depth))
        elif word[0] == "{":
            key, held = _entry(word[1:-1], value, at, depth)
            found.setdefault(field, {})[key] = held
        else:
            made = _value(word, value, at, depth)
            if made not in (None, "") and (made or not (flags or name == _METADATA)):
                found[field] = made
    return found


def _entry(word: str, value: int | bytes, path: str, depth: int) -> tuple[str, Any]:
    parts = dict(_fields(_as_bytes(value)))
    return _text(parts.get(1, b"")), _value(word, parts.get(2, b""), path, depth)


def _value(word: str, value: int | bytes, path: str, depth: int) -> Any:
    match word:
        case "string":
            return _text(value)
        case "bool":
            return bool(value)
        case "int":
            return _signed(value)
        case "bytes":
            return base64.b64encode(_as_bytes(value)).decode("ascii")
        case "time":
            return _time(_as_bytes(value))
        case "quantity":
            return _text(dict(_fields(_as_bytes(value))).get(1, b""))
        case "int-or-string":
            parts = dict(_fields(_as_bytes(value)))
            return _text(parts.get(3, b"")) if parts.get(1) else _signed(parts.get(2, 0))
        case "strings":
            return [_text(each) for number, each in _fields(_as_bytes(value)) if number == 1]
        case "raw":
            return _raw(_as_bytes(value), path)
        case "unknown":
            raise InvalidInput(f"{path}: is not read as protobuf: send JSON")
    return _message(word, _as_bytes(value), path, depth + 1)


def _raw(value: bytes, path: str) -> Any:
    """A ``RawExtension``: JSON in a field of bytes; None if it is empty."""
    content = _as_bytes(dict(_fields(value)).get(1, b""))
    try:
        return orjson.loads(content) if content else None
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"{path}: is not read as protobuf, only as JSON: {error}") from error


def _as_bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise InvalidInput("malformed protobuf: a number where a message must be")
    return value


def _signed(value: int | bytes) -> int:
    if not isinstance(value, int):
        raise InvalidInput("malformed protobuf: a message where a number must be")
    return value - (1 << 64) if value >= 1 << 63 else value


def _text(value: int | bytes) -> str:
    try:
        return _as_bytes(value).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput("malformed protobuf: a text that is not UTF-8") from error


def _time(raw: bytes) -> str | None:
    """RFC 3339, in whole seconds; None for the zero time."""
    seconds = _signed(dict(_fields(raw)).get(1, 0))
    if not raw or seconds <= -62135596800:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidInput(f"malformed protobuf: {seconds} is no time") from error
