"""The writers that ``check`` and ``lint`` share; tests/cli/test_output.py has the hostile strings."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

from imagegate.cli.reports import JunitCase, SarifResult, junit_report, sarif_report


def test_junit_counts_and_places() -> None:
    cases = [
        JunitCase("a.yaml", "Pod x", "a.yaml", 3),
        JunitCase("a.yaml", "Pod y", line=7, failure=("denied", "first"), failure_details=["first", "second"]),
        JunitCase("manifest", "b.yaml", error="b.yaml:1: not YAML"),
        JunitCase("a.yaml", "Pod z", output=["a warning"]),
    ]
    suite = ET.fromstring(junit_report("imagegate check", cases))[0]
    assert suite.attrib == {"name": "imagegate check", "tests": "4", "failures": "1", "errors": "1"}
    passed, failed, broken, warned = suite
    assert passed.attrib == {"classname": "a.yaml", "name": "Pod x", "file": "a.yaml", "line": "3"}
    assert len(passed) == 0
    assert failed[0].attrib == {"type": "denied", "message": "first"}
    assert failed[0].text == "first\nsecond"
    assert (broken[0].tag, broken[0].get("message")) == ("error", "b.yaml:1: not YAML")
    assert (warned[0].tag, warned[0].text) == ("system-out", "a warning")


def test_sarif_places_each_result() -> None:
    result = SarifResult("gate/x", "error", "denied", "a b.yaml", 3)
    text = sarif_report("imagegate", [result], rules=[("gate/x", "x"), ("gate/y", "")], successful=False)
    (run,) = json.loads(text)["runs"]
    assert run["tool"]["driver"]["rules"] == [{"id": "gate/x", "shortDescription": {"text": "x"}}, {"id": "gate/y"}]
    assert run["invocations"] == [{"executionSuccessful": False, "toolExecutionNotifications": []}]
    (written,) = run["results"]
    assert (written["ruleId"], written["level"], written["message"]) == ("gate/x", "error", {"text": "denied"})
    place = written["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "a%20b.yaml"}, "region": {"startLine": 3}}
