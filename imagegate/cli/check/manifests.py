"""Manifests: YAML or JSON text to Kubernetes objects that know where they were written. Built for many files.

The C loader builds nodes; objects are made from the nodes by the rules of ``documents/yaml/rules``. Input
is untrusted: nesting is bounded before the C loader, which crashes on deep nesting, sees it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import orjson
import yaml

from imagegate.cli.check.json_text import STEP, JsonPiece, item_pieces, json_pieces
from imagegate.documents.yaml.json_source import BadJson, parse_json
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
_SEPARATOR = re.compile(r"^---(?=[ \t\r\n]|\Z)", re.MULTILINE)


class BadManifest(InvalidInput):
    """A document is not a manifest; ``str()`` begins with ``file:line:``."""


class Manifest(NamedTuple):
    """One object as it was written."""

    file: str
    line: int
    """First line of the object, from 1."""
    object: dict[str, Any]
    node: yaml.MappingNode | JsonPiece | None = None
    """Its place in the file."""
    offset: int = 0
    """Lines of the file before the part that ``node`` counts from."""
    within: str = ""
    """Field path of the object inside that of ``node``, which is a Template: ``objects[2]``."""

    def line_of(self, field_path: str) -> int:
        """The line of a field such as ``spec.containers[0].image``, or of its nearest existing parent."""
        if self.within:
            field_path = f"{self.within}.{field_path}"
        if isinstance(self.node, JsonPiece):
            return self.node.line_of(field_path)
        at: Any = self.node
        line = self.line
        for index, key in STEP.findall(field_path):
            at = _element(at, int(index)) if index else _entry(at, key)
            if at is None:
                break
            line = at.start_mark.line + 1 + self.offset
        return line


def _entry(node: Any, key: str) -> Any:
    entries = node.value if isinstance(node, yaml.MappingNode) else ()
    return next((value for name, value in entries if name.value == key), None)


def _element(node: Any, index: int) -> Any:
    elements = node.value if isinstance(node, yaml.SequenceNode) else ()
    return elements[index] if index < len(elements) else None


class _Loader(yaml.CSafeLoader):
    """Nodes only; scalars that are neither quoted nor tagged keep that in their tag."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> str:  # noqa: ARG002 - the base class's signature
        if kind is yaml.ScalarNode:
            return _PLAIN if implicit[0] else STRING_TAG
        return _MAP if kind is yaml.MappingNode else _LIST


def read_manifests(text: str, file: str, *, first_line: int = 1) -> Iterator[Manifest]:
    """Every object in ``text``, lists (``kind: List``, ``PodList``) flattened; empty documents are skipped.

    Raises:
        BadManifest: not YAML or JSON, nested too deeply, a repeated key, or not an object.
    """
    try:
        yield from _read(text, file, first_line)
    except BadManifest as error:
        if "{{" not in text:
            raise
        raise BadManifest(f"{error}{UNRENDERED}") from error


UNRENDERED = "; a template that was not rendered? Pipe what makes manifests of it, such as helm template, into check -"


def _read(text: str, file: str, first_line: int) -> Iterator[Manifest]:
    if text[:64].lstrip().startswith(("{", "[")):
        pieces = json_pieces(text, first_line)
        if pieces is not None:
            for piece in pieces:
                document = _from_json(piece.text, file, piece.line)
                yield from _flattened_json(document, piece, file)
            return  # else a flow mapping, which is YAML too
    aliases = "&" in text  # once: the file may hold thousands of documents
    for node in _nodes(text, file, first_line):
        if node is not None:
            document = _value_of(node, file, first_line - 1, aliases=aliases)
            yield from _flattened(document, node, file, node.start_mark.line + first_line, first_line - 1)


def _flattened_json(document: Any, piece: JsonPiece, file: str) -> Iterator[Manifest]:
    found = list(_flattened(document, None, file, piece.line, 0))
    is_list = bool(found) and found[0].object is not document
    parts = item_pieces(piece, document["items"]) if is_list else None
    for position, manifest in enumerate(found):
        part = piece if parts is None else parts[position] if position < len(parts) else piece
        yield manifest._replace(line=part.line, node=part)


class _RepeatedKey(ValueError):
    """A key is written twice in a JSON object."""


def _from_json(text: str, file: str, first_line: int) -> Any:
    """The value of a JSON document.

    Raises:
        BadManifest: a key is repeated, and programs do not agree which value counts; or nested too deeply.
    """
    if text.count("[") + text.count("{") > DEPTH_MAX and _is_too_deep(orjson.loads(text)):
        raise BadManifest(f"{file}:{first_line}: {TOO_DEEP}")
    try:
        return json.loads(text, object_pairs_hook=_without_repetition)
    except _RepeatedKey:
        try:
            parse_json(text, depth_max=DEPTH_MAX, last_key_wins=False)  # slower, and knows the line
        except BadJson as bad:
            raise BadManifest(f"{file}:{bad.line + first_line - 1}: {bad}") from bad
        raise


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _RepeatedKey
    return found


def _is_too_deep(document: Any) -> bool:
    level, depth = [document], 0
    while level and depth <= DEPTH_MAX:
        depth += 1
        level = [
            child
            for each in level
            for child in (each.values() if isinstance(each, dict) else each)
            if isinstance(child, (dict, list))
        ]
    return depth > DEPTH_MAX


def split_documents(text: str, pieces: int) -> list[tuple[str, int]]:
    """``text`` cut at document separators into at most ``pieces`` of similar size, each with its first line."""
    if pieces < 2 or text.startswith("%") or "\n%" in text:  # directives belong to the document after them
        return [(text, 1)]
    size = len(text) // pieces + 1
    cuts = [0]
    for separator in _SEPARATOR.finditer(text):
        if separator.start() - cuts[-1] >= size:
            cuts.append(separator.start())
    found, line = [], 1
    for start, end in zip(cuts, [*cuts[1:], len(text)], strict=True):
        found.append((text[start:end], line))
        line += text.count("\n", start, end)
    return found


def _nodes(text: str, file: str, first_line: int) -> Iterator[Any]:
    _check_depth(text, file, first_line)
    loader = _Loader(text)
    try:
        while loader.check_node():
            yield loader.get_node()
    except yaml.YAMLError as error:
        raise BadManifest(f"{file}:{_line(error, first_line)}: {parser_problem(error)}") from error
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
                    raise BadManifest(f"{file}:{line}: {TOO_DEEP}")
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
    except yaml.YAMLError as error:
        raise BadManifest(f"{file}:{_line(error, first_line)}: {parser_problem(error)}") from error


def _value_of(node: Any, file: str, offset: int, *, aliases: bool) -> Any:
    if aliases:
        _check_aliases(node, file, offset)
    try:
        return _value(node)
    except _Bad as bad:
        line = bad.node.start_mark.line + 1 + offset
        why = str(bad) if bad.first is None else repeated_key(str(bad), bad.first.start_mark.line + 1 + offset)
        raise BadManifest(f"{file}:{line}: {why}") from bad


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
            raise BadManifest(f"{file}:{node.start_mark.line + 1 + offset}: {recursive_alias()}")
        open_nodes.add(id(node))
        children = [part for pair in node.value for part in pair] if node.id == "mapping" else node.value
        written += 1 + len(children)
        weight = 1 + sum(map(weigh, children))
        open_nodes.discard(id(node))
        weights[id(node)] = weight
        return weight

    weight = weigh(root)
    if too_many_aliased(weight - written, written):
        raise BadManifest(f"{file}:{root.start_mark.line + 1 + offset}: {TOO_MANY_ALIASED}")


def _flattened(document: Any, node: Any, file: str, line: int, offset: int) -> Iterator[Manifest]:
    if document is None:
        return
    if not isinstance(document, dict):
        raise BadManifest(f"{file}:{line}: expected an object, got {type(document).__name__}")
    kind, items = document.get("kind"), document.get("items")
    if isinstance(kind, str) and kind.endswith("List") and isinstance(items, list):
        nodes = getattr(_entry(node, "items"), "value", None) or [None] * len(items)
        for item, child in zip(items, nodes, strict=True):
            begins = line if child is None else child.start_mark.line + 1 + offset
            if isinstance(item, dict) and "kind" not in item and kind != "List":
                item = {"apiVersion": document.get("apiVersion"), "kind": kind.removesuffix("List"), **item}
            yield from _flattened(item, child, file, begins, offset)
        return
    if not isinstance(kind, str) or not kind or not isinstance(document.get("apiVersion"), str):
        raise BadManifest(f"{file}:{line}: not a Kubernetes object: apiVersion and kind are required")
    yield Manifest(file, line, document, node, offset)


def _line(error: yaml.YAMLError, first_line: int) -> int:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    return (mark.line if mark is not None else 0) + first_line
