"""YAML text to nodes that know their line, and nodes to values. Built for many files.

The C loader builds nodes; values are made from the nodes by the rules of ``documents/yaml/rules``. Input
is untrusted: nesting is bounded before the C loader, which crashes on deep nesting, sees it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import yaml

from imagegate.documents.yaml.rules import (
    DEPTH_MAX,
    KEY_IS_COLLECTION,
    MERGE_KEY,
    MERGE_NEEDS_MAPPINGS,
    STRING_TAG,
    TOO_DEEP,
    TOO_MANY_ALIASED,
    mapping_key,
    merge_overwrites,
    parser_problem,
    plain_scalar,
    recursive_alias,
    repeated_key,
    tagged_scalar,
    too_many_aliased,
)
from imagegate.documents.yaml.scalars import BadYaml
from imagegate.errors import InvalidInput

_PLAIN = "!plain"
_LIST = "tag:yaml.org,2002:seq"
_MAP = "tag:yaml.org,2002:map"


class BadManifest(InvalidInput):
    """A document is not a manifest."""

    def __init__(self, file: str, line: int, why: str) -> None:
        super().__init__(f"{file}:{line}: {why}")
        self.line = line
        self.why = why


class _Loader(yaml.CSafeLoader):
    """Nodes only; scalars that are neither quoted nor tagged keep that in their tag."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> str:  # noqa: ARG002 - the base class's signature
        if kind is yaml.ScalarNode:
            return _PLAIN if implicit[0] else STRING_TAG
        return _MAP if kind is yaml.MappingNode else _LIST


def nodes(text: str, file: str, first_line: int) -> Iterator[Any]:
    """The nodes of the documents; None for an empty document.

    Raises:
        BadManifest: it is not YAML, or nested too deeply.
    """
    _check_depth(text, file, first_line)
    loader = _Loader(text)
    try:
        while loader.check_node():
            yield loader.get_node()
    except yaml.YAMLError as error:
        raise BadManifest(file, _line(error, first_line), parser_problem(error)) from error
    finally:
        loader.dispose()


def _check_depth(text: str, file: str, first_line: int) -> None:
    """Refuse nesting beyond ``DEPTH_MAX``.

    A cheap scan skips documents that cannot be that deep: each level needs a bracket, or a further column in the
    same line or the next.
    """
    brackets = text.count("[") + text.count("{")
    if brackets < DEPTH_MAX and max(map(len, text.split("\n"))) < DEPTH_MAX:
        return
    depth = 0
    try:
        for event in yaml.parse(text, yaml.CSafeLoader):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > DEPTH_MAX:
                    line = (event.start_mark.line if event.start_mark else 0) + first_line
                    raise BadManifest(file, line, TOO_DEEP)
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
    except yaml.YAMLError as error:
        raise BadManifest(file, _line(error, first_line), parser_problem(error)) from error


def value_of(node: Any, file: str, offset: int, *, aliases: bool) -> Any:
    """The values of a document.

    Args:
        node: of ``nodes``.
        file: its name, for messages.
        offset: lines of the file before the part that the node counts from.
        aliases: there may be aliases in it.

    Raises:
        BadManifest: a key is repeated, or a value is none that Kubernetes reads.
    """
    if aliases:
        _check_aliases(node, file, offset)
    try:
        return _value(node)
    except _Bad as bad:
        line = bad.node.start_mark.line + 1 + offset
        why = str(bad) if bad.first is None else repeated_key(str(bad), bad.first.start_mark.line + 1 + offset)
        raise BadManifest(file, line, why) from bad


class _Bad(ValueError):
    """A node breaks a rule; ``first``: for a repeated key, the key before it."""

    def __init__(self, node: Any, why: str, first: Any = None) -> None:
        super().__init__(why)
        self.node = node
        self.first = first


def _value(node: Any) -> Any:
    """The node as plain values. Depth is bounded before."""
    tag = node.tag
    try:
        if tag is _PLAIN:  # `is`: the loader gives these very objects, and this runs for every value
            return plain_scalar(node.value)
        if tag is _MAP:
            return _mapping(node)
        if tag is STRING_TAG:
            return node.value
        if isinstance(node, yaml.MappingNode):
            return _mapping(node)
        if isinstance(node, yaml.SequenceNode):
            return [_value(child) for child in node.value]
        return tagged_scalar(node.value, tag)
    except BadYaml as error:
        raise _Bad(node, str(error)) from error


def _mapping(node: Any) -> dict[str, Any]:
    entries: dict[str, Any] = {}
    merged: list[tuple[Any, frozenset[str], Any]] = []
    for key, value in node.value:
        name = _plain_key(key.value) if key.tag is _PLAIN else key.value if key.tag is STRING_TAG else _key(key)
        if name is None:  # a merge key, or not a key at all
            if key.value != MERGE_KEY:
                name = _key(key)
            merged.append((key, frozenset(entries), value))
            continue
        if name in entries:
            raise _Bad(key, name, first=_first_key(node, name))
        try:  # one call less for most values than _value(value)
            entries[name] = plain_scalar(value.value) if value.tag is _PLAIN else _value(value)
        except BadYaml as error:
            raise _Bad(value, str(error)) from error
    for merge_key, written_before, source in reversed(
        merged
    ):  # keys written here count first, then the last merge key's
        for mapping in source.value if isinstance(source, yaml.SequenceNode) else (source,):
            if not isinstance(mapping, yaml.MappingNode):
                raise _Bad(mapping, MERGE_NEEDS_MAPPINGS)
            for name, value in _mapping(mapping).items():
                if name in written_before:  # kubectl takes the merged value, other readers the written one
                    raise _Bad(merge_key, merge_overwrites(name))
                entries.setdefault(name, value)
    return entries


def _key(key: Any) -> str:
    """The string of a key, by the slow way."""
    if not isinstance(key, yaml.ScalarNode):
        raise _Bad(key, KEY_IS_COLLECTION)
    try:
        return mapping_key(_value(key))
    except BadYaml as error:
        raise _Bad(key, str(error)) from error


@lru_cache(maxsize=4096)  # the keys of Kubernetes objects are few
def _plain_key(text: str) -> str | None:
    """The string of a key without quotes; None for a merge key, and for what cannot be a key."""
    try:
        return None if text == MERGE_KEY else mapping_key(plain_scalar(text))
    except BadYaml:
        return None


def _first_key(mapping: Any, name: str) -> Any:
    keys = (key for key, _ in mapping.value if key.tag is not _PLAIN or key.value != MERGE_KEY)
    return next(key for key in keys if _key(key) == name)


def _check_aliases(root: Any, file: str, offset: int) -> None:
    """Refuse aliases inside the node they refer to, and aliases that refer to far more nodes than were written."""
    weights: dict[int, int] = {}
    open_nodes: set[int] = set()
    written = 0

    def weigh(node: Any) -> int:
        nonlocal written
        if isinstance(node, yaml.ScalarNode):
            return 1
        known = weights.get(id(node))
        if known is not None:
            return known
        if id(node) in open_nodes:
            raise BadManifest(file, node.start_mark.line + 1 + offset, recursive_alias())
        open_nodes.add(id(node))
        children = [part for pair in node.value for part in pair] if node.id == "mapping" else node.value
        written += 1 + len(children)
        weight = 1 + sum(map(weigh, children))
        open_nodes.discard(id(node))
        weights[id(node)] = weight
        return weight

    weight = weigh(root)
    if too_many_aliased(weight - written, written):
        raise BadManifest(file, root.start_mark.line + 1 + offset, TOO_MANY_ALIASED)


def _line(error: yaml.YAMLError, first_line: int) -> int:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    return (mark.line if mark is not None else 0) + first_line
