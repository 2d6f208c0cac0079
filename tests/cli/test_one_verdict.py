"""The same manifest has the same verdict, reasons and changes from the webhook, check, explain, replay and test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from imagegate.core.admission.request import Phase
from imagegate.wiring.choices import StartupOptions
from imagegate.wiring.runtime import Runtime, build
from tests.cli.commands import SETTINGS, Command
from tests.support.audit_events import pod
from tests.support.service import CONFIG

IMAGES = (
    "docker.io/library/nginx:1.27",
    "quay.io/evil/x:1",
    "nginx",
    "172.30.1.1:5000/default/image-policy-check:latest",
    "172.30.1.1:5000/default/image-policy-check:v1",
    "docker-registry.default.svc:5000/default/image-policy-check:latest",
    "A B",
    "different-registry/openshift/image-policy-check:latest",
)


class Verdict(NamedTuple):
    """The parts that must be equal."""

    word: str
    reasons: frozenset[str] = frozenset()
    runs: str = ""
    """The image that would run."""


@pytest.fixture(scope="module")
def service() -> Runtime:
    return build(StartupOptions(settings_file=CONFIG / "imagegate.yaml", environ={}))


@pytest.fixture(params=IMAGES)
def document(request: pytest.FixtureRequest) -> dict[str, Any]:
    return pod(request.param, namespace="default")


def review(document: dict[str, Any]) -> dict[str, Any]:
    names = {"group": "", "version": "v1"}
    request = {
        "uid": "1",
        "operation": "CREATE",
        "kind": {**names, "kind": "Pod"},
        "resource": {**names, "resource": "pods"},
        "namespace": "default",
        "name": "web",
        "object": document,
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


def image(document: dict[str, Any]) -> str:
    written: str = document["spec"]["containers"][0]["image"]
    return written


def of_check(result: dict[str, Any]) -> Verdict:
    runs = {each["path"]: each["after"] for each in result["rewrites"]}.get("/spec/containers/0/image", "")
    return Verdict(result["verdict"], frozenset(each["because"] for each in result["problems"]), runs)


@pytest.fixture
def checked(imagegate: Command, document: dict[str, Any], tmp_path: Path) -> Verdict:
    (tmp_path / "pod.json").write_text(json.dumps(document))
    found = json.loads(imagegate("check", *SETTINGS, "-o", "json", tmp_path / "pod.json").out)
    return of_check(found["results"][0])


def test_the_images_cover_the_verdicts(imagegate: Command, tmp_path: Path) -> None:
    for number, each in enumerate(IMAGES):
        (tmp_path / f"{number}.json").write_text(json.dumps(pod(each, namespace="default")))
    found = json.loads(imagegate("check", *SETTINGS, "-o", "json", tmp_path).out)["results"]
    assert {each["verdict"] for each in found} >= {"allowed", "denied", "rewritten"}


def test_the_webhook(service: Runtime, document: dict[str, Any], checked: Verdict) -> None:
    answer = service.reviewer.review(review(document), Phase.MUTATE)["response"]
    assert answer["allowed"] is (checked.word != "denied")
    assert ("patch" in answer) is (checked.word == "rewritten")
    for reason in checked.reasons:
        assert reason in answer["status"]["message"]


def test_explain(imagegate: Command, document: dict[str, Any], checked: Verdict) -> None:
    found = json.loads(imagegate("explain", *SETTINGS, "-n", "default", "-o", "json", image(document)).out)
    runs = found["runs"] if found["runs"] != image(document) else ""
    assert Verdict(found["verdict"], frozenset(each["because"] for each in found["denials"]), runs) == checked


def test_replay(imagegate: Command, document: dict[str, Any], checked: Verdict, tmp_path: Path) -> None:
    (tmp_path / "review.json").write_text(json.dumps(review(document)))
    found = json.loads(imagegate("replay", *SETTINGS, "-o", "json", tmp_path / "review.json").out)
    assert found["verdicts"][checked.word] == 1
    reasons = {each["first"]["because"].partition(": ")[2] for each in found["changes"]}
    assert reasons == checked.reasons


def test_a_policy_test(imagegate: Command, document: dict[str, Any], checked: Verdict, tmp_path: Path) -> None:
    denials = [{"text": reason} for reason in checked.reasons]
    rewrites = [{"at": "/spec/containers/0/image", "to": checked.runs}] if checked.runs else []
    suite = {
        "apiVersion": "imagegate.dev/v1alpha1",
        "kind": "PolicyTest",
        "policy": {"settings": str(CONFIG / "imagegate.yaml")},
        "cases": [
            {
                "name": "the same",
                "object": document,
                "expect": {"verdict": checked.word, "rewrites": rewrites} | ({"denials": denials} if denials else {}),
            }
        ],
    }
    path = tmp_path / "imagegate-test.yaml"
    path.write_text(yaml.safe_dump(suite))
    ran = imagegate("test", "-o", "json", path)
    assert ran.code == 0, ran.out
    assert of_check(json.loads(ran.out)["tests"][0]["objects"][0]) == checked
