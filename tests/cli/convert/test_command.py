"""``imagegate convert`` from files of other languages, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from imagegate.documents.image_policies import read_policies
from tests.cli.commands import Command, pod
from tests.support.service import CONFIG

EXAMPLES = CONFIG / "examples" / "convert"
IMAGES = (
    "registry.corp.example/team/app:1", "quay.io/prometheus/node-exporter:v1", "quay.io/other/x:1", "nginx",
    "registry.corp.example.evil.org/x:1", "docker.io/library/nginx:1",
)  # fmt: skip
ALLOWED = ["registry.corp.example/team/app:1", "quay.io/prometheus/node-exporter:v1"]


@pytest.mark.parametrize("source", ["kyverno.yaml", "gatekeeper.yaml"])
@pytest.mark.parametrize("target", ["portieris", "cise"])
def test_what_check_says_under_the_result(imagegate: Command, tmp_path: Path, source: str, target: str) -> None:
    assert imagegate("convert", "--to", target, EXAMPLES / source, "--output-folder", tmp_path / "out").code == 0
    for namespace, expected in (("default", ALLOWED), ("kube-system", list(IMAGES))):
        pods = "---\n".join(pod(image, f"p{place}", namespace=namespace) for place, image in enumerate(IMAGES))
        (tmp_path / "pods.yaml").write_text(pods)
        ran = imagegate("check", "--policies", tmp_path / "out", tmp_path / "pods.yaml", "-o", "json")
        verdicts = {each["name"]: each["verdict"] for each in json.loads(ran.out)["results"]}
        assert [image for place, image in enumerate(IMAGES) if verdicts[f"p{place}"] == "allowed"] == expected


def test_from_execution_rules(imagegate: Command, tmp_path: Path) -> None:
    strict = imagegate("convert", CONFIG / "master-config.yaml")
    assert strict.code == 1
    assert [each.entries for each in read_policies(strict.out, "out").policies] == [()]
    wider = imagegate("convert", "--allow-wider", CONFIG / "master-config.yaml", "-o", "json")
    found = json.loads(wider.out)
    assert {loss["effect"] for loss in found["losses"]} == {"note", "narrower", "unenforced", "wider"}
    assert [file["name"] for file in found["files"]] == ["image-policies.yaml"]


def test_what_is_refused(imagegate: Command, tmp_path: Path) -> None:
    for arguments, message in (
        (("convert", EXAMPLES / "kyverno.yaml", CONFIG / "master-config.yaml"), "convert them one by one"),
        (("convert", CONFIG / "master-config.yaml", CONFIG / "default-policy.yaml"), "convert them one by one"),
        (("convert", "--in-place", EXAMPLES / "kyverno.yaml"), "--in-place is for conversion between the IBM groups"),
        (("convert", "--to", "policy.json", CONFIG / "examples/pods"), "no ClusterImagePolicy and no ImagePolicy"),
    ):
        ran = imagegate(*arguments)
        assert ran.code == 2
        assert message in ran.err
    (tmp_path / "other.yaml").write_text(
        "{apiVersion: kyverno.io/v1, kind: ClusterPolicy, metadata: {name: x}, spec: {rules: [{validate: {}}]}}"
    )
    ran = imagegate("convert", tmp_path / "other.yaml")
    assert ran.code == 2
    assert "no list of allowed images" in ran.err
    (tmp_path / "config.yaml").write_text("kind: MasterConfig\napiVersion: v1\nimageConfig: {format: x}\n")
    assert "no image policy" in imagegate("convert", tmp_path / "config.yaml").err


def test_from_an_inventory_by_way_of_a_configuration(imagegate: Command, tmp_path: Path) -> None:
    made = imagegate("convert", "--to", "master-config", EXAMPLES / "hosts.ini", "--output-folder", tmp_path)
    assert made.code == 0
    assert imagegate("lint", tmp_path / "master-config.yaml").out == ""
    image = imagegate("convert", "--to", "image-config", tmp_path / "master-config.yaml")
    assert image.code == 1
    assert '    - domainName: "*.corp.example"\n' in image.out
    assert '      - "registry.corp.example"\n' in image.out


def test_openshift_4(imagegate: Command, tmp_path: Path) -> None:
    (tmp_path / "cosign.pub").write_text("-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----\n")
    source = EXAMPLES / "cluster-policy.yaml"
    ran = imagegate(
        "convert", "--to", "openshift-4", source, "--sigstore-key", f"signing/team-key={tmp_path}/cosign.pub"
    )
    assert ran.code == 1
    assert 'scopes:\n    - "registry.corp.example"\n' in ran.out
    assert "quay.io/prometheus" in ran.err
    for option, message in (("x=y", "expected NAMESPACE/SECRET=FILE"), (f"a/b={source}", "no public key in PEM")):
        ran = imagegate("convert", "--to", "openshift-4", source, "--sigstore-key", option)
        assert ran.code == 2
        assert message in ran.err


def test_execution_rules_and_lists_for_nodes(imagegate: Command, tmp_path: Path) -> None:
    """By way of policies: the differences of both steps are listed."""
    ran = imagegate("convert", "--to", "policy.json", EXAMPLES / "kyverno.yaml", "--output-folder", tmp_path)
    assert ran.code == 1
    assert "scope quay.io/prometheus would also hold" in ran.err
    scopes = json.loads((tmp_path / "policy.json").read_text())["transports"]["docker"]
    assert scopes["registry.corp.example"] == [{"type": "insecureAcceptAnything"}]
    assert scopes[""] == [{"type": "reject"}]
    everything = json.loads((tmp_path / "policies/kube-system.json").read_text())["transports"]["docker"]
    assert everything == {"": [{"type": "insecureAcceptAnything"}]}
    rules = imagegate("convert", "--to", "policy.json", CONFIG / "master-config.yaml", "--allow-wider", "-o", "json")
    assert "172.30.1.1:5000" in json.loads(json.loads(rules.out)["files"][0]["text"])["transports"]["docker"]
