"""One manifest has one verdict, with the same reasons and changes, wherever it is asked for."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest
import yaml

from tests.cli.commands import SETTINGS, Command
from tests.support.service import Service, serving

NAMESPACE = "default"
DIGEST = "sha256:09ce3d8b5b63595ffca6636c7daefb1a615a7c0e3f8ea68e5db044a9340d6ba8"
PINNED = f"openshift/image-policy-check@{DIGEST}"
IMAGES = {
    "docker.io/openshift/image-policy-check:latest": "allowed",
    "quay.io/team/app:1": "denied",
    "different-registry/openshift/image-policy-check:latest": "denied",
    "172.30.1.1:5000/default/image-policy-check:latest": "rewritten",
    "172.30.1.1:5000/default/image-policy-check:unknown": "allowed",
    "172.30.1.1:5000/default/image-policy-check:v1": "allowed",
    "docker-registry.default.svc:5000/default/image-policy-check:latest": "rewritten",
    "nginx": "denied",
    "A B": "denied",
    "UPPER/case:1": "denied",
}


class Verdict(NamedTuple):
    """What one way of asking says."""

    word: str
    reasons: frozenset[str] = frozenset()
    """Sentences of the denials."""
    runs: str = ""
    """The image that it is changed to."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("one-verdict")) as found:
        yield found


@pytest.fixture
def imagegate(capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(capsys)


def pod(image: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "namespace": NAMESPACE},
        "spec": {"containers": [{"name": "a", "image": image}]},
    }


def review_of(document: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "u-1",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": NAMESPACE,
            "name": "web",
            "operation": "CREATE",
            "userInfo": {"username": "alice"},
            "object": document,
        },
    }


def by_webhook(service: Service, review: dict[str, Any]) -> Verdict:
    answer = service.post("/mutate", review)
    if not answer.response["allowed"]:
        causes = answer.response["status"].get("details", {}).get("causes", ())
        return Verdict("denied", frozenset(cause["message"].removeprefix("Forbidden: ") for cause in causes))
    if "patch" not in answer.response:
        return Verdict("allowed")
    (change,) = answer.patch
    return Verdict("rewritten", runs=change["value"])


def told(denial: dict[str, str]) -> str:
    """What a denial tells: the original's sentence and the nearest rule."""
    return "; ".join(filter(None, (denial["because"], denial["hint"])))


def by_check(imagegate: Command, file: Path) -> Verdict:
    (found,) = json.loads(imagegate("check", *SETTINGS, "-o", "json", file).out)["results"]
    return of_check(found)


def of_check(result: dict[str, Any]) -> Verdict:
    runs = next((each["after"] for each in result["rewrites"]), "")
    return Verdict(result["verdict"], frozenset(map(told, result["problems"])), runs)


def by_explain(imagegate: Command, image: str) -> Verdict:
    found = json.loads(imagegate("explain", *SETTINGS, "-n", NAMESPACE, "-o", "json", image).out)
    reasons = frozenset(map(told, found["denials"]))
    return Verdict(found["verdict"], reasons, found["runs"] if found["runs"] != image else "")


def by_explained_file(imagegate: Command, file: Path) -> Verdict:
    (found,) = json.loads(imagegate("explain", *SETTINGS, "-f", file, "-o", "json").out)["objects"]
    return of_check(found)


def by_replay(imagegate: Command, file: Path) -> Verdict:
    found = json.loads(imagegate("replay", *SETTINGS, "-o", "json", file).out)
    (word,) = (word for word, number in found["verdicts"].items() if number)
    reasons = frozenset(each["first"]["because"].partition(": ")[2] for each in found["changes"] if word == "denied")
    return Verdict(word, reasons)


def by_scan(imagegate: Command, file: Path) -> Verdict:
    found = json.loads(imagegate("scan", *SETTINGS, "-o", "json", file).out)
    (word,) = (word for word, number in found["summary"].items() if number)
    (row,) = found["images"]
    assert row["verdict"] == word
    return Verdict(word, frozenset(each["because"] for each in found["problems"]))


def by_test(imagegate: Command, suite: Path, cases: list[dict[str, Any]]) -> list[Verdict]:
    kind = {"apiVersion": "imagegate.dev/v1alpha1", "kind": "PolicyTest", "metadata": {"name": "one"}}
    suite.write_text(yaml.safe_dump({**kind, "policy": {"settings": SETTINGS[1]}, "cases": cases}))
    tested = imagegate("test", "-o", "json", suite)
    assert tested.code == 0, tested.out + tested.err
    return [of_check(each["objects"][0]) for each in json.loads(tested.out)["tests"]]


def by_console(service: Service, document: dict[str, Any]) -> str:
    """The page, as people read it."""
    body = urlencode({"manifest": yaml.safe_dump(document)}).encode()
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = service.ask("POST", "/console/try", body, form)
    assert answer.status == 200
    text = re.sub("<[^>]*>", "", answer.content.decode().replace("<wbr>", ""))
    return " ".join(html.unescape(text).split())


@pytest.mark.parametrize("image", IMAGES)
def test_every_way_of_asking_has_the_same_answer(
    service: Service, imagegate: Command, tmp_path: Path, image: str
) -> None:
    manifest, review, suite = (tmp_path / name for name in ("pod.yaml", "review.jsonl", "imagegate-test.yaml"))
    manifest.write_text(yaml.safe_dump(pod(image)))
    review.write_text(json.dumps(review_of(pod(image))) + "\n")
    found = by_check(imagegate, manifest)
    assert found.word == IMAGES[image]
    assert bool(found.reasons) == (found.word == "denied")
    assert found.runs == (PINNED if found.word == "rewritten" else "")
    assert by_webhook(service, review_of(pod(image))) == found
    assert by_explain(imagegate, image) == found
    assert by_explained_file(imagegate, manifest) == found
    assert by_replay(imagegate, review) == found._replace(runs="")

    assert by_scan(imagegate, manifest) == found._replace(runs="")

    expected: dict[str, Any] = {"verdict": found.word, "denials": [{"text": text} for text in sorted(found.reasons)]}
    expected["rewrites"] = [{"at": "/spec/containers/0/image", "to": found.runs}] if found.runs else []
    cases = [{"name": name, "file": name, "expect": expected} for name in ("pod.yaml", "review.jsonl")]
    assert by_test(imagegate, suite, cases) == [found, found]

    explained = imagegate("check", *SETTINGS, "--explain", manifest).out
    page = by_console(service, pod(image))
    assert f"{found.word} Pod default/web" in page
    clauses = [clause for text in found.reasons for clause in text.split("; ")]
    for text in (*clauses, *([found.runs] if found.runs else [])):
        assert text.lower() in page.lower()  # there the hint is a sentence of its own
        assert text.lower() in explained.lower()


@pytest.mark.parametrize("before", IMAGES)
@pytest.mark.parametrize("after", IMAGES)
def test_an_update_has_the_same_answer_too(
    service: Service, imagegate: Command, tmp_path: Path, before: str, after: str
) -> None:
    asked = review_of(pod(after))
    asked["request"] |= {"operation": "UPDATE", "oldObject": pod(before)}
    (tmp_path / "review.jsonl").write_text(json.dumps(asked) + "\n")
    found = by_webhook(service, asked)
    assert found.word == ("allowed" if before == after else IMAGES[after])
    assert by_replay(imagegate, tmp_path / "review.jsonl") == found._replace(runs="")
    expected: dict[str, Any] = {"verdict": found.word, "denials": [{"text": text} for text in sorted(found.reasons)]}
    update = {"name": "update", "object": pod(after), "oldObject": pod(before), "expect": expected}
    review = {"name": "review", "file": "review.jsonl", "expect": expected}
    assert by_test(imagegate, tmp_path / "imagegate-test.yaml", [update, review]) == [found, found]
