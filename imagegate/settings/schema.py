"""Descriptions of settings: name, meaning and values of each field, for both the reader and the documentation."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from imagegate.documents.yaml.fields import Fields

T = TypeVar("T")
_INNER_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass(frozen=True, slots=True)
class Description:
    """One field, as the settings file and the documentation show it."""

    doc: str
    shape: str
    """``string``, ``bool``, ``list of strings``...; or the values, where there are few."""
    shown_default: str
    read: Callable[[Fields, str], Any]
    """Reads the entry of that name; a missing one is the default."""
    from_text: Callable[[str], object] | None = None
    """The entry's value from an environment variable; None: not settable there."""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One setting: its path and its description."""

    path: tuple[str, ...]
    description: Description

    @property
    def dotted(self) -> str:
        """``registry.caFile``."""
        return ".".join(self.path)

    @property
    def variable(self) -> str:
        """``IMAGEGATE_REGISTRY_CA_FILE``."""
        words = (_INNER_CAPITAL.sub("_", part).upper() for part in self.path)
        return "_".join(("IMAGEGATE", *words))


def _described(default: T, description: Description) -> T:
    """A dataclass field that carries its description; typed as its value, as ``dataclasses.field`` is."""
    metadata = {"setting": description}
    if isinstance(default, Mapping):
        value: T = field(default_factory=lambda: default, metadata=metadata)
        return value
    return field(default=default, metadata=metadata)


def text(default: str, doc: str, *, key: str = "") -> str:
    """A string."""
    return _described(default, Description(doc, "string", default, lambda f, n: f.text(n, default), str, key))


def optional_text(doc: str, choices: Sequence[str], shown_default: str, *, key: str = "") -> str | None:
    """One of a few words, or None if not set, which leaves the choice to the profile."""
    shape = ", ".join(f"`{choice}`" for choice in choices)
    read = lambda f, n: f.choice(n, choices, "") or None  # noqa: E731 - a table of readers
    return _described(None, Description(doc, shape, shown_default, read, str, key))


def choice(default: str, choices: Sequence[str], doc: str, *, key: str = "") -> str:
    """One of a few words."""
    shape = ", ".join(f"`{choice}`" for choice in choices)
    return _described(default, Description(doc, shape, default, lambda f, n: f.choice(n, choices, default), str, key))


def flag(default: bool, doc: str, *, key: str = "") -> bool:
    """A boolean."""
    shown = "true" if default else "false"
    return _described(default, Description(doc, "bool", shown, lambda f, n: f.flag(n, default), _bool, key))


def integer(default: int, doc: str, *, minimum: int, maximum: int, key: str = "") -> int:
    """A whole number within bounds."""
    read = lambda f, n: f.integer(n, default, minimum=minimum, maximum=maximum)  # noqa: E731 - a table of readers
    return _described(default, Description(doc, f"{minimum} to {maximum}", str(default), read, _number, key))


def seconds(default: float, doc: str, *, minimum: float, maximum: float, key: str = "") -> float:
    """A number of seconds within bounds."""
    read = lambda f, n: f.number(n, default, minimum=minimum, maximum=maximum)  # noqa: E731 - a table of readers
    shape = f"{minimum:g} to {maximum:g}"
    return _described(default, Description(doc, shape, f"{default:g}", read, _number, key))


def optional_seconds(doc: str, *, minimum: float, maximum: float, shown_default: str) -> float | None:
    """A number of seconds within bounds; unset, the service chooses."""

    def read(fields: Fields, name: str) -> float | None:
        return fields.number(name, minimum, minimum=minimum, maximum=maximum) if fields.has(name) else None

    return _described(None, Description(doc, f"{minimum:g} to {maximum:g}", shown_default, read, _number))


def texts(doc: str, *, default: tuple[str, ...] = (), key: str = "") -> tuple[str, ...]:
    """A list of strings; in the environment separated by commas."""
    shown = ", ".join(default) or "empty"

    def read(fields: Fields, name: str) -> tuple[str, ...]:
        value = fields.texts(name)
        return default if value is None else value

    return _described(default, Description(doc, "list of strings", shown, read, _list, key))


def custom(
    default: T,
    doc: str,
    shape: str,
    read: Callable[[Fields, str], T],
    *,
    shown_default: str = "empty",
    from_text: Callable[[str], object] | None = None,
) -> T:
    """Anything else; settable in the environment only with ``from_text``."""
    return _described(default, Description(doc, shape, shown_default, read, from_text))


def _bool(value: str) -> object:
    return {"true": True, "false": False}.get(value.strip().lower(), value)


def _number(value: str) -> object:
    try:
        return int(value)
    except ValueError:
        pass
    try:
        return float(value)
    except ValueError:
        return value


def _list(value: str) -> object:
    return [item.strip() for item in value.split(",") if item.strip()]


def camel(name: str) -> str:
    """``body_max_bytes`` -> ``bodyMaxBytes``."""
    first, *rest = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


def entries(section: type, path: tuple[str, ...] = ()) -> Iterator[Entry]:
    """Every setting of a section and of those inside it, in the order they are declared."""
    for declared in dataclasses.fields(section):
        inner = declared.metadata.get("section")
        if inner is not None:
            yield from entries(inner, (*path, declared.metadata["key"]))
        else:
            description: Description = declared.metadata["setting"]
            yield Entry((*path, description.key or camel(declared.name)), description)


def section(kind: type[T], *, key: str, absent: bool = False, short: str = "") -> T:
    """A section as a field of another.

    Args:
        absent: None where the file has no such block.
        short: the setting in it that a string in place of the block gives.
    """
    metadata = {"section": kind, "key": key, "absent": absent, "short": short}
    value: T = field(default=None, metadata=metadata) if absent else field(default_factory=kind, metadata=metadata)  # type: ignore[assignment]
    return value


def read_section(kind: type[T], fields: Fields) -> T:
    """A section from its mapping; unknown entries are noted in the report of ``fields``."""
    values: dict[str, Any] = {}
    for declared in dataclasses.fields(kind):  # type: ignore[arg-type]  # every section is a dataclass
        metadata: Mapping[str, Any] = declared.metadata
        if "setting" in metadata:
            description: Description = metadata["setting"]
            values[declared.name] = description.read(fields, description.key or camel(declared.name))
        else:
            values[declared.name] = _read_inner(metadata, fields)
    fields.finish()
    return kind(**values)


def _read_inner(metadata: Mapping[str, Any], fields: Fields) -> object:
    name = metadata["key"]
    if metadata["absent"] and name not in fields.entries:
        fields.ignore(name)
        return None
    return read_section(metadata["section"], fields.child(name))
