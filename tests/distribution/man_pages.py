"""The manual pages in ``docs/man``, made from the commands' own parsers by click-man.

``python -m tests.distribution.man_pages`` writes them. They carry neither a version nor a date: they change only
when a command does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from inspect import cleandoc

import click
from click_man.core import ManPage

from imagegate.cli.main import cli
from tests.support.service import ROOT

FOLDER = ROOT / "docs" / "man"
_SHORT_MAX = 200
_EXIT_STATUS = """.SH EXIT STATUS
.TP
0
Everything is allowed, and nothing is wrong.
.TP
1
Something is denied, or an error was found.
.TP
2
The usage or a configuration is wrong, something cannot be read, or there is nothing to check.
.TP
3
Something is denied only because it could not be looked up.
"""


def pages() -> dict[str, str]:
    """File name -> manual page, of the command and of each command below it."""
    return {f"{context.command_path.replace(' ', '-')}.1": _page(context) for context in contexts()}


def contexts() -> Iterator[click.Context]:
    waiting = [click.Context(cli, info_name="imagegate", **cli.context_settings)]
    while waiting:
        context = waiting.pop()
        context.command._help_option = None  # click keeps the one of a command's first context
        yield context
        for name, command in commands_of(context).items():
            waiting.append(click.Context(command, info_name=name, parent=context))


def commands_of(context: click.Context) -> dict[str, click.Command]:
    if not isinstance(context.command, click.Group):
        return {}
    found = {name: context.command.get_command(context, name) for name in context.command.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None and not command.hidden}


def _page(context: click.Context) -> str:
    page = ManPage(context.command_path)
    page.version, page.date = "", ""
    page.short_help = escaped(context.command.get_short_help_str(_SHORT_MAX))
    page.synopsis = escaped(" ".join(context.command.collect_usage_pieces(context)))
    page.description = _described(context.command.help or "")
    page.options = [
        (escaped(record[0]), escaped(record[1]))
        for parameter in context.command.get_params(context)
        if (record := parameter.get_help_record(context)) is not None and record[1]
    ]
    page.commands = [
        (name, escaped(command.get_short_help_str(_SHORT_MAX))) for name, command in commands_of(context).items()
    ]
    name = context.command_path.replace(" ", "-")
    _, _, rest = str(page).partition("\n")
    text = f"{_title(name)}\n{rest}".replace(f"fB{context.command_path}-", f"fB{name}-").replace(
        "\n.PP\n.nf", "\n.sp\n.nf"
    )
    text = re.sub(r"^(\.SH .*)\n\.PP$", r"\1", text, flags=re.MULTILINE)
    return "".join((text, _examples(context.command.epilog or ""), _EXIT_STATUS, _see_also(context)))


def _title(name: str) -> str:
    return f'.TH "{name.upper()}" "1" "" "imagegate" "imagegate manual"'


def _described(text: str) -> str:
    """The help of a command: what click keeps as it is written stays so."""
    paragraphs = []
    for paragraph in re.split(r"\n{2,}", cleandoc(text)):
        if paragraph.startswith("\b\n"):
            paragraphs.append(f".nf\n{escaped(paragraph.removeprefix(chr(8) + chr(10)))}\n.fi")
        else:
            paragraphs.append(escaped(paragraph))
    return "\n.PP\n".join(paragraphs)


def _examples(epilog: str) -> str:
    shown = cleandoc(epilog.replace("\b", "")).removeprefix("Examples:\n").removeprefix("Example:\n")
    return f".SH EXAMPLES\n.nf\n{escaped(cleandoc(shown))}\n.fi\n" if shown else ""


def _see_also(context: click.Context) -> str:
    related = [f"{context.command_path} {name}" for name in commands_of(context)]
    if context.parent is not None:
        related.insert(0, context.parent.command_path)
    listed = ",\n".join(f"\\fB{each.replace(' ', '-')}\\fP(1)" for each in related)
    return f".SH SEE ALSO\n{listed}\n" if listed else ""


def escaped(text: str) -> str:
    """Text of which roff takes nothing as a request."""
    return re.sub(r"^(?=[.'])", r"\\&", text.replace("\\", "\\e"), flags=re.MULTILINE)


def main() -> None:
    """Write all pages, and remove those of commands that are gone."""
    FOLDER.mkdir(exist_ok=True)
    made = pages()
    for file in set(FOLDER.glob("*.1")) - {FOLDER / name for name in made}:
        file.unlink()
    for name, text in made.items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
