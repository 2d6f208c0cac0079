from __future__ import annotations

import json
from pathlib import Path

import yaml

from tests.cli.commands import SETTINGS, Command
from tests.support.service import CONFIG

BAD = "quay.io/x/y:1"


def test_every_rule_is_told_with_its_reason(imagegate: Command) -> None:
    ran = imagegate("explain", *SETTINGS, BAD)
    assert ran.code == 1
    lines = ran.out.splitlines()
    assert lines[0] == f"{BAD} in namespace default: denied"
    assert lines[1].startswith(
        "Nearest rule: executionRules[1] allow-images-from-internal-registry would allow it, but "
    )
    assert "    because this image is prohibited by policy: no rule allows it" in ran.out
    for rule in ("execution-denied is skipped", "internal-registry does not match", "dockerhub does not match"):
        assert rule in ran.out
    assert lines[-1].startswith("Policies ")


def test_an_allowed_image_is_exit_code_0(imagegate: Command) -> None:
    ran = imagegate("explain", *SETTINGS, "docker.io/library/nginx:1")
    assert ran.code == 0
    assert "allow-images-from-dockerhub accepts it" in ran.out


def test_a_rewritten_image_tells_its_digest(imagegate: Command) -> None:
    ran = imagegate("explain", *SETTINGS, "172.30.1.1:5000/default/image-policy-check:latest")
    assert ran.code == 0
    assert "  runs as openshift/image-policy-check@sha256:09ce3d8b" in ran.out


def test_json_and_yaml_hold_the_steps(imagegate: Command) -> None:
    as_json = json.loads(imagegate("explain", *SETTINGS, BAD, "-o", "json").out)
    as_yaml = yaml.safe_load(imagegate("explain", *SETTINGS, BAD, "-o", "yaml").out)
    assert as_json["verdict"] == as_yaml["verdict"] == "denied"
    assert as_json["steps"] == as_yaml["steps"]
    assert any(step["what"] == "rule" for step in as_json["steps"])


def test_lack_of_evidence_is_exit_code_3(imagegate: Command) -> None:
    ran = imagegate("explain", "--policies", CONFIG / "policies" / "sample", "-n", "signed-demo", "127.0.0.1:1/a/b:1")
    assert ran.code == 3
    assert ran.out.startswith("127.0.0.1:1/a/b:1 in namespace signed-demo: unknown")


def test_without_a_policy_there_is_nothing_to_explain(imagegate: Command) -> None:
    assert imagegate("explain", BAD).code == 2


def test_an_empty_image_is_a_usage_error(imagegate: Command) -> None:
    ran = imagegate("explain", *SETTINGS, "")
    assert (ran.code, ran.out) == (2, "")
    assert "IMAGE is empty" in ran.err


def test_check_explains_every_kind_of_object(imagegate: Command, tmp_path: Path) -> None:
    file = tmp_path / "stream.yaml"
    file.write_text(
        "apiVersion: image.openshift.io/v1\nkind: ImageStream\nmetadata: {name: web}\nspec:\n  tags:\n"
        "  - {name: v1.2, from: {kind: DockerImage, name: 'evil.example.net/app:1'}}\n"
        "  - {name: ok, from: {kind: DockerImage, name: 'docker.io/library/nginx:1'}}\n"
    )
    ran = imagegate("check", "--explain", *SETTINGS, file)
    assert ran.code == 1
    assert "spec.tags[ok].from.name: docker.io/library/nginx:1: allowed" in ran.out
    assert "The list of registries does not admit evil.example.net/app:1" in ran.out
