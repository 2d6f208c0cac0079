"""Replaces references to parameters in the strings of an object, to the letter as OpenShift does.

``${NAME}`` stands anywhere in a string or key. ``${{NAME}}`` is a whole string, and becomes what the value says as
JSON: a number, a list, an object; a value that is not JSON stays a string, and ``null`` takes the field away.
References to parameters that do not exist stay as they are. Values are not looked through for further references.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from imagegate.core.openshift_templates.parameters import BadTemplate, Parameter

DEPTH_MAX = 200
"""Nesting of an object, with what its parameters bring."""
CHARACTERS_MAX = 32 * 1024 * 1024
"""Characters that the values of all references of one Template may add."""
WORK_MAX = 64 * 1024 * 1024
"""Characters that are searched for references one by one, where a value could make new ones."""
_REFERENCE = re.compile(r"\$\{([a-zA-Z0-9_]+?)\}")
_WHOLE = re.compile(r"\$\{\{([a-zA-Z0-9_]+)\}\}")

Path = tuple[str | int, ...]
"""Keys and indexes from the root of an object."""


class Doubt(NamedTuple):
    """A place whose content is not known, and the reason."""

    path: Path
    why: str
    has_no_value: bool = False
    """True if the place is empty, since its parameters have no value; false if its content cannot be known."""


def has_reference(text: str) -> bool:
    """True if ``text`` holds ``${NAME}``."""
    return _REFERENCE.search(text) is not None


class Budget:
    """Work that one Template may still cause, with the Templates inside it."""

    def __init__(self) -> None:
        self._characters = CHARACTERS_MAX
        self._work = WORK_MAX

    def add(self, characters: int, place: str) -> None:
        """Count characters that come from values.

        Raises:
            BadTemplate: too many.
        """
        self._characters -= characters
        if self._characters < 0:
            raise BadTemplate(place, f"parameters add more than {CHARACTERS_MAX:,} characters to this Template")

    def search(self, characters: int, place: str) -> None:
        """Count characters that are searched again.

        Raises:
            BadTemplate: too many.
        """
        self._work -= characters
        if self._work < 0:
            raise BadTemplate(place, "too many references to parameters, with values that may hold references")


class Substitution:
    """The parameters of one Template, put into its objects."""

    def __init__(self, parameters: Mapping[str, Parameter], budget: Budget) -> None:
        self._parameters = parameters
        self._budget = budget
        self._makes_references = any("$" in (each.value or "") for each in parameters.values())
        self._parsed: dict[str, Any] = {}

    def object(self, document: Any, place: str) -> tuple[Any, tuple[Doubt, ...]]:
        """``document`` with all references replaced, and the places whose content is not known.

        Raises:
            BadTemplate: two keys become the same, a key becomes something else than a string, or a limit is reached.
        """
        doubts: list[Doubt] = []
        return self._value(document, (), place, doubts), tuple(doubts)

    def string(self, text: str, path: Path, place: str, doubts: list[Doubt]) -> str:
        """A string that stays one: the value of ``${{NAME}}`` is not read as JSON."""
        parameter = self._whole(text)
        if parameter is None:
            return self._text(text, path, place, doubts)
        if parameter.value is None:
            doubts.append(Doubt(path, parameter.why))
            return text
        self._budget.add(len(parameter.value), place)
        return parameter.value

    def _whole(self, text: str) -> Parameter | None:
        """The parameter of ``${{NAME}}``."""
        whole = _WHOLE.fullmatch(text)
        return self._parameters.get(whole[1]) if whole is not None else None

    def _text(self, text: str, path: Path, place: str, doubts: list[Doubt]) -> str:
        """A string with all ``${NAME}`` replaced; unknown values are left as references."""
        found = _REFERENCE.findall(text) if "${" in text else ()
        names = [name for name in found if name in self._parameters]
        if not names:
            return text
        unknown = [self._parameters[name] for name in names if self._parameters[name].value is None]
        doubts += (Doubt(path, each.why) for each in dict.fromkeys(unknown))
        self._budget.add(sum(len(self._parameters[name].value or "") for name in names), place)
        if self._makes_references or text.count("$") != len(found):
            made = self._one_by_one(text, names, place)
        else:
            made = _REFERENCE.sub(self._replacement, text)
        if not made.strip():
            doubts.append(Doubt(path, self._parameters[names[0]].why, has_no_value=True))
        return made

    def _replacement(self, found: re.Match[str]) -> str:
        parameter = self._parameters.get(found[1])
        return found[0] if parameter is None or parameter.value is None else parameter.value

    def _one_by_one(self, text: str, names: list[str], place: str) -> str:
        """Each reference in turn replaces the first of its kind, which may stem from a value before it."""
        for name in names:
            value = self._parameters[name].value
            if value is not None:
                self._budget.search(len(text), place)
                text = text.replace(f"${{{name}}}", value, 1)
        return text

    def _value(self, value: Any, path: Path, place: str, doubts: list[Doubt]) -> Any:
        if isinstance(value, str):
            return self._string(value, path, place, doubts) if "${" in value else value
        if isinstance(value, dict):
            return self._mapping(value, path, place, doubts)
        if isinstance(value, list):
            return self._list(value, path, place, doubts)
        return value

    def _list(self, value: list[Any], path: Path, place: str, doubts: list[Doubt]) -> list[Any]:
        found = [self._value(each, (*path, index), place, doubts) for index, each in enumerate(value)]
        if any(now is None and before is not None for now, before in zip(found, value, strict=True)):
            raise BadTemplate(place, "a parameter makes an entry of a list null, on which OpenShift fails")
        return found

    def _mapping(self, value: dict[str, Any], path: Path, place: str, doubts: list[Doubt]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        taken_away: list[str] = []
        for key, child in value.items():
            name = self._value(key, (*path, key), place, doubts)
            if not isinstance(name, str):
                raise BadTemplate(place, f"key {key} becomes something else than a string")
            if name in found:
                raise BadTemplate(place, f"two keys become {name!r}, and which value counts is not certain")
            found[name] = self._value(child, (*path, name), place, doubts)
            taken_away += [name] if found[name] is None and child is not None else []
        for name in taken_away:  # only now: a key that becomes the same is still one too many
            del found[name]
        return found

    def _string(self, text: str, path: Path, place: str, doubts: list[Doubt]) -> Any:
        parameter = self._whole(text)
        if parameter is None:
            return self._text(text, path, place, doubts)
        if parameter.value is None:
            doubts.append(Doubt(path, parameter.why))
            return text
        self._budget.add(len(parameter.value), place)
        if not parameter.value.strip():
            doubts.append(Doubt(path, parameter.why or f"parameter {parameter.name} is blank", has_no_value=True))
        parsed = self._json(parameter, place)
        if len(path) + _depth(parsed) > DEPTH_MAX:
            raise BadTemplate(place, f"parameter {parameter.name} makes it nested deeper than {DEPTH_MAX} levels")
        return parsed

    def _json(self, parameter: Parameter, place: str) -> Any:
        """The value as JSON, read once; the string itself if it is not JSON."""
        if parameter.name not in self._parsed:
            self._parsed[parameter.name] = _read_json(parameter.value or "", parameter.name, place)
        return self._parsed[parameter.name]


def _read_json(text: str, name: str, place: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError as error:
        raise BadTemplate(place, f"parameter {name} is nested deeper than {DEPTH_MAX} levels") from error
    except ValueError:
        return text


def _refuse(constant: str) -> Any:
    """``NaN`` and ``Infinity`` are not JSON."""
    raise ValueError(constant)


def _depth(value: Any) -> int:
    """Levels of lists and objects."""
    depth, level = 0, [value]
    while level := [each for each in level if isinstance(each, (dict, list))]:
        depth += 1
        level = [child for each in level for child in (each.values() if isinstance(each, dict) else each)]
    return depth
