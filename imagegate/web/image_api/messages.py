"""Protobuf messages of Kubernetes' and OpenShift's kinds, made from ``kubernetes_messages.json``.

Google's library reads and writes the bytes; here are only the descriptors and what each field is in JSON. Field numbers
and types are those of the published ``types.go``; the envelope is k8s.io/apimachinery's ``runtime.Unknown``.
"""

from __future__ import annotations

from functools import cache, lru_cache
from importlib import resources
from typing import Any, NamedTuple

import orjson

PACKAGE = "kubernetes"
ENVELOPE = "Unknown"
_WORDS: dict[str, list[tuple[int, str]]] = {
    "Time": [(1, "int"), (2, "int")],
    "Quantity": [(1, "string")],
    "IntOrString": [(1, "int"), (2, "int"), (3, "string")],
    "Raw": [(1, "bytes")],
    "Strings": [(1, "[string]")],
    "Unreadable": [],
    "TypeMeta": [(1, "string"), (2, "string")],
    ENVELOPE: [(1, "TypeMeta"), (2, "bytes"), (3, "string"), (4, "string")],
    "WatchEvent": [(1, "string"), (2, "Raw")],
}
"""Messages that are no objects in JSON."""
_MESSAGE_OF = {
    "time": "Time",
    "quantity": "Quantity",
    "int-or-string": "IntOrString",
    "raw": "Raw",
    "strings": "Strings",
    "unknown": "Unreadable",
}
_SCALARS = {"string": 9, "bool": 8, "int": 3, "bytes": 12}
"""Types of ``FieldDescriptorProto``."""
_OPTIONAL, _REPEATED, _MESSAGE = 1, 3, 11


class Field(NamedTuple):
    """One field of a message."""

    name: str
    """In JSON; empty: its own fields stand there in its place."""
    word: str
    """Its type: a scalar, a message, ``[T]`` or ``{T}``."""
    omits_zero: bool = False
    """True if a zero value is left out in JSON."""


@lru_cache(maxsize=1)
def _table() -> dict[str, Any]:
    file = resources.files("imagegate.web.image_api").joinpath("kubernetes_messages.json")
    found: dict[str, Any] = orjson.loads(file.read_bytes())
    return found


@lru_cache(maxsize=1)
def _roots() -> dict[str, str]:
    roots: dict[str, str] = dict(_table()["roots"])
    return {**{f"{kind}List": f"{message}List" for kind, message in roots.items()}, **roots}


def message_of(api_version: str, kind: str) -> str | None:
    """The message of a kind or of a list of it; None: it has none here."""
    return _roots().get(f"{api_version} {kind}")


@lru_cache(maxsize=1)
def fields_of() -> dict[str, dict[int, Field]]:
    """The fields of each message of an object, by number."""
    found = {
        message: {int(number): Field(name, word, bool(flags)) for number, (name, word, *flags) in fields.items()}
        for message, fields in _table()["messages"].items()
    }
    for message in _table()["roots"].values():
        items = {1: Field("metadata", "meta.ListMeta"), 2: Field("items", f"[{message}]")}
        found.setdefault(f"{message}List", items)
    return found


@lru_cache(maxsize=1)
def _pool() -> Any:
    """The descriptors of all messages."""
    from google.protobuf import descriptor_pb2, descriptor_pool  # takes time and memory: only for who sends protobuf

    file = descriptor_pb2.FileDescriptorProto(
        name="kubernetes.proto", package=PACKAGE, syntax="editions", edition=descriptor_pb2.EDITION_2023
    )
    for name, words in _WORDS.items():
        _add_message(file, name, words)
    for name, fields in fields_of().items():
        _add_message(file, name, [(number, field.word) for number, field in fields.items()])
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
    field = message.field.add(name=name, number=number, type=_SCALARS.get(word, _MESSAGE), label=label)
    if word not in _SCALARS:
        field.type_name = f".{PACKAGE}.{_identifier(_MESSAGE_OF.get(word, word))}"


def _identifier(message: str) -> str:
    return message.replace(".", "_")


@cache
def message_class(message: str) -> Any:
    """The library's class of a message."""
    from google.protobuf import message_factory

    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"{PACKAGE}.{_identifier(message)}"))
