"""The results of ``check`` as text: for people, for programs, for CI systems."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from xml.etree import ElementTree as ET

import click

from imagegate import __version__
from imagegate.cli.check.run import ALLOWED, DENIED, NOT_COVERED, REWRITTEN, UNKNOWN, Problem, Report, Result
from imagegate.cli.output import file_uri, json_text, safe_line, xml_text, yaml_text
from imagegate.service.review.trace_text import step_in_words

_COLOURS = {DENIED: "red", UNKNOWN: "yellow", REWRITTEN: "cyan", ALLOWED: "green"}
_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def render(report: Report, output: str, *, colour: bool = False) -> str:
    """The report in the format called ``output``."""
    if output == "table":
        return "".join(f"{line}\n" for line in _table(report, colour=colour))
    return _FORMATS[output](report)


def _table(report: Report, *, colour: bool) -> Iterator[str]:
    shown = [result for result in report.results if result.verdict != NOT_COVERED or result.steps]
    labels = [safe_line(result.label) for result in shown]
    width = max(map(len, labels), default=0)
    for label, result in zip(labels, shown, strict=True):
        verdict = click.style(result.verdict, fg=_COLOURS.get(result.verdict)) if colour else result.verdict
        yield f"{label:{width}}  {verdict}{safe_line(f'  ({result.file}:{result.line})')}"
        yield from map(safe_line, _details(result))
    counts = Counter(result.verdict for result in report.results)
    parts = [f"{counts[verdict]} {verdict}" for verdict in (*_COLOURS, NOT_COVERED) if counts[verdict]]
    total = len(report.results)
    yield f"{total} object{'' if total == 1 else 's'}: {', '.join(parts)}" if parts else "no objects"


def _details(result: Result) -> Iterator[str]:
    """What is said below the line of an object."""
    for problem in result.problems:
        yield f"  {result.file}:{problem.line}: {_sentence(problem)}"
    for rewrite in result.rewrites:
        yield f"  {result.file}:{rewrite.line}: {rewrite.path}: {rewrite.before or '(nothing)'} -> {rewrite.after}"
    for warning in result.warnings:
        yield f"  {result.file}:{result.line}: warning: {warning}"
    for step in result.steps:
        yield f"    {step_in_words(step)}"


def _sentence(problem: Problem) -> str:
    note = "" if problem.mode == "enforce" else f" (mode {problem.mode}: not denied)"
    place = f"{problem.at}: " if problem.at else ""
    image = f"{problem.image}: " if problem.image else ""
    return f"{place}{image}{problem.because} [{problem.plugin}: {problem.code}]{note}"


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
        "problems": [problem._asdict() for problem in result.problems],
        "rewrites": [rewrite._asdict() for rewrite in result.rewrites],
        "warnings": list(result.warnings),
    }
    if result.steps:
        found["steps"] = list(result.steps)
    return found


def _document(report: Report) -> dict[str, Any]:
    counts = Counter(result.verdict for result in report.results)
    return {
        "results": [as_json(result) for result in report.results],
        "errors": report.errors,
        "passedOver": report.passed_over,
        "summary": {verdict: counts[verdict] for verdict in (ALLOWED, REWRITTEN, DENIED, UNKNOWN, NOT_COVERED)},
    }


def _json(report: Report) -> str:
    return json_text(_document(report))


def _yaml(report: Report) -> str:
    return yaml_text(_document(report))


def _junit(report: Report) -> str:
    covered = [result for result in report.results if result.verdict != NOT_COVERED]
    failures = sum(result.verdict in (DENIED, UNKNOWN) for result in covered)
    counts = {
        "tests": str(len(covered) + len(report.errors)),
        "failures": str(failures),
        "errors": str(len(report.errors)),
    }
    suites = ET.Element("testsuites", counts)
    suite = ET.SubElement(suites, "testsuite", {"name": "imagegate check", **counts})
    for result in covered:
        case = ET.SubElement(
            suite,
            "testcase",
            {
                "classname": xml_text(result.file),
                "name": xml_text(result.label),
                "file": xml_text(result.file),
                "line": str(result.line),
            },
        )
        denials = [problem for problem in result.problems if problem.mode == "enforce"]
        if result.verdict in (DENIED, UNKNOWN):
            texts = [f"{result.file}:{problem.line}: {_sentence(problem)}" for problem in denials]
            failure = ET.SubElement(case, "failure", {"type": result.verdict, "message": xml_text(texts[0])})
            failure.text = xml_text(*texts)
        if result.warnings:
            ET.SubElement(case, "system-out").text = xml_text(*result.warnings)
    for error in report.errors:
        case = ET.SubElement(suite, "testcase", {"classname": "manifest", "name": xml_text(error.partition(": ")[0])})
        ET.SubElement(case, "error", {"message": xml_text(error)})
    ET.indent(suites)
    return ET.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _sarif(report: Report) -> str:
    problems = [(result, problem) for result in report.results for problem in result.problems]
    rules = sorted({(f"{problem.plugin}/{problem.code}", problem.code) for _, problem in problems})
    found = [
        {
            "ruleId": f"{problem.plugin}/{problem.code}",
            "level": {"enforce": "error", "warn": "warning", "audit": "note"}[problem.mode],
            "message": {"text": safe_line(f"{result.label}: {_sentence(problem)}")},
            "locations": [_location(result.file, problem.line)],
        }
        for result, problem in problems
    ]
    notices = [
        {"level": level, "message": {"text": safe_line(text)}}
        for level, texts in (("error", report.errors), ("note", report.passed_over))
        for text in texts
    ]
    run = {
        "tool": {
            "driver": {
                "name": "imagegate",
                "version": __version__,
                "rules": [{"id": rule, "shortDescription": {"text": code}} for rule, code in rules],
            }
        },
        "invocations": [{"executionSuccessful": not report.errors, "toolExecutionNotifications": notices}],
        "results": found,
    }
    return json_text({"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]})


def _location(file: str, line: int) -> dict[str, Any]:
    return {"physicalLocation": {"artifactLocation": {"uri": file_uri(file)}, "region": {"startLine": line}}}


_POLICY_RESULTS = {ALLOWED: "pass", REWRITTEN: "pass", DENIED: "fail", UNKNOWN: "error", NOT_COVERED: "skip"}


def _policy_report(report: Report) -> str:
    entries = [entry for result in report.results for entry in _report_entries(result)]
    counts = Counter(entry["result"] for entry in entries)
    document = {
        "apiVersion": "wgpolicyk8s.io/v1alpha2",
        "kind": "PolicyReport",
        "metadata": {"name": "imagegate-check"},
        "summary": {word: counts[word] for word in ("pass", "fail", "warn", "error", "skip")},
        "results": entries,
    }
    return yaml_text(document)


def _report_entries(result: Result) -> Iterator[dict[str, Any]]:
    resource = {"apiVersion": result.api_version, "kind": result.kind, "name": result.name}
    if result.namespace:
        resource["namespace"] = result.namespace
    base = {"source": "imagegate", "resources": [resource]}
    for problem in result.problems:
        hard = problem.mode == "enforce"
        yield {
            **base,
            "policy": problem.plugin,
            "rule": problem.rule or problem.code,
            "result": _POLICY_RESULTS[result.verdict] if hard else "warn",
            "message": safe_line(_sentence(problem)),
            "properties": {"file": result.file, "line": str(problem.line), "code": problem.code},
        }
    if not any(problem.mode == "enforce" for problem in result.problems):
        properties = {"file": result.file, "line": str(result.line)}
        yield {**base, "policy": "imagegate", "result": _POLICY_RESULTS[result.verdict], "properties": properties}


_FORMATS: Mapping[str, Callable[[Report], str]] = {
    "json": _json,
    "yaml": _yaml,
    "junit": _junit,
    "sarif": _sarif,
    "policyreport": _policy_report,
}
