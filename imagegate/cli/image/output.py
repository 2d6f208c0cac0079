"""The output of ``imagegate image``: progress, results, tables."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import click

from imagegate.cli.output import json_text, safe_line, say, yaml_text
from imagegate.core.image_api.tables import table
from imagegate.core.image_streams.stream import IMPORT_SUCCESS
from imagegate.core.kube.status import Status


class ImportProgress:
    """A progress bar on a terminal for imports of several images; silent elsewhere."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        return self

    def __call__(self, done: int, total: int, reference: str) -> None:
        """Show the progress; called before every fetch and at the end."""
        if total < 2 or not sys.stderr.isatty():
            return
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

            columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}", markup=False))
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task("", total=total)
        self._bar.update(self._task, completed=done, total=total, description=safe_line(reference))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()


def print_import(answer: Mapping[str, Any], stream: str) -> int:
    """Print the result of an import; 0 if every image was found, else 1."""
    status = answer.get("status") or {}
    repository = status.get("repository") or {}
    entries = [*(repository.get("images") or ()), *(status.get("images") or ())]
    failed = [entry for entry in entries if entry["status"].get("status") != "Success"]
    if not entries and (repository.get("status") or {}).get("status") == "Failure":
        failed.append(repository)
    for entry in entries:
        if entry not in failed:
            say(f"{entry['image']['dockerImageReference']}")
    for entry in failed:
        name = entry.get("tag") or stream
        say(f"error: {name} failed: {entry['status'].get('message', '')}", err=True)
    left_out = repository.get("additionalTags") or ()
    if left_out:
        say(f"{len(left_out)} more tags were not imported: {', '.join(left_out[:10])}", err=True)
    if "import" in status and len(failed) < max(1, len(entries)):
        say(f"imagestream.image.openshift.io/{stream} imported")
    return 1 if failed else 0


def print_refusal(status: Status) -> None:
    """Print a refusal as kubectl does."""
    if status.reason == "Invalid" and status.causes:
        head = f'The {status.kind} "{status.name}" is invalid:'
        lines = [f"{cause.field}: {cause.message}" for cause in dict.fromkeys(status.causes)]
        shown = [f"{head} {lines[0]}"] if len(lines) == 1 else [head, *(f"* {line}" for line in lines)]
    else:
        shown = [f"Error from server ({status.reason}): {status.message}"]
    for line in shown:
        say(line, err=True)


def print_objects(
    kind: str,
    items: Sequence[Mapping[str, Any]],
    output: str,
    now: datetime,
    *,
    with_namespace: bool = False,
    is_list: bool = True,
) -> None:
    """Print objects as a table, JSON or YAML."""
    document: Any = {"kind": "List", "apiVersion": "v1", "items": list(items)} if is_list else items[0]
    if output == "json":
        click.echo(json_text(document), nl=False)
    elif output == "yaml":
        click.echo(yaml_text(document, sort_keys=True), nl=False)
    else:
        _print_table(kind, items, now, with_namespace=with_namespace)
        if not is_list and kind == "ImageStream":
            _print_failures(items[0])


def _print_table(kind: str, items: Sequence[Mapping[str, Any]], now: datetime, *, with_namespace: bool) -> None:
    made = table(kind, items, now)
    names = [column["name"].upper() for column in made["columnDefinitions"] if not column["priority"]]
    rows = [[_cell(cell) for cell in row["cells"][: len(names)]] for row in made["rows"]]
    if with_namespace:
        names = ["NAMESPACE", *names]
        rows = [[_cell(item["metadata"].get("namespace")), *row] for item, row in zip(items, rows, strict=True)]
    widths = [max(len(row[index]) for row in (names, *rows)) for index in range(len(names))]
    for row in (names, *rows):
        say("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _cell(value: Any) -> str:
    return "" if value is None else safe_line(str(value))


def _print_failures(stream: Mapping[str, Any]) -> None:
    for tag in (stream.get("status") or {}).get("tags") or ():
        for condition in tag.get("conditions") or ():
            if condition.get("type") == IMPORT_SUCCESS and condition.get("status") == "False":
                click.echo()
                say(f"{tag['tag']}: import failed ({condition.get('reason')}): {condition.get('message')}")
