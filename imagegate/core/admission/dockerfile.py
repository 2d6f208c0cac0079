r"""Images that a Dockerfile names: FROM, COPY --from, RUN --mount=from=, also behind ONBUILD, and the frontend's.

This reads only what a decision about images needs, and rather names too many than too few. Builders read some
Dockerfiles differently: where an escape directive counts, whether two backslashes at the end of a line continue it,
whether there are heredocs. Such a file is read in every way, and every image that any reading names counts.
Source: openshift/builder, pkg/build/builder/common.go and docker.go; openshift/imagebuilder, dockerfile/parser and
shell_parser.go; moby/buildkit, frontend/dockerfile/parser (2026).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from imagegate.core.admission.dockerfile_words import Unknown, Variables, flags_of, keyword_of, trimmed, words_of

SCRATCH = "scratch"
"""Name of the empty image in FROM."""
SYNTAX_ARGUMENT = "BUILDKIT_SYNTAX"
"""The build argument that names the frontend."""

_STAGE_NAME = re.compile(r"[a-z][a-z0-9_.-]*")
_INDEX = re.compile(r"0|[1-9][0-9]{0,5}")
_SYNTAX = re.compile(r"(?:#|//)\s*syntax\s*=\s*(\S+)", re.IGNORECASE)
_ESCAPE = re.compile(r"#[ \t]*escape[ \t]*=[ \t]*(.)(.*)", re.IGNORECASE)
_MAY_HOLD_HEREDOC = frozenset({"add", "copy", "run"})
_HEREDOC_BEGINS = re.compile(r"(?:(?<=\s)|\A)[0-9]*(?=<<-?+[^\s<])")
_HEREDOC = re.compile(r"<<(-?)([\"']?)([A-Za-z0-9_.-]+)\2(?=\s|\Z)")
_HEREDOC_UNCLEAR = "the end of a heredoc cannot be found: write its name in letters and digits"


class NamedImage(NamedTuple):
    """One image that a Dockerfile names."""

    image: str
    """The image that is pulled; as written where that cannot be known."""
    line: int
    """Counted from 1."""
    instruction: str
    """``FROM``, ``COPY --from``, ``ADD --from``, ``RUN --mount`` or ``# syntax``."""
    unknown: str = ""
    """Reason why it cannot be known before the build; empty where it can."""


@dataclass(frozen=True, slots=True)
class BuildInputs:
    """Build arguments and images that a build passes to its Dockerfile."""

    arguments: tuple[tuple[str, str | None], ...] = ()
    """Build arguments, the last of a name counts; None for a value taken from a Secret or ConfigMap."""
    replaces_base: bool = False
    """The strategy's own image replaces the last FROM."""
    replaces: frozenset[str] = frozenset()
    """Names in FROM and COPY --from that an image source replaces (``source.images[].as``)."""


class _Reading(NamedTuple):
    """One way in which a builder reads lines."""

    escape: str
    heredocs: bool
    doubled_continues: bool


class _Instruction(NamedTuple):
    line: int
    text: str
    unclear: str = ""


@lru_cache(maxsize=8)
def named_images(text: str, inputs: BuildInputs) -> tuple[NamedImage, ...]:
    """Every image that ``text`` names, each once, in the order of the first reading.

    The last few Dockerfiles are cached: one review reads each up to four times.
    """
    written = text.removeprefix("\N{BYTE ORDER MARK}").split("\n")
    one_return = tuple(line.removesuffix("\r") for line in written)
    no_returns = tuple(line.rstrip("\r") for line in written)
    named: list[NamedImage] = []
    for lines in dict.fromkeys((one_return, no_returns)):
        named += _frontends(lines, inputs)
        for reading in _readings(text, lines):
            named += _images(_instructions(lines, reading), inputs)
    found: dict[tuple[str, bool], NamedImage] = {}
    for each in named:
        found.setdefault((each.image, bool(each.unknown)), each)
    return tuple(found.values())


def _frontends(lines: Iterable[str], inputs: BuildInputs) -> Iterator[NamedImage]:
    """The image that a BuildKit builder runs to read the rest of the file."""
    for number, line in enumerate(_leading(lines), 1):
        if directive := _SYNTAX.match(line):
            yield NamedImage(directive[1], number, "# syntax")
    arguments = dict(inputs.arguments)
    if SYNTAX_ARGUMENT in arguments:
        image = arguments[SYNTAX_ARGUMENT]
        unknown = f"the value of {SYNTAX_ARGUMENT} is taken from elsewhere (valueFrom)" if image is None else ""
        yield NamedImage(image or SYNTAX_ARGUMENT, 1, "# syntax", unknown)


def _leading(lines: Iterable[str]) -> Iterator[str]:
    """The comments and blank lines before the first instruction; only they may hold directives."""
    return itertools.takewhile(lambda line: not line or line.startswith(("#", "//")), map(trimmed, lines))


def _readings(text: str, lines: Sequence[str]) -> Iterator[_Reading]:
    for escape in _escapes(lines):
        doubled = re.search(rf"{re.escape(escape * 2)}[ \t]*$", text.replace("\r", ""), re.MULTILINE)
        heredocs = (True, False) if "<<" in text else (False,)
        for reads_heredocs, continues in itertools.product(heredocs, (True, False) if doubled else (True,)):
            yield _Reading(escape, reads_heredocs, continues)


def _escapes(lines: Iterable[str]) -> str:
    """The characters that may continue a line; both where builders disagree about the directive."""
    for number, line in enumerate(_leading(lines)):
        if directive := _ESCAPE.match(line):
            value = directive[1] + directive[2].strip(" \t")
            return value if number == 0 and value in ("\\", "`") else "\\`"
    return "\\"


def _instructions(lines: Sequence[str], reading: _Reading) -> Iterator[_Instruction]:
    """Instructions with their continuation lines, without comments and the bodies of heredocs."""
    before = "" if reading.doubled_continues else rf"(?<!{re.escape(reading.escape)})"
    continued = re.compile(rf"{before}{re.escape(reading.escape)}[ \t]*\Z")
    index = 0
    while index < len(lines):
        start, line = index, trimmed(lines[index], right=False)
        index += 1
        if not line or line.startswith("#"):
            continue
        parts = [continued.sub("", line)]
        while parts[-1] != line and index < len(lines):
            part = lines[index]
            index += 1
            if trimmed(part).startswith("#") or not trimmed(part):
                continue
            parts.append(continued.sub("", part))
            line = part
        text = "".join(parts)
        yield _Instruction(start + 1, text)
        if not reading.heredocs or not _holds_heredoc(text):
            continue
        for begin in _HEREDOC_BEGINS.finditer(text):
            heredoc = _HEREDOC.match(text, begin.end())
            if heredoc is None:
                yield _Instruction(start + 1, text, _HEREDOC_UNCLEAR)
                continue
            index = _after(lines, index, heredoc[3], tabs=bool(heredoc[1]))


def _holds_heredoc(text: str) -> bool:
    keyword, rest = keyword_of(text)
    return (keyword_of(rest)[0] if keyword == "onbuild" else keyword) in _MAY_HOLD_HEREDOC


def _after(lines: Sequence[str], index: int, name: str, *, tabs: bool) -> int:
    """The line after the end of a heredoc; the end of the file, which no builder accepts, where it does not end."""
    while index < len(lines):
        line = lines[index].rstrip("\r")  # builders remove every carriage return here
        index += 1
        if (line.lstrip("\t") if tabs else line) == name:
            break
    return index


def _images(instructions: Iterable[_Instruction], inputs: BuildInputs) -> list[NamedImage]:
    """The images that one reading names."""
    stages = _Stages(inputs)
    for instruction in instructions:
        if instruction.unclear:
            stages.add(instruction.text[:80], instruction.line, "RUN", instruction.unclear)
            continue
        keyword, rest = keyword_of(instruction.text)
        if keyword == "onbuild":
            keyword, rest = keyword_of(rest)
            stages.take(keyword, rest, instruction.line, is_trigger=True)
        else:
            stages.take(keyword, rest, instruction.line)
    return stages.images()


class _Stages:
    """Collects images from instruction to instruction, and the names of stages so far."""

    def __init__(self, inputs: BuildInputs) -> None:
        self._inputs = inputs
        self._variables = Variables(dict(inputs.arguments))
        self._names: set[str] = set()
        """Stages before the current one, which cannot name itself. Case-sensitive, as in OpenShift."""
        self._current = ""
        self._count = 0
        self._found: list[NamedImage] = []
        self._base: NamedImage | None = None

    def images(self) -> list[NamedImage]:
        """The images named, without the one that the build replaces."""
        if not self._inputs.replaces_base:
            return self._found
        return [each for each in self._found if each is not self._base]

    def add(self, image: str, line: int, instruction: str, unknown: str = "") -> NamedImage:
        """Add an image."""
        found = NamedImage(image, line, instruction, unknown or ("" if trimmed(image) else "the name is empty"))
        self._found.append(found)
        return found

    def take(self, keyword: str, rest: str, line: int, *, is_trigger: bool = False) -> None:
        """Read one instruction; ``is_trigger``: behind ONBUILD, for builds that start from the image."""
        if keyword == "arg" and not self._count:
            self._variables.declare(rest)
        elif keyword == "from":
            self._from(rest, line)
        elif keyword in ("copy", "add"):
            for flag in flags_of(rest)[0]:
                if flag.startswith("--from="):
                    self._other(flag.removeprefix("--from="), line, f"{keyword.upper()} --from", is_trigger=is_trigger)
        elif keyword == "run":
            for flag in flags_of(rest)[0]:
                if flag.startswith("--mount="):
                    for item in flag.removeprefix("--mount=").split(","):
                        key, _, source = item.partition("=")
                        if key.strip(" \t\"'").lower() == "from":
                            self._other(source, line, "RUN --mount", is_trigger=is_trigger)

    def _from(self, rest: str, line: int) -> None:
        words = words_of(flags_of(rest)[1])
        if len(words) != 1 and not (len(words) == 3 and words[1].lower() == "as"):
            return  # no builder accepts it
        if self._current:
            self._names.add(self._current)
        self._current = words[2] if len(words) == 3 and _STAGE_NAME.fullmatch(words[2].lower()) else ""
        self._base = None
        word = words[0]
        if word not in self._inputs.replaces:
            try:
                image = self._variables.expand(word)
            except Unknown as unknown:
                self._base = self.add(word, line, "FROM", str(unknown))
            else:
                if image != SCRATCH and image not in self._names:
                    self._base = self.add(image, line, "FROM")
        self._count += 1

    def _other(self, name: str, line: int, instruction: str, *, is_trigger: bool) -> None:
        """Read a stage, by name or number, or an image."""
        if not is_trigger:
            if name in self._names or (_INDEX.fullmatch(name) and int(name) < self._count - 1):
                return
            if instruction == "COPY --from" and name in self._inputs.replaces:
                return
        unclear = ""
        if set(name) & set("$\"'\\`"):
            unclear = f"{instruction} takes a name without variables and quotes: name a stage with FROM"
        self.add(name, line, instruction, unclear)
