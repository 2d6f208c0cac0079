"""Output that cannot be forged: sentences for people and CI logs, and documents for programs.

The output contains names, file names, images and messages of registries, which are untrusted. In a sentence none of
them can end the line, move the cursor, or be taken for a command by a CI system. In JSON and YAML the same characters
are escaped, so that a parser gets the original string.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import click
import orjson
import yaml

from imagegate.core.kube.printable import printable

LINE_MAX_LENGTH = 16_384
_PLAIN_WORD = re.compile(r"[A-Za-z0-9._:/-]*")

# A line that begins, spaces aside, with "::" is a command to GitHub's runner; "##vso[", "##teamcity[" and "##[" are
# commands to Azure Pipelines, TeamCity and GitHub's runner wherever they stand in a line.
_COMMAND_AT_START = re.compile(r"\A(\s*):(?=:)")
_COMMAND = re.compile(r"##(?=[\w.-]*\[)")
_BEYOND_ASCII = re.compile("[\x7f-\U0010ffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_NO_BYTE = re.compile("[\ud800-\udc7f\udd00-\udfff]")
"""Lone surrogates that represent no byte of a file name."""


def safe_line(text: str, limit: int = LINE_MAX_LENGTH) -> str:
    """``text`` as one line that neither a terminal nor a CI system takes for a command."""
    return _COMMAND.sub(r"#\\x23", _COMMAND_AT_START.sub(r"\1\\x3a", printable(text, limit)))


def is_safe_line(text: str) -> bool:
    """True if a line of a document can be printed unchanged; tabs and a final carriage return are fine."""
    plain = text.removesuffix("\r").replace("\t", " ")
    return safe_line(plain, len(plain)) == plain


def quoted_word(text: str) -> str:
    """A name unchanged, or in double quotes if it has characters that Kubernetes names never have."""
    return text if _PLAIN_WORD.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def say(text: str, *, err: bool = False) -> None:
    """Print one line."""
    click.echo(safe_line(text), err=err)


def say_error(text: str) -> None:
    """Print one line on standard error, behind the command's name."""
    say(f"imagegate: {text}", err=True)


def xml_text(*lines: str) -> str:
    """Lines as the text of an element, or one as the value of an attribute, in XML 1.0."""
    return "\n".join(map(safe_line, lines))


def file_uri(name: str) -> str:
    """A file's name as a URI reference (RFC 3986)."""
    return quote(os.fsencode(_NO_BYTE.sub("\ufffd", name)))


def json_text(document: Any) -> str:
    """``document`` as indented JSON of printable characters, with a line end."""
    try:
        text = orjson.dumps(document, option=orjson.OPT_INDENT_2).decode("utf-8")
    except TypeError:  # a string that is not Unicode, or a number beyond 64 bits
        text = json.dumps(_unicode(document), indent=2, ensure_ascii=False)
    return _COMMAND.sub(r"#\\u0023", _BEYOND_ASCII.sub(_json_escape, text)) + "\n"


def _json_escape(found: re.Match[str]) -> str:
    character = found[0]
    if not _is_escaped(character):
        return character
    return json.dumps(character)[1:-1] if character != "\x7f" else "\\u007f"


def yaml_text(*documents: Any, explicit_start: bool = False, sort_keys: bool = False) -> str:
    """YAML that every reader understands alike: YAML 1.1, YAML 1.2, and Go's libraries in Kubernetes.

    Strings that one of them would read as a number, a boolean, a date or null are quoted; strings of several lines,
    or with characters that are not printable, are one line in double quotes.
    """
    try:
        text = _dumped(documents, explicit_start, sort_keys)
    except UnicodeEncodeError:
        text = _dumped([_unicode(document) for document in documents], explicit_start, sort_keys)
    return _COMMAND.sub(r"#\\x23", _BEYOND_ASCII.sub(_yaml_escape, text))


def _dumped(documents: Sequence[Any], explicit_start: bool, sort_keys: bool) -> str:
    text: str = yaml.dump_all(
        documents,
        Dumper=_Dumper,
        sort_keys=sort_keys,
        explicit_start=explicit_start,
        allow_unicode=True,
        width=-1,  # a folded line could begin with anything
    )
    return text


def _yaml_escape(found: re.Match[str]) -> str:
    character = found[0]
    if not _is_escaped(character):
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


@lru_cache(maxsize=4096)
def _is_escaped(character: str) -> bool:
    return printable(character) != character


class _Dumper(yaml.CSafeDumper):
    """Quotes strings by ``_style``."""


def _represent_text(dumper: yaml.CSafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=_style(text))


_Dumper.add_representer(str, _represent_text)

# What readers disagree about begins like a number (1e3, 0o17, 1_000, .5, +1, 1:30, 2020-01-01), or is one of these.
_LIKE_A_NUMBER = re.compile(r"[-+.0-9][-+.,:\w ]*")
_WORDS = frozenset({"", "~", "null", "y", "n", "yes", "no", "on", "off", "true", "false", "nan", "inf", "=", "<<"})


def _style(text: str) -> str | None:
    """``"`` for strings that need double quotes; None where the emitter decides."""
    if text.lower() in _WORDS or _LIKE_A_NUMBER.fullmatch(text) or text != text.strip():
        return '"'
    if not (text.isascii() and text.isprintable()) and printable(text, len(text)) != text:
        return '"'  # escapes are possible in double quotes alone; so they are in front of a command
    return '"' if _COMMAND.search(text) else None


def _unicode(value: Any) -> Any:
    """The value without lone surrogates: ``printable`` shows the byte of a file name that each represents."""
    if isinstance(value, str):
        return _SURROGATE.sub(lambda found: printable(found[0]), value)
    if isinstance(value, Mapping):
        return {_unicode(key): _unicode(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_unicode(each) for each in value]
    return value
