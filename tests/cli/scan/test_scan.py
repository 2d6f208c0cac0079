"""``imagegate scan`` over files, and what it keeps."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from imagegate.cli.check.run import ALLOWED, DENIED, Problem, Result
from imagegate.cli.scan.render import render
from imagegate.cli.scan.tally import GROUPS_MAX, REPORTED_MAX, Tally
from tests.cli.commands import SETTINGS, Command, pod
from tests.support.service import CONFIG, ROOT

GOOD, BAD = "docker.io/library/nginx:1", "quay.io/team/app:1"


def result(verdict: str = ALLOWED, image: str = "", namespace: str = "shop", name: str = "web") -> Result:
    problems: tuple[Problem, ...] = ()
    if image:
        at, because = "spec.containers[0].image", "it is not allowed"
        problems = (Problem(1, "image-policy", "enforce", "no-rule-allows", image, at, "", because),)
    return Result("cluster", 1, "v1", "Pod", namespace, name, verdict, problems)


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    """What ``kubectl get -o yaml`` exports."""
    pods = [pod(BAD, name=f"bad-{number}", namespace=f"team-{number % 2}") for number in range(3)]
    file = tmp_path / "pods.yaml"
    file.write_text("---\n".join([*pods, pod(GOOD, name="good", namespace="team-0")]))
    return file


def test_objects_with_one_fault_are_one_group(imagegate: Command, cluster: Path) -> None:
    ran = imagegate("scan", *SETTINGS, cluster)
    assert ran.code == 1
    lines = ran.out.splitlines()
    assert lines[0] == f"{BAD}  denied in 3 objects  (team-0, team-1)"
    assert "no rule allows it" in lines[1]
    assert lines[2] == "  first: Pod team-0/bad-0, spec.containers[0].image"
    assert lines[3:] == ["4 objects: 1 allowed, 3 denied"]


def test_the_document_counts_namespaces(imagegate: Command, cluster: Path) -> None:
    found = json.loads(imagegate("scan", *SETTINGS, "-o", "json", cluster).out)
    assert found["summary"] == {
        "allowed": 1,
        "rewritten": 0,
        "denied": 3,
        "unknown": 0,
        "not looked into": 0,
        "not covered": 0,
    }
    (problem,) = found["problems"]
    assert problem["namespaces"] == {"team-0": 2, "team-1": 1}
    assert problem["first"]["name"] == "bad-0"
    jsonschema.validate(found, json.loads((ROOT / "docs/schemas/scan.schema.json").read_text()))
    assert found == yaml.safe_load(imagegate("scan", *SETTINGS, "-o", "yaml", cluster).out)


def test_each_namespace_has_its_report(imagegate: Command, cluster: Path) -> None:
    reports = list(yaml.safe_load_all(imagegate("scan", *SETTINGS, "-o", "policyreport", cluster).out))
    assert [(each["kind"], each["metadata"]["namespace"]) for each in reports] == [
        ("PolicyReport", "team-0"),
        ("PolicyReport", "team-1"),
    ]
    assert reports[0]["summary"] == {"pass": 1, "fail": 2, "warn": 0, "error": 0, "skip": 0}


def test_only_the_namespaces_that_are_named(imagegate: Command, cluster: Path) -> None:
    assert "1 object: 1 denied" in imagegate("scan", *SETTINGS, "-n", "team-1", cluster).out
    ran = imagegate("scan", *SETTINGS, "-n", "other", cluster)
    assert (ran.code, "no object is in other" in ran.err) == (2, True)


@pytest.mark.parametrize(
    "arguments, said",
    [
        ([], "no cluster to scan: name one with a cluster block in the settings, or name files"),
        (["missing.yaml"], "missing.yaml"),
    ],
)
def test_nothing_to_scan_is_never_green(imagegate: Command, arguments: list[str], said: str) -> None:
    ran = imagegate("scan", *SETTINGS, *arguments)
    assert ran.code == 2
    assert said in ran.err


def test_without_a_policy_nothing_is_scanned(imagegate: Command, tmp_path: Path, cluster: Path) -> None:
    settings = tmp_path / "imagegate.yaml"
    settings.write_text("profile: documented\n")
    ran = imagegate("scan", "--settings", settings, cluster)
    assert (ran.code, "no policy to scan with" in ran.err) == (2, True)


def test_a_marked_image_is_found_where_it_runs(imagegate: Command, tmp_path: Path) -> None:
    file = tmp_path / "pod.yaml"
    file.write_text(pod("172.30.1.1:5000/default/image-policy-check:latest", name="runs"))
    options = ("--config", CONFIG / "master-config.yaml", "--images")
    assert imagegate("scan", *options, CONFIG / "examples/images", file).code == 0
    ran = imagegate("scan", *options, CONFIG / "examples/images-denied", file)
    assert ran.code == 1
    assert "execution-denied" in ran.out


def test_groups_are_bounded() -> None:
    tally = Tally()
    for number in range(GROUPS_MAX + 5):
        tally.add(result(DENIED, f"quay.io/x/y:{number}"))
    assert len(tally.groups) == GROUPS_MAX
    assert tally.left_out == 5
    assert tally.verdicts[DENIED] == GROUPS_MAX + 5
    assert "5 more problems of other images are not shown" in render(tally, "table")


def test_a_report_is_bounded_and_keeps_what_is_denied() -> None:
    tally = Tally(keeps_results=True)
    for number in range(REPORTED_MAX):
        tally.add(result(name=f"good-{number}"))
    tally.add(result(DENIED, BAD, name="bad"))
    (report,) = yaml.safe_load_all(render(tally, "policyreport"))
    assert len(report["results"]) == REPORTED_MAX
    assert report["summary"]["fail"] == 1
    assert report["metadata"]["annotations"] == {"imagegate.dev/left-out": "1"}


def test_names_chosen_by_others_do_not_reach_the_terminal() -> None:
    tally = Tally()
    tally.add(result(DENIED, "quay.io/x\x1b[2J/y:1", namespace="::error::"))
    assert "\x1b" not in render(tally, "table")
    assert all(not line.startswith("::") for line in render(tally, "table").splitlines())
