"""Bodies in protobuf, which typed clients send and ask for (``kubectl create namespace``, openshift/client-go).

Of a body that is sent, only kinds and fields of ``messages`` are read: a field that was skipped could hold an image
that nobody checked, so an unknown one refuses the object.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from imagegate.core.image_api.amounts import VALUES_MAX, too_many_values
from imagegate.core.image_api.columns import parse_time
from imagegate.core.image_api.patches import RESULT_MAX_DEPTH, is_deep
from imagegate.core.image_api.schema import OBJECT_META, TYPES, Field
from imagegate.core.kube.status import Status
from imagegate.errors import InvalidInput
from imagegate.web.image_api.messages import ENVELOPE, ONE_VALUE, SCALARS, fields_of, message_class, message_of

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
MAGIC = b"k8s\x00"
_META_KINDS = (
    *("CreateOptions", "DeleteOptions", "GetOptions", "ListOptions", "PatchOptions", "UpdateOptions"),
    "Status",
)
"""Sent in any version: options in that of the object that they are for."""
_ZERO_TIME_S = -62135596800


def decode(body: bytes, default_kind: str = "") -> dict[str, Any]:
    """The object as JSON.

    Args:
        body: as sent.
        default_kind: of an envelope that names none.

    Raises:
        InvalidInput: not such a body, or of a kind or with a field that is not known here.
        TooLarge: it has more values than objects may have.
    """
    if not body.startswith(MAGIC):
        raise InvalidInput("the body does not begin as Kubernetes' protobuf does")
    envelope = _parsed(ENVELOPE, body[len(MAGIC) :])
    version, kind = envelope.f1.f1, envelope.f1.f2 or default_kind
    if envelope.f3:
        raise InvalidInput("the object is encoded in a way that is not supported")
    message = _message_of(version, kind)
    if message is None:
        raise InvalidInput(f"{kind or 'an object'} of {version or 'no version'} is not read as protobuf: send JSON")
    found = _parsed(message, envelope.f2)
    if len(body) > VALUES_MAX:
        _check_values(found)
    return {"kind": kind, "apiVersion": version, **_to_json(message, found, kind)}


def _message_of(version: str, kind: str) -> str | None:
    return message_of("meta.k8s.io/v1" if kind in _META_KINDS else version, kind)


def _parsed(message: str, raw: bytes) -> Any:
    from google.protobuf.message import DecodeError

    try:
        return message_class(message).FromString(raw)
    except DecodeError as error:
        raise InvalidInput(f"malformed protobuf: {error}") from error


def _check_values(found: Any) -> None:
    """Count the values. An object without fields takes two bytes.

    Raises:
        TooLarge: there are too many.
    """
    left = VALUES_MAX
    waiting = [found]
    while waiting:
        for descriptor, value in waiting.pop().ListFields():
            is_message = descriptor.message_type is not None
            if not descriptor.is_repeated:
                left -= 1
                waiting += [value] if is_message else []
                continue
            left -= len(value)
            if left < 0:
                raise too_many_values()
            if is_message and descriptor.message_type.GetOptions().map_entry:
                value_type = descriptor.message_type.fields_by_name["value"].message_type
                waiting += value.values() if value_type is not None else ()
            elif is_message:
                waiting += value
        if left < 0:
            raise too_many_values()


def _to_json(message: str, found: Any, path: str) -> dict[str, Any]:
    from google.protobuf.unknown_fields import UnknownFieldSet

    for unknown in UnknownFieldSet(found):
        raise InvalidInput(f"{path}: field {unknown.field_number} is not known here: send JSON")
    known = fields_of(message)
    made: dict[str, Any] = {}
    for descriptor, value in found.ListFields():
        field = known[descriptor.number]
        at = f"{path}.{field.name}" if field.name else path
        if not field.name:
            made.update(_to_json(field.message, value, at))
        elif field.message[0] == "[":
            made[field.name] = [_value(field.message[1:-1], each, at) for each in value]
        elif field.message[0] == "{":
            made[field.name] = {key: _value(field.message[1:-1], each, at) for key, each in sorted(value.items())}
        else:
            read = _value(field.message, value, at)
            if read not in (None, "") and (read or not (_omits_zero(field) or message == OBJECT_META)):
                made[field.name] = read
    return made


def _omits_zero(field: Field) -> bool:
    """True if JSON has no zero value of the field, although Go writes it to protobuf."""
    return field.message in ("string", "boolean", "int32", "int64") and not field.is_pointer and not field.is_written


def _value(word: str, value: Any, path: str) -> Any:
    match word:
        case "string" | "boolean" | "int32" | "int64" | "float64":
            return value
        case "bytes":
            return base64.b64encode(value).decode("ascii")
        case "time" | "micro-time":
            return _time(value, is_micro=word == "micro-time")
        case "quantity":
            return value.f1
        case "int-or-string":
            return value.f3 if value.f1 else value.f2
        case "raw" | "fields":
            return _raw(value.f1, path)
    read = _to_json(word, value, path)
    return read.get("items") or _empty(word) if TYPES.is_plain(word) else read


def _empty(word: str) -> Any:
    """The value of a message without entries."""
    return [] if fields_of(word)[1].message[0] == "[" else {}


def _raw(content: bytes, path: str) -> Any:
    """A ``RawExtension``: JSON in a field of bytes; None if it is empty."""
    try:
        value = orjson.loads(content) if content else None
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"{path}: is not read as protobuf, only as JSON: {error}") from error
    if is_deep(value):
        raise InvalidInput(f"{path}: nested deeper than {RESULT_MAX_DEPTH} levels")
    return value


def _time(found: Any, *, is_micro: bool) -> str | None:
    """RFC 3339, in whole seconds or microseconds; None for the zero time."""
    if not found.ListFields() or found.f1 <= _ZERO_TIME_S:
        return None
    try:
        text = datetime.fromtimestamp(found.f1, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidInput(f"malformed protobuf: {found.f1} is no time") from error
    return f"{text}.{found.f2 // 1000 % 1_000_000:06}Z" if is_micro else f"{text}Z"


def encode(found: Mapping[str, Any]) -> bytes | None:
    """An object, a list or a Status in protobuf; None for a kind that has no messages here.

    Raises:
        InvalidInput: a field is not of its type, as an object may be that an earlier version stored.
    """
    version, kind = str(found.get("apiVersion")), str(found.get("kind"))
    message = _message_of(version, kind)
    if message is None:
        return None
    envelope = message_class(ENVELOPE)()
    envelope.f1.f1, envelope.f1.f2 = version, kind
    envelope.f2 = _from_json(message, found, kind).SerializeToString()
    envelope.f3 = envelope.f4 = ""
    return MAGIC + bytes(envelope.SerializeToString())


def watch_event(type_: str, found: Mapping[str, Any]) -> bytes:
    """One event of a watch: a ``meta.k8s.io/v1`` WatchEvent after its length in four bytes.

    An object that cannot be written, as an earlier version may have stored it, becomes an error: clients list again.
    """
    try:
        encoded = encode(found)
    except InvalidInput as error:
        status = Status(code=500, reason="InternalError", message=str(error)).to_json()
        type_, encoded = "ERROR", encode(status)
    event = message_class("WatchEvent")(f1=type_)
    event.f2.f1 = encoded
    raw = bytes(event.SerializeToString())
    return len(raw).to_bytes(4, "big") + raw


def _from_json(message: str, found: Mapping[str, Any], path: str) -> Any:
    made = message_class(message)()
    for number, field in fields_of(message).items():
        target = f"f{number}"
        if not field.name:
            inner = _from_json(field.message, found, path)
            if inner.ListFields():
                getattr(made, target).CopyFrom(inner)
        elif found.get(field.name) is not None:
            try:
                _set(made, target, field, found[field.name], f"{path}.{field.name}")
            except (TypeError, ValueError, AttributeError) as error:
                raise InvalidInput(f"{path}.{field.name} cannot be written as protobuf: {error}") from error
    return made


def _set(made: Any, target: str, field: Field, value: Any, path: str) -> None:
    word = field.message.strip("[]{}")
    if field.message[0] == "[":
        getattr(made, target).extend(_written(word, each, path) for each in value)
    elif field.message[0] == "{":
        for key, each in value.items():
            if word in SCALARS:
                getattr(made, target)[key] = _written(word, each, path)
            else:
                getattr(made, target)[key].CopyFrom(_written(word, each, path))
    elif word in SCALARS:
        setattr(made, target, _written(word, value, path))
    else:
        getattr(made, target).CopyFrom(_written(word, value, path))


def _written(word: str, value: Any, path: str) -> Any:
    """A value as the library takes it."""
    if word == "bytes":
        return _bytes(value)
    if word in SCALARS:
        return value
    if TYPES.is_plain(word):
        return _from_json(word, {"items": value}, path)
    if word not in ONE_VALUE:
        return _from_json(word, value, path)
    if word in ("time", "micro-time"):
        return _written_time(value, is_micro=word == "micro-time")
    if word == "quantity":
        return message_class("Quantity")(f1=str(value))
    if word == "int-or-string":
        is_text = isinstance(value, str)
        return message_class("IntOrString")(**({"f1": 1, "f3": value} if is_text else {"f1": 0, "f2": value}))
    return message_class("Raw")(f1=orjson.dumps(value))


def _written_time(value: str, *, is_micro: bool) -> Any:
    found = parse_time(value)
    seconds = int(found.replace(microsecond=0).timestamp())
    return message_class("Time")(f1=seconds, **({"f2": found.microsecond * 1000} if is_micro else {}))


def _bytes(value: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error
