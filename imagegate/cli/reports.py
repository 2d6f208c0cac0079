"""The JUnit and SARIF reports of ``check`` and ``lint``, as CI systems read them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from xml.etree import ElementTree as ET

from imagegate import __version__
from imagegate.cli.output import file_uri, json_text, safe_line, xml_text

_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


class JunitCase(NamedTuple):
    """One test case: it passed unless it has a ``failure`` or an ``error``."""

    classname: str
    name: str
    file: str = ""
    line: int = 0
    failure: tuple[str, str] | None = None
    """Its type and its message, of one line."""
    failure_details: Sequence[str] = ()
    error: str | None = None
    output: Sequence[str] = ()


def junit_report(suite_name: str, cases: Sequence[JunitCase]) -> str:
    """A JUnit document with one suite."""
    counts = {
        "tests": str(len(cases)),
        "failures": str(sum(case.failure is not None for case in cases)),
        "errors": str(sum(case.error is not None for case in cases)),
    }
    suites = ET.Element("testsuites", counts)
    suite = ET.SubElement(suites, "testsuite", {"name": suite_name, **counts})
    for case in cases:
        _add_case(suite, case)
    ET.indent(suites)
    return ET.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _add_case(suite: ET.Element, case: JunitCase) -> None:
    place = {"classname": xml_text(case.classname), "name": xml_text(case.name)}
    if case.file:
        place["file"] = xml_text(case.file)
    if case.line:
        place["line"] = str(case.line)
    element = ET.SubElement(suite, "testcase", place)
    if case.failure is not None:
        kind, message = case.failure
        failure = ET.SubElement(element, "failure", {"type": kind, "message": xml_text(message)})
        failure.text = xml_text(*case.failure_details) or None
    if case.error is not None:
        ET.SubElement(element, "error", {"message": xml_text(case.error)})
    if case.output:
        ET.SubElement(element, "system-out").text = xml_text(*case.output)


class SarifResult(NamedTuple):
    """One result, at a line of a file."""

    rule: str
    level: str
    """``error``, ``warning`` or ``note``."""
    message: str
    file: str
    line: int


def sarif_report(
    tool: str,
    results: Iterable[SarifResult],
    *,
    rules: Iterable[tuple[str, str]],
    notifications: Iterable[tuple[str, str]] = (),
    successful: bool = True,
) -> str:
    """A SARIF 2.1.0 document with one run.

    Args:
        tool: name of the program.
        results: in the order of the report.
        rules: id and short description (may be empty) of each rule.
        notifications: level and message of remarks on the run itself.
        successful: every input could be read.
    """
    run = {
        "tool": {"driver": {"name": tool, "version": __version__, "rules": [_rule(*rule) for rule in rules]}},
        "invocations": [
            {
                "executionSuccessful": successful,
                "toolExecutionNotifications": [
                    {"level": level, "message": {"text": safe_line(message)}} for level, message in notifications
                ],
            }
        ],
        "results": [_sarif_result(result) for result in results],
    }
    return json_text({"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]})


def _rule(name: str, description: str) -> dict[str, Any]:
    return {"id": name, "shortDescription": {"text": description}} if description else {"id": name}


def _sarif_result(result: SarifResult) -> dict[str, Any]:
    place = {"artifactLocation": {"uri": file_uri(result.file)}, "region": {"startLine": result.line}}
    return {
        "ruleId": result.rule,
        "level": result.level,
        "message": {"text": safe_line(result.message)},
        "locations": [{"physicalLocation": place}],
    }
