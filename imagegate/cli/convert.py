"""``imagegate convert``: image policies from one API group to the other."""

from __future__ import annotations

from pathlib import Path

import click

from imagegate.adapters.cluster_files import policy_files, read_text
from imagegate.cli.options import FILE_OR_FOLDER
from imagegate.core.cise_policy import PolicyGroup
from imagegate.policy.convert_cise import Converted, convert_policies

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

    Comments, the order of entries and objects of other kinds are kept. What is lost, moved, or not known to the
    products of the target group is listed on standard error. imagegate enforces both groups: nothing has to be
    converted for it.
    """
    if imports_to_rules:
        from imagegate.cli.imports import print_execution_rules

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
    if not in_place and output_folder is None:
        click.echo("---\n".join(result.text for _, _, result in converted), nl=False)
    for root, file, result in converted:
        if in_place and result.objects:
            file.write_text(result.text, encoding="utf-8")
        elif output_folder is not None:
            _write_below(output_folder, file.relative_to(root) if root.is_dir() else Path(file.name), result)
    for _, _, result in converted:
        for loss in result.losses:
            click.echo(str(loss), err=True)
    count = sum(result.objects for _, _, result in converted)
    click.echo(f"{count} {'policy' if count == 1 else 'policies'} converted to {TARGETS[target].value}", err=True)
    return 0


def _write_below(folder: Path, name: Path, result: Converted) -> None:
    place = folder / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(result.text, encoding="utf-8")
