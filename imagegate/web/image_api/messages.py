"""Protobuf messages of Kubernetes' and OpenShift's kinds, made from the table of types.

Google's library reads and writes the bytes; here are only the descriptors. The envelope is k8s.io/apimachinery's
``runtime.Unknown``.
"""

from __future__ import annotations

import threading
from functools import cache, lru_cache
from typing import Any

from imagegate.core.image_api.schema import TYPES, Field

PACKAGE = "kubernetes"
ENVELOPE = "Unknown"
SCALARS = {"string": 9, "boolean": 8, "int32": 3, "int64": 3, "float64": 1, "bytes": 12}
"""Types of ``FieldDescriptorProto``. A negative number takes ten bytes, whatever its size."""
ONE_VALUE = {
    "time": "Time",
    "micro-time": "Time",
    "quantity": "Quantity",
    "int-or-string": "IntOrString",
    "raw": "Raw",
    "fields": "Raw",
}
"""Messages that are one value in JSON, by the table's words."""
_FIXED: dict[str, list[tuple[int, str]]] = {
    "Time": [(1, "int64"), (2, "int32")],
    "Quantity": [(1, "string")],
    "IntOrString": [(1, "int64"), (2, "int32"), (3, "string")],
    "Raw": [(1, "bytes")],
    "TypeMeta": [(1, "string"), (2, "string")],
    ENVELOPE: [(1, "TypeMeta"), (2, "bytes"), (3, "string"), (4, "string")],
    "WatchEvent": [(1, "string"), (2, "Raw")],
}
"""Messages that are not in the table."""
_OPTIONAL, _REPEATED, _MESSAGE = 1, 3, 11
_making = threading.Lock()


def message_of(api_version: str, kind: str) -> str | None:
    """The message of a kind or of a list of it; None: it has none here."""
    return TYPES.kind(api_version, kind) or None


@cache
def fields_of(message: str) -> dict[int, Field]:
    """The fields of an object's message, by number."""
    return {part.number: part for part in TYPES.parts(message) if part.number}


def _pool() -> Any:
    """The descriptors of all messages. There is one: a message takes no part whose class is of another pool."""
    with _making:
        return _new_pool()


@lru_cache(maxsize=1)
def _new_pool() -> Any:
    from google.protobuf import descriptor_pb2, descriptor_pool  # takes time and memory: only for who sends protobuf

    file = descriptor_pb2.FileDescriptorProto(
        name="kubernetes.proto", package=PACKAGE, syntax="editions", edition=descriptor_pb2.EDITION_2023
    )
    for name, words in _FIXED.items():
        _add_message(file, name, words)
    for name in TYPES.names():
        _add_message(file, name, [(part.number, part.message) for part in TYPES.parts(name) if part.number])
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool


def _add_message(file: Any, name: str, fields: list[tuple[int, str]]) -> None:
    message = file.message_type.add(name=_identifier(name))
    for number, word in fields:
        if word[0] == "{":
            entry = message.nested_type.add(name=f"F{number}Entry")
            entry.options.map_entry = True
            _add_field(entry, "key", 1, "string")
            _add_field(entry, "value", 2, word[1:-1])
            field = message.field.add(name=f"f{number}", number=number, type=_MESSAGE, label=_REPEATED)
            field.type_name = f".{PACKAGE}.{message.name}.{entry.name}"
        else:
            _add_field(message, f"f{number}", number, word)


def _add_field(message: Any, name: str, number: int, word: str) -> None:
    label = _REPEATED if word[0] == "[" else _OPTIONAL
    word = word.strip("[]")
    field = message.field.add(name=name, number=number, type=SCALARS.get(word, _MESSAGE), label=label)
    if word not in SCALARS:
        field.type_name = f".{PACKAGE}.{_identifier(ONE_VALUE.get(word, word))}"


def _identifier(message: str) -> str:
    return message.replace(".", "_")


@cache
def message_class(message: str) -> Any:
    """The library's class of a message."""
    from google.protobuf import message_factory

    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"{PACKAGE}.{_identifier(message)}"))
