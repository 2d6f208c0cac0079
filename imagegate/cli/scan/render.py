"""The results of a scan as text, data or PolicyReports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import click

from imagegate.cli.check.render import policy_report_entries
from imagegate.cli.check.run import ALLOWED, DENIED, NOT_COVERED, NOT_LOOKED_INTO, REWRITTEN, UNKNOWN
from imagegate.cli.output import json_text, safe_line, yaml_text
from imagegate.cli.scan.images import ImageRows, image_table
from imagegate.cli.scan.tally import Group, Tally
from imagegate.core.words import counted

NAMESPACES_SHOWN = 5
VERDICTS = (ALLOWED, REWRITTEN, DENIED, UNKNOWN, NOT_LOOKED_INTO, NOT_COVERED)
REPORT = "imagegate-scan"
"""Name of the PolicyReports."""
_COLOURS = {DENIED: "red", UNKNOWN: "yellow"}


def render(tally: Tally, output: str, *, colour: bool = False) -> str:
    """The results in the format called ``output``."""
    if output == "table":
        return "".join(f"{line}\n" for line in _table(tally, colour=colour))
    if output == "images" and tally.images is not None:
        lines = (*image_table(tally.images, colour=colour), summary(tally))
        return "".join(f"{line}\n" for line in lines)
    return _FORMATS[output](tally)


def summary(tally: Tally) -> str:
    """All numbers in one line."""
    parts = [f"{tally.verdicts[word]:,} {word}" for word in VERDICTS if tally.verdicts[word]]
    return f"{counted(tally.objects, 'object')}: {', '.join(parts) or 'none'}"


def _table(tally: Tally, *, colour: bool) -> Iterator[str]:
    for group in tally.sorted_groups():
        key = group.key
        verdict = click.style(key.verdict, fg=_COLOURS.get(key.verdict)) if colour else key.verdict
        image = safe_line(key.image or "(the object)")
        yield f"{image}  {verdict} in {counted(group.objects, 'object')}  ({safe_line(_where(group))})"
        rule = f" {key.rule}" if key.rule else ""
        yield safe_line(f"  {group.because} [{key.plugin}{rule}: {key.code}]")
        yield safe_line(f"  first: {group.first.label}{f', {group.at}' if group.at else ''}")
    if tally.left_out:
        yield f"{tally.left_out:,} more problems of other images are not shown"
    yield summary(tally)


def _where(group: Group) -> str:
    named = [name for name, _ in group.namespaces.most_common(NAMESPACES_SHOWN)]
    more = len(group.namespaces) - len(named)
    return ", ".join(named) + (f" and {counted(more, 'namespace')} more" if more > 0 else "")


def _document(tally: Tally) -> dict[str, Any]:
    rows = tally.images or ImageRows()
    return {
        "summary": {word: tally.verdicts[word] for word in VERDICTS},
        "problems": [_group_json(group) for group in tally.sorted_groups()],
        "leftOut": tally.left_out,
        "images": [row.to_json() for row in rows.ordered()],
        "imagesLeftOut": rows.left_out,
        "errors": tally.errors,
        "notes": tally.notes,
    }


def _group_json(group: Group) -> dict[str, Any]:
    return {
        **group.key._asdict(),
        "because": group.because,
        "objects": group.objects,
        "namespaces": dict(sorted(group.namespaces.items())),
        "first": {
            "apiVersion": group.first.api_version,
            "kind": group.first.kind,
            "namespace": group.first.namespace,
            "name": group.first.name,
            "at": group.at,
        },
    }


def _policy_reports(tally: Tally) -> str:
    return "".join(yaml_text(each, explicit_start=True) for each in _reports(tally))


def _reports(tally: Tally) -> Iterator[dict[str, Any]]:
    for namespace, results in sorted(tally.results.items()):
        entries = [entry for result in results for entry in policy_report_entries(result)]
        counts = Counter(entry["result"] for entry in entries)
        metadata: dict[str, Any] = {"name": REPORT, "labels": {"app.kubernetes.io/managed-by": "imagegate"}}
        if namespace:
            metadata["namespace"] = namespace
        if tally.not_kept[namespace]:
            metadata["annotations"] = {"imagegate.dev/left-out": str(tally.not_kept[namespace])}
        yield {
            "apiVersion": "wgpolicyk8s.io/v1alpha2",
            "kind": "PolicyReport" if namespace else "ClusterPolicyReport",
            "metadata": metadata,
            "summary": {word: counts[word] for word in ("pass", "fail", "warn", "error", "skip")},
            "results": entries,
        }


_FORMATS: Mapping[str, Callable[[Tally], str]] = {
    "json": lambda tally: json_text(_document(tally)),
    "yaml": lambda tally: yaml_text(_document(tally)),
    "policyreport": _policy_reports,
}
