"""Manifests: YAML or JSON text to Kubernetes objects that know where they were written. Built for many files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson
import yaml

from imagegate.cli.check.json_text import STEP, JsonPiece, item_pieces, json_pieces
from imagegate.cli.check.yaml_text import BadManifest, nodes, value_of
from imagegate.documents.foreign import foreign_document, is_object
from imagegate.documents.yaml.json_source import BadJson, parse_json
from imagegate.documents.yaml.rules import DEPTH_MAX, TOO_DEEP

_SEPARATOR = re.compile(r"^---(?=[ \t\r\n]|\Z)", re.MULTILINE)


class NoManifest(NamedTuple):
    """A document, or a file, that is no manifest."""

    file: str
    line: int
    why: str
    reason: str
    """One of the constants below."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.why}"


BROKEN, UNRENDERED, UNKNOWN, FOREIGN = "broken", "unrendered", "unknown", "foreign"
"""Neither YAML nor JSON; the same, with ``{{`` in it; no object of an API; that, and known by its name."""


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


def read_manifests(text: str, file: str, *, first_line: int = 1) -> Iterator[Manifest | NoManifest]:
    """Every object in ``text``, lists (``kind: List``, ``PodList``) flattened; empty documents are skipped.

    A document that is no object does not hide those after it.
    """
    read_up_to = 0
    try:
        for found in _read(text, file, first_line):
            read_up_to = max(read_up_to, found.line)
            yield found
    except BadManifest as error:
        whole = _broken(error, file, text)
        parts = split_documents(text, len(text))
        rest = [(part, line) for part, line in parts if line + first_line - 1 > read_up_to]
        found_again = False
        for part, line in rest if len(parts) > 1 else ():
            for each in _read_part(part, file, line + first_line - 1):
                found_again |= isinstance(each, NoManifest)
                yield each
        if not found_again:
            yield whole


def read_objects(text: str, file: str) -> Iterator[Manifest]:
    """``read_manifests`` for a text that holds nothing else.

    Raises:
        BadManifest: a document is no object.
    """
    for found in read_manifests(text, file):
        if isinstance(found, NoManifest):
            raise BadManifest(found.file, found.line, found.why)
        yield found


def _read_part(text: str, file: str, first_line: int) -> Iterator[Manifest | NoManifest]:
    try:
        yield from _read(text, file, first_line)
    except BadManifest as error:
        yield _broken(error, file, text)


def _broken(error: BadManifest, file: str, text: str) -> NoManifest:
    if "{{" in text:
        return NoManifest(file, error.line, error.why + _HINT, UNRENDERED)
    return NoManifest(file, error.line, error.why, BROKEN)


_HINT = "; a template that was not rendered? Pipe what makes manifests of it, such as helm template, into check -"


def _read(text: str, file: str, first_line: int) -> Iterator[Manifest | NoManifest]:
    """As ``read_manifests``.

    Raises:
        BadManifest: not YAML, nested too deeply, or a repeated key.
    """
    if text[:64].lstrip().startswith(("{", "[")):
        pieces = json_pieces(text, first_line)
        if pieces is not None:
            for piece in pieces:
                try:
                    yield from _flattened_json(_from_json(piece.text, file, piece.line), piece, file)
                except BadManifest as error:
                    yield _broken(error, file, piece.text)
            return  # else a flow mapping, which is YAML too
    aliases = "&" in text  # once: the file may hold thousands of documents
    for node in nodes(text, file, first_line):
        if node is not None:
            document = value_of(node, file, first_line - 1, aliases=aliases)
            yield from _flattened(document, node, file, node.start_mark.line + first_line, first_line - 1)


def _flattened_json(document: Any, piece: JsonPiece, file: str) -> Iterator[Manifest | NoManifest]:
    found = list(_flattened(document, None, file, piece.line, 0))
    is_list = bool(found) and isinstance(document, dict) and _is_list(document)
    parts = item_pieces(piece, document["items"]) if is_list else None
    for position, each in enumerate(found):
        part = piece if parts is None else parts[position] if position < len(parts) else piece
        if isinstance(each, Manifest):
            yield each._replace(line=part.line, node=part)
        else:
            yield each._replace(line=part.line)


class _RepeatedKey(ValueError):
    """A key is written twice in a JSON object."""


def _from_json(text: str, file: str, first_line: int) -> Any:
    """The value of a JSON document.

    Raises:
        BadManifest: a key is repeated, and programs do not agree which value counts; or nested too deeply.
    """
    if text.count("[") + text.count("{") > DEPTH_MAX and _is_too_deep(orjson.loads(text)):
        raise BadManifest(file, first_line, TOO_DEEP)
    try:
        return json.loads(text, object_pairs_hook=_without_repetition)
    except _RepeatedKey:
        try:
            parse_json(text, depth_max=DEPTH_MAX, last_key_wins=False)  # slower, and knows the line
        except BadJson as bad:
            raise BadManifest(file, bad.line + first_line - 1, str(bad)) from bad
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


def _is_list(document: dict[str, Any]) -> bool:
    kind = document.get("kind")
    return isinstance(kind, str) and kind.endswith("List") and isinstance(document.get("items"), list)


def _flattened(document: Any, node: Any, file: str, line: int, offset: int) -> Iterator[Manifest | NoManifest]:
    if document is None:
        return
    what = foreign_document(file.rpartition("/")[2], document)
    if what:
        yield NoManifest(file, line, what, FOREIGN)
        return
    if not isinstance(document, dict):
        yield NoManifest(file, line, f"expected an object, got {type(document).__name__}", UNKNOWN)
        return
    kind = document.get("kind")
    if isinstance(kind, str) and _is_list(document):
        items = document["items"]
        nodes = getattr(_entry(node, "items"), "value", None) or [None] * len(items)
        for item, child in zip(items, nodes, strict=True):
            begins = line if child is None else child.start_mark.line + 1 + offset
            if isinstance(item, dict) and "kind" not in item and kind != "List":
                item = {"apiVersion": document.get("apiVersion"), "kind": kind.removesuffix("List"), **item}
            yield from _flattened(item, child, file, begins, offset)
        return
    if not is_object(document.get("apiVersion"), kind):
        yield NoManifest(file, line, "not a Kubernetes object: apiVersion and kind are required", UNKNOWN)
        return
    yield Manifest(file, line, document, node, offset)
