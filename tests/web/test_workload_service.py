"""What an API server sends for workloads after their creation, and reviews that are very large, to a served process."""

from __future__ import annotations

import copy
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imagegate.core.admission.decision import PatchOp
from imagegate.core.admission.patch import apply_patch
from tests.support.service import Answer, Service, sample_config, serving

TAG = "172.30.1.1:5000/default/image-policy-check:latest"
DIGEST = "openshift/image-policy-check@sha256:09ce3d8b5b63595ffca6636c7daefb1a615a7c0e3f8ea68e5db044a9340d6ba8"
ANSWER_MAX_BYTES = 100 * 1024
RESOURCES = {
    "Pod": ("", "pods"),
    "Job": ("batch", "jobs"),
    "Build": ("build.openshift.io", "builds"),
    "DeploymentConfig": ("apps.openshift.io", "deploymentconfigs"),
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, face: str) -> Iterator[Service]:
    """The sample configuration, with AlwaysPullImages on."""
    directory = tmp_path_factory.mktemp("workloads")
    config = sample_config(directory)
    master = config / "master-config.yaml"
    text = master.read_text(encoding="utf-8")
    assert text.count("disable: true") == 1
    master.write_text(text.replace("disable: true", "disable: false"), encoding="utf-8")
    with serving(directory, "--settings", config / "imagegate.yaml", "--worker", face) as running:
        yield running


def review(document: dict[str, Any], old: dict[str, Any] | None = None, sub_resource: str = "") -> dict[str, Any]:
    group, resource = RESOURCES[document["kind"]]
    request = {
        "uid": "11111111-2222-3333-4444-555555555555",
        "kind": {"group": group, "version": "v1", "kind": document["kind"]},
        "resource": {"group": group, "version": "v1", "resource": resource},
        "operation": "CREATE" if old is None else "UPDATE",
        "namespace": "default",
        "userInfo": {"username": "admin"},
        "subResource": sub_resource,
        "object": document,
        "oldObject": old,
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


def stored(
    service: Service, document: dict[str, Any], old: dict[str, Any] | None = None, sub_resource: str = ""
) -> tuple[dict[str, Any], Answer]:
    """The object that both passes leave, and the first answer."""
    mutated = service.post("/mutate", review(document, old, sub_resource))
    assert mutated.response["allowed"], mutated.response
    left = copy.deepcopy(document)
    if "patch" in mutated.response:
        left = apply_patch(left, [PatchOp(**operation) for operation in mutated.patch])
    validated = service.post("/validate", review(left, old, sub_resource))
    assert validated.response["allowed"], validated.response
    return left, mutated


def job(image: str, **labels: str) -> dict[str, Any]:
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": image}]}}
    metadata = {"name": "j", "labels": labels}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"template": template}}


def pod(image: str, policy: str = "Always") -> dict[str, Any]:
    container = {"name": "c", "image": image, "imagePullPolicy": policy}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [container]}}


def test_a_job_is_applied_again_without_a_change(service: Service) -> None:
    first, _ = stored(service, job(TAG))
    assert first == job(DIGEST)
    again, answer = stored(service, job(TAG), old=first)
    assert again == first
    assert "warnings" not in answer.response
    labelled, _ = stored(service, job(TAG, team="a"), old=first)
    assert labelled == job(DIGEST, team="a")


def test_a_job_with_another_image_says_why_it_cannot_be_applied(service: Service) -> None:
    other = job(f"docker.io/a/b@sha256:{'1' * 64}")
    left, answer = stored(service, job(TAG), old=other)
    assert left == job(TAG)  # what the API server refuses: "field is immutable"
    assert len(answer.response["warnings"]) == 1
    assert "now resolves to another image than this Job was created with" in answer.response["warnings"][0]


def test_kubectl_debug_is_pinned_and_older_containers_are_left_alone(service: Service) -> None:
    """The pod is from before both plug-ins: another pull policy, a forbidden image."""
    old = pod("quay.io/not/allowed:1", "IfNotPresent")
    debugged = copy.deepcopy(old)
    debugged["spec"]["ephemeralContainers"] = [{"name": "d", "image": TAG, "imagePullPolicy": "IfNotPresent"}]
    left, _ = stored(service, debugged, old=old, sub_resource="ephemeralcontainers")
    assert left["spec"]["containers"] == old["spec"]["containers"]
    assert left["spec"]["ephemeralContainers"] == [{"name": "d", "image": DIGEST, "imagePullPolicy": "Always"}]
    twice = copy.deepcopy(left)
    twice["spec"]["ephemeralContainers"].append({"name": "e", "image": "docker.io/a/b:1"})
    again, _ = stored(service, twice, old=left, sub_resource="ephemeralcontainers")
    assert again["spec"]["ephemeralContainers"][0] == left["spec"]["ephemeralContainers"][0]


def test_kubectl_debug_with_a_forbidden_image_is_denied(service: Service) -> None:
    old = pod(DIGEST)
    debugged = copy.deepcopy(old)
    debugged["spec"]["ephemeralContainers"] = [{"name": "d", "image": "quay.io/x/y:1", "imagePullPolicy": "Always"}]
    for path in ("/mutate", "/validate"):
        response = service.post(path, review(debugged, old, "ephemeralcontainers")).response
        assert not response["allowed"]
        assert "spec.ephemeralContainers[0].image" in response["status"]["message"]


@pytest.mark.parametrize("change", ["labels", "finalizers", "status"])
def test_an_older_pod_may_be_changed(service: Service, change: str) -> None:
    old = pod("quay.io/not/allowed:1", "IfNotPresent")
    new = copy.deepcopy(old)
    if change == "status":
        new["status"] = {"phase": "Running"}
    else:
        new["metadata"][change] = {"a": "b"} if change == "labels" else []
    assert stored(service, new, old=old)[0] == new


def test_a_build_from_a_forbidden_image_is_denied(service: Service) -> None:
    def build(dockerfile: str) -> dict[str, Any]:
        spec = {"source": {"dockerfile": dockerfile}, "strategy": {"dockerStrategy": {}}}
        return {"apiVersion": "build.openshift.io/v1", "kind": "Build", "metadata": {"name": "b"}, "spec": spec}

    for path in ("/mutate", "/validate"):
        response = service.post(path, review(build("FROM quay.io/x/y:1 AS a\n"))).response
        assert not response["allowed"]
        assert "(line 1: FROM)" in response["status"]["message"]
    stored(service, build("FROM docker.io/a/b:1 AS a\nFROM a\nCOPY --from=a / /\n"))


def cpu_seconds(service: Service) -> float:
    """What the workers have used of the processor so far."""
    ticks = 0
    for pid in service.workers():
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])  # utime and stime, proc(5)
    return ticks / os.sysconf("SC_CLK_TCK")


LARGE = {
    "distinct images": [{"name": f"c{n}", "image": f"quay.io/a/b:{n}"} for n in range(120_000)],
    "one image": [{"image": "a:1"}] * 280_000,
    "many places": [{"name": f"c{n}", "image": f"quay.io/a/b:{n}"} for n in range(9_000)],
    "a long image": [{"name": "c", "image": "a/" * 2_900_000}],
    "a long name": [{"name": "n" * 5_800_000, "image": "quay.io/a:1"}],
    "quotes": [{"name": "c", "image": "\\" * 2_900_000}],
}


@pytest.mark.parametrize("name", LARGE)
def test_a_large_review_is_denied_soon_and_in_few_words(service: Service, name: str) -> None:
    """Four at once, as a client that means harm would send them; the machine may be busy with something else."""
    before = cpu_seconds(service)
    body = json.dumps(review({**pod("x"), "spec": {"containers": LARGE[name]}})).encode()
    answers: list[Answer] = []

    def send(path: str) -> None:
        answers.append(service.post(f"{path}?timeout=10s", body))

    senders = [threading.Thread(target=send, args=(path,)) for path in ("/mutate", "/validate") * 2]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert len(answers) == 4
    assert cpu_seconds(service) - before < 12  # 0.1.0 took 100 for some of these
    for answer in answers:
        assert answer.response["uid"] == "11111111-2222-3333-4444-555555555555"
        assert not answer.response["allowed"]
        assert len(answer.content) < ANSWER_MAX_BYTES
    if name == "many places":
        causes = answers[0].response["status"]["details"]["causes"]
        assert causes[-1]["message"].startswith("Forbidden: and ")
        assert causes[-1]["message"].endswith(" more")


def test_the_log_keeps_short_lines(service: Service) -> None:
    assert max(len(json.dumps(line)) for line in service.log_lines()) < 64 * 1024
