"""The nodes of a document: values that know the line they were written in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

Scalar: TypeAlias = bool | int | float | str | None
Value: TypeAlias = "Scalar | list[Node] | dict[str, Node]"


@dataclass(slots=True)
class Node:
    """A value and the line (from 1) it begins in. A key's line is that of its value, or of the key if it has none.

    ``weight`` is the number of nodes in it when aliases are followed.
    """

    value: Value
    line: int
    weight: int = 1
    quoted: bool = False
    """Written in quotes or as a block scalar."""


def kind_of(node: Node) -> str:
    """The kind of a node, for messages: ``mapping``, ``list``, ``bool``, ``string``, ``number`` or ``null``."""
    match node.value:
        case dict():
            return "mapping"
        case list():
            return "list"
        case bool():
            return "bool"
        case str():
            return "string"
        case None:
            return "null"
        case _:
            return "number"


def plain(node: Node) -> object:
    """The node as plain values (dict, list, scalars). Only for nodes whose ``weight`` and depth are bounded."""
    match node.value:
        case dict() as entries:
            return {key: plain(child) for key, child in entries.items()}
        case list() as items:
            return [plain(child) for child in items]
        case scalar:
            return scalar
