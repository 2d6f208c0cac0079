"""The form of a value for comparison and merging: which parts have an owner of their own.

Made from the table of types. Source: k8s.io/kube-openapi ``schemaconv``: a list without a list type has one owner,
unless a strategic merge patch merges it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from functools import lru_cache
from typing import Any, NamedTuple

from imagegate.core.image_api.schema import ANY_FORM, SCALARS, TYPES, Field
from imagegate.core.managed_fields.path_elements import field_element, key_element, value_element
from imagegate.errors import InvalidInput


class NoElement(InvalidInput):
    """An entry of a list has no key."""


class Form(Enum):
    """The JSON form of a value."""

    SCALAR = "scalar"
    LIST = "list"
    MAP = "map"
    ANY = "any"


class Shape(NamedTuple):
    """The form of a value."""

    type: str
    """In the table of types."""
    form: Form
    is_atomic: bool = False
    """True if it has one owner as a whole."""
    keys: tuple[str, ...] = ()
    """Fields that identify the entries of a list; empty: the entries are plain values, each at most once."""

    @property
    def is_leaf(self) -> bool:
        """True if its parts have no owners of their own."""
        return self.is_atomic or self.form in (Form.SCALAR, Form.ANY)

    @property
    def fields(self) -> Mapping[str, Field]:
        """The fields of a struct; of anything else none."""
        return TYPES[self.type] if self.form is Form.MAP and self.type[0] != "{" else {}

    def entry(self, name: str) -> Shape | None:
        """The value of a field, or of a map's key; None: the struct has no such field."""
        return _entry_shape(self.type) if self.type[0] == "{" else _field_shape(self.type, name)

    @property
    def item(self) -> Shape:
        """The entries of a list."""
        return _entry_shape(self.type)

    def element(self, entry: Any) -> str:
        """The step to an entry of a list that is not atomic.

        Raises:
            NoElement: the entry has no key.
        """
        if not self.keys:
            return value_element(_plain(entry))
        if entry is None:
            raise NoElement("associative list with keys may not have a null element")
        if not isinstance(entry, dict):
            raise NoElement("associative list with keys may not have non-map elements")
        found = dict(self._given_keys(entry))
        if not found:
            names = " ".join(f'"{name}"' for name in self.keys)
            what = f"associative list with keys has an element that omits all key fields [{names}]"
            raise NoElement(f"{what} (and doesn't have default values for any key fields)")
        return key_element(found)

    def _given_keys(self, entry: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        fields = self.item.fields
        for name in self.keys:
            if name in entry:
                yield name, entry[name]
            elif name in fields and fields[name].default is not None:
                yield name, fields[name].default

    def below(self, element: str) -> Shape | None:
        """The value at a step; None: there is no such value."""
        if self.form is Form.LIST:
            return self.item
        return self.entry(element.removeprefix(field_element(""))) if self.form is Form.MAP else None


@lru_cache(maxsize=4096)
def _field_shape(type_: str, name: str) -> Shape | None:
    found = TYPES[type_].get(name) if type_ in TYPES else None
    return None if found is None else shape_of(found.type, found)


@lru_cache(maxsize=4096)
def _entry_shape(type_: str) -> Shape:
    return shape_of(type_[1:-1])


def _plain(entry: Any) -> Any:
    if isinstance(entry, dict):
        raise NoElement("associative list without keys has an element that's a map type")
    if isinstance(entry, list):
        raise NoElement("not supported: associative list with lists as elements")
    if entry is None:
        raise NoElement("associative list without keys has an element that's an explicit null")
    return entry


def shape_of(type_: str, field: Field | None = None) -> Shape:
    """The shape of a value.

    Args:
        type_: a word of the table of types.
        field: that has the value; None: it is an entry of a list or map, or a whole object.
    """
    is_atomic = field is not None and field.is_atomic
    if type_[0] == "[":
        keys = None if field is None else _list_keys(field)
        return Shape(type_, Form.LIST, keys is None, keys or ())
    if type_[0] == "{":
        return Shape(type_, Form.MAP, is_atomic)
    if type_ in ANY_FORM:
        return Shape(type_, Form.ANY, is_atomic=True)
    if type_ in SCALARS:
        return Shape(type_, Form.SCALAR)
    return Shape(type_, Form.MAP, is_atomic or TYPES.is_atomic(type_))


def _list_keys(field: Field) -> tuple[str, ...] | None:
    """The fields that identify the entries; None: the list has one owner."""
    if field.list_type:
        return None if field.list_type == "atomic" else field.list_keys
    strategies = field.patch_strategy.split(",")
    if "merge" not in strategies:
        return None
    return (field.merge_key,) if field.merge_key else ()
