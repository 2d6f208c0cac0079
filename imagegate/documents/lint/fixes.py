"""Fixes of findings that change no verdict: what is repeated or never decides is taken out, patterns are quoted.

Texts are edited where the finding is, so that comments and layout stay. A fix is kept only if the document means the
same afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import yaml

from imagegate.documents.lint.findings import Finding
from imagegate.documents.yaml.source import read_source

QUOTING = "load"
REMOVED = frozenset({"registry-duplicate", "import-duplicate", "shadowed"})
"""Codes of findings whose place is taken out."""
FIXES_MAX = 200
"""Fixes of one file at a time: each is tried and compared; the next run does the rest."""
_STEP = re.compile(r"(?P<key>\w+)\[(?P<index>\d+)\]")
_PATTERN = re.compile(r"""(\bdomainName["']?[ ]*:[ ]+)(\*[^\s,{}\[\]'"#]*)""")


@dataclass(frozen=True, slots=True)
class Fixed:
    """A text after its fixes, and what they were about."""

    text: str
    findings: tuple[Finding, ...] = ()


Meaning = Callable[[str], object]
"""The decisions that come from a text; raises ``ConfigError`` where it does not load."""


def fixed(text: str, name: str, findings: Iterable[Finding], meaning: Meaning) -> Fixed:
    """The text without what its findings name, as far as that is safe.

    Args:
        name: the file's name; findings about other files are left alone.
        findings: of lint.
        meaning: compared before and after every fix.
    """
    before = meaning(text)
    own = [finding for finding in findings if finding.file == name]
    done: list[Finding] = []
    repaired = {line for line, _ in read_source(text, name, last_key_wins=True, repair_patterns=True).repairs}
    quoted = _quoted(text, repaired)
    if quoted != text and meaning(quoted) == before:
        done += [each for each in own if each.code == QUOTING and each.line in repaired]
        text = quoted
    elif repaired:
        return Fixed(text)  # not YAML without its repairs
    fixable = [finding for finding in own if finding.code in REMOVED]
    for finding in sorted(fixable, key=lambda each: (each.line, _steps(each)), reverse=True)[:FIXES_MAX]:
        changed = _changed(text, finding)
        if changed is not None and meaning(changed) == before:
            text = changed
            done.append(finding)
    return Fixed(text, tuple(sorted(done, key=lambda each: each.line)))


def _changed(text: str, finding: Finding) -> str | None:
    """The text without the item that a finding names; None if it is not found, or cannot be taken out."""
    steps = _steps(finding)
    for root in yaml.compose_all(text, Loader=yaml.CSafeLoader):
        for holder, index in _places(root, steps, finding.line):
            return _without(text, holder, index)
    return None


def _steps(finding: Finding) -> list[tuple[str, int]]:
    """The lists that a finding's path leads through, and the positions in them."""
    return [(found["key"], int(found["index"])) for found in _STEP.finditer(finding.path)]


def _places(node: yaml.Node, steps: Sequence[tuple[str, int]], line: int) -> Iterator[tuple[yaml.SequenceNode, int]]:
    """Sequences and positions that a path leads to from anywhere, if its first item begins in the line."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == steps[0][0] and isinstance(value, yaml.SequenceNode) and len(value.value) > steps[0][1]:
                item = value.value[steps[0][1]]
                if item.start_mark.line + 1 == line or _key_line(item) == line:
                    yield from _last(value, steps)
            yield from _places(value, steps, line)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _places(item, steps, line)


def _key_line(item: yaml.Node) -> int:
    return item.value[0][0].start_mark.line + 1 if isinstance(item, yaml.MappingNode) and item.value else 0


def _last(sequence: yaml.SequenceNode, steps: Sequence[tuple[str, int]]) -> Iterator[tuple[yaml.SequenceNode, int]]:
    (_, index), *rest = steps
    if not rest:
        yield sequence, index
        return
    item = sequence.value[index]
    if isinstance(item, yaml.MappingNode):
        for key, value in item.value:
            if key.value == rest[0][0] and isinstance(value, yaml.SequenceNode) and len(value.value) > rest[0][1]:
                yield from _last(value, rest)


def _without(text: str, sequence: yaml.SequenceNode, index: int) -> str | None:
    """The text without one item of a sequence; None for the only one, and for one that an alias names."""
    items = sequence.value
    item = items[index]
    if len(items) == 1 or "&" in text[item.start_mark.index : _end(item)] or text[item.start_mark.index] == "*":
        return None
    if sequence.flow_style:
        if index:
            return text[: _end(items[index - 1])] + text[_end(item) :]
        return text[: item.start_mark.index] + text[items[1].start_mark.index :]
    dash = text.rfind("-", 0, item.start_mark.index)
    begin = text.rfind("\n", 0, dash) + 1
    if text[begin:dash].strip():
        return None  # "key: - x" or "- - x": the line holds something else
    end = text.find("\n", _end(item))
    return text[:begin] + (text[end + 1 :] if end >= 0 else "")


def _end(node: yaml.Node) -> int:
    """The index behind the last character of a node: marks of block collections lie behind the blanks after them."""
    if isinstance(node, yaml.SequenceNode) and not node.flow_style and node.value:
        return _end(node.value[-1])
    if isinstance(node, yaml.MappingNode) and not node.flow_style and node.value:
        return _end(node.value[-1][1])
    end: int = node.end_mark.index
    return end


def _quoted(text: str, lines: Collection[int]) -> str:
    """The text with quotes around the patterns in some lines (from 1)."""
    return "\n".join(
        _PATTERN.sub(r'\1"\2"', line) if number in lines else line for number, line in enumerate(text.split("\n"), 1)
    )
