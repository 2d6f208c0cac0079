"""``imagegate scan`` of a real API server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.aggregated import token_of
from tests.cluster.control_plane import ControlPlane
from tests.cluster.render import template as chart_template
from tests.support.programs import run
from tests.support.service import CONFIG, IMAGEGATE

GOOD, BAD = "docker.io/library/nginx:1", "quay.io/team/app:1"
ACCOUNT = "system:serviceaccount:imagegate:imagegate-scan"
NAMESPACES = ("scan-a", "scan-b")


def template(image: str) -> dict[str, Any]:
    return {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "a", "image": image}]}}


def pod(name: str, namespace: str, image: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"containers": [{"name": "a", "image": image}], "restartPolicy": "Never"},
    }


def deployment(name: str, namespace: str, image: str, replicas: int) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"a": "b"}}, "template": template(image)},
    }


@pytest.fixture(scope="module")
def settings(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Objects in two namespaces, admitted by nobody, and the settings of a scan."""
    for namespace in NAMESPACES:
        plane.kubectl("create", "namespace", namespace)
        plane.kubectl("create", "serviceaccount", "default", "-n", namespace, check=False)
    documents = [
        pod("good", "scan-a", GOOD),
        pod("bad", "scan-a", BAD),
        pod("bad", "scan-b", BAD),
        pod("ended", "scan-b", "quay.io/ended/app:1"),
        deployment("scaled-down", "scan-b", "quay.io/later/app:1", 0),
    ]
    for document in documents:
        plane.kubectl("apply", "-f", "-", text_in=yaml.safe_dump(document))
    ended = json.dumps({"status": {"phase": "Succeeded"}})
    plane.kubectl("patch", "pod", "ended", "-n", "scan-b", "--subresource", "status", "--type", "merge", "-p", ended)
    file = tmp_path_factory.mktemp("scan") / "imagegate.yaml"
    cluster = {"kubeconfig": str(plane.kubectl.configuration)}
    file.write_text(yaml.safe_dump({"config": str(CONFIG / "master-config.yaml"), "cluster": cluster}))
    return file


def test_the_job_of_the_chart_has_the_rights_that_it_needs(plane: ControlPlane, settings: Path, tmp_path: Path) -> None:
    files = chart_template("--set", "scan.enabled=true", "--set", "scan.schedule=0 * * * *")
    (job,) = yaml.safe_load_all(files["scan/cronjob.yaml"])
    assert job["spec"]["schedule"] == "0 * * * *"
    spec = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "imagegate"}}
    plane.kubectl("apply", "-f", "-", text_in=yaml.safe_dump(namespace))
    labels = ("pod-security.kubernetes.io/enforce=restricted", "--overwrite")
    plane.kubectl("label", "namespace", "imagegate", *labels)
    for name in ("rbac/look-ups.yaml", "rbac/policies.yaml", "scan/rbac.yaml"):
        plane.kubectl("apply", "-f", "-", text_in=files[name])
    created = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "scan", "namespace": "imagegate"}, "spec": spec}
    plane.kubectl("create", "--dry-run=server", "-f", "-", text_in=yaml.safe_dump(created))
    account = token_of(plane, tmp_path, "imagegate-scan")
    document = yaml.safe_load(settings.read_text())
    document["cluster"]["kubeconfig"] = str(account.configuration)
    own = tmp_path / "imagegate.yaml"
    own.write_text(yaml.safe_dump(document))
    arguments = [each.replace("/etc/imagegate/imagegate.yaml", str(own)) for each in spec["containers"][0]["args"]]
    done = run([IMAGEGATE, *arguments], check=False)
    assert done.returncode == 1, done.stderr
    assert f"{BAD}  denied in " in done.stdout
    assert plane.kubectl("auth", "can-i", "create", "pods", "--as", ACCOUNT, check=False).stdout == "no\n"


def scanned(settings: Path, *options: str) -> tuple[int, Any]:
    done = run([IMAGEGATE, "scan", "--settings", settings, "-o", "json", *options], check=False)
    return done.returncode, json.loads(done.stdout)


def test_what_runs_and_would_be_denied_now(settings: Path) -> None:
    code, found = scanned(settings, "-n", "scan-a", "-n", "scan-b")
    assert code == 1
    problems = {each["image"]: each for each in found["problems"]}
    assert set(problems) == {BAD, "quay.io/later/app:1"}, "what has ended runs nothing"
    assert problems[BAD]["namespaces"] == {"scan-a": 1, "scan-b": 1}
    assert problems["quay.io/later/app:1"]["first"]["kind"] == "Deployment", "it would make Pods when it is scaled up"
    assert found["summary"]["allowed"] == 1


def test_a_namespace_alone(settings: Path) -> None:
    _, found = scanned(settings, "-n", "scan-a")
    assert found["summary"] == {
        "allowed": 1,
        "rewritten": 0,
        "denied": 1,
        "unknown": 0,
        "not looked into": 0,
        "not covered": 0,
    }


def test_the_whole_cluster(settings: Path) -> None:
    code, found = scanned(settings)
    assert code == 1
    assert {"scan-a", "scan-b"} <= {name for each in found["problems"] for name in each["namespaces"]}


def test_a_cluster_that_does_not_answer_is_not_clean(settings: Path, tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    document = yaml.safe_load(settings.read_text())
    access = yaml.safe_load(Path(document["cluster"]["kubeconfig"]).read_text())
    access["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
    kubeconfig.write_text(yaml.safe_dump(access))
    document["cluster"]["kubeconfig"] = str(kubeconfig)
    other = tmp_path / "imagegate.yaml"
    other.write_text(yaml.safe_dump(document))
    done = run([IMAGEGATE, "scan", "--settings", other], check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "127.0.0.1" in done.stderr
