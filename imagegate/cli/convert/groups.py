"""Policies of one IBM group rewritten for the other: files are edited, so that comments and order stay."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from imagegate.adapters.files.cluster import read_text
from imagegate.adapters.files.documents import object_nodes, read_each
from imagegate.cli.convert.result import Result
from imagegate.core.enforcement.policy import PolicyGroup
from imagegate.documents.convert.enforcement import Converted, convert_policies
from imagegate.documents.convert.losses import Loss
from imagegate.errors import InvalidInput
from imagegate.ports.documents import Documents

GROUPS = {"portieris": PolicyGroup.PORTIERIS, "cise": PolicyGroup.CISE}


def convert_groups(
    paths: Sequence[Path], documents: Documents, target: str, *, in_place: bool, folder: Path | None
) -> Result:
    """Every file with its policies rewritten for ``target``.

    Raises:
        InvalidPolicy: files do not load or cannot be edited; a line for every fault.
        InvalidInput: two files would be written to one place.
        click.UsageError: both destinations are chosen.
    """
    if in_place and folder is not None:
        raise click.UsageError("--in-place and --output-folder exclude each other")
    converted: list[tuple[Path, Path, Converted]] = []

    def read(file: Path) -> None:
        text = read_text(file, documents)
        if object_nodes(text, file, documents):
            root = next(path for path in paths if file.is_relative_to(path))
            converted.append((root, file, convert_policies(text, str(file), GROUPS[target])))

    read_each(paths, documents, read)  # all of them are read before any is written
    count = sum(result.objects for _, _, result in converted)
    noun = "policy" if count == 1 else "policies"
    result = Result(
        losses=[Loss.of(remark) for _, _, each in converted for remark in each.losses],
        summary=f"{count} {noun} converted to {GROUPS[target].value}",
    )
    if in_place:
        result.files = {file: each.text for _, file, each in converted if each.objects}
    elif folder is not None:
        result.files = _in_folder(folder, converted)
    else:
        result.files = {file: each.text for _, file, each in converted}
    return result


def _in_folder(folder: Path, converted: Iterable[tuple[Path, Path, Converted]]) -> dict[Path, str]:
    """The files by their places in the folder.

    Raises:
        InvalidInput: two of them would have the same name.
    """
    places: dict[Path, str] = {}
    for root, file, result in converted:
        place = Path(file.name) if file == root else file.relative_to(root)
        if place in places:
            raise InvalidInput(f"{folder / place}: two files would be written there: convert them one by one")
        places[place] = result.text
    return places
