"""Typed reads of a mapping that know their path: ``executionRules[1].reject: expected bool, got "true"``.

Nothing raises while a document is read: what is wrong is collected in a ``Report``, so that a user sees all of it at
once, and ``Report.check`` raises at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from imagegate.core.kube.go_quote import go_quote
from imagegate.documents.yaml.hints import hint_for_callout, nearest
from imagegate.documents.yaml.nodes import Node, kind_of
from imagegate.errors import ConfigError, InvalidPolicy

T = TypeVar("T")
SHOWN_MAX_LENGTH = 120


class Remark(NamedTuple):
    """One sentence about one place. ``path`` is empty if it is about the whole file."""

    file: str
    line: int
    path: str
    text: str
    denies: bool = False
    """True if nothing can fulfil what the place asks for: it loads, and denies whatever it is about."""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file  # objects of an API have no lines
        return f"{where}: {self.path}: {self.text}" if self.path else f"{where}: {self.text}"


@dataclass(slots=True)
class Report:
    """The errors and warnings of one file.

    ``lenient`` makes unknown fields and nulls in lists warnings, as the original lets them pass.
    """

    file: str
    lenient: bool = False
    errors: list[Remark] = field(default_factory=list)
    warnings: list[Remark] = field(default_factory=list)

    def error(self, line: int, path: str, text: str) -> None:
        """Record an error."""
        self.errors.append(Remark(self.file, line, path, text))

    def warn(self, line: int, path: str, text: str, *, denies: bool = False) -> None:
        """Record a warning; ``denies``: see ``Remark``."""
        self.warnings.append(Remark(self.file, line, path, text, denies))

    def refuse(self, line: int, path: str, text: str) -> None:
        """Record an error, or a warning if ``lenient``."""
        (self.warn if self.lenient else self.error)(line, path, text)

    def check(self, error_class: type[ConfigError] = InvalidPolicy) -> None:
        """Raise if there is an error.

        Raises:
            ConfigError: of the given class, one line an error, in the order of lines.
        """
        if self.errors:
            ordered = sorted(self.errors, key=lambda remark: (remark.file != self.file, remark.file, remark.line))
            raise error_class(*(str(remark) for remark in ordered))


class Fields:
    """Reads the entries of one mapping. Entries that are never read are unknown (``finish``).

    A missing entry and a null one are the same. A value of another kind is noted as an error and reads as missing.
    """

    __slots__ = ("_known", "entries", "line", "path", "report")

    def __init__(self, node: Node | None, path: str, report: Report) -> None:
        self.path = path
        self.report = report
        self.line = node.line if node is not None else 1
        self.entries: dict[str, Node] = {}
        self._known: list[str] = []
        if node is None or node.value is None:
            return
        if isinstance(node.value, dict):
            self.entries = node.value
        else:
            self._wrong(node, path, "a mapping")

    def at(self, name: str) -> str:
        """The path of an entry."""
        shown = name if name.isprintable() else go_quote(name)  # a line break would tear the message apart
        return f"{self.path}.{shown}" if self.path else shown

    def line_of(self, name: str) -> int:
        """The line of an entry, or of the mapping if the entry is missing."""
        node = self.entries.get(name)
        return node.line if node is not None else self.line

    def has(self, name: str) -> bool:
        """True if the entry exists and is not null."""
        node = self.entries.get(name)
        return node is not None and node.value is not None

    def node(self, name: str) -> Node | None:
        """The entry as it is; None where missing or null."""
        self._known.append(name)
        node = self.entries.get(name)
        return None if node is None or node.value is None else node

    def text(self, name: str, default: str = "") -> str:
        """A string."""
        node = self.node(name)
        if node is None:
            return default
        return node.value if isinstance(node.value, str) else self._wrong(node, self.at(name), "string", default)

    def choice(self, name: str, choices: Sequence[str], default: str) -> str:
        """One of a few words."""
        value = self.text(name, default)
        if value != default and value not in choices:
            listed = ", ".join(go_quote(choice) for choice in choices)
            near = _near(value, choices)
            self.error(
                name, f"Unsupported value: {go_quote(value)}: supported values: {listed}{near}{hint_for_callout(value)}"
            )
            return default
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        """A boolean."""
        node = self.node(name)
        if node is None:
            return default
        return node.value if isinstance(node.value, bool) else self._wrong(node, self.at(name), "bool", default)

    def integer(self, name: str, default: int, *, minimum: int | None = None, maximum: int | None = None) -> int:
        """A whole number, within bounds."""
        node = self.node(name)
        if node is None:
            return default
        if not isinstance(node.value, int) or isinstance(node.value, bool):
            return self._wrong(node, self.at(name), "a whole number", default)
        if (minimum is not None and node.value < minimum) or (maximum is not None and node.value > maximum):
            self.error(name, f"{node.value} is not {_range(minimum, maximum)}")
            return default
        return node.value

    def number(self, name: str, default: float, *, minimum: float | None = None, maximum: float | None = None) -> float:
        """A number, within bounds."""
        node = self.node(name)
        if node is None:
            return default
        if not isinstance(node.value, (int, float)) or isinstance(node.value, bool):
            return self._wrong(node, self.at(name), "a number", default)
        low, high = -float("inf") if minimum is None else minimum, float("inf") if maximum is None else maximum
        if not low <= node.value <= high:
            self.error(name, f"{node.value} is not {_range(minimum, maximum)}")
            return default
        return float(node.value)

    def items(self, name: str) -> list[Node] | None:
        """The nodes of a list; None where the list is missing or null."""
        node = self.node(name)
        if node is None:
            return None
        return node.value if isinstance(node.value, list) else self._wrong(node, self.at(name), "a list", None)

    def texts(self, name: str) -> tuple[str, ...] | None:
        """A list of strings; None where missing or null. A null in it is the empty string, as in the original."""
        items = self.items(name)
        if items is None:
            return None
        return tuple(self._item_text(item, f"{self.at(name)}[{index}]") for index, item in enumerate(items))

    def _item_text(self, item: Node, path: str) -> str:
        if item.value is None:
            self.report.refuse(item.line, path, 'is null, which reads as ""; write "" if that is meant')
            return ""
        return item.value if isinstance(item.value, str) else self._wrong(item, path, "string", "")

    def each(self, name: str, read: Callable[[Fields], T]) -> tuple[T, ...] | None:
        """A list of mappings, each read by ``read``; None where the list is missing or null."""
        items = self.items(name)
        if items is None:
            return None
        return tuple(self._read(item, f"{self.at(name)}[{index}]", read) for index, item in enumerate(items))

    def _read(self, item: Node, path: str, read: Callable[[Fields], T]) -> T:
        if item.value is None:
            self.report.refuse(item.line, path, "is null, which reads as an empty mapping")
        fields = Fields(item, path, self.report)
        value = read(fields)
        fields.finish()
        return value

    def child(self, name: str) -> Fields:
        """A mapping; an empty one where missing or null. Call its ``finish``."""
        node = self.node(name)
        return Fields(node or Node({}, self.line_of(name)), self.at(name), self.report)

    def text_map(self, name: str) -> dict[str, str]:
        """A mapping of strings; empty where missing or null."""
        child = self.child(name)
        return {key: child.text(key) for key in child.entries}

    def ignore(self, *names: str) -> None:
        """Count entries as known without reading them."""
        self._known.extend(names)

    def error(self, name: str, text: str) -> None:
        """Record an error about an entry."""
        self.report.error(self.line_of(name), self.at(name), text)

    def warn(self, name: str, text: str, *, denies: bool = False) -> None:
        """Record a warning about an entry; ``denies``: see ``Remark``."""
        self.report.warn(self.line_of(name), self.at(name), text, denies=denies)

    def unknown(self) -> Iterator[tuple[str, Node]]:
        """Entries that nothing has read."""
        known = set(self._known)
        return ((name, node) for name, node in self.entries.items() if name not in known)

    def finish(self) -> None:
        """Refuse (or warn about, by the report) every entry that nothing has read, with the nearest known name."""
        for name, node in self.unknown():
            near = _near(name, self._known)
            self.report.refuse(
                node.line, self.at(name), f"unknown field{near}" if near else f"unknown field{self._listed()}"
            )

    def _listed(self) -> str:
        names = list(dict.fromkeys(self._known))
        return f"; known here: {', '.join(names)}" if names and len(names) <= 12 else ""

    def _wrong(self, node: Node, path: str, expected: str, default: T | None = None) -> T:
        shown = _shown(node)
        hint = hint_for_callout(node.value)
        if expected == "string" and isinstance(node.value, (bool, int, float)):
            hint = (
                "; YAML reads y, n, yes, no, on and off as booleans: quote it"
                if isinstance(node.value, bool)
                else "; quote it"
            )
        self.report.error(node.line, path, f"expected {expected}, got {shown}{hint}")
        return default  # type: ignore[return-value]  # only where the caller passed a default of its own type


def _near(name: str, names: Iterable[str]) -> str:
    """``; did you mean X?`` for a name that is nearly one of ``names``."""
    near = nearest(name, names)
    return f'; did you mean "{near}"?' if near else ""


def _range(minimum: float | None, maximum: float | None) -> str:
    if maximum is None:
        return f"at least {minimum}"
    return f"at most {maximum}" if minimum is None else f"between {minimum} and {maximum}"


def _shown(node: Node) -> str:
    if isinstance(node.value, str):
        text = go_quote(node.value)
        return text if len(text) <= SHOWN_MAX_LENGTH else f"{text[:SHOWN_MAX_LENGTH]}..."
    kind = kind_of(node)
    return f"a {kind}" if kind in ("mapping", "list") else f"{kind} {str(node.value).lower()}"
