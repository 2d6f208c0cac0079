"""``imagegate convert``: image policies rewritten for the other API group."""

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
    help="API group to write.",
)
@click.option(
    "--output-folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write files of the same names there. [standard output]",
)
@click.option("--in-place", is_flag=True, help="Overwrite the files.")
@click.option(
    "--imports-to-rules",
    is_flag=True,
    help="Write executionRules made from allowedRegistriesForImport of the master-config.yaml at PATH.",
)
@click.option("--no-patterns", is_flag=True, help="With --imports-to-rules: write no rules with wildcards.")
def convert(
    paths: tuple[Path, ...],
    target: str,
    output_folder: Path | None,
    in_place: bool,
    imports_to_rules: bool,
    no_patterns: bool,
) -> int:
    """Rewrite ClusterImagePolicy and ImagePolicy objects for the other API group.

    Comments, the order of entries and objects of other kinds stay as they are. Nothing is written through links, and
    if one file cannot be written, none is. Fields that are lost, moved, or unknown to the products of the target group
    are listed on standard error. imagegate itself enforces both groups without conversion.
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
            raise InvalidInput(f"{place}: two files would be written there: convert them one by one")
        places[place] = result
    return places


def _write(places: Mapping[Path, Converted]) -> None:
    try:
        write_files({place: result.text for place, result in places.items()})
    except OSError as error:
        raise InvalidInput(f"{error.filename}: not written: {error.strerror}") from error


def _print(converted: Iterable[tuple[Path, Path, Converted]]) -> None:
    """Print the documents, comments included. They are untrusted input.

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
