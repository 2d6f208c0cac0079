"""The formats of ``check`` and ``lint`` against their schemas, and where they are written."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest
import yaml

from tests.cli.commands import SETTINGS, Command, pod
from tests.support.go_modules import module_file
from tests.support.service import CONFIG

GOOD, BAD = "docker.io/library/nginx:1.27", "quay.io/other/app:1"
SCHEMAS = Path(__file__).parents[2] / "docs/schemas"
MIXED = "---\n".join([pod(GOOD), pod(BAD, name="bad"), "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n"])


def schema(name: str) -> Any:
    return json.loads((SCHEMAS / name).read_text(encoding="utf-8"))


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    folder = tmp_path / "sp ace"
    folder.mkdir()
    (folder / "p\u00f6 d%.yaml").write_text(MIXED, encoding="utf-8")
    (folder / "broken.yaml").write_text("a: [\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize("options", [[], ["--explain"]])
def test_json_of_check_follows_its_schema(imagegate: Command, manifests: Path, options: list[str]) -> None:
    ran = imagegate("check", *SETTINGS, "-o", "json", *options, manifests, CONFIG / "examples/pods")
    jsonschema.validate(json.loads(ran.out), schema("check.schema.json"))
    assert ran.code == 2


def test_json_of_lint_follows_its_schema(imagegate: Command, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(
        "kind: ImagePolicyConfig\napiVersion: v1\nexecutionRules:\n- onResources: [{resource: pods}]\n"
    )
    ran = imagegate("lint", "-o", "json", tmp_path)
    findings = json.loads(ran.out)
    assert findings
    jsonschema.validate(findings, schema("lint.schema.json"))


def test_json_of_convert_follows_its_schema(imagegate: Command) -> None:
    ran = imagegate("convert", "--to", "policy.json", "-o", "json", CONFIG / "examples/convert/cluster-policy.yaml")
    found = json.loads(ran.out)
    assert ran.code == 1
    assert found["losses"]
    assert not found["exact"]
    jsonschema.validate(found, schema("convert.schema.json"))


@pytest.mark.parametrize("name", sorted(path.name for path in SCHEMAS.glob("*.json")))
def test_the_schemas_are_schemas(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(name))


@pytest.mark.programs
def test_sarif_follows_the_schema_of_oasis(imagegate: Command, manifests: Path) -> None:
    published = module_file("github.com/securego/gosec/v2", "v2.30.0", "report/sarif/testdata/sarif-schema-2.1.0.json")
    validator = jsonschema.Draft7Validator(json.loads(published.read_text(encoding="utf-8")))
    for arguments in (["check", *SETTINGS, "--explain"], ["lint"]):
        ran = imagegate(*arguments, "-o", "sarif", manifests)
        report = json.loads(ran.out)
        assert report["runs"][0]["results"]
        validator.validate(report)
        del report["runs"][0]["tool"]
        assert list(validator.iter_errors(report))  # the schema is not one that takes everything


class TestOutputs:
    def test_several_formats_of_one_run(self, imagegate: Command, manifests: Path, tmp_path: Path) -> None:
        junit, sarif = tmp_path / "report.xml", tmp_path / "report.sarif"
        ran = imagegate("check", *SETTINGS, "-o", f"junit={junit}", "-o", "table", "-o", f"sarif={sarif}", manifests)
        assert re.search(r"Pod bad +denied", ran.out)
        assert ET.fromstring(junit.read_text()).get("failures") == "1"
        assert json.loads(sarif.read_text())["version"] == "2.1.0"
        assert stat.S_IMODE(junit.stat().st_mode) & 0o444 == 0o444
        assert sorted(each.name for each in tmp_path.iterdir()) == ["report.sarif", "report.xml", "sp ace"]

    def test_output_file(self, imagegate: Command, manifests: Path, tmp_path: Path) -> None:
        file = tmp_path / "report.json"
        file.write_text("old and longer than what comes")
        ran = imagegate("check", *SETTINGS, "-o", "json", "--output-file", file, manifests)
        assert ran.out == ""
        assert ran.err.endswith("3 objects: 1 denied, 1 allowed, 1 not covered; 1 error\n")
        assert json.loads(file.read_text())["summary"]["denied"] == 1

    def test_quiet_says_nothing_of_what_is_allowed(self, imagegate: Command, tmp_path: Path) -> None:
        (tmp_path / "good.yaml").write_text(pod(GOOD))
        assert imagegate("check", *SETTINGS, "--quiet", tmp_path) == (0, "", "")
        (tmp_path / "bad.yaml").write_text(pod(BAD))
        ran = imagegate("check", *SETTINGS, "-q", tmp_path)
        assert ran.code == 1
        assert "quay.io" in ran.out
        assert "good.yaml" not in ran.out
        assert "objects" not in ran.out

    @pytest.mark.parametrize(
        "options, why",
        [
            (["-o", "json", "-o", "table"], "only one format can be on standard output"),
            (["-o", "json=a", "-o", "junit=a"], "two formats cannot be written to one file"),
            (["-o", "json=a", "--output-file", "b"], "every -o has a file"),
            (["-o", "json="], "no file after ="),
            (["-o", "jsn"], "'jsn' is not one of"),
            (["--rewrite", "-o", "junit"], "--rewrite prints objects: -o yaml or json, not junit"),
        ],
    )
    def test_options_that_contradict(self, imagegate: Command, options: list[str], why: str, tmp_path: Path) -> None:
        (tmp_path / "good.yaml").write_text(pod(GOOD))
        ran = imagegate("check", *SETTINGS, *options, tmp_path)
        assert (ran.code, ran.out) == (2, "")
        assert why in ran.err

    def test_a_file_that_cannot_be_written(self, imagegate: Command, manifests: Path, tmp_path: Path) -> None:
        ran = imagegate("check", *SETTINGS, "-o", f"json={tmp_path}/none/r.json", manifests)
        assert ran.code == 2
        assert f"imagegate: {tmp_path}/none/r.json: cannot be written: No such file or directory\n" in ran.err

    def test_lint_into_files(self, imagegate: Command, tmp_path: Path) -> None:
        (tmp_path / "broken.yaml").write_text("a: [\n", encoding="utf-8")
        report = tmp_path / "report"
        ran = imagegate("lint", "-o", f"gitlab={report}", tmp_path / "broken.yaml")
        assert (ran.code, ran.out, ran.err) == (1, "", "1 error\n")
        assert json.loads(report.read_text())[0]["check_name"] == "invalid"


class TestRewrite:
    def test_one_object_and_several_as_json(self, imagegate: Command) -> None:
        pods = CONFIG / "examples/pods"
        one = imagegate("check", *SETTINGS, "--rewrite", "-o", "json", pods / "step-4-internal-registry.yaml")
        assert json.loads(one.out)["kind"] == "Pod"
        assert "@sha256:" in one.out
        both = [pods / "step-4-internal-registry.yaml", pods / "step-2-docker-hub.yaml"]
        several = json.loads(imagegate("check", *SETTINGS, "--rewrite", "-o", "json", *both).out)
        assert (several["kind"], [each["kind"] for each in several["items"]]) == ("List", ["Pod", "Pod"])
        as_yaml = imagegate("check", *SETTINGS, "--rewrite", *both).out
        assert list(yaml.safe_load_all(as_yaml)) == several["items"]


class TestColour:
    @pytest.mark.parametrize(
        "variables, options, colours",
        [
            ({}, [], False),
            ({"FORCE_COLOR": "1"}, [], True),
            ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, [], False),
            ({"FORCE_COLOR": "1", "TERM": "dumb"}, [], True),
            ({"FORCE_COLOR": ""}, [], False),
            ({"NO_COLOR": "1"}, ["--color", "always"], True),
            ({"FORCE_COLOR": "1"}, ["--color", "never"], False),
        ],
    )
    def test_who_decides(
        self,
        imagegate: Command,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        variables: dict[str, str],
        options: list[str],
        colours: bool,
    ) -> None:
        for name in ("NO_COLOR", "FORCE_COLOR"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        (tmp_path / "good.yaml").write_text(pod(GOOD))
        assert ("\x1b[32m" in imagegate("check", *SETTINGS, *options, tmp_path).out) is colours
