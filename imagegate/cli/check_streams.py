"""``imagegate check-streams``: references in image streams that the import list does not allow today."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Unpack

import click

from imagegate.cli.options import FILE_OR_FOLDER, SharedOptions, chosen, chosen_options
from imagegate.cli.words import counted

if TYPE_CHECKING:  # what takes time to import is imported when it is used
    from imagegate.cli.check.manifests import Manifest
    from imagegate.cli.check.select import Selected
    from imagegate.core.import_gate.gate import ImportGate

_EXAMPLES = """\b
Examples:
  imagegate check-streams --config master-config.yaml streams.yaml
  oc get is -A -o yaml | imagegate check-streams --config master-config.yaml -
"""
STREAM_MAX_BYTES = 256 * 1024 * 1024


class DisallowedReference(NamedTuple):
    """One reference that the list does not allow, and its place."""

    file: str
    line: int
    namespace: str
    stream: str
    at: str
    image: str
    because: str

    def __str__(self) -> str:
        where = f"{self.namespace}/{self.stream}" if self.namespace else self.stream
        return f"{self.file}:{self.line}: {where}: {self.at}: {self.image}: {self.because}"


@click.command("check-streams", epilog=_EXAMPLES)
@click.argument("paths", nargs=-1, required=True, type=FILE_OR_FOLDER, metavar="PATH...")
@chosen_options
@click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Output format."
)
def check_streams(paths: tuple[Path, ...], output: str, **named: Unpack[SharedOptions]) -> int:
    """List references in image streams that allowedRegistriesForImport would refuse today.

    Image streams keep their references when the list is tightened, and other tags of a repository in them stay
    allowed. PATH is a file or folder of ImageStream objects, or - for standard input; other kinds are skipped.
    Exit code: 0 nothing found, 1 something outside the list, 2 usage, configuration, or a file or folder that cannot
    be read or has no manifest.
    """
    from imagegate.cli.check.select import select_files
    from imagegate.cli.import_list import gate_in_force
    from imagegate.cli.output import json_text, say, say_error
    from imagegate.wiring.runtime import build

    gate = gate_in_force(build(chosen(named)).policies.current)
    found: list[DisallowedReference] = []
    streams = 0
    selection = select_files(paths)
    for line in (*selection.passed_over, *selection.errors):
        say_error(line)
    for outside in _each_stream(selection.files, gate):
        streams += 1
        found += outside
    if output == "json":
        click.echo(json_text([outside._asdict() for outside in found]), nl=False)
    else:
        for each in found:
            say(str(each))
        references, looked_at = counted(len(found), "reference"), counted(streams, "image stream")
        say(f"{references} outside the list in {looked_at}", err=True)
    if selection.errors:
        return 2
    return 1 if found else 0


def _each_stream(files: Iterable[Selected], gate: ImportGate) -> Iterator[list[DisallowedReference]]:
    from imagegate.cli.check.manifests import read_manifests
    from imagegate.core.import_gate.stored_references import outside_references
    from imagegate.errors import InvalidInput

    for path, named in files:
        for manifest in read_manifests(_text(path, named=named), str(path)):
            if manifest.object.get("kind") != "ImageStream":
                continue
            try:
                outside = list(outside_references(gate, manifest.object))
            except InvalidInput as error:
                raise InvalidInput(f"{path}:{manifest.line}: {error}") from error
            yield [DisallowedReference(str(path), _line(manifest, each.at), *each) for each in outside]


def _line(manifest: Manifest, at: str) -> int:
    """The line of the list of tags: field paths name tags instead of numbering them."""
    return manifest.line_of(at.partition("[")[0])


def _text(path: Path, *, named: bool) -> str:
    from imagegate.adapters.files.input import read_file
    from imagegate.cli.check.select import STANDARD_INPUT
    from imagegate.errors import InvalidInput

    try:
        if str(path) == STANDARD_INPUT:
            content = sys.stdin.buffer.read(STREAM_MAX_BYTES + 1)
        else:
            content = read_file(path, STREAM_MAX_BYTES, named=named)
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(content) > STREAM_MAX_BYTES:
        raise InvalidInput(f"{path}: larger than {STREAM_MAX_BYTES} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path}: not UTF-8 (byte {error.start})") from error
