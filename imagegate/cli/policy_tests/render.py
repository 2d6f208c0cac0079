"""The output formats of ``test``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from imagegate.cli.check.render import as_json
from imagegate.cli.output import json_text, safe_line, yaml_text
from imagegate.cli.policy_tests.run import CaseResult, TestReport
from imagegate.core.words import counted

if TYPE_CHECKING:  # imported when used
    from imagegate.cli.reports.annotation import Annotation

FORMATS = ("table", "json", "yaml", "junit", "sarif", "github", "gitlab")
_FAILED, _IDLE, _SURVIVED, _ERROR = "test-failed", "rule-decided-nothing", "change-not-noticed", "not-run"


def render(report: TestReport, output: str, *, colour: bool = False, quiet: bool = False, covers: bool = False) -> str:
    """The report in the format called ``output``.

    Args:
        quiet: the table names only what failed.
        covers: a rule that decided nothing is a failure.
    """
    if output == "table":
        return "".join(f"{line}\n" for line in _table(report, colour=colour, quiet=quiet))
    if output == "json":
        return json_text(_document(report))
    if output == "yaml":
        return yaml_text(_document(report))
    if output == "junit":
        return _junit(report, covers=covers)
    return _annotated(report, output, covers=covers)


def summary(report: TestReport) -> str:
    """The numbers: one line."""
    failed = len(report.failed)
    parts = [f"{counted(len(report.cases), 'test')}: {len(report.cases) - failed} passed, {failed} failed"]
    if report.coverage:
        covered = len(report.coverage) - len(report.idle)
        parts.append(f"{covered} of {counted(len(report.coverage), 'rule')} decided something")
    if report.mutants is not None:
        noticed = report.mutants - len(report.survivors)
        parts.append(f"{noticed} of {counted(report.mutants, 'change')} of rules noticed")
    if report.errors:
        parts.append(counted(len(report.errors), "error"))
    return "; ".join(parts)


def _table(report: TestReport, *, colour: bool, quiet: bool) -> Iterator[str]:
    for case in report.cases:
        if quiet and not case.failures:
            continue
        word = "failed" if case.failures else "passed"
        shown = click.style(word, fg="red" if case.failures else "green") if colour else word
        yield f"{shown}  {safe_line(f'{case.suite}: {case.name}  ({case.file}:{case.line})')}"
        yield from (safe_line(f"  {failure}") for failure in case.failures)
    yield from map(safe_line, _idle(report))
    yield from (safe_line(f"not noticed: {each}") for each in report.survivors)
    if not quiet:
        yield summary(report)


def _idle(report: TestReport) -> Iterator[str]:
    policies: dict[str, list[str]] = {}
    for each in report.idle:
        policies.setdefault(each.policy, []).append(each.rule)
    for policy, rules in policies.items():
        yield f"decided nothing, of {policy}:"
        yield from (f"  {rule}" for rule in rules)


def _document(report: TestReport) -> dict[str, Any]:
    document: dict[str, Any] = {
        "tests": [_case_json(case) for case in report.cases],
        "errors": report.errors,
        "passedOver": report.passed_over,
        "coverage": [each._asdict() for each in report.coverage],
        "summary": {
            "passed": len(report.cases) - len(report.failed),
            "failed": len(report.failed),
            "rules": len(report.coverage),
            "rulesThatDecided": len(report.coverage) - len(report.idle),
        },
    }
    if report.mutants is not None:
        document["mutation"] = {"changes": report.mutants, "notNoticed": report.survivors}
    return document


def _case_json(case: CaseResult) -> dict[str, Any]:
    return {
        "suite": case.suite,
        "name": case.name,
        "file": case.file,
        "line": case.line,
        "passed": not case.failures,
        "failures": [{"line": each.place.line, "path": each.place.path, "text": each.text} for each in case.failures],
        "objects": [as_json(each) for each in case.objects],
        "milliseconds": round(case.seconds * 1000, 3),
    }


def _junit(report: TestReport, *, covers: bool) -> str:
    from imagegate.cli.reports.junit import JunitCase, junit_report

    cases = []
    for each in report.cases:
        case = JunitCase(each.suite, each.name, each.file, each.line, seconds=each.seconds)
        if each.failures:
            texts = list(map(str, each.failures))
            case = case._replace(failure=(_FAILED, texts[0]), failure_details=texts)
        cases.append(case)
    for rule in report.coverage:
        case = JunitCase(f"coverage: {rule.policy}", rule.rule)
        if not rule.cases:
            text = "no test is decided by this rule"
            case = case._replace(failure=(_IDLE, text)) if covers else case._replace(skipped=text)
        cases.append(case)
    cases += (JunitCase("mutation", each, failure=(_SURVIVED, "no test notices this")) for each in report.survivors)
    cases += (JunitCase("suite", error.partition(": ")[0], error=error) for error in report.errors)
    return junit_report("imagegate test", cases)


def _annotated(report: TestReport, output: str, *, covers: bool) -> str:
    from imagegate.cli.reports.annotation import github_annotations, gitlab_report
    from imagegate.cli.reports.rule_help import RuleHelp
    from imagegate.cli.reports.sarif import sarif_report

    annotations = list(_annotations(report, covers=covers))
    if output == "github":
        return github_annotations(annotations)
    if output == "gitlab":
        return gitlab_report(annotations)
    rules = {
        _FAILED: RuleHelp("A policy test failed", "correct the policy, or the expectation"),
        _IDLE: RuleHelp("A rule decided no test", "add a test that it decides, or remove the rule"),
        _SURVIVED: RuleHelp("No test notices the change of a rule", "add a test that fails without the rule"),
        _ERROR: RuleHelp("A suite cannot be run", "correct the place that the message names"),
    }
    return sarif_report("imagegate test", annotations, rules=rules.items(), successful=not report.errors)


def _annotations(report: TestReport, *, covers: bool) -> Iterator[Annotation]:
    from imagegate.cli.reports.annotation import ERROR, WARNING, Annotation

    for case in report.cases:
        for each in case.failures:
            yield Annotation(_FAILED, ERROR, f"{case.name}: {each.text}", each.place.file, each.place.line)
    first = report.cases[0].file if report.cases else ""
    for rule in report.idle:
        yield Annotation(_IDLE, ERROR if covers else WARNING, f"{rule.rule} decided nothing ({rule.policy})", first, 1)
    for survivor in report.survivors:
        yield Annotation(_SURVIVED, ERROR, survivor, first, 1)
    for error in report.errors:
        file, _, rest = error.partition(":")
        line, _, why = rest.partition(":")
        place, text = (int(line), why) if line.isdecimal() else (1, rest)
        yield Annotation(_ERROR, ERROR, text.strip() or error, file, place)
