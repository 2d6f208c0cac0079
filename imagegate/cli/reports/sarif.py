"""SARIF 2.1.0, as code scanning systems read it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from imagegate import __version__
from imagegate.cli.output import file_uri, json_text, safe_line
from imagegate.cli.reports.annotation import Annotation
from imagegate.cli.reports.rule_help import MANUAL, RuleHelp

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif_report(
    tool: str,
    annotations: Iterable[Annotation],
    *,
    rules: Iterable[tuple[str, RuleHelp]],
    notifications: Iterable[tuple[str, str]] = (),
    successful: bool = True,
) -> str:
    """A SARIF 2.1.0 document with one run.

    Args:
        tool: name of the program.
        annotations: the results, in the order of the report.
        rules: id and help of each rule.
        notifications: level and message of remarks on the run itself.
        successful: every input could be read.
    """
    driver = {
        "name": tool,
        "version": __version__,
        "informationUri": MANUAL,
        "rules": [_rule(*rule) for rule in rules],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": successful,
                "toolExecutionNotifications": [
                    {"level": level, "message": {"text": safe_line(message)}} for level, message in notifications
                ],
            }
        ],
        "results": [_result(each) for each in annotations],
    }
    return json_text({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]})


def _rule(name: str, about: RuleHelp) -> dict[str, Any]:
    return {
        "id": name,
        "shortDescription": {"text": f"{about.what}."},
        "help": {"text": f"{about.what}. What to do: {about.remedy}."},
    }


def _result(annotation: Annotation) -> dict[str, Any]:
    place = {"artifactLocation": {"uri": file_uri(annotation.file)}, "region": {"startLine": annotation.line}}
    return {
        "ruleId": annotation.rule,
        "level": annotation.level,
        "message": {"text": safe_line(annotation.message)},
        "locations": [{"physicalLocation": place}],
    }
