"""The lines of a settings file that messages are about."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from imagegate.documents.yaml.nodes import Node
from imagegate.settings.load import ENTRIES

_SECTIONS = frozenset(entry.path[0] for entry in ENTRIES)
_PATH = re.compile(r"(?:--\w+ )?(?P<path>[a-z][A-Za-z0-9]*(?:\.[A-Za-z0-9]+|\[[0-9]+\])*)")
_STEP = re.compile(r"[A-Za-z0-9]+")


def placed(lines: tuple[str, ...], root: Node, file: Path) -> tuple[str, ...]:
    """Messages that name a setting, or a path that a setting holds, with file and line; others as they are.

    Args:
        lines: the messages.
        root: the document of the settings file.
        file: its path.
    """
    return tuple(_placed(line, root, file) for line in lines)


def _placed(text: str, root: Node, file: Path) -> str:
    if text.startswith(f"{file}:"):
        return text
    named = _PATH.match(text)
    if named is not None and _STEP.findall(named["path"])[0] in _SECTIONS:
        return f"{file}:{line_of_setting(root, named['path'])}: {text}"
    for path, node in _strings(root, ""):
        value = str(file.parent / str(node.value))
        if node.value and (f" {value}:" in f" {text}" or text.startswith(f"{value}/")):
            return f"{file}:{node.line}: {path}: {text}"
    return text


def line_of_setting(root: Node, path: str) -> int:
    """The line of a setting, or of its nearest parent that is written."""
    line = root.line
    for step in _STEP.findall(path):
        value = root.value
        if isinstance(value, dict) and step in value:
            root = value[step]
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            root = value[int(step)]
        else:
            break
        line = root.line
    return line


def _strings(node: Node, path: str) -> Iterator[tuple[str, Node]]:
    if isinstance(node.value, dict):
        for key, child in node.value.items():
            yield from _strings(child, f"{path}.{key}" if path else key)
    elif isinstance(node.value, list):
        for index, child in enumerate(node.value):
            yield from _strings(child, f"{path}[{index}]")
    elif isinstance(node.value, str):
        yield path, node
