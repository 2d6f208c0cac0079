"""Reads members of a role's JSON, with the role and the place in every refusal.

What a reader of Go structures takes as a zero value is taken so here (a missing or null list is empty); unknown
members are ignored, because roles grow; a repeated member is refused anywhere.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

from imagegate.core.content_trust.errors import InvalidMetadata
from imagegate.core.kube.strict_json import Members, StrictValue


class Fields:
    """The members of one object."""

    __slots__ = ("_members", "_path", "_role")

    def __init__(self, value: StrictValue, role: str, path: str) -> None:
        """Wrap an object.

        Raises:
            InvalidMetadata: it is not an object, or has a repeated member.
        """
        self._role, self._path = role, path
        if value is None:
            value = Members(())
        if not isinstance(value, Members):
            raise self.wrong("", "an object")
        self._members = dict(value)
        if len(self._members) != len(value):
            raise InvalidMetadata(f"{path or 'file'} has member {value.first_repeated()!r} twice", role=role)

    def wrong(self, name: str, expected: str) -> InvalidMetadata:
        """The refusal of one member."""
        return InvalidMetadata(f"{self._at(name) or 'file'} is not {expected}", role=self._role)

    def text(self, name: str) -> str:
        """A string; empty if missing."""
        value = self._members.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self.wrong(name, "a string")
        return value

    def integer(self, name: str) -> int:
        """A whole number; 0 if missing."""
        value = self._members.get(name)
        if value is None:
            return 0
        if isinstance(value, bool) or not isinstance(value, float) or not value.is_integer():
            raise self.wrong(name, "a whole number")
        return int(value)

    def octets(self, name: str) -> bytes:
        """Bytes in base64; empty if missing."""
        try:
            return base64.b64decode(self.text(name), validate=True)
        except (binascii.Error, ValueError) as error:
            raise self.wrong(name, "base64") from error

    def within(self, name: str) -> Fields:
        """An object; empty if missing."""
        return Fields(self._members.get(name), self._role, self._at(name))

    def objects(self) -> Iterator[tuple[str, Fields]]:
        """Every member as an object."""
        for name in self._members:
            yield name, self.within(name)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings; empty if missing."""
        return tuple(self._is_text(name, item) for item in self._list(name))

    def each(self, name: str) -> Iterator[Fields]:
        """A list of objects; empty if missing."""
        for index, item in enumerate(self._list(name)):
            yield Fields(item, self._role, f"{self._at(name)}[{index}]")

    def value(self, name: str) -> StrictValue:
        """The member as it was read; None if missing."""
        return self._members.get(name)

    def _list(self, name: str) -> list[StrictValue]:
        value = self._members.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.wrong(name, "a list")
        return value

    def _is_text(self, name: str, item: StrictValue) -> str:
        if not isinstance(item, str):
            raise self.wrong(name, "a list of strings")
        return item

    def _at(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path and name else self._path or name
