"""Many API objects in little memory: one JSON string, parsed object by object on request."""

from __future__ import annotations

from array import array
from collections.abc import Hashable, Iterable, Iterator
from typing import Any, Generic, TypeVar

import orjson

JsonObject = dict[str, Any]
K = TypeVar("K", bound=Hashable)


class PackedObjects(Generic[K]):
    """Objects by key, which never change. As text they take a fifth of the memory of their Python values.

    The JSON is in one block of memory: ten thousand pieces of their own would leave gaps of several times
    their size. An object that is not JSON (an integer of more than 64 bits, which YAML can write) is stored unpacked.

    Args:
        objects: key and object; of two with one key the last counts.
    """

    __slots__ = ("_ends", "_numbers", "_others", "_texts")

    def __init__(self, objects: Iterable[tuple[K, JsonObject]] = ()) -> None:
        self._texts = bytearray()
        self._ends = array("Q", [0])
        self._numbers: dict[K, int] = {}
        self._others: dict[int, JsonObject] = {}
        for number, (key, found) in enumerate(objects):
            self._numbers[key] = number
            try:
                self._texts += orjson.dumps(found)
            except orjson.JSONEncodeError:
                self._others[number] = found
            self._ends.append(len(self._texts))

    def get(self, key: K) -> JsonObject | None:
        """The object under ``key``, a new one every time."""
        number = self._numbers.get(key)
        return None if number is None else self._unpacked(number)

    def items(self) -> Iterator[tuple[K, JsonObject]]:
        """Every key and object; the objects are made one at a time."""
        return ((key, self._unpacked(number)) for key, number in self._numbers.items())

    def _unpacked(self, number: int) -> JsonObject:
        other = self._others.get(number)
        if other is not None:
            return other
        text = memoryview(self._texts)[self._ends[number] : self._ends[number + 1]]
        found: JsonObject = orjson.loads(text)
        return found
