"""Suites and lock files: what is read, and that every error names file, line and field."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from imagegate.documents.policy_tests.read import read_suites
from imagegate.errors import ConfigError

HEAD = "apiVersion: imagegate.dev/v1alpha1\nkind: PolicyTest\npolicy: {config: policy.yaml}\n"
CASE = "cases:\n- name: a\n  image: nginx\n  expect: {verdict: allowed}\n"
DIGEST = "sha256:" + "3" * 64
SCHEMA = json.loads((Path(__file__).parents[3] / "docs/schemas/policy-test.schema.json").read_text(encoding="utf-8"))


def refused(text: str) -> list[str]:
    with pytest.raises(ConfigError) as error:
        read_suites(text, "s.yaml")
    return list(error.value.lines)


def test_a_small_suite() -> None:
    (suite,) = read_suites(HEAD + CASE, "s.yaml")
    (case,) = suite.cases
    assert (suite.name, suite.policy.config) == ("s.yaml", "policy.yaml")
    assert (case.name, case.image, case.namespace, case.expect.verdict) == ("a", "nginx", "default", "allowed")
    assert str(case.place) == "s.yaml:5: cases[0]"
    assert (case.expect.denials, case.expect.rewrites, case.expect.warnings) == (None, None, None)


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n---\n"])
def test_an_empty_file_is_no_suite(text: str) -> None:
    assert refused(text) == ["s.yaml:1: empty: a suite has apiVersion imagegate.dev/v1alpha1 and kind PolicyTest"]


@pytest.mark.parametrize("cases", ["", "cases: []\n", "cases: ~\n"])
def test_a_suite_without_cases_is_wrong(cases: str) -> None:
    (line,) = refused(HEAD + cases)
    assert line.endswith("cases: required: a suite without cases tests nothing")


@pytest.mark.parametrize(
    "text, expected",
    [
        (HEAD.replace("PolicyTest", "PolicyTst") + CASE, "s.yaml:2: kind: expected PolicyTest"),
        (HEAD.replace("v1alpha1", "v1") + CASE, "s.yaml:1: apiVersion: expected imagegate.dev/v1alpha1"),
        (
            HEAD.replace("{config: policy.yaml}", "{}") + CASE,
            "s.yaml:3: policy: required: settings, config or",
        ),
        (HEAD + "fixture: {}\n" + CASE, 's.yaml:4: fixture: unknown field; did you mean "fixtures"?'),
        (HEAD + CASE.replace("allowed", "alowed"), "s.yaml:7: cases[0].expect.verdict: Unsupported value"),
        (HEAD + CASE.replace("{verdict: allowed}", "{}"), "s.yaml:7: cases[0].expect.verdict: required"),
        (HEAD + CASE.replace("  image: nginx\n", ""), "s.yaml:5: cases[0]: needs one of file, object, image"),
        (HEAD + CASE.replace("image: nginx", "image: nginx\n  file: a"), "s.yaml:5: cases[0]: needs one of"),
        (HEAD + CASE.replace("image: nginx", "image: nginx\n  kind: Pod"), "s.yaml:7: cases[0].kind: selects objects"),
        (HEAD + CASE.replace("name: a", "name: ~"), "cases[0].name: required"),
        (HEAD + CASE + CASE.removeprefix("cases:\n"), "s.yaml:8: cases[1]: name a is already that of cases in line 5"),
        (
            HEAD + CASE.replace("image: nginx", "object: {kind: Pod}"),
            "s.yaml:6: cases[0].object: expected a Kub",
        ),
        (HEAD + CASE.replace("{verdict: allowed}", "{verdict: denied, denials: []}"), "expect.denials: empty"),
        (HEAD + CASE.replace("{verdict: allowed}", "{verdict: denied, denials: [{}]}"), "names nothing to compare"),
        (HEAD + CASE.replace("{verdict: allowed}", "{verdict: allowed, warnings: [{}]}"), "text or contains"),
        (
            HEAD + CASE.replace("{verdict: allowed}", "{verdict: allowed, rewrites: [{at: /a}]}"),
            "[0].to: required",
        ),
        (
            HEAD + "fixtures: {registry: [{image: a, digest: sha256:1}]}\n" + CASE,
            "[0].digest: sha256:1: invalid",
        ),
        (
            HEAD + "fixtures: {registry: [{image: a, absent: true, unavailable: b}]}\n" + CASE,
            "registry[0]: only one of",
        ),
        (HEAD + "fixtures: {registry: [{image: 'A B', absent: true}]}\n" + CASE, "fixtures.registry[0].image:"),
        (
            HEAD + f"fixtures: {{registry: [{{image: a, digest: '{DIGEST}', signatures: [{{}}]}}]}}\n" + CASE,
            "needs one of key, file, folder",
        ),
        (HEAD + "fixtures: {objects: [1]}\n" + CASE, "s.yaml:4: fixtures.objects[0]: expected a Kubernetes object"),
        (HEAD + "fixtures: {objects: [&a {kind: A}\n" + CASE, "s.yaml:"),
    ],
)
def test_errors_name_file_line_and_field(text: str, expected: str) -> None:
    assert any(expected in line for line in refused(text)), refused(text)
    assert all(line.startswith("s.yaml:") for line in refused(text))


def test_all_errors_are_told_at_once() -> None:
    assert len(refused(HEAD + "x: 1\n" + CASE.replace("allowed", "no") + "- {}\n")) >= 4


@pytest.mark.parametrize(
    "more, is_right",
    [
        ("", True),
        (
            "fixtures: {registry: [{image: a, digest: '%s', signatures: [{key: k}], trust: {}}]}\n",
            True,
        ),
        ("fixtures: {registry: [{image: a}]}\n", True),
        ("fixtures: {registry: [{image: a, absent: true, unavailable: b}]}\n", False),
        ("fixtures: {objects: [{kind: A}]}\n", False),
        ("fixture: {}\n", False),
    ],
)
def test_the_schema_says_the_same(more: str, is_right: bool) -> None:
    text = HEAD + more.replace("%s", DIGEST) + CASE
    errors = list(jsonschema.Draft202012Validator(SCHEMA).iter_errors(yaml.safe_load(text)))
    assert (not errors) is is_right, errors
    if is_right:
        assert read_suites(text, "s.yaml")
    else:
        refused(text)


def test_the_example_of_the_page_is_a_suite() -> None:
    page = (Path(__file__).parents[3] / "docs/testing.md").read_text(encoding="utf-8")
    whole, *cases = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (suite,) = read_suites(whole, "testing.md")
    assert (len(suite.cases), len(suite.registry), len(suite.objects)) == (2, 1, 1)
    jsonschema.validate(yaml.safe_load(whole), SCHEMA)
    for each in cases:
        more = f"{HEAD}cases:\n{each}"
        assert read_suites(more, "testing.md")
        jsonschema.validate(yaml.safe_load(more), SCHEMA)
