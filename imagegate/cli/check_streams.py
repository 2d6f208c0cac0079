"""``imagegate check-streams``: references in image streams that the import list does not allow today."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

import click

from imagegate.cli.options import FILE_OR_FOLDER, SharedOptions, chosen, chosen_options, file_options
from imagegate.core.words import counted

_EXAMPLES = """\b
Examples:
  imagegate check-streams --config master-config.yaml streams.yaml
  oc get is -A -o yaml | imagegate check-streams --config master-config.yaml -
"""


@click.command("check-streams", epilog=_EXAMPLES)
@click.argument("paths", nargs=-1, required=True, type=FILE_OR_FOLDER, metavar="PATH...")
@chosen_options
@file_options
@click.option("--skip-unknown", is_flag=True, help="Skip documents that are no Kubernetes objects, with a line each.")
@click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Output format."
)
def check_streams(
    paths: tuple[Path, ...],
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    skip_unknown: bool,
    output: str,
    **named: Unpack[SharedOptions],
) -> int:
    """List what image streams hold and imports would refuse.

    The list is allowedRegistriesForImport as it is today. Image streams keep their references when the list is
    tightened, and other tags of a repository in them stay allowed. PATH is a file or folder of ImageStream objects, or
    - for standard input; other kinds are skipped. Files are found as by check.

    Exit code: 0 nothing found, 1 something outside the list, 2 usage, configuration, or a file
    or folder that cannot be read or has no manifest.
    """
    from imagegate.cli.check.select import Patterns  # what takes time to import is imported when it is used
    from imagegate.cli.check.streams import Listing
    from imagegate.cli.import_list import gate_in_force
    from imagegate.cli.output import json_text, say
    from imagegate.wiring.runtime import build

    gate = gate_in_force(build(chosen(named)).policies.current)
    listing = Listing(gate, skip_unknown=skip_unknown)
    listing.read(paths, Patterns.of(include, exclude))
    if output == "json":
        click.echo(json_text([outside._asdict() for outside in listing.found]), nl=False)
    else:
        for each in listing.found:
            say(str(each))
        references, looked_at = counted(len(listing.found), "reference"), counted(listing.streams, "image stream")
        say(f"{references} outside the list in {looked_at}", err=True)
    if listing.faults:
        return 2
    return 1 if listing.found else 0
