"""The output formats of ``check``: a table for people, JSON and YAML for programs, reports for CI systems."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from imagegate.cli.check.run import (
    ALLOWED,
    DENIED,
    NOT_COVERED,
    NOT_JUDGED,
    NOT_LOOKED_INTO,
    REWRITTEN,
    UNKNOWN,
    Problem,
    Report,
    Result,
)
from imagegate.cli.output import json_text, safe_line, yaml_text
from imagegate.core.words import counted
from imagegate.documents.image_policy_config import AUDIT, ENFORCE, WARN

if TYPE_CHECKING:  # imported when used: the XML library takes time
    from imagegate.cli.reports.annotation import Annotation
    from imagegate.cli.reports.junit import JunitCase

VERDICTS = (ALLOWED, REWRITTEN, DENIED, UNKNOWN, NOT_LOOKED_INTO, NOT_COVERED)
_COLOURS = {DENIED: "red", UNKNOWN: "yellow", NOT_LOOKED_INTO: "yellow", REWRITTEN: "cyan", ALLOWED: "green"}


def render(report: Report, output: str, *, colour: bool = False, quiet: bool = False) -> str:
    """The report in the format called ``output``; ``quiet`` is for the table."""
    if output == "table":
        return "".join(f"{line}\n" for line in _table(report, colour=colour, quiet=quiet))
    return _FORMATS[output](report)


def stored_objects(report: Report, output: str) -> str:
    """The objects as they would be stored: YAML documents, or one JSON object (a ``List`` if there are several)."""
    objects = [result.stored for result in report.results if result.stored is not None]
    if output == "yaml":
        return "".join(yaml_text(each, explicit_start=True) for each in objects)
    return json_text(objects[0] if len(objects) == 1 else {"apiVersion": "v1", "kind": "List", "items": objects})


def _table(report: Report, *, colour: bool, quiet: bool) -> Iterator[str]:
    hidden = (NOT_COVERED, ALLOWED, REWRITTEN) if quiet else ()
    shown = [result for result in report.results if result.verdict not in hidden or result.explained or _warned(result)]
    labels = [safe_line(result.label) for result in shown]
    width = max(map(len, labels), default=0)
    for label, result in zip(labels, shown, strict=True):
        verdict = click.style(result.verdict, fg=_COLOURS.get(result.verdict)) if colour else result.verdict
        why = f": {'; '.join(result.reasons)}" if result.verdict == NOT_COVERED and result.reasons else ""
        yield f"{label:{width}}  {verdict}{safe_line(f'  ({result.file}:{result.line}){why}')}"
        yield from map(safe_line, _details(result))
    if not quiet:
        yield summary(report)


def summary(report: Report) -> str:
    """How many objects there are of each verdict, with a warning, and what could not be read: one line."""
    counts = Counter(result.verdict for result in report.results)
    parts = [f"{counts[verdict]} {verdict}" for verdict in (*_COLOURS, NOT_COVERED) if counts[verdict]]
    objects = f"{counted(len(report.results), 'object')}: {', '.join(parts)}" if parts else "no objects"
    warned = sum(map(_warned, report.results))
    notes = [f"{warned} with warnings"] if warned else []
    if report.errors:
        notes.append(counted(len(report.errors), "error"))
    return "; ".join([objects, *notes])


def _warned(result: Result) -> bool:
    return bool(result.warnings) or any(problem.mode == WARN for problem in result.problems)


def _details(result: Result) -> Iterator[str]:
    """The lines below the line of an object."""
    for problem in result.problems:
        yield f"  {result.file}:{problem.line}: {_sentence(problem)}"
    for rewrite in result.rewrites:
        yield f"  {result.file}:{rewrite.line}: {rewrite.path}: {rewrite.before or '(nothing)'} -> {rewrite.after}"
    for warning in result.warnings:
        yield f"  {result.file}:{result.line}: warning: {warning}"
    if result.reasons and result.verdict != NOT_COVERED:
        yield f"  {result.file}:{result.line}: {_reason(result)}"
    for text in result.explained:
        yield f"    {text}"


def _sentence(problem: Problem) -> str:
    note = "" if problem.mode == ENFORCE else f" (mode {problem.mode}: not denied)"
    place = f"{problem.at}: " if problem.at else ""
    image = f"{problem.image}: " if problem.image else ""
    rule = f" (rule at {problem.rule_at})" if problem.rule_at else ""
    return f"{place}{image}{problem.text} [{problem.plugin}: {problem.code}]{rule}{note}"


def as_json(result: Result) -> dict[str, Any]:
    """One result as JSON."""
    found: dict[str, Any] = {
        "file": result.file,
        "line": result.line,
        "apiVersion": result.api_version,
        "kind": result.kind,
        "namespace": result.namespace,
        "name": result.name,
        "verdict": result.verdict,
        "problems": list(map(_problem_json, result.problems)),
        "rewrites": [rewrite._asdict() for rewrite in result.rewrites],
        "warnings": list(result.warnings),
    }
    if result.reasons:
        found["reasons"] = list(result.reasons)
    if result.steps:
        found["steps"] = list(result.steps)
    return found


def _problem_json(problem: Problem) -> dict[str, Any]:
    found = problem._asdict()
    found["ruleAt"] = found.pop("rule_at")
    return found


def _document(report: Report) -> dict[str, Any]:
    counts = Counter(result.verdict for result in report.results)
    return {
        "results": [as_json(result) for result in report.results],
        "errors": report.errors,
        "passedOver": report.passed_over,
        "summary": {verdict: counts[verdict] for verdict in VERDICTS},
    }


def _json(report: Report) -> str:
    return json_text(_document(report))


def _yaml(report: Report) -> str:
    return yaml_text(_document(report))


def _junit(report: Report) -> str:
    from imagegate.cli.reports.junit import JunitCase, junit_report

    cases = [_junit_case(result) for result in report.results]
    cases += (JunitCase("manifest", at.partition(": ")[0], skipped=at) for at in report.passed_over)
    cases += (JunitCase("manifest", error.partition(": ")[0], error=error) for error in report.errors)
    return junit_report("imagegate check", cases)


def _junit_case(result: Result) -> JunitCase:
    from imagegate.cli.reports.junit import JunitCase

    soft = [
        f"{result.file}:{problem.line}: {problem.mode}: {_sentence(problem)}"
        for problem in result.problems
        if problem.mode != ENFORCE
    ]
    case = JunitCase(
        result.file,
        result.label,
        result.file,
        result.line,
        output=list(dict.fromkeys([*soft, *result.warnings, *_doubts(result)])),
        seconds=result.seconds,
    )
    if result.verdict in NOT_JUDGED:
        return case._replace(skipped=_reason(result))
    if result.verdict not in (DENIED, UNKNOWN):
        return case
    denials = [problem for problem in result.problems if problem.mode == ENFORCE]
    messages = [f"{result.file}:{problem.line}: {_sentence(problem)}" for problem in denials]
    return case._replace(failure=(result.verdict, messages[0]), failure_details=messages)


_REMEDY = "; give values with --param NAME=VALUE"


def _doubts(result: Result) -> tuple[str, ...]:
    """The rest of an object that is judged in part."""
    return (_reason(result),) if result.reasons and result.verdict not in NOT_JUDGED else ()


def _reason(result: Result) -> str:
    """Why an object was not judged, or not wholly."""
    if result.verdict == NOT_COVERED:
        return f"{NOT_COVERED}: {'; '.join(result.reasons) or _NOT_COVERED_TEXT}"
    return f"{NOT_LOOKED_INTO}: {'; '.join(result.reasons)}{_REMEDY}"


_NOT_COVERED_TEXT = "no policy covers such objects"
_LEVELS = {ENFORCE: "error", WARN: "warning", AUDIT: "note"}


def _annotations(report: Report) -> Iterator[Annotation]:
    from imagegate.cli.reports.annotation import Annotation

    for result in report.results:
        for problem in result.problems:
            text = f"{result.label}: {_sentence(problem)}"
            yield Annotation(_rule_id(problem), _LEVELS[problem.mode], text, result.file, problem.line)


def _rule_id(problem: Problem) -> str:
    return f"{problem.plugin}/{problem.code}"


def _with_errors(report: Report) -> Iterator[Annotation]:
    """Every annotation, and one for each file that could not be read."""
    from imagegate.cli.reports.annotation import ERROR, NOTE, WARNING, Annotation

    yield from _annotations(report)
    for result in report.results:
        if result.verdict in NOT_JUDGED or result.reasons:
            kind, level = ("not-covered", NOTE) if result.verdict == NOT_COVERED else ("not-looked-into", WARNING)
            yield Annotation(kind, level, f"{result.label}: {_reason(result)}", result.file, result.line)
    for error in report.errors:
        file, _, rest = error.partition(":")
        line, _, why = rest.partition(":")
        place, text = (int(line), why) if line.isdecimal() else (1, rest)
        yield Annotation("not-read", ERROR, (text or error).strip(), file if rest else "", place)


def _not_judged(report: Report) -> Iterator[str]:
    for result in report.results:
        if result.verdict in NOT_JUDGED or result.reasons:
            yield f"{result.file}:{result.line}: {result.label}: {_reason(result)}"


def _github(report: Report) -> str:
    from imagegate.cli.reports.annotation import github_annotations

    return github_annotations(_with_errors(report))


def _gitlab(report: Report) -> str:
    from imagegate.cli.reports.annotation import gitlab_report

    return gitlab_report(_with_errors(report))


def _sarif(report: Report) -> str:
    from imagegate.cli.reports.rule_help import denial_help
    from imagegate.cli.reports.sarif import sarif_report

    codes = {_rule_id(problem): problem.code for result in report.results for problem in result.problems}
    return sarif_report(
        "imagegate",
        _annotations(report),
        rules=[(rule, denial_help(code)) for rule, code in sorted(codes.items())],
        notifications=[
            *(("error", error) for error in report.errors),
            *(("note", at) for at in report.passed_over),
            *(("note", line) for line in _not_judged(report)),
        ],
        successful=not report.errors,
    )


_POLICY_RESULTS = {
    ALLOWED: "pass",
    REWRITTEN: "pass",
    DENIED: "fail",
    UNKNOWN: "error",
    NOT_COVERED: "skip",
    NOT_LOOKED_INTO: "skip",
}


def _policy_report(report: Report) -> str:
    entries = [entry for result in report.results for entry in policy_report_entries(result)]
    counts = Counter(entry["result"] for entry in entries)
    document = {
        "apiVersion": "wgpolicyk8s.io/v1alpha2",
        "kind": "PolicyReport",
        "metadata": {"name": "imagegate-check"},
        "summary": {word: counts[word] for word in ("pass", "fail", "warn", "error", "skip")},
        "results": entries,
    }
    return yaml_text(document)


def policy_report_entries(result: Result) -> Iterator[dict[str, Any]]:
    """The entries of one object in a PolicyReport (wgpolicyk8s.io/v1alpha2)."""
    resource = {"apiVersion": result.api_version, "kind": result.kind, "name": result.name}
    if result.namespace:
        resource["namespace"] = result.namespace
    base = {"source": "imagegate", "resources": [resource]}
    for problem in result.problems:
        hard = problem.mode == ENFORCE
        yield {
            **base,
            "policy": problem.plugin,
            "rule": problem.rule or problem.code,
            "result": _POLICY_RESULTS[result.verdict] if hard else "warn",
            "message": safe_line(_sentence(problem)),
            "properties": {"file": result.file, "line": str(problem.line), "code": problem.code},
        }
    if not any(problem.mode == ENFORCE for problem in result.problems):
        properties = {"file": result.file, "line": str(result.line)}
        entry = {**base, "policy": "imagegate", "result": _POLICY_RESULTS[result.verdict], "properties": properties}
        yield {**entry, "message": safe_line(_reason(result))} if result.reasons else entry


_FORMATS: Mapping[str, Callable[[Report], str]] = {
    "json": _json,
    "yaml": _yaml,
    "junit": _junit,
    "sarif": _sarif,
    "policyreport": _policy_report,
    "github": _github,
    "gitlab": _gitlab,
}
