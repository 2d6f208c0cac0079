"""The output formats of ``replay``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import click

from imagegate.cli.output import json_text, safe_line, yaml_text
from imagegate.cli.replay.run import Replay
from imagegate.core.words import counted
from imagegate.service.replay.comparison import Change
from imagegate.service.replay.recorded import Word
from imagegate.service.replay.tally import Example, Group, Tally, sums

LISTED = tuple(change for change in Change if change is not Change.SAME)
"""Changes whose groups are listed, in the order of the report."""
_COLOURS = {Change.NEWLY_DENIED: "red", Change.DENIED: "red", Change.NEWLY_ALLOWED: "green", Change.NOT_KNOWN: "yellow"}


def render(replay: Replay, output: str, compared_with: str, *, top: int, colour: bool = False) -> str:
    """The report in the format called ``output``; ``top`` groups of each change in the table."""
    if output == "table":
        lines = _table(replay, compared_with, top, colour=colour)
        return "".join(f"{line}\n" for line in lines)
    if output == "junit":
        return _junit(replay)
    document = _document(replay, compared_with)
    return json_text(document) if output == "json" else yaml_text(document)


def summary(replay: Replay, compared_with: str) -> str:
    """The numbers of changes: one line."""
    changes = replay.tally.changes
    parts = [f"{changes[change]:,} {change.value}" for change in (*LISTED, Change.SAME) if changes[change]]
    requests = f"{replay.tally.replayed:,} {'request' if replay.tally.replayed == 1 else 'requests'}"
    return f"{requests} compared with {compared_with}: {', '.join(parts) or 'nothing replayed'}"


def exit_code(tally: Tally) -> int:
    """1 if anything is newly denied, 2 if a record was broken or nothing was replayed, 3 if a verdict is not known."""
    if tally.broken or not tally.replayed:
        return 2
    if tally.changes[Change.NEWLY_DENIED] or tally.changes[Change.DENIED]:
        return 1
    return 3 if tally.changes[Change.NOT_KNOWN] else 0


def _table(replay: Replay, compared_with: str, top: int, *, colour: bool) -> Iterator[str]:
    tally = replay.tally
    for change in LISTED:
        if tally.changes[change]:
            title = f"{change.value}: {tally.changes[change]:,}"
            yield click.style(title, fg=_COLOURS.get(change), bold=True) if colour else title
            yield from map(safe_line, _groups(tally, change, top))
            yield ""
    for title, counts in (("not replayed", tally.not_replayable), ("not about a change", tally.no_change)):
        yield from (safe_line(f"{title}: {count:,} {why}") for why, count in counts.most_common())
    yield safe_line(summary(replay, compared_with))
    records = "1 record" if replay.records == 1 else f"{replay.records:,} records"
    yield f"{records} in {replay.seconds:.1f} s: {replay.rate:,.0f}/s"


def _groups(tally: Tally, change: Change, top: int) -> Iterator[str]:
    """The groups of one change by rule, those of the commonest rule first."""
    listed = tally.listed(change)
    by_rule: dict[str, list[tuple[Group, int, Example]]] = {}
    for each in listed[:top]:
        by_rule.setdefault(each[0].label, []).append(each)
    for rule, groups in by_rule.items():
        if rule:
            yield f"  {rule}"
        for group, count, example in groups:
            image = group.image or "(no image named)"
            namespace = f"namespace {group.namespace}" if group.namespace else "no namespace"
            first = " ".join(filter(None, (example.place, example.kind, example.name)))
            yield f"    {count:>9,}  {image}  {namespace}  ({first})"
        if groups[0][2].because:
            yield f"               {groups[0][2].because}"
    if len(listed) > top:
        yield f"    {counted(len(listed) - top, 'more group')}; --top shows more, -o json all of them"
    if tally.beyond[change]:
        yield f"    {tally.beyond[change]:,} in further groups, which are only counted"


def _document(replay: Replay, compared_with: str) -> dict[str, Any]:
    tally = replay.tally
    return {
        "comparedWith": compared_with,
        "files": replay.files,
        "records": replay.records,
        "replayed": tally.replayed,
        "verdicts": {word.value: tally.verdicts[word.value] for word in Word if word is not Word.NOT_RECORDED},
        "summary": {change.value: tally.changes[change] for change in Change},
        "changes": [_group_json(each) for change in LISTED for each in tally.listed(change)],
        "onlyCounted": {change.value: tally.beyond[change] for change in LISTED if tally.beyond[change]},
        "byRule": _sums(tally, lambda group: group.label),
        "byImage": _sums(tally, lambda group: group.image),
        "byNamespace": _sums(tally, lambda group: group.namespace),
        "notReplayed": dict(tally.not_replayable.most_common()),
        "notAboutAChange": dict(tally.no_change.most_common()),
        "broken": tally.broken,
        "errors": tally.troubles,
        "seconds": round(replay.seconds, 3),
        "recordsPerSecond": round(replay.rate, 1),
    }


def _group_json(each: tuple[Group, int, Example]) -> dict[str, Any]:
    group, count, example = each
    return {**group._asdict(), "change": group.change.value, "requests": count, "first": example._asdict()}


def _sums(tally: Tally, part: Callable[[Group], str]) -> dict[str, dict[str, int]]:
    return {change.value: sums(tally.listed(change), part) for change in LISTED if tally.changes[change]}


def _junit(replay: Replay) -> str:
    from imagegate.cli.reports.junit import JunitCase, junit_report

    tally = replay.tally
    cases = []
    for change in LISTED:
        for group, count, example in tally.listed(change):
            name = f"{change.value}: {group.image} in {group.namespace or 'no namespace'}: {group.label}"
            case = JunitCase(group.label or change.value, name)
            text = f"{counted(count, 'request')}, the first at {example.place}: {example.because}"
            if change in (Change.NEWLY_DENIED, Change.DENIED):
                case = case._replace(failure=(change.value, text))
            elif change is Change.NOT_KNOWN:
                case = case._replace(error=text)
            else:
                case = case._replace(output=[text])
            cases.append(case)
    if tally.changes[Change.SAME]:
        cases.append(JunitCase("replay", f"{counted(tally.changes[Change.SAME], 'request')} with the same verdict"))
    cases += (
        JunitCase("record", why, skipped=f"{count:,} not replayed") for why, count in tally.not_replayable.most_common()
    )
    cases += (JunitCase("record", error.partition(": ")[0], error=error) for error in tally.troubles)
    return junit_report("imagegate replay", cases)
