"""``docs/commands.md``: every command with its options, from the commands' own parsers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from inspect import cleandoc

import click

from tests.distribution.man_pages import commands_of, contexts

_HEAD = """# Commands

What `--help` prints, on one page. [Exit codes](exit-codes.md). Manual pages have the same: `man imagegate-check`.

| command | does |
|---|---|
"""


def document() -> str:
    """The whole page."""
    found = sorted(contexts(), key=lambda context: context.command_path)
    leaves = [context for context in found if not commands_of(context)]
    index = "".join(f"| [{_name(each)}](#{_anchor(each)}) | {_summary(each)} |\n" for each in leaves)
    return _HEAD + index + "".join(part for context in leaves for part in _section(context))


def _name(context: click.Context) -> str:
    return f"`{context.command_path}`"


def _anchor(context: click.Context) -> str:
    return context.command_path.replace(" ", "-")


def _summary(context: click.Context) -> str:
    return _cell(context.command.get_short_help_str(200))


def _section(context: click.Context) -> Iterator[str]:
    usage = " ".join(context.command.collect_usage_pieces(context))
    yield f"\n## {context.command_path}\n\n"
    yield f"Usage: `{context.command_path} {usage}`\n\n"
    for paragraph in re.split(r"\n{2,}", cleandoc(context.command.help or "")):
        yield f"{_text(paragraph)}\n\n"
    yield "| option | meaning |\n|---|---|\n"
    for parameter in context.command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and record[1]:
            yield f"| `{_cell_code(record[0])}` | {_cell(record[1])} |\n"


def _text(paragraph: str) -> str:
    """A paragraph; lines that click keeps as they are become a list."""
    if paragraph.startswith("\b\n"):
        return "\n".join(f"- {_escaped(line)}" for line in paragraph.splitlines()[1:])
    return _escaped(" ".join(paragraph.split()))


def _cell(text: str) -> str:
    return _escaped(" ".join(text.split())).replace("|", "\\|")


def _cell_code(text: str) -> str:
    return text.replace("|", "\\|")


def _escaped(text: str) -> str:
    return re.sub(r"[*_<>\[\]]", lambda found: f"\\{found[0]}", text)
