"""The writers that ``check`` and ``lint`` share; tests/cli/test_output.py has the hostile strings."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

from imagegate.cli.reports.annotation import Annotation, github_annotations, gitlab_report
from imagegate.cli.reports.junit import JunitCase, junit_report
from imagegate.cli.reports.rule_help import DENIALS, MANUAL, RuleHelp, finding_help
from imagegate.cli.reports.sarif import sarif_report
from imagegate.core.admission.decision import DenialCode


def test_junit_counts_and_places() -> None:
    cases = [
        JunitCase("a.yaml", "Pod x", "a.yaml", 3),
        JunitCase("a.yaml", "Pod y", line=7, failure=("denied", "first"), failure_details=["first", "second"]),
        JunitCase("manifest", "b.yaml", error="b.yaml:1: not YAML"),
        JunitCase("a.yaml", "Pod z", output=["a warning"]),
        JunitCase("a.yaml", "ConfigMap c", skipped="not covered"),
    ]
    suite = ET.fromstring(junit_report("imagegate check", cases))[0]
    assert suite.attrib == {"name": "imagegate check", "tests": "5", "failures": "1", "errors": "1", "skipped": "1"}
    passed, failed, broken, warned, skipped = suite
    assert passed.attrib == {"classname": "a.yaml", "name": "Pod x", "file": "a.yaml", "line": "3"}
    assert len(passed) == 0
    assert failed[0].attrib == {"type": "denied", "message": "first"}
    assert failed[0].text == "first\nsecond"
    assert (broken[0].tag, broken[0].get("message")) == ("error", "b.yaml:1: not YAML")
    assert (warned[0].tag, warned[0].text) == ("system-out", "a warning")
    assert (skipped[0].tag, skipped[0].attrib) == ("skipped", {"message": "not covered"})


def test_junit_times() -> None:
    timed = junit_report(
        "s", [JunitCase("a", "x", seconds=0.5), JunitCase("a", "y", seconds=0.25), JunitCase("a", "z")]
    )
    suites = ET.fromstring(timed)
    assert suites.get("time") == suites[0].get("time") == "0.750000"
    assert [case.get("time") for case in suites[0]] == ["0.500000", "0.250000", None]


def test_sarif_places_each_result() -> None:
    result = Annotation("gate/x", "error", "denied", "sp ace/p\u00f6 d%.yaml", 3)
    rules = [("gate/x", RuleHelp("It is denied", "try again"))]
    (run,) = json.loads(sarif_report("imagegate", [result], rules=rules, successful=False))["runs"]
    assert run["tool"]["driver"]["informationUri"] == MANUAL
    assert run["tool"]["driver"]["rules"] == [
        {
            "id": "gate/x",
            "shortDescription": {"text": "It is denied."},
            "help": {"text": "It is denied. What to do: try again."},
        }
    ]
    assert run["invocations"] == [{"executionSuccessful": False, "toolExecutionNotifications": []}]
    (written,) = run["results"]
    assert (written["ruleId"], written["level"], written["message"]) == ("gate/x", "error", {"text": "denied"})
    place = written["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "sp%20ace/p%C3%B6%20d%25.yaml"}, "region": {"startLine": 3}}


def test_github_annotations_cannot_be_forged() -> None:
    hostile = Annotation("a/b", "warning", "100%\n::error::x\r::set-env", "a,b:c\n::error::.yaml", 7)
    text = github_annotations([hostile, Annotation("c", "note", "fine", "f.yaml", 1)])
    first, second = text.splitlines()
    assert first.startswith("::warning file=a%2Cb%3Ac\\n%3A%3Aerror%3A%3A.yaml,line=7,title=imagegate a/b::100%25")
    assert second == "::notice file=f.yaml,line=1,title=imagegate c::fine"


def test_gitlab_fingerprints_depend_on_the_remark_and_not_on_its_line() -> None:
    remarks = [
        Annotation("r", "error", "text", "f.yaml", 1),
        Annotation("r", "error", "text", "f.yaml", 9),
        Annotation("r", "note", "other", "f.yaml", 1),
    ]
    report = json.loads(gitlab_report(remarks))
    assert [each["severity"] for each in report] == ["major", "major", "info"]
    assert report[0]["location"] == {"path": "f.yaml", "lines": {"begin": 1}}
    prints = [each["fingerprint"] for each in report]
    assert len(set(prints)) == 3
    moved = json.loads(gitlab_report([remarks[1]._replace(line=30), remarks[0]._replace(line=40)]))
    assert [each["fingerprint"] for each in moved] == prints[:2]


def test_every_denial_code_has_a_help() -> None:
    assert set(DENIALS) == set(DenialCode)


def test_a_finding_without_a_help_of_its_own_has_its_code_in_words() -> None:
    assert finding_help("some-new-code").what == "Some new code"
