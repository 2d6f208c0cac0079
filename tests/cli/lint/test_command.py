"""``imagegate lint``: files told apart by what is in them, exit codes, output."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from click.testing import CliRunner, Result

from imagegate.cli.lint.command import lint

GOOD = "kind: ImagePolicyConfig\napiVersion: v1\nexecutionRules:\n- {name: a, matchRegistries: [a.io]}\n"
DOUBTFUL = GOOD + "- {name: b, matchRegistries: [a.io/b]}\n"
INFORMATIVE = GOOD + "- {matchRegistries: [b.io]}\n"
LOCKOUT = GOOD + "- {name: b, reject: true}\n"
BROKEN = GOOD + "- {name: b, rejct: true}\n"
CISE = (
    "apiVersion: portieris.cloud.ibm.com/v1\nkind: ClusterImagePolicy\nmetadata: {name: c}\n"
    "spec: {repositories: [{name: '*', policy: {}}]}\n"
)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(lint, [str(argument) for argument in arguments], standalone_mode=False)


def written(folder: Path, text: str, name: str = "p.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text, code, summary",
    [
        (GOOD, 0, "nothing found"),
        (INFORMATIVE, 0, "1 remark"),
        (DOUBTFUL, 0, "1 warning"),
        (LOCKOUT, 1, "1 error, 1 warning"),
        (BROKEN, 1, "1 error"),
        ("a: [\n", 1, "1 error"),
        (CISE, 0, "nothing found"),
        (CISE.replace("policy", "polic"), 1, "1 error"),
        ("server: {port: 80}\n", 0, "nothing found"),
        ("server: {prt: 80}\n", 1, "1 error"),
        ("imagePolicyConfig: {}\n", 0, "nothing found"),
        ("kind: Pod\napiVersion: v1\n", 0, "1 warning"),
        ("just text\n", 0, "1 warning"),
    ],
)
def test_exit_codes(tmp_path: Path, text: str, code: int, summary: str) -> None:
    result = run(written(tmp_path, text))
    assert (result.return_value, result.stderr.strip()) == (code, summary)


def test_warnings_may_count_as_errors_and_what_is_only_good_to_know_may_be_left_out(tmp_path: Path) -> None:
    doubtful = written(tmp_path, DOUBTFUL)
    assert run("-W", doubtful).return_value == 1
    informative = written(tmp_path, INFORMATIVE, "i.yaml")
    assert run("-W", informative).return_value == 0
    assert "nameless-rule" in run(informative).stdout
    assert run("-q", informative).stdout == ""


def test_a_finding_a_line_with_file_line_and_code(tmp_path: Path) -> None:
    path = written(tmp_path, DOUBTFUL)
    assert run(path).stdout == (
        f'{path}:5: warning: executionRules[1].matchRegistries[0]: "a.io/b" has a path; only host[:port] is compared, '
        "so it matches nothing [registry-path]\n"
    )


def test_json(tmp_path: Path) -> None:
    path = written(tmp_path, BROKEN)
    assert json.loads(run("-o", "json", path).stdout) == [
        {
            "severity": "error",
            "file": str(path),
            "line": 5,
            "path": "executionRules[1].rejct",
            "text": 'unknown field; did you mean "reject"?',
            "code": "invalid",
        }
    ]
    assert json.loads(run("-o", "json", written(tmp_path, GOOD)).stdout) == []


def test_yaml(tmp_path: Path) -> None:
    path = written(tmp_path, BROKEN)
    assert yaml.safe_load(run("-o", "yaml", path).stdout) == json.loads(run("-o", "json", path).stdout)


def test_sarif(tmp_path: Path) -> None:
    path = written(tmp_path, LOCKOUT)
    (sarif_run,) = json.loads(run("-o", "sarif", path).stdout)["runs"]
    assert [(result["ruleId"], result["level"]) for result in sarif_run["results"]] == [
        ("unreachable-rule", "warning"),
        ("lockout", "error"),
    ]
    assert sarif_run["results"][1]["locations"] == [
        {"physicalLocation": {"artifactLocation": {"uri": str(path)}, "region": {"startLine": 5}}}
    ]
    assert {rule["id"] for rule in sarif_run["tool"]["driver"]["rules"]} == {"lockout", "unreachable-rule"}


def test_junit(tmp_path: Path) -> None:
    suites = ElementTree.fromstring(run("-o", "junit", written(tmp_path, LOCKOUT)).stdout)
    assert (suites.get("tests"), suites.get("failures")) == ("2", "1")
    doubtful, wrong = suites.iter("testcase")
    assert doubtful.find("failure") is None
    failure = wrong.find("failure")
    assert failure is not None
    assert failure.get("type") == "lockout"
    control = written(tmp_path, GOOD + '- {name: c, matchRegistries: ["a/\\x01"]}\n', "c.yaml")
    assert ElementTree.fromstring(run("-o", "junit", control).stdout).get("failures") == "0"


def test_policies_of_one_folder_are_looked_at_together(tmp_path: Path) -> None:
    narrow = CISE.replace("{name: c}", "{name: d}").replace("'*'", "a.io/b")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        written(tmp_path / name, CISE)
    assert run(tmp_path).return_value == 0
    written(tmp_path / "one", CISE, "again.yaml")
    twice = run(tmp_path)
    assert twice.return_value == 1
    assert "ClusterImagePolicy c is written twice" in twice.stdout
    written(tmp_path / "one", narrow, "again.yaml")
    assert run(tmp_path).return_value == 0


def test_folders_are_searched_and_what_is_no_policy_in_them_is_passed_over(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    written(tmp_path, "kind: Pod\n", "pod.yaml")
    written(tmp_path, DOUBTFUL, "notes.txt")
    written(inner, DOUBTFUL, "policy.yml")
    written(inner, json.dumps({"kind": "ImagePolicyConfig", "apiVersion": "v2"}), "policy.json")
    lines = run(tmp_path).stdout.splitlines()
    assert [line.split(" ")[0].replace(str(inner), "") for line in lines] == ["/policy.json:1:", "/policy.yml:5:"]


def test_the_profile_decides_what_is_wrong(tmp_path: Path) -> None:
    broken = written(tmp_path, BROKEN.replace("v1", "image.openshift.io/v1"))
    result = run("--profile", "openshift-4", broken)
    assert result.return_value == 0
    assert "warning: executionRules[1].rejct: unknown field" in result.stdout


def test_strict_yaml(tmp_path: Path) -> None:
    path = written(tmp_path, "imagePolicyConfig:\n  allowedRegistriesForImport:\n  - domainName: *.x.io\n")
    assert run(path).return_value == 0
    assert run("--strict-yaml", path).return_value == 1


def test_a_path_that_cannot_be_read_is_a_configuration_error(tmp_path: Path) -> None:
    ran = run(tmp_path / "nowhere")
    assert ran.return_value == 2
    assert ran.output.startswith(f"{tmp_path}/nowhere:1: error: no such file or folder [unreadable]\n")


def test_a_selector_of_modes_that_no_labels_can_match(tmp_path: Path) -> None:
    path = tmp_path / "imagegate.yaml"
    selector = "{matchLabels: {env: prod}, matchExpressions: [{key: env, operator: NotIn, values: [%s]}]}"
    text = "profile: documented\nimagePolicy:\n  mode: warn\n  namespaces:\n  - mode: enforce\n    selector: "
    path.write_text(text + selector % "prod" + "\n", encoding="utf-8")
    assert f"{path}:5: warning: imagePolicy.namespaces[0].selector: no labels can match it" in run(path).output
    path.write_text(text + selector % "test" + "\n", encoding="utf-8")
    assert "selector" not in run(path).output
