"""``imagegate convert``: image policies from one API group to the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import click

from imagegate.adapters.files.cluster import policy_files, read_text
from imagegate.adapters.files.folders import links_elsewhere
from imagegate.adapters.files.output import write_files
from imagegate.cli.options import FILE_OR_FOLDER
from imagegate.cli.output import is_safe_line, say, say_error
from imagegate.core.enforcement.policy import PolicyGroup
from imagegate.documents.convert.enforcement import Converted, convert_policies
from imagegate.errors import InvalidInput

TARGETS = {"portieris": PolicyGroup.PORTIERIS, "cise": PolicyGroup.CISE}
_EXAMPLE = """\b
Examples:
  imagegate convert --to portieris policies/ --output-folder converted/
  imagegate convert --imports-to-rules master-config.yaml > image-policy.yaml
"""


@click.command(epilog=_EXAMPLE)
@click.argument("paths", nargs=-1, required=True, type=FILE_OR_FOLDER, metavar="PATH...")
@click.option(
    "--to",
    "target",
    type=click.Choice(list(TARGETS)),
    default="portieris",
    show_default=True,
    help="The group to write.",
)
@click.option(
    "--output-folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write files of the same names there; otherwise everything goes to standard output.",
)
@click.option("--in-place", is_flag=True, help="Write the files back.")
@click.option(
    "--imports-to-rules",
    is_flag=True,
    help="PATH is a master-config.yaml: write executionRules from its allowedRegistriesForImport.",
)
@click.option("--no-patterns", is_flag=True, help="With --imports-to-rules: leave out rules with wildcards.")
def convert(
    paths: tuple[Path, ...],
    target: str,
    output_folder: Path | None,
    in_place: bool,
    imports_to_rules: bool,
    no_patterns: bool,
) -> int:
    """Rewrite ClusterImagePolicy and ImagePolicy objects for the other API group.

    Comments, the order of entries and objects of other kinds are kept. Nothing is written through links, nor if one
    of the files cannot be. What is lost, moved, or not known to the
    products of the target group is listed on standard error. imagegate enforces both groups: nothing has to be
    converted for it.
    """
    if imports_to_rules:
        from imagegate.cli.import_list import print_execution_rules

        if in_place or output_folder is not None:
            raise click.UsageError("--imports-to-rules writes to standard output")
        return print_execution_rules(paths, patterns=not no_patterns)
    if in_place and output_folder is not None:
        raise click.UsageError("--in-place and --output-folder exclude each other")
    converted = [
        (root, file, convert_policies(read_text(file), str(file), TARGETS[target]))
        for root in paths
        for file in policy_files(root)
    ]  # all of them are read before any is written
    for link in (link for root in paths if root.is_dir() for link in links_elsewhere(root)):
        say_error(f"{link}: passed over: a link to a folder elsewhere")
    if in_place:
        _write({file: result for _, file, result in converted if result.objects})
    elif output_folder is not None:
        _write(_in_folder(output_folder, converted))
    else:
        _print(converted)
    for _, _, result in converted:
        for loss in result.losses:
            say(str(loss), err=True)
    count = sum(result.objects for _, _, result in converted)
    click.echo(f"{count} {'policy' if count == 1 else 'policies'} converted to {TARGETS[target].value}", err=True)
    return 0


def _in_folder(folder: Path, converted: Iterable[tuple[Path, Path, Converted]]) -> dict[Path, Converted]:
    """The files to write in ``folder``.

    Raises:
        InvalidInput: two of them would have the same name.
    """
    places: dict[Path, Converted] = {}
    for root, file, result in converted:
        place = folder / (Path(file.name) if file == root else file.relative_to(root))
        if place in places:
            raise InvalidInput(f"{place}: two of the files would be written there: convert them one by one")
        places[place] = result
    return places


def _write(places: Mapping[Path, Converted]) -> None:
    try:
        write_files({place: result.text for place, result in places.items()})
    except OSError as error:
        raise InvalidInput(f"{error.filename}: not written: {error.strerror}") from error


def _print(converted: Iterable[tuple[Path, Path, Converted]]) -> None:
    """Print the documents, which are strangers' text with comments and all.

    Raises:
        InvalidInput: a line would be a command to a terminal or to a CI system.
    """
    for _, file, result in converted:
        for number, line in enumerate(result.text.split("\n"), 1):
            if not is_safe_line(line):
                raise InvalidInput(
                    f"{file}: line {number} of the result is not printed, since a terminal or CI system could take it "
                    "for a command: use --output-folder"
                )
    click.echo("---\n".join(result.text for _, _, result in converted), nl=False)
