"""Struct types in the ``types.go`` files of published Go modules, with their tags and markers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

_DECLARED = re.compile(r"^type (\w+) (.+)$")
_FIELD = re.compile(r"^\t(?:(\w+)\s+)?([\w.\[\]*]+)\s+`(.*)`")
_IMPORT = re.compile(r'^\t(?:(\w+) )?"([^"]+)"$')
_TAG = re.compile(r'(\w+):"([^"]*)"')
_MARKER = re.compile(r"^\+(?:k8s:)?([\w:.]+)(?:=(.*))?$")
_CONSTANT = re.compile(r'^\t(\w+)\s+(?:\w+\s+)?= "([^"]*)"$', re.MULTILINE)


class Comment(NamedTuple):
    """The comment before a declaration."""

    text: str
    markers: dict[str, list[str]]
    """Values of ``+NAME=VALUE``, by name."""

    def marker(self, name: str) -> str:
        """The value of a marker; empty if it is not there."""
        return (self.markers.get(name) or [""])[0]


class GoField(NamedTuple):
    """One field of a struct."""

    go_type: str
    tags: dict[str, str]
    comment: Comment


class GoType(NamedTuple):
    """A struct, or a name for another type."""

    comment: Comment
    target: str
    """The other type; empty for a struct."""
    fields: list[GoField]


class GoFile(NamedTuple):
    """The declarations of a file."""

    types: dict[str, GoType]
    imports: dict[str, str]
    """Import paths by the name that the file uses."""
    constants: dict[str, str]


def read_go_file(path: Path) -> GoFile:
    """The types of a file in the form of ``gofmt``."""
    text = path.read_text(encoding="utf-8")
    types: dict[str, GoType] = {}
    imports: dict[str, str] = {}
    above: list[str] = []
    fields: list[GoField] | None = None
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("//"):
            above.append(stripped[2:].strip())
            continue
        if (found := _IMPORT.match(line)) and not types:
            imports[found[1] or found[2].rpartition("/")[2]] = found[2]
        elif declared := _DECLARED.match(line):
            is_struct = declared[2] == "struct {"
            fields = [] if is_struct else None
            types[declared[1]] = GoType(_comment(above), "" if is_struct else declared[2], fields or [])
            fields = types[declared[1]].fields if is_struct else None
        elif line == "}":
            fields = None
        elif fields is not None and (field := _FIELD.match(line)):
            fields.append(GoField(field[2], dict(_TAG.findall(field[3])), _comment(above)))
        above = []
    return GoFile(types, imports, dict(_CONSTANT.findall(text)))


def _comment(lines: list[str]) -> Comment:
    markers: dict[str, list[str]] = {}
    text: list[str] = []
    is_published = True
    for line in lines:
        if marker := _MARKER.match(line):
            markers.setdefault(marker[1], []).append(marker[2] or "")
        elif line.startswith("---"):  # notes for developers follow, and markers
            is_published = False
        elif is_published and not line.startswith("+"):
            text.append(line)
    return Comment("\n".join(text).strip(), markers)
