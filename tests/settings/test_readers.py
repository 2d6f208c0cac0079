"""Every setting is read by something outside of settings/."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import imagegate
from imagegate.settings.load import ENTRIES, Settings

PACKAGE = Path(imagegate.__file__).parent


def settings_of(section: type, path: str = "") -> Iterator[tuple[str, str]]:
    """Dotted name and attribute of every setting."""
    for field in dataclasses.fields(section):
        if "section" in field.metadata:
            yield from settings_of(field.metadata["section"], f"{path}{field.metadata['key']}.")
        else:
            names = [entry for entry in ENTRIES if entry.description is field.metadata["setting"]]
            (dotted,) = (entry.dotted for entry in names if entry.dotted.startswith(path))
            yield dotted, field.name


def attributes_read() -> set[str]:
    read: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        if PACKAGE / "settings" not in path.parents:
            tree = ast.parse(path.read_text(encoding="utf-8"))
            read |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return read


def test_every_setting_has_a_reader() -> None:
    read = attributes_read()
    assert {dotted for dotted, name in settings_of(Settings) if name not in read} == set()


def test_every_section_is_listed() -> None:
    assert len(list(settings_of(Settings))) == len(ENTRIES)
