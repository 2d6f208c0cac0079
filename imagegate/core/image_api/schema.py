"""The table of types: every kind that is served, with the fields of all that it holds.

Validation, decoding, pruning, defaults, merge keys, protobuf messages and the OpenAPI documents are made from it.
``types.json`` and ``descriptions.json`` are generated from the Go types that Kubernetes and OpenShift publish; a type
has its name of their OpenAPI documents.

A field's type is a word of ``SCALARS``, the name of another type, or one of these in ``[...]`` (a list) or ``{...}``
(a map from strings).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import resources
from typing import Any, NamedTuple, TypeAlias

import orjson

SCALARS: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "time": (str,),
    "micro-time": (str,),
    "bytes": (str,),
    "int32": (int,),
    "int64": (int,),
    "float64": (int, float),
    "boolean": (bool,),
    "quantity": (str, int, float),
    "int-or-string": (int, str),
    "raw": (object,),
    "fields": (object,),
}
"""Types that are one value in JSON, with those of Python. ``raw`` and ``fields`` are of any form, ``bytes`` base64."""
ANY_FORM = ("raw", "fields")
_GO_NAMES = {"boolean": "bool", "bytes": "[]uint8"}


class Field(NamedTuple):
    """One field of a type."""

    name: str
    """In JSON; empty: the fields of its type stand there in its place."""
    type: str
    number: int = 0
    """In protobuf; 0: it is not there."""
    message: str = ""
    """Its type in protobuf: that of JSON, or a list or map that is a message of its own there."""
    required: bool = False
    default: Any = None
    is_nullable: bool = False
    """Written as null where an object has no value, although it is not required."""
    is_pointer: bool = False
    """Left out where an object has no value, but not for false, 0 or an empty string."""
    omits_zero: bool = False
    """Left out where it has no value, although it is required or its default is one."""
    go_type: str = ""
    """Its type in the messages of Go's decoder."""
    merge_key: str = ""
    patch_strategy: str = ""
    list_type: str = ""
    list_keys: tuple[str, ...] = ()
    is_atomic: bool = False

    @property
    def is_written(self) -> bool:
        """True if an object always has the field."""
        return self.is_nullable or (not self.omits_zero and (self.required or self.default is not None))

    @property
    def is_set(self) -> bool:
        """True for a list of plain values to which a strategic merge patch adds."""
        return not self.merge_key and "merge" in self.patch_strategy.split(",") and self.type[0] == "["

    @property
    def is_replaced(self) -> bool:
        """True for an object that a strategic merge patch replaces as a whole."""
        return "replace" in self.patch_strategy.split(",")

    @property
    def item(self) -> str:
        """Type of the entries of a list or a map."""
        return self.type[1:-1]


Fields: TypeAlias = Mapping[str, Field]


OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


def go_type(word: str) -> str:
    """The type as Go's ``reflect`` prints it, if it has no name of its own."""
    if word[0] == "[":
        return f"[]{go_type(word[1:-1])}"
    if word[0] == "{":
        return f"map[string]{go_type(word[1:-1])}"
    return _GO_NAMES.get(word) or (word if word in SCALARS else f"v1.{short_name(word)}")


def short_name(type_: str) -> str:
    """The name of a type in Go, without its package."""
    return type_.rpartition(".")[2]


class _Types(Mapping[str, Fields]):
    """The table. The file is read on first use, and a type is made when somebody asks for it. Safe for threads."""

    def __init__(self) -> None:
        self._made: dict[str, dict[str, Field]] = {}
        self._parts: dict[str, tuple[Field, ...]] = {}

    @cached_property
    def _document(self) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads(resources.files(__package__).joinpath("types.json").read_bytes())
        return found

    def parts(self, name: str) -> tuple[Field, ...]:
        """The fields of a type as Go declares them: structs inside others are one field without a name."""
        if name not in self._parts:
            entry = self._document["types"][name]
            if "items" in entry:
                self._parts[name] = (Field("items", entry["items"], 1, entry["items"]),)
            else:
                self._parts[name] = tuple(self._field(field) for field in entry["fields"])
        return self._parts[name]

    def _field(self, entry: Mapping[str, Any]) -> Field:
        word = entry["type"]
        return Field(
            entry.get("name", ""),
            self._in_json(word),
            entry.get("number", 0),
            word,
            required=entry.get("required", False),
            default=entry.get("default"),
            is_nullable=entry.get("null", False),
            is_pointer=entry.get("pointer", False),
            omits_zero=entry.get("omitsZero", False),
            go_type=entry.get("goType") or go_type(word),
            merge_key=entry.get("mergeKey", ""),
            patch_strategy=entry.get("patchStrategy", ""),
            list_type=entry.get("listType", ""),
            list_keys=tuple(entry.get("listKeys", ())),
            is_atomic=entry.get("isAtomic", False),
        )

    def _in_json(self, word: str) -> str:
        bare = word.strip("[]{}")
        items = self._document["types"].get(bare, {}).get("items")
        return word.replace(bare, items) if items else word

    def kind(self, api_version: str, kind: str) -> str:
        """The type of a kind or of a list of it; empty: it is not in the table."""
        return str(self._document["kinds"].get(f"{api_version} {kind}", ""))

    def kinds(self) -> Mapping[str, str]:
        """The type of every kind, by ``VERSION KIND``."""
        found: Mapping[str, str] = self._document["kinds"]
        return found

    def names(self) -> Iterator[str]:
        """All types, also those that are plain lists or maps in JSON."""
        yield from self._document["types"]

    def is_plain(self, name: str) -> bool:
        """True for a message whose only field ``items`` is a plain list or map in JSON."""
        return "items" in self._document["types"].get(name, ())

    def is_atomic(self, name: str) -> bool:
        """True if objects of the type have one owner as a whole."""
        return bool(self._document["types"][name].get("isAtomic"))

    def __getitem__(self, name: str) -> Fields:
        made = self._made.get(name)
        if made is None:
            if name not in self:
                raise KeyError(name)
            made = {}
            for part in self.parts(name):
                made.update({part.name: part} if part.name else self[part.type])
            self._made[name] = (
                made  # whole: another thread that met half of a type would drop the other half as unknown
            )
        return made

    def __contains__(self, name: object) -> bool:
        return name in self._made or "fields" in self._document["types"].get(name, ())

    def __iter__(self) -> Iterator[str]:
        return (name for name, entry in self._document["types"].items() if "fields" in entry)

    def __len__(self) -> int:
        return sum(1 for _ in self)


TYPES = _Types()


def type_of(api_version: str, kind: str) -> str:
    """The type of a kind that is known to be in the table.

    Raises:
        KeyError: it is not.
    """
    found = TYPES.kind(api_version, kind)
    if not found:
        raise KeyError(f"{api_version} {kind}")
    return found


def read_descriptions() -> Mapping[str, Mapping[str, str]]:
    """The first sentence about each type (under an empty name) and its fields, by type. Not kept: it is large."""
    found: Mapping[str, Mapping[str, str]]
    found = orjson.loads(resources.files(__package__).joinpath("descriptions.json").read_bytes())
    return found
