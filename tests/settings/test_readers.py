"""Every setting is read by something outside of settings/, or refused where it is set."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

import imagegate
from imagegate.documents.master_config import MasterConfig
from imagegate.errors import InvalidSettings
from imagegate.settings.load import ENTRIES, Settings, load_settings
from imagegate.wiring.plugins import configured_plugins

PACKAGE = Path(imagegate.__file__).parent
REFUSED = {
    "importGate.checkMirrors": "importGate: {checkMirrors: true}",
}
"""Settings that this version refuses, with a document that sets each."""


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
    assert {dotted for dotted, name in settings_of(Settings) if name not in read} <= set(REFUSED)


def test_every_section_is_listed() -> None:
    assert len(list(settings_of(Settings))) == len(ENTRIES)


@pytest.mark.parametrize("document", REFUSED.values(), ids=REFUSED)
def test_what_has_no_reader_is_refused_where_it_is_set(tmp_path: Path, document: str) -> None:
    path = tmp_path / "imagegate.yaml"
    path.write_text(document, encoding="utf-8")
    with pytest.raises(InvalidSettings, match="this version"):
        configured_plugins(load_settings(path, environ={}), MasterConfig())
