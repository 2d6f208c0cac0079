"""``imagegate check``: the same verdicts as the service's, with file and line."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml

from imagegate.cli.check.run import CheckOptions, run_check
from imagegate.core.admission.request import Phase
from imagegate.wiring.choices import StartupOptions
from imagegate.wiring.runtime import build
from tests.cli.commands import SETTINGS, Command, pod
from tests.support.service import CONFIG, IMAGEGATE

PODS = CONFIG / "examples" / "pods"
GOOD, BAD = "docker.io/library/nginx:1", "quay.io/x/y:1"
INTERNAL = "172.30.1.1:5000/default/image-policy-check:latest"
DIGEST = "sha256:09ce3d8b5b63595ffca6636c7daefb1a615a7c0e3f8ea68e5db044a9340d6ba8"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "deploy.yaml"


class TestVerdicts:
    def test_the_manuals_pods(self, imagegate: Command) -> None:
        ran = imagegate("check", *SETTINGS, PODS, "-o", "json")
        assert ran.code == 1
        assert {Path(each["file"]).name: each["verdict"] for each in json.loads(ran.out)["results"]} == {
            "step-2-docker-hub.yaml": "allowed",
            "step-3-other-registry.yaml": "denied",
            "step-4-internal-registry.yaml": "rewritten",
            "step-5-unknown-tag.yaml": "allowed",
        }

    def test_the_manuals_pods_as_openshift_4_takes_them(self, imagegate: Command) -> None:
        """docs/spec/image-policy.md 11, last column: both passes, and the image cache that lies between them."""
        options = ("--config", CONFIG / "master-config.yaml", "--images", CONFIG / "examples" / "images")
        ran = imagegate("check", "--profile", "openshift-4", *options, PODS, "-o", "json")
        found = {Path(each["file"]).name[:6]: each for each in json.loads(ran.out)["results"]}
        assert {step: each["verdict"] for step, each in found.items()} == {
            "step-2": "allowed",
            "step-3": "denied",
            "step-4": "denied",
            "step-5": "denied",
        }
        (validating,) = found["step-4"]["problems"]
        assert validating["because"].startswith(
            "this image is prohibited by policy: error in image policy validation: "
        )
        assert found["step-5"]["problems"][0]["because"] == "this image is prohibited by policy: "

    def test_step_7_is_denied_once_the_image_is_annotated(self, imagegate: Command) -> None:
        denied = CONFIG / "examples" / "images-denied"
        ran = imagegate("check", *SETTINGS, "--images", denied, PODS / "step-4-internal-registry.yaml")
        assert ran.code == 1
        assert 'rejected by rule "execution-denied"' in ran.out

    def test_the_same_decision_as_the_service(self, imagegate: Command, file: Path) -> None:
        file.write_text(pod(BAD))
        (result,) = json.loads(imagegate("check", *SETTINGS, file, "-o", "json").out)["results"]
        review = json.loads((CONFIG / "examples" / "reviews" / "step-3-other-registry.json").read_text())
        review["request"]["object"]["spec"]["containers"][0]["image"] = BAD
        reviewer = build(StartupOptions(settings_file=CONFIG / "imagegate.yaml")).reviewer
        (cause,) = reviewer.review(review, Phase.MUTATE)["response"]["status"]["details"]["causes"]
        (problem,) = result["problems"]
        told = f"Forbidden: {problem['because']}; {problem['hint']}"
        assert (problem["at"], told) == (cause["field"], cause["message"])

    def test_a_denial_is_shown_at_its_line(self, imagegate: Command, file: Path) -> None:
        file.write_text(f"{pod(GOOD)}---\n{pod(BAD, name='other')}")
        ran = imagegate("check", *SETTINGS, file)
        assert ran.code == 1
        assert f"Pod other  denied  ({file}:10)" in ran.out
        assert f"  {file}:17: spec.containers[0].image: {BAD}: this image is prohibited by policy" in ran.out
        assert ran.out.endswith("2 objects: 1 denied, 1 allowed\n")

    def test_what_holds_no_images_is_named_and_allowed(self, imagegate: Command, file: Path) -> None:
        file.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
        said = f"ConfigMap a  not covered  ({file}:1): holds no images\n1 object: 1 not covered\n"
        assert imagegate("check", *SETTINGS, file) == (0, said, "")
        skipped = ET.fromstring(imagegate("check", *SETTINGS, "-o", "junit", file).out)[0][0][0]
        assert (skipped.tag, skipped.get("message")) == ("skipped", "not covered: holds no images")
        (run,) = json.loads(imagegate("check", *SETTINGS, "-o", "sarif", file).out)["runs"]
        (note,) = run["invocations"][0]["toolExecutionNotifications"]
        text = f"{file}:1: ConfigMap a: not covered: holds no images"
        assert note == {"level": "note", "message": {"text": text}}
        assert "::notice" in imagegate("check", *SETTINGS, "-o", "github", file).out

    def test_templates_are_checked(self, imagegate: Command, file: Path) -> None:
        template = {"spec": {"containers": [{"name": "a", "image": BAD}]}}
        documents = [
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"template": template}},
            {
                "apiVersion": "batch/v1",
                "kind": "CronJob",
                "metadata": {"name": "c"},
                "spec": {"jobTemplate": {"spec": {"template": template}}},
            },
        ]
        config = file.with_name("policy.yaml")
        config.write_text(
            "kind: ImagePolicyConfig\napiVersion: v1\nexecutionRules:\n- name: hub\n  matchRegistries: [docker.io]\n"
            "  onResources:\n  - {group: apps, resource: deployments}\n  - {group: batch, resource: cronjobs}\n"
        )
        file.write_text(yaml.safe_dump_all(documents))
        ran = imagegate("check", "--config", config, file, "-o", "json")
        assert [(each["kind"], each["verdict"]) for each in json.loads(ran.out)["results"]] == [
            ("Deployment", "denied"),
            ("CronJob", "denied"),
        ]

    def test_the_namespace_decides_where_streams_are_looked_up(self, imagegate: Command, file: Path) -> None:
        file.write_text(pod("image-policy-check:latest"))
        here = imagegate("check", *SETTINGS, file, "-o", "json", "--namespace", "default")
        there = imagegate("check", *SETTINGS, file, "-o", "json", "--namespace", "elsewhere")
        verdicts = [json.loads(ran.out)["results"][0]["verdict"] for ran in (here, there)]
        assert verdicts[1] == "denied"
        assert verdicts[0] != verdicts[1] or "could not be resolved" in there.out

    def test_lack_of_evidence_is_exit_code_3(self, imagegate: Command, file: Path) -> None:
        file.write_text(pod("127.0.0.1:1/a/b:1", namespace="signed-demo"))
        ran = imagegate("check", "--policies", CONFIG / "policies" / "sample", file)
        assert ran.code == 3
        assert "unknown" in ran.out
        file.write_text(
            f"{pod('127.0.0.1:1/a/b:1', namespace='signed-demo')}---\n{pod('UPPER', namespace='signed-demo')}"
        )
        assert imagegate("check", "--policies", CONFIG / "policies" / "sample", file).code == 1

    def test_always_pull_and_import_gate_are_asked_too(self, imagegate: Command, tmp_path: Path, file: Path) -> None:
        config = tmp_path / "master-config.yaml"
        config.write_text(
            "kind: MasterConfig\napiVersion: v1\nadmissionConfig:\n  pluginConfig:\n    AlwaysPullImages:\n"
            "      configuration: {kind: DefaultAdmissionConfig, apiVersion: v1, disable: false}\n"
            "imagePolicyConfig:\n  allowedRegistriesForImport:\n  - domainName: registry.example.com\n"
        )
        stream = {
            "apiVersion": "image.openshift.io/v1",
            "kind": "ImageStream",
            "metadata": {"name": "s", "namespace": "default"},
            "spec": {"tags": [{"name": "v1", "from": {"kind": "DockerImage", "name": "quay.io/x/y:1"}}]},
        }
        file.write_text(f"{pod(GOOD)}---\n{yaml.safe_dump(stream)}")
        ran = imagegate("check", "--config", config, file, "-o", "json")
        first, second = json.loads(ran.out)["results"]
        assert (first["verdict"], first["rewrites"][0]["after"]) == ("rewritten", "Always")
        assert second["verdict"] == "denied"
        assert second["problems"][0]["plugin"] == "import-gate"
        assert "not allowed by whitelist" in second["problems"][0]["because"]

    def test_streams_of_another_namespace_need_access(self, imagegate: Command, tmp_path: Path, file: Path) -> None:
        rules, settings = tmp_path / "access.yaml", tmp_path / "settings.yaml"
        rules.write_text(
            "kind: AccessRules\nrules:\n- {users: [alice], verbs: [get], apiGroups: [image.openshift.io], "
            "resources: [imagestreams/layers], namespaces: [default]}\n"
        )
        images = CONFIG / "examples" / "images"
        settings.write_text(f"config: {CONFIG / 'master-config.yaml'}\nimages: [{images}]\naccessRules: access.yaml\n")
        file.write_text(pod(INTERNAL, namespace="other"))
        alice = imagegate("check", "--settings", settings, "--as-user", "alice", file, "-o", "json")
        bob = imagegate("check", "--settings", settings, "--as-user", "bob", file, "-o", "json")
        verdicts = [json.loads(ran.out)["results"][0]["verdict"] for ran in (alice, bob)]
        assert verdicts == ["rewritten", "allowed"]  # the name of the registry is enough for the rule

    def test_modes_that_do_not_enforce_allow_and_tell(self, imagegate: Command, tmp_path: Path, file: Path) -> None:
        settings = tmp_path / "settings.yaml"
        settings.write_text(f"config: {CONFIG / 'master-config.yaml'}\nimagePolicy:\n  mode: warn\n")
        file.write_text(pod(BAD))
        ran = imagegate("check", "--settings", settings, file)
        assert ran.code == 0
        assert "(mode warn: not denied)" in ran.out
        assert ran.out.count("prohibited by policy") == 1


class TestInput:
    def test_standard_input(self, imagegate: Command, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(pod(BAD).encode())))
        ran = imagegate("check", *SETTINGS, "-")
        assert ran.code == 1
        assert "<stdin>:8: spec.containers[0].image" in ran.out

    @pytest.fixture
    def tree(self, tmp_path: Path) -> Path:
        for name in ("a.yaml", "b.yml", "c.json", "notes.txt", "sub/d.yaml", "sub/test/e.yaml", ".git/f.yaml"):
            path = tmp_path / "tree" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(yaml.safe_load(pod(GOOD))) if name.endswith(".json") else pod(GOOD))
        return tmp_path / "tree"

    @pytest.mark.parametrize(
        "options, files",
        [
            ([], ["a.yaml", "b.yml", "c.json", "sub/d.yaml", "sub/test/e.yaml"]),
            (["--include", "*.yaml"], ["a.yaml", "sub/d.yaml", "sub/test/e.yaml"]),
            (["--include", "sub/*.yaml"], ["sub/d.yaml"]),
            (["--include", "sub/**"], ["sub/d.yaml", "sub/test/e.yaml"]),
            (["--exclude", "**/test/**"], ["a.yaml", "b.yml", "c.json", "sub/d.yaml"]),
            (["--exclude", "*.yaml", "--exclude", "c.*"], ["b.yml"]),
            (["--include", "**/*.yaml", "--exclude", "sub/test/**"], ["a.yaml", ".git/f.yaml", "sub/d.yaml"]),
            (["--include", "sub"], ["sub/d.yaml", "sub/test/e.yaml"]),
            (["--include", ".git", "--include", "c.*"], ["c.json", ".git/f.yaml"]),
            (["--exclude", "sub"], ["a.yaml", "b.yml", "c.json"]),
            (["--exclude", "test"], ["a.yaml", "b.yml", "c.json", "sub/d.yaml"]),
            (["--exclude", "./sub/test/"], ["a.yaml", "b.yml", "c.json", "sub/d.yaml"]),
            (["--exclude", "s*"], ["a.yaml", "b.yml", "c.json"]),
            (["--exclude", "**/test"], ["a.yaml", "b.yml", "c.json", "sub/d.yaml"]),
        ],
    )
    def test_files_of_folders_are_selected_by_patterns(
        self, imagegate: Command, tree: Path, options: list[str], files: list[str]
    ) -> None:
        ran = imagegate("check", *SETTINGS, "-o", "json", *options, tree)
        assert [str(Path(each["file"]).relative_to(tree)) for each in json.loads(ran.out)["results"]] == files

    def test_what_cannot_be_read_is_said_and_the_rest_is_checked(self, imagegate: Command, tmp_path: Path) -> None:
        (tmp_path / "bad.yaml").write_text("a: [\n")
        (tmp_path / "latin.yaml").write_bytes(b"a: \xff\n")
        (tmp_path / "meta.yaml").write_text("apiVersion: v1\nkind: Pod\nmetadata: []\n")
        (tmp_path / "good.yaml").write_text(pod(BAD))
        ran = imagegate("check", *SETTINGS, tmp_path)
        assert ran.code == 2
        assert f"{tmp_path}/bad.yaml:2: not YAML" in ran.err
        assert f"{tmp_path}/latin.yaml:1: not UTF-8" in ran.err
        assert f"{tmp_path}/meta.yaml:1: metadata: expected an object" in ran.err
        assert "1 denied" in ran.out

    @pytest.mark.parametrize(
        "arguments, why",
        [
            (["missing.yaml", *SETTINGS], "missing.yaml: no such file or folder"),
            ([], "Missing argument"),
            ([str(PODS)], "no policy to check against"),
            ([str(PODS), "--config", "missing.yaml"], "missing.yaml: cannot be read"),
            ([str(PODS), *SETTINGS, "-o", "csv"], "'csv' is not one of"),
        ],
    )
    def test_usage_and_configuration_errors_are_exit_code_2(
        self, imagegate: Command, arguments: list[str], why: str
    ) -> None:
        ran = imagegate("check", *arguments)
        assert ran.code == 2
        assert why in ran.err
        assert ran.out == ("no objects; 1 error\n" if "no such file" in why else "")

    def test_custom_resources_of_the_settings_are_checked(self, imagegate: Command, tmp_path: Path) -> None:
        table = "{group: argoproj.io, resource: rollouts, kind: Rollout, podSpecs: [spec.template.spec]}"
        settings = tmp_path / "settings.yaml"
        settings.write_text(
            f"config: {CONFIG / 'master-config.yaml'}\nimages: [{CONFIG / 'examples' / 'images'}]\n"
            f"imagePolicy: {{extraResources: [{table}]}}\n"
        )
        spec = {"template": {"spec": {"containers": [{"name": "a", "image": BAD}, {"name": "b", "image": INTERNAL}]}}}
        rollout = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "r"}, "spec": spec}
        file = tmp_path / "rollout.yaml"
        file.write_text(yaml.safe_dump(rollout))
        ran = imagegate("check", "--settings", settings, file, "-o", "json")
        (found,) = json.loads(ran.out)["results"]
        assert ran.code == 1
        assert [(each["at"], each["image"], each["line"]) for each in found["problems"]] == [
            ("spec.template.spec.containers[0].image", BAD, 9)
        ]
        file.write_text(file.read_text().replace(BAD, GOOD))
        ran = imagegate("check", "--settings", settings, file, "-o", "json")
        (found,) = json.loads(ran.out)["results"]
        assert found["verdict"] == "rewritten"
        assert [each["path"] for each in found["rewrites"]] == ["/spec/template/spec/containers/1/image"]

    def test_a_wrong_policy_names_file_and_line(self, imagegate: Command, tmp_path: Path) -> None:
        config = tmp_path / "policy.yaml"
        config.write_text("kind: ImagePolicyConfig\napiVersion: v1\nexecutionRules:\n- name: a\n  rejekt: true\n")
        ran = imagegate("check", "--config", config, PODS)
        assert ran.code == 2
        assert f"imagegate: {config}:5: " in ran.err

    def test_many_manifests_are_checked_by_several_processes_in_order(self, tmp_path: Path) -> None:
        for number in range(300):
            (tmp_path / f"{number:03}.yaml").write_text(pod(BAD if number % 7 == 0 else GOOD, name=f"p{number}"))
        (tmp_path / "many.yaml").write_text("---\n".join(pod(BAD, name=f"m{n}") for n in range(4000)))
        service = build(StartupOptions(settings_file=CONFIG / "imagegate.yaml"))
        alone = run_check(service.reviewer, [tmp_path], CheckOptions(), jobs=1)
        together = run_check(service.reviewer, [tmp_path], CheckOptions(), jobs=3)
        assert [each._replace(seconds=0) for each in together.results] == [
            each._replace(seconds=0) for each in alone.results
        ]
        assert len(together.results) == 4300
        assert [result.name for result in together.results[:3]] == ["p0", "p1", "p2"]
        lines = [result.problems[0].line for result in together.results[-2:]]
        assert lines[1] - lines[0] == 9


class TestOutput:
    @pytest.fixture
    def ran(self, imagegate: Command, file: Path) -> Any:
        file.write_text(f"{pod(GOOD)}---\n{pod(BAD, name='bad')}---\n{pod(INTERNAL, name='internal')}")
        return lambda output: imagegate("check", *SETTINGS, file, "-o", output)

    def test_json_and_yaml_say_the_same(self, ran: Any) -> None:
        as_json, as_yaml = json.loads(ran("json").out), yaml.safe_load(ran("yaml").out)
        assert as_json == as_yaml
        assert as_json["summary"] == {
            "allowed": 1,
            "rewritten": 1,
            "denied": 1,
            "unknown": 0,
            "not looked into": 0,
            "not covered": 0,
        }
        rewrite = as_json["results"][2]["rewrites"][0]
        assert (rewrite["line"], rewrite["before"]) == (26, INTERNAL)
        assert rewrite["after"] == f"openshift/image-policy-check@{DIGEST}"

    def test_junit(self, ran: Any) -> None:
        root = ET.fromstring(ran("junit").out)
        assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("3", "1", "0")
        cases = root.findall("testsuite/testcase")
        assert [case.find("failure") is not None for case in cases] == [False, True, False]

    def test_junit_writes_what_xml_cannot_hold(self, imagegate: Command, file: Path) -> None:
        file.write_text(pod('"a\\x01b"'))
        ran = imagegate("check", *SETTINGS, file, "-o", "junit")
        assert ET.fromstring(ran.out).get("failures") == "1"

    def test_sarif(self, ran: Any, file: Path) -> None:
        (run,) = json.loads(ran("sarif").out)["runs"]
        (result,) = run["results"]
        assert result["ruleId"] == "image-policy/no-rule-allows"
        assert result["level"] == "error"
        assert result["locations"][0]["physicalLocation"] == {
            "artifactLocation": {"uri": str(file)},
            "region": {"startLine": 17},
        }
        assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["image-policy/no-rule-allows"]

    def test_policy_report(self, ran: Any) -> None:
        report = yaml.safe_load(ran("policyreport").out)
        assert report["summary"] == {"pass": 2, "fail": 1, "warn": 0, "error": 0, "skip": 0}
        (failed,) = [each for each in report["results"] if each["result"] == "fail"]
        assert (failed["policy"], failed["resources"][0]["name"]) == ("image-policy", "bad")

    def test_explain_shows_every_rule(self, imagegate: Command, file: Path) -> None:
        file.write_text(pod(BAD))
        ran = imagegate("check", *SETTINGS, file, "--explain")
        for rule in ("execution-denied", "allow-images-from-internal-registry", "allow-images-from-dockerhub"):
            assert rule in ran.out
        assert "steps" in json.loads(imagegate("check", *SETTINGS, file, "--explain", "-o", "json").out)["results"][0]

    def test_rewrite_prints_what_would_be_stored(self, imagegate: Command, file: Path) -> None:
        file.write_text(f"{pod(INTERNAL)}---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\n")
        ran = imagegate("check", *SETTINGS, file, "--rewrite")
        assert ran.code == 0
        first, second = yaml.safe_load_all(ran.out)
        assert first["spec"]["containers"][0]["image"] == f"openshift/image-policy-check@{DIGEST}"
        assert second["kind"] == "ConfigMap"

    def test_rewrite_prints_nothing_to_apply_where_something_is_denied(self, imagegate: Command, file: Path) -> None:
        file.write_text(f"{pod(GOOD)}---\n{pod(BAD)}")
        ran = imagegate("check", *SETTINGS, file, "--rewrite")
        assert (ran.code, ran.out) == (1, "")
        assert "prohibited by policy" in ran.err

    def test_a_rewritten_object_is_rewritten_no_more(self, imagegate: Command, file: Path) -> None:
        file.write_text(pod(INTERNAL))
        file.write_text(imagegate("check", *SETTINGS, file, "--rewrite").out)
        assert imagegate("check", *SETTINGS, file).out == f"Pod web  allowed  ({file}:2)\n1 object: 1 allowed\n"


def test_the_installed_command(tmp_path: Path) -> None:
    command: list[str | Path] = [IMAGEGATE, "check", *SETTINGS, PODS]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    assert ended.returncode == 1
    assert "4 objects: 1 denied, 1 rewritten, 2 allowed" in ended.stdout
    assert ended.stderr == ""
