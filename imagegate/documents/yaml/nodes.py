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


def node_of(value: object, *, depth_max: int) -> Node | None:
    """Plain values (as of JSON) as nodes of line 0; None if they are nested deeper than ``depth_max`` levels."""
    if depth_max < 0:
        return None
    children: dict[str, Node] | list[Node]
    if isinstance(value, dict):
        children = {}
        for key, each in value.items():
            child = node_of(each, depth_max=depth_max - 1)
            if child is None:
                return None
            children[key] = child
        return Node(children, 0)
    if isinstance(value, list):
        children = []
        for each in value:
            child = node_of(each, depth_max=depth_max - 1)
            if child is None:
                return None
            children.append(child)
        return Node(children, 0)
    return Node(value if isinstance(value, (bool, int, float, str)) else None, 0)


def plain(node: Node) -> object:
    """The node as plain values (dict, list, scalars). Only for nodes whose ``weight`` and depth are bounded."""
    match node.value:
        case dict() as entries:
            return {key: plain(child) for key, child in entries.items()}
        case list() as items:
            return [plain(child) for child in items]
        case scalar:
            return scalar
