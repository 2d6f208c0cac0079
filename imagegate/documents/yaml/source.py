"""YAML or JSON -> nodes that know their line.

Documents are untrusted in size and shape: bytes, depth and the nodes that aliases refer to are bounded, and
every error is a ``BadSource``. Nodes are built from parser events, without recursion, since the C composer
crashes the process on deep nesting.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

import yaml

from imagegate.documents.yaml.hints import hint_for_broken_yaml
from imagegate.documents.yaml.json_source import BadJson, parse_json
from imagegate.documents.yaml.nodes import Node
from imagegate.documents.yaml.rules import (
    DEPTH_MAX,
    KEY_IS_COLLECTION,
    MERGE_KEY,
    MERGE_NEEDS_MAPPINGS,
    TOO_DEEP,
    TOO_MANY_ALIASED,
    mapping_key,
    merge_overwrites,
    parser_problem,
    plain_scalar,
    recursive_alias,
    repeated_key,
    tagged_scalar,
    text_weight,
    too_many_aliased,
    too_many_values,
    undefined_alias,
)
from imagegate.documents.yaml.scalars import BadYaml
from imagegate.errors import InvalidPolicy

UNRENDERED_HINT = "; a template that was not rendered? Use what helm template, or whatever fills it in, makes of it"
DOCUMENT_MAX_BYTES = 16 * 1024 * 1024
_UNQUOTED_PATTERN = re.compile(
    r"""(?P<before>\bdomainName["']?[ ]*:[ ]+)(?P<pattern>\*[^\s,{}\[\]'"#]*(?:[ ]+[0-9]{1,2}(?=\s*$))?)"""
)


class BadSource(InvalidPolicy):
    """A file that cannot be read at all; ``str()`` begins with ``file:line:``."""

    unrendered = False
    """There is ``{{`` in it: it may be a template."""


@dataclass(slots=True)
class Source:
    """The documents of a file, and the repairs made to read it."""

    name: str
    documents: list[Node] = field(default_factory=list)
    repairs: list[tuple[int, str]] = field(default_factory=list)
    """Line and sentence."""


def decode_utf8(content: bytes, name: str) -> str:
    """The content of a file, decoded.

    Raises:
        BadSource: larger than ``DOCUMENT_MAX_BYTES``, or not UTF-8.
    """
    if len(content) > DOCUMENT_MAX_BYTES:
        raise BadSource(f"{name}:1: larger than {DOCUMENT_MAX_BYTES} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadSource(f"{name}:{line}: not UTF-8 (byte {error.start})") from error


def read_source(
    text: str,
    name: str,
    *,
    last_key_wins: bool = False,
    first_document_only: bool = False,
    json_by_prefix: bool = False,
    repair_patterns: bool = False,
    values_max: int | None = None,
) -> Source:
    """Read ``text``.

    Args:
        text: YAML or JSON; it is JSON if it begins with ``{`` and parses as JSON.
        name: the file's name, for messages.
        last_key_wins: use the last of repeated keys, as the original does; else they are an error.
        first_document_only: ignore further documents, as the original does.
        json_by_prefix: if it begins with ``{``, it must be JSON, as in the original.
        repair_patterns: read ``domainName: *.example.com`` as a string and record it in ``repairs``, if the file
            is not YAML otherwise.
        values_max: how many values a document may have, as it is written.

    Raises:
        BadSource: with file, line and reason.
    """
    try:
        return _read_source(text, name, last_key_wins, first_document_only, json_by_prefix, repair_patterns, values_max)
    except BadSource as error:
        if "{{" not in text:
            raise
        unrendered = BadSource(*(f"{line}{UNRENDERED_HINT}" for line in error.lines))
        unrendered.unrendered = True
        raise unrendered from error


def _read_source(
    text: str,
    name: str,
    last_key_wins: bool,
    first_document_only: bool,
    json_by_prefix: bool,
    repair_patterns: bool,
    values_max: int | None,
) -> Source:
    _check_size(text, name)
    if is_json(text):
        try:
            return Source(
                name, [parse_json(text, depth_max=DEPTH_MAX, last_key_wins=last_key_wins, values_max=values_max)]
            )
        except BadJson as error:
            if json_by_prefix or error.certain:
                raise BadSource(f"{name}:{error.line}: {error}") from error
    builder = _Builder(name, last_key_wins, values_max)
    try:
        return Source(name, list(builder.documents(text, first_only=first_document_only)))
    except BadSource:
        repaired, repairs = _repaired(text) if repair_patterns else (text, [])
        if not repairs:
            raise
    builder = _Builder(name, last_key_wins, values_max)
    return Source(name, list(builder.documents(repaired, first_only=first_document_only)), repairs)


def is_json(text: str) -> bool:
    """Whether the text is taken for JSON first: it begins with ``{``."""
    return text.lstrip().startswith("{")


def _check_size(text: str, name: str) -> None:
    try:
        size = len(text) if text.isascii() else len(text.encode("utf-8"))
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        raise BadSource(f"{name}:{line}: not valid Unicode") from error
    if size > DOCUMENT_MAX_BYTES:
        raise BadSource(f"{name}:1: larger than {DOCUMENT_MAX_BYTES} bytes")


def _repaired(text: str) -> tuple[str, list[tuple[int, str]]]:
    """``text`` with unquoted ``domainName: *...`` values quoted, and a sentence for each."""
    lines, repairs = text.split("\n"), []
    for index, line in enumerate(lines):
        found = None if line.lstrip().startswith("#") else _UNQUOTED_PATTERN.search(line)
        if found is None:
            continue
        pattern = found["pattern"]
        lines[index] = f'{line[: found.start("pattern")]}"{pattern}"{line[found.end() :]}'
        sentence = f'domainName: {pattern} is not YAML, since "*" begins an alias; read as "{pattern}": quote it'
        repairs.append((index + 1, sentence))
    return "\n".join(lines), repairs


@dataclass(slots=True)
class _Open:
    """A mapping or list that is still being read."""

    node: Node
    anchor: str | None
    key: str | None = None
    key_line: int = 0
    merging: bool = False
    written: dict[str, int] = field(default_factory=dict)
    """Keys written in the mapping itself, with their lines."""


class _Builder:
    """Builds documents from parser events."""

    def __init__(self, name: str, last_key_wins: bool, values_max: int | None) -> None:
        self._name = name
        self._last_key_wins = last_key_wins
        self._values_max = values_max
        self._anchors: dict[str, Node | None] = {}
        self._open: list[_Open] = []
        self._root: Node | None = None
        self._aliased = 0
        self._written = 0

    def documents(self, text: str, *, first_only: bool) -> Iterator[Node]:
        """The documents of ``text``; an empty one is a node that holds None."""
        count = 0
        for event in self._events(text):
            match event:
                case yaml.DocumentStartEvent():
                    self._anchors, self._root, self._aliased, self._written = {}, None, 0, 0
                case yaml.DocumentEndEvent():
                    count += 1
                    yield self._root or Node(None, _line_of(event))
                    if first_only:
                        return
                case _:
                    self._take(event)
        if not count:
            yield Node(None, 1)

    def _events(self, text: str) -> Iterator[yaml.Event]:
        try:
            yield from yaml.parse(text, yaml.CSafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark else 1
            column = mark.column if mark else 0
            hint = hint_for_broken_yaml(text, line, column, str(error.problem))
            raise BadSource(f"{self._name}:{line}: {parser_problem(error)}{hint}") from error
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            raise BadSource(f"{self._name}:{line}: not YAML: {error.reason}") from error

    def _take(self, event: yaml.Event) -> None:
        line = _line_of(event)
        self._written += 1
        if self._values_max is not None and self._written > 2 * self._values_max:  # keys and ends are events too
            raise self._bad(line, too_many_values(self._values_max))
        match event:
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                if len(self._open) >= DEPTH_MAX:
                    raise self._bad(line, TOO_DEEP)
                value: list[Node] | dict[str, Node] = {} if isinstance(event, yaml.MappingStartEvent) else []
                if event.anchor:
                    self._anchors[event.anchor] = None
                self._open.append(_Open(Node(value, line), event.anchor))
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                closed = self._open.pop()
                if closed.anchor:
                    self._anchors[closed.anchor] = closed.node
                self._place(closed.node)
            case yaml.AliasEvent():
                self._place(self._aliased_node(event.anchor, line))
            case yaml.ScalarEvent():
                node = self._scalar(event, line)
                if event.anchor:
                    self._anchors[event.anchor] = node
                self._place(node)

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> Node:
        tag, plain = event.tag, event.tag is None and event.implicit[0]
        weight = 1 + text_weight(event.value)
        if tag is not None and self._is_unknown(tag):
            raise self._bad(line, f"unknown tag {tag!r:.80}")
        try:
            if plain:
                return Node(plain_scalar(event.value), line, weight)
            value = event.value if tag is None else tagged_scalar(event.value, tag)
            return Node(value, line, weight, quoted=True)
        except BadYaml as error:
            raise self._bad(line, str(error)) from error

    def _is_unknown(self, tag: str) -> bool:
        """True if a policy must not have this tag. The original reads values with an unknown tag as strings."""
        return not self._last_key_wins and tag != "!" and not tag.startswith("tag:yaml.org,2002:")

    def _aliased_node(self, anchor: str | None, line: int) -> Node:
        if anchor is None or anchor not in self._anchors:
            raise self._bad(line, undefined_alias(anchor or ""))
        node = self._anchors[anchor]
        if node is None:
            raise self._bad(line, recursive_alias(anchor))
        self._aliased += node.weight
        if too_many_aliased(self._aliased, self._written):
            raise self._bad(line, TOO_MANY_ALIASED)
        return node

    def _place(self, node: Node) -> None:
        if not self._open:
            self._root = node
            return
        parent = self._open[-1]
        if isinstance(parent.node.value, dict):
            self._place_in_mapping(parent, parent.node.value, node)
        else:
            cast("list[Node]", parent.node.value).append(node)
            parent.node.weight += node.weight

    def _place_in_mapping(self, parent: _Open, entries: dict[str, Node], node: Node) -> None:
        if parent.merging:
            parent.merging = False
            self._merge(parent, entries, node)
        elif parent.key is None:
            self._take_key(parent, node)
        else:
            if parent.key in parent.written and not self._last_key_wins:
                raise self._bad(parent.key_line, repeated_key(parent.key, parent.written[parent.key]))
            parent.written[parent.key] = parent.key_line
            entries[parent.key] = (
                Node(node.value, parent.key_line, node.weight, node.quoted) if node.value is None else node
            )
            parent.node.weight += node.weight + text_weight(parent.key)
            parent.key = None

    def _take_key(self, parent: _Open, node: Node) -> None:
        if isinstance(node.value, (list, dict)):
            raise self._bad(node.line, KEY_IS_COLLECTION)
        if node.value == MERGE_KEY and not node.quoted:
            parent.merging, parent.key_line = True, node.line
            return
        try:
            parent.key, parent.key_line = mapping_key(node.value), node.line
        except BadYaml as error:
            raise self._bad(node.line, str(error)) from error

    def _merge(self, parent: _Open, entries: dict[str, Node], node: Node) -> None:
        """Add the entries of a YAML 1.1 merge key.

        In the original, as in kubectl, they overwrite entries written before the merge key; in YAML 1.1 they do not.
        """
        sources = list(reversed(node.value)) if isinstance(node.value, list) else [node]
        for source in sources:
            if not isinstance(source.value, dict):
                raise self._bad(node.line, MERGE_NEEDS_MAPPINGS)
            for key, value in source.value.items():
                if key in parent.written and not self._last_key_wins:
                    raise self._bad(parent.key_line, merge_overwrites(key))
                entries[key] = value
                parent.node.weight += value.weight + text_weight(key)

    def _bad(self, line: int, text: str) -> BadSource:
        return BadSource(f"{self._name}:{line}: {text}")


def _line_of(event: yaml.Event) -> int:
    """The line an event begins in, from 1."""
    return event.start_mark.line + 1 if event.start_mark else 1
