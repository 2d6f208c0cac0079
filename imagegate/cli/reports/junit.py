"""JUnit's XML, as CI systems read it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from xml.etree import ElementTree as ET

from imagegate.cli.output import xml_text


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
    skipped: str | None = None
    """Why it was not looked at."""
    output: Sequence[str] = ()
    seconds: float | None = None
    """How long it took; None: not measured."""


def junit_report(suite_name: str, cases: Sequence[JunitCase]) -> str:
    """A JUnit document with one suite."""
    counts = {
        "tests": str(len(cases)),
        "failures": str(sum(case.failure is not None for case in cases)),
        "errors": str(sum(case.error is not None for case in cases)),
        "skipped": str(sum(case.skipped is not None for case in cases)),
    }
    if any(case.seconds is not None for case in cases):
        counts["time"] = _time(sum(case.seconds or 0.0 for case in cases))
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
    if case.seconds is not None:
        place["time"] = _time(case.seconds)
    element = ET.SubElement(suite, "testcase", place)
    if case.failure is not None:
        kind, message = case.failure
        failure = ET.SubElement(element, "failure", {"type": kind, "message": xml_text(message)})
        failure.text = xml_text(*case.failure_details) or None
    if case.error is not None:
        ET.SubElement(element, "error", {"message": xml_text(case.error)})
    if case.skipped is not None:
        ET.SubElement(element, "skipped", {"message": xml_text(case.skipped)})
    if case.output:
        ET.SubElement(element, "system-out").text = xml_text(*case.output)


def _time(seconds: float) -> str:
    return f"{seconds:.6f}"
