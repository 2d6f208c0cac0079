"""The image policy as a user of kubectl sees it: verdicts, texts, what is stored, what goes on working."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.cluster.webhooks import LABEL, Hooked, hooked, make_namespace
from tests.support.processes import wait_until
from tests.support.service import CONFIG

NEAREST = (
    "nearest rule: executionRules[1] allow-images-from-internal-registry would allow it, "
    "but it is for images of the integrated registry, and "
)
PODS = CONFIG / "examples" / "pods"
DIGEST = "sha256:09ce3d8b5b63595ffca6636c7daefb1a615a7c0e3f8ea68e5db044a9340d6ba8"
ALLOWED, FORBIDDEN = "docker.io/library/nginx:1", "quay.io/evil/tool:1"
PATHS = ("/mutate", "/validate")
DRY_RUN = ("create", "--dry-run=server")


@pytest.fixture(scope="module")
def policy(plane: ControlPlane) -> Iterator[Hooked]:
    """The policy of the documented example."""
    with tempfile.TemporaryDirectory(prefix="policy-") as name:
        options = ("--config", CONFIG / "master-config.yaml", "--images", CONFIG / "examples" / "images")
        with hooked(plane, "policy", Path(name), *options, paths=PATHS) as found:
            yield found


def pod(name: str, image: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "first", "image": image}], **spec},
    }


def deployment(name: str, image: str, *, replicas: int = 1) -> dict[str, Any]:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "first", "image": image}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def refused(image: str, place: str, *, name: str) -> str:
    """What kubectl prints for a pod with one image that no rule allows."""
    registry, _, _ = image.partition("/")
    return (
        f'The Pod "{name}" is invalid: {place}: Forbidden: this image is prohibited by policy: no rule allows it '
        f'(resource pods, registry "{registry}"); {NEAREST}this image\'s is "{registry}"\n'
    )


def images_of(found: Hooked, app: str) -> list[str]:
    """Images of the pods that the controllers have made for an app and not begun to delete."""
    items = found.json("get", "pods", "-l", f"app={app}")["items"]
    return [each["spec"]["containers"][0]["image"] for each in items if not each["metadata"].get("deletionTimestamp")]


class TestVerdicts:
    def test_pods_of_the_manual(self, policy: Hooked) -> None:
        said = {path.stem[:6]: policy("create", "-f", path, check=False) for path in PODS.iterdir()}
        assert said["step-3"] == (
            'The Pod "" is invalid: spec.containers[0].image: Forbidden: this image is prohibited by policy: no rule '
            f'allows it (resource pods, registry ""); {NEAREST}this image names none\n'
        )
        for step in ("step-2", "step-4", "step-5"):
            assert said[step].endswith(" created\n"), said

    def test_the_stored_pod_names_the_digest(self, policy: Hooked, plane: ControlPlane) -> None:
        make_namespace(plane, "default", policy.namespace)  # the image stream is in this one
        there = Hooked(plane, policy.service, "default")
        there.apply(pod("rewritten", "172.30.1.1:5000/default/image-policy-check:latest"))
        stored = there.json("get", "pod", "rewritten")["spec"]["containers"][0]["image"]
        assert stored == f"openshift/image-policy-check@{DIGEST}"
        there("delete", "pod", "rewritten", "--now")
        plane.kubectl("label", "namespace", "default", f"{LABEL}-")

    def test_a_replica_set_says_why_it_makes_no_pods(self, policy: Hooked) -> None:
        policy.apply(deployment("denied", FORBIDDEN))
        wait_until(lambda: "FailedCreate" in policy("describe", "rs", "-l", "app=denied"), "the event of the denial")
        said = policy("describe", "rs", "-l", "app=denied")
        text = refused(FORBIDDEN, "spec.containers[0].image", name="").removeprefix("The ").strip()
        assert (
            f'Error creating: admission webhook "imagegate.mutating.policy.example" denied the request: {text}' in said
        )
        policy.apply(deployment("denied", ALLOWED))
        wait_until(lambda: images_of(policy, "denied") == [ALLOWED], "the repaired deployment to make its pod")

    def test_an_image_volume(self, policy: Hooked) -> None:
        volume = {"name": "tools", "image": {"reference": FORBIDDEN, "pullPolicy": "Always"}}
        said = policy.apply(pod("volume", ALLOWED, volumes=[volume]), check=False)
        assert said == refused(FORBIDDEN, "spec.volumes[0].image.reference", name="volume")

    def test_an_ephemeral_container(self, policy: Hooked) -> None:
        policy.apply(pod("debugged", ALLOWED))
        said = policy("debug", "debugged", f"--image={FORBIDDEN}", "--attach=false", check=False)
        assert said.endswith(refused(FORBIDDEN, "spec.ephemeralContainers[0].image", name="debugged"))
        policy("debug", "debugged", f"--image={ALLOWED}", "--attach=false")
        stored = policy.json("get", "pod", "debugged")["spec"]["ephemeralContainers"]
        assert [each["image"] for each in stored] == [ALLOWED]

    def test_an_owner_that_is_only_claimed(self, policy: Hooked) -> None:
        claimed = pod("owned", FORBIDDEN)
        owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "x", "uid": "1", "controller": True}
        claimed["metadata"]["ownerReferences"] = [owner]
        said = policy.apply(claimed, check=False)
        assert said == refused(FORBIDDEN, "spec.containers[0].image", name="owned")

    @pytest.mark.parametrize("how", [("apply",), ("apply", "--server-side")], ids=["client-side", "server-side"])
    def test_a_manifest_applied_twice_changes_nothing(self, policy: Hooked, how: tuple[str, ...]) -> None:
        name = "twice-" + how[-1].strip("-").replace("-side", "")
        document = deployment(name, "172.30.1.1:5000/default/image-policy-check:latest", replicas=0)
        policy.apply(document, how=how)
        wait_until(lambda: "observedGeneration" in policy.json("get", "deployment", name)["status"], "the controller")
        before = policy.json("get", "deployment", name)
        said = policy.apply(document, how=how)
        after = policy.json("get", "deployment", name)
        assert said == f"deployment.apps/{name} {'unchanged' if how == ('apply',) else 'serverside-applied'}\n"
        assert (after["metadata"]["generation"], after["spec"]) == (before["metadata"]["generation"], before["spec"])


@pytest.fixture(scope="module")
def tightened(plane: ControlPlane) -> Iterator[Hooked]:
    """A policy under which pods were made that it forbids now."""
    with tempfile.TemporaryDirectory(prefix="tightened-") as name:
        config = Path(shutil.copy(CONFIG / "master-config.yaml", name))
        text = config.read_text()
        config.write_text(text.replace("- docker.io\n", "- docker.io\n          - quay.io\n"))
        with hooked(plane, "tightened", Path(name), "--config", config, paths=PATHS) as found:
            for app in ("scaled", "annotated", "repaired", "deleted", "foreground"):
                found.apply(deployment(app, FORBIDDEN))
            found.apply(pod("alone", FORBIDDEN))
            for app in ("scaled", "annotated", "repaired", "deleted", "foreground"):
                wait_until(lambda app=app: images_of(found, app) == [FORBIDDEN], f"the pod of {app}")  # type: ignore[misc]
            config.write_text(text)
            os.kill(found.service.running.pid, signal.SIGHUP)
            late = pod("late", FORBIDDEN)
            wait_until(lambda: "created" not in found.apply(late, how=DRY_RUN, check=False), "the new policy")
            yield found


class TestAfterThePolicyWasTightened:
    """What ran before goes on, can be looked after and removed, and is not made anew."""

    def test_scaling_to_zero_removes_the_pod(self, tightened: Hooked) -> None:
        tightened("scale", "deployment", "scaled", "--replicas=0")
        wait_until(lambda: not images_of(tightened, "scaled"), "the pod to be removed")

    def test_metadata_can_be_changed(self, tightened: Hooked) -> None:
        for what in ("deployment/annotated", "pod/alone"):
            assert tightened("annotate", what, "looked-at=yes") == f"{_named(what)} annotated\n"
            assert tightened("label", what, "looked-at=yes") == f"{_named(what)} labeled\n"

    def test_a_better_image_is_rolled_out(self, tightened: Hooked) -> None:
        tightened("set", "image", "deployment/repaired", f"first={ALLOWED}")
        wait_until(lambda: ALLOWED in images_of(tightened, "repaired"), "the new pod")

    def test_a_pod_that_is_deleted_does_not_come_back(self, tightened: Hooked) -> None:
        tightened("delete", "pods", "-l", "app=annotated", "--now")
        wait_until(lambda: "FailedCreate" in tightened("describe", "rs", "-l", "app=annotated"), "the denial")
        assert images_of(tightened, "annotated") == []

    @pytest.mark.parametrize("app, cascade", [("deleted", "background"), ("foreground", "foreground")])
    def test_everything_can_be_deleted(self, tightened: Hooked, app: str, cascade: str) -> None:
        tightened("delete", "deployment", app, f"--cascade={cascade}", "--timeout=30s")
        wait_until(lambda: not tightened.json("get", "rs,pods", "-l", f"app={app}")["items"], "garbage collection")

    def test_a_namespace_can_be_deleted(self, tightened: Hooked, plane: ControlPlane) -> None:
        make_namespace(plane, "leaving", "none")
        there = Hooked(plane, tightened.service, "leaving")
        there.apply(deployment("left", FORBIDDEN))
        wait_until(lambda: images_of(there, "left") == [FORBIDDEN], "the pod")
        make_namespace(plane, "leaving", tightened.namespace)
        plane.kubectl("delete", "namespace", "leaving", "--timeout=45s")


def _named(what: str) -> str:
    kind, _, name = what.partition("/")
    return f"{'deployment.apps' if kind == 'deployment' else kind}/{name}"
