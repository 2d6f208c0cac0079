"""File and line of the rule that a denial names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from imagegate.cli.check.rule_places import rule_at
from tests.cli.commands import SETTINGS, Command
from tests.support.service import CONFIG

PLACES = {"executionRules[1]": "policy.yaml:12", "allowedRegistriesForImport[0]": "policy.yaml:3"}


@pytest.mark.parametrize(
    "rule, hint, at",
    [
        ("executionRules[1] no-hub", "", "policy.yaml:12"),
        ("", "nearest rule: executionRules[1] own would allow it, but", "policy.yaml:12"),
        ("allowedRegistriesForImport", "nearest rule: allowedRegistriesForImport[0] r.io:443 would", "policy.yaml:3"),
        ("executionRules[11]", "", ""),
        ("ClusterImagePolicy default repositories[1] *", "", ""),
        ("", "", ""),
    ],
)
def test_the_rule_that_decides_else_the_one_that_the_hint_names(rule: str, hint: str, at: str) -> None:
    assert rule_at(rule, hint, PLACES) == at


def test_a_file_below_the_working_directory_is_shown_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert rule_at("executionRules[0]", "", {"executionRules[0]": f"{tmp_path}/a/p.yaml:1"}) == "a/p.yaml:1"
    assert rule_at("executionRules[0]", "", {"executionRules[0]": "/etc/p.yaml:1"}) == "/etc/p.yaml:1"


def test_the_line_is_that_of_the_rule(imagegate: Command, tmp_path: Path) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {}}
    pod["spec"] = {"containers": [{"name": "a", "image": "quay.io/x/y:1"}]}
    (tmp_path / "pod.json").write_text(json.dumps(pod))
    (result,) = json.loads(imagegate("check", *SETTINGS, "-o", "json", tmp_path / "pod.json").out)["results"]
    (problem,) = result["problems"]
    file, _, line = problem["ruleAt"].rpartition(":")
    assert Path(file).resolve() == CONFIG / "master-config.yaml"
    rules = Path(file).read_text().splitlines()
    named = "allow-images-from-internal-registry"
    assert named in problem["hint"]
    assert named in " ".join(rules[int(line) - 1 : int(line) + 1])
