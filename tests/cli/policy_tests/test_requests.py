"""``imagegate test``: updates, deletions, subresources, and whole AdmissionReviews as inputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import jsonschema
import pytest
import yaml

from tests.cli.commands import Command
from tests.cli.policy_tests.test_command import BAD, GOOD, Suites, case
from tests.cli.test_formats import schema
from tests.support.service import CONFIG

OTHER_BAD = "quay.io/evil/y:2"


@pytest.fixture
def suites(imagegate: Command, tmp_path: Path) -> Suites:
    return Suites(imagegate, tmp_path)


def pod(*images: str, ephemeral: str = "", **metadata: Any) -> dict[str, Any]:
    spec: dict[str, Any] = {"containers": [{"name": f"c{at}", "image": image} for at, image in enumerate(images)]}
    if ephemeral:
        spec["ephemeralContainers"] = [{"name": "debug", "image": ephemeral}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", **metadata}, "spec": spec}


def deployment(image: str, replicas: int = 1) -> dict[str, Any]:
    spec = {"replicas": replicas, "template": {"spec": {"containers": [{"name": "c", "image": image}]}}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


def review(operation: str, **fields: Any) -> dict[str, Any]:
    names = {"group": "", "version": "v1"}
    request = {
        "uid": "u-1",
        "operation": operation,
        "kind": {**names, "kind": "Pod"},
        "resource": {**names, "resource": "pods"},
        "namespace": "shop",
        "userInfo": {"username": "ann"},
        **fields,
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


def run(suites: Suites, written: dict[str, Any], verdict: str, **policy: Any) -> None:
    path = suites.write({"name": "a", **written, "expect": {"verdict": verdict}}, **policy)
    jsonschema.validate(yaml.safe_load(path.read_text()), schema("policy-test.schema.json"))
    ran = suites()
    assert ran.code == 0, ran


class TestUpdates:
    @pytest.mark.parametrize(
        "before, after, verdict",
        [
            (pod(BAD), pod(BAD, labels={"a": "b"}), "allowed"),
            (pod(GOOD), pod(BAD), "denied"),
            (pod(BAD), pod(OTHER_BAD), "denied"),
            (pod(BAD), pod(GOOD), "allowed"),
            (pod(BAD), pod(BAD, namespace="default"), "allowed"),
            (deployment(BAD), deployment(BAD, replicas=2), "not covered"),
            (deployment(GOOD), deployment(BAD), "denied"),
        ],
    )
    def test_an_image_counts_if_it_is_new(
        self, suites: Suites, before: dict[str, Any], after: dict[str, Any], verdict: str
    ) -> None:
        run(suites, {"object": after, "oldObject": before}, verdict)

    def test_the_reason_why_nothing_is_judged(self, suites: Suites) -> None:
        suites.write(
            {"name": "a", "object": deployment(BAD), "oldObject": deployment(BAD), "expect": {"verdict": "not covered"}}
        )
        (test,) = json.loads(suites("-o", "json").out)["tests"]
        assert test["objects"][0]["reasons"] == ["the update leaves its pod template as it was"]

    def test_images_alone(self, suites: Suites) -> None:
        run(suites, {"image": BAD, "oldImage": GOOD}, "denied")
        run(suites, {"image": BAD, "oldImage": BAD}, "allowed")

    def test_files_before_and_after(self, suites: Suites, tmp_path: Path) -> None:
        one, other = pod(BAD), {**pod(GOOD), "metadata": {"name": "other"}}
        (tmp_path / "before.yaml").write_text(yaml.safe_dump_all([other, one]))
        (tmp_path / "after.yaml").write_text(yaml.safe_dump_all([one, {**other, "spec": pod(GOOD)["spec"]}]))
        run(suites, {"file": "after.yaml", "oldFile": "before.yaml"}, "allowed")

    @pytest.mark.parametrize("old", [{"oldObject": deployment(BAD)}, {"oldFile": "before.yaml"}])
    def test_an_old_object_of_another_name(self, suites: Suites, tmp_path: Path, old: dict[str, Any]) -> None:
        (tmp_path / "before.yaml").write_text(yaml.safe_dump({**pod(BAD), "metadata": {"name": "other"}}))
        path = suites.write({"name": "a", "object": pod(BAD), **old, "expect": {"verdict": "allowed"}})
        ran = suites()
        assert ran.code == 2
        (name,) = old
        line = next(at for at, text in enumerate(path.read_text().splitlines(), 1) if name in text)
        assert f"cases[0].{name}: no old object of Pod default/web" in ran.err
        assert f"{path}:{line}: " in ran.err or f"{path}:{line + 1}: " in ran.err

    def test_an_update_is_judged_as_the_webhook_judges_it(self, suites: Suites) -> None:
        asked = review("UPDATE", name="web", object=pod(BAD, labels={"a": "b"}), oldObject=pod(BAD))
        run(suites, {"object": asked}, "allowed")
        run(suites, {"object": pod(BAD, labels={"a": "b"}), "oldObject": pod(BAD), "namespace": "shop"}, "allowed")


class TestEphemeralContainers:
    POLICY: ClassVar = {"policies": ["policy.yaml"]}

    @pytest.fixture(autouse=True)
    def policy(self, tmp_path: Path) -> None:
        (tmp_path / "policy.yaml").write_text(
            "apiVersion: portieris.cloud.ibm.com/v1\nkind: ClusterImagePolicy\nmetadata: {name: hub}\n"
            'spec: {repositories: [{name: "docker.io/*", policy: {}}]}\n'
        )

    @pytest.mark.parametrize("image, verdict", [(GOOD, "allowed"), (OTHER_BAD, "denied")])
    def test_the_added_one_counts(self, suites: Suites, image: str, verdict: str) -> None:
        added = {"object": pod(BAD, ephemeral=image), "oldObject": pod(BAD), "subresource": "ephemeralcontainers"}
        run(suites, added, verdict, policy=self.POLICY)

    def test_one_that_is_there_already_does_not(self, suites: Suites) -> None:
        both = pod(GOOD, ephemeral=OTHER_BAD)
        run(
            suites,
            {"object": both, "oldObject": both, "subresource": "ephemeralcontainers"},
            "allowed",
            policy=self.POLICY,
        )


class TestAMark:
    """An image was marked, or its mark was removed, while a Pod runs."""

    RUNS = "172.30.1.1:5000/default/image-policy-check:latest"

    @pytest.mark.parametrize("images, verdict", [("images", "rewritten"), ("images-denied", "denied")])
    def test_a_new_pod(self, suites: Suites, images: str, verdict: str) -> None:
        policy = {"settings": str(CONFIG / "imagegate.yaml"), "images": [str(CONFIG / "examples" / images)]}
        run(suites, {"image": self.RUNS}, verdict, policy=policy)
        run(suites, {"image": self.RUNS, "oldImage": GOOD}, verdict, policy=policy)

    @pytest.mark.parametrize("images", ["images", "images-denied"])
    def test_a_pod_that_runs_it_can_be_changed(self, suites: Suites, images: str) -> None:
        policy = {"settings": str(CONFIG / "imagegate.yaml"), "images": [str(CONFIG / "examples" / images)]}
        before = pod(self.RUNS, namespace="default")
        changed = pod(self.RUNS, namespace="default", labels={"a": "b"})
        run(suites, {"object": changed, "oldObject": before}, "allowed", policy=policy)


class TestReviews:
    @pytest.mark.parametrize(
        "document, verdict",
        [
            (review("CREATE", object=pod(BAD)), "denied"),
            (review("CREATE", object=pod(GOOD)), "allowed"),
            (review("DELETE", object=None, oldObject=pod(BAD), name="web"), "not covered"),
        ],
    )
    def test_a_whole_request(self, suites: Suites, tmp_path: Path, document: dict[str, Any], verdict: str) -> None:
        run(suites, {"object": document}, verdict)
        (tmp_path / "review.json").write_text(json.dumps(document))
        run(suites, {"file": "review.json"}, verdict)

    def test_namespace_and_user_are_those_of_the_review(self, suites: Suites, tmp_path: Path) -> None:
        (tmp_path / "settings.yaml").write_text(
            f"config: {CONFIG / 'master-config.yaml'}\nimagePolicy:\n  namespaces:\n"
            "  - {mode: audit, selector: {matchLabels: {stage: test}}}\n"
        )
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"stage": "test"}}}
        document = {"object": review("CREATE", object=pod(BAD))}
        run(suites, document, "allowed", policy={"settings": "settings.yaml"}, objects=[namespace])

    def test_denials_have_the_line_of_the_object_in_the_review(self, suites: Suites, tmp_path: Path) -> None:
        (tmp_path / "review.yaml").write_text(yaml.safe_dump(review("CREATE", object=pod(BAD)), sort_keys=False))
        suites.write({"name": "a", "file": "review.yaml", "expect": {"verdict": "denied"}})
        (test,) = json.loads(suites("-o", "json").out)["tests"]
        (problem,) = test["objects"][0]["problems"]
        lines = (tmp_path / "review.yaml").read_text().splitlines()
        assert BAD in lines[problem["line"] - 1]

    @pytest.mark.parametrize("more", [{"namespace": "shop"}, {"user": "bob"}, {"operation": "CREATE"}])
    @pytest.mark.parametrize("by_file", [False, True])
    def test_nothing_is_said_twice(self, suites: Suites, tmp_path: Path, more: dict[str, Any], by_file: bool) -> None:
        (tmp_path / "review.json").write_text(json.dumps(review("CREATE", object=pod(BAD))))
        source = {"file": "review.json"} if by_file else {"object": review("CREATE", object=pod(BAD))}
        suites.write({"name": "a", **source, **more, "expect": {"verdict": "denied"}})
        ran = suites()
        assert ran.code == 2
        assert f"cases[0].{next(iter(more))}: an AdmissionReview says it itself" in ran.err

    @pytest.mark.parametrize(
        "document",
        [
            {"apiVersion": "admission.k8s.io/v9", "kind": "AdmissionReview", "request": {}},
            {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"},
            review("CREATE", uid=""),
            review("CREATE", object=[]),
            review("CREATE", userInfo={"groups": [1]}),
        ],
    )
    def test_a_review_that_cannot_be_read(self, suites: Suites, document: dict[str, Any]) -> None:
        suites.write({"name": "a", "object": document, "expect": {"verdict": "denied"}})
        ran = suites()
        assert ran.code == 2
        assert "cases[0].object: not a review: " in ran.err


class TestOperations:
    def test_a_deletion_is_not_judged(self, suites: Suites) -> None:
        run(suites, {"image": BAD, "operation": "DELETE"}, "not covered")

    @pytest.mark.parametrize(
        "more, said",
        [
            ({"operation": "UPDATE"}, "operation: an update needs the old object: one of oldFile, oldObject, oldImage"),
            ({"operation": "DELETE", "oldImage": GOOD}, "operation: DELETE has no old object beside"),
            ({"operation": "CREATE", "oldImage": GOOD}, "operation: CREATE has no old object beside"),
            ({"operation": "PATCH"}, "operation: Unsupported value"),
            ({"subresource": "ephemeralcontainers"}, "subresource: ephemeral containers are added by updates"),
            ({"oldImage": GOOD, "oldFile": "a.yaml"}, "oldImage: oldFile is the old object already"),
            ({"oldObject": [1]}, "oldObject: expected a Kubernetes object"),
            ({"oldFile": "missing.yaml"}, "oldFile: "),
        ],
    )
    def test_what_no_api_server_asks(self, suites: Suites, more: dict[str, Any], said: str) -> None:
        path = suites.write({**case(BAD, "denied"), **more})
        ran = suites()
        assert ran.code == 2
        assert f"cases[0].{said}" in ran.err
        assert ran.err.startswith(f"imagegate: {path}:")
