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


DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  template: {spec: {containers: [{name: a, image: "quay.io/x/y:1"}, {name: b, image: "docker.io/library/nginx:1"}]}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
"""
INSTANCE = """
apiVersion: template.openshift.io/v1
kind: TemplateInstance
metadata: {name: made, namespace: shop}
spec:
  secret: {name: values}
  template:
    parameters: [{name: IMAGE, required: true}]
    objects: [{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: a, image: "${IMAGE}"}]}}]
"""
SECRET = """
apiVersion: v1
kind: Secret
metadata: {name: values, namespace: NAMESPACE}
stringData: {IMAGE: "quay.io/x/y:1"}
"""


def test_a_manifest_is_explained_object_by_object(imagegate: Command, tmp_path: Path) -> None:
    file = tmp_path / "deploy.yaml"
    file.write_text(DEPLOYMENT)
    ran = imagegate("explain", *SETTINGS, "-f", file)
    assert ran.code == 1
    assert ran.out.startswith(f"Deployment shop/web: denied ({file}:2)\n")
    assert "The Pod that it makes, by spec.template.spec: denied\n  Nearest rule: executionRules[1] " in ran.out
    for at, image, verdict in ((0, "quay.io/x/y:1", "denied"), (1, "docker.io/library/nginx:1", "allowed")):
        assert f"    spec.containers[{at}].image: {image}: {verdict}\n" in ran.out
    assert f"ConfigMap settings in namespace default: not covered ({file}:8)\nholds no images\n" in ran.out


def test_an_object_is_selected_as_kubectl_names_it(imagegate: Command, tmp_path: Path) -> None:
    file = tmp_path / "deploy.yaml"
    file.write_text(DEPLOYMENT)
    for wanted in ("Deployment/web", "deployments/web", "deployment.apps/web", "Deployment"):
        found = json.loads(imagegate("explain", *SETTINGS, "-f", file, wanted, "-o", "json").out)
        assert [each["name"] for each in found["objects"]] == ["web"]
        (problem,) = found["objects"][0]["problems"]
        assert problem["hint"].startswith("nearest rule: executionRules[1] ")
        assert any(step["at"] == problem["at"] and step["what"] == "rule" for step in found["objects"][0]["steps"])
        assert "Nearest rule: " in "".join(found["objects"][0]["explanation"])
    ran = imagegate("explain", *SETTINGS, "-f", file, "Job/web")
    assert (ran.code, ran.out) == (2, "")
    assert "no object Job/web in the files, which have Deployment/web, ConfigMap/settings" in ran.err


def test_check_says_the_same_of_every_object(imagegate: Command, tmp_path: Path) -> None:
    file = tmp_path / "deploy.yaml"
    file.write_text(DEPLOYMENT)
    explained = json.loads(imagegate("explain", *SETTINGS, "-f", file, "-o", "json").out)["objects"]
    checked = json.loads(imagegate("check", *SETTINGS, "--explain", file, "-o", "json").out)["results"]
    extra = ("explanation", "milliseconds")
    assert [{key: each[key] for key in each if key not in extra} for each in explained] == checked


def test_a_template_instance_takes_the_values_of_its_secret_in_any_of_the_files(
    imagegate: Command, tmp_path: Path
) -> None:
    (tmp_path / "instance.yaml").write_text(INSTANCE)
    (tmp_path / "secret.yaml").write_text(SECRET.replace("NAMESPACE", "shop"))
    ran = imagegate("explain", *SETTINGS, "-f", tmp_path, "Pod/p")
    assert ran.code == 1
    assert "spec.containers[0].image: quay.io/x/y:1: denied" in ran.out


def test_without_its_secret_a_template_instance_is_not_looked_into(imagegate: Command, tmp_path: Path) -> None:
    (tmp_path / "instance.yaml").write_text(INSTANCE)
    (tmp_path / "secret.yaml").write_text(SECRET.replace("NAMESPACE", "other"))  # another namespace's
    ran = imagegate("explain", *SETTINGS, "-f", tmp_path, "Pod/p")
    assert ran.code == 0
    assert ran.out.startswith("Pod p in namespace default: not looked into")
    assert "parameter IMAGE may come from Secret values, which is not in the files" in ran.out
    ran = imagegate("explain", *SETTINGS, "-f", tmp_path, "Pod/p", "-p", "IMAGE=docker.io/library/nginx:1")
    assert ran.out.startswith("Pod p in namespace default: allowed")


def test_options_that_do_not_go_together(imagegate: Command, tmp_path: Path) -> None:
    (tmp_path / "deploy.yaml").write_text(DEPLOYMENT)
    for options, said in (
        (("-f", tmp_path, "--import"), "--import explains an image"),
        (("-p", "A=b", "nginx"), "name their files with -f"),
        (("-f", tmp_path, "-p", "A=b"), "no Template has a parameter of this name"),
        (("-f", tmp_path / "absent.yaml"), "absent.yaml"),
    ):
        ran = imagegate("explain", *SETTINGS, *options)
        assert (ran.code, said in ran.err) == (2, True), ran.err
