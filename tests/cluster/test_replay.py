"""``imagegate replay`` on the audit log of a real API server: the verdicts are those that kubectl saw."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.cli.commands import Command
from tests.cluster.control_plane import AUDIT_LOG, control_plane
from tests.cluster.test_image_policy import ALLOWED, FORBIDDEN, PATHS, deployment, pod
from tests.cluster.webhooks import hooked
from tests.support.processes import wait_until
from tests.support.service import CONFIG

LABEL = "replayed"
WEBHOOKS = tuple(
    word for kind in ("mutating", "validating") for word in ("--webhook", f"imagegate.{kind}.{LABEL}.example")
)
PAGE = Path(__file__).parents[2] / "docs/replay.md"
POLICY = ("--config", CONFIG / "master-config.yaml", "--images", CONFIG / "examples" / "images")


class Written(NamedTuple):
    """An audit log, and imagegate's own log of the same requests."""

    audit: Path
    decisions: Path


@pytest.fixture(scope="module")
def written() -> Iterator[Written]:
    with tempfile.TemporaryDirectory(prefix="replayed-") as name:
        folder = Path(name)
        (policy,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
        (folder / "service").mkdir()
        with (
            control_plane(folder, *yaml.safe_load(policy)["rules"]) as plane,
            hooked(plane, LABEL, folder / "service", *POLICY, paths=PATHS) as cluster,
        ):
            cluster.apply(pod("good", ALLOWED))
            cluster.apply(pod("bad", FORBIDDEN), check=False)
            cluster.apply(pod("init", ALLOWED, initContainers=[{"name": "i", "image": FORBIDDEN}]), check=False)
            cluster.apply(deployment("made", FORBIDDEN))
            cluster.apply(deployment("fine", ALLOWED))
            cluster("label", "pod", "good", "a=b")
            cluster("set", "image", "pod/good", f"first={FORBIDDEN}", check=False)
            cluster.apply(pod("applied", ALLOWED), how=("apply", "--server-side"))
            cluster("get", "pods")
            log = folder / AUDIT_LOG
            wait_until(lambda: "replicaset-controller" in log.read_text(), "controllers to try to make pods")
            shutil.copy(log, folder / "audit.jsonl")
            shutil.copy(cluster.service.running.log, folder / "decisions.log")
        yield Written(folder / "audit.jsonl", folder / "decisions.log")


@pytest.fixture
def imagegate(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.delenv("IMAGEGATE_SETTINGS", raising=False)
    return Command(capsys)


def replayed(imagegate: Command, *arguments: str | Path) -> dict[str, Any]:
    ran = imagegate("replay", *arguments, "-o", "json")
    found: dict[str, Any] = json.loads(ran.out)
    assert not found["errors"], ran.err
    return found


def test_the_same_policy_decides_as_it_did(imagegate: Command, written: Written) -> None:
    found = replayed(imagegate, *POLICY, *WEBHOOKS, written.audit)
    assert found["replayed"] >= 8
    assert found["verdicts"]["denied"] >= 3
    assert found["summary"]["same"] == found["replayed"], found["changes"]


def test_another_policy_would_allow(imagegate: Command, written: Written, tmp_path: Path) -> None:
    everything = tmp_path / "policy.yaml"
    everything.write_text(
        "kind: ImagePolicyConfig\napiVersion: v1\nexecutionRules:\n- onResources: [{resource: pods}]\n"
        "  reject: true\n  matchRegistries: [docker.io]\n"
    )
    found = replayed(imagegate, "--config", everything, *WEBHOOKS, written.audit)
    assert found["byImage"]["newly allowed"][FORBIDDEN] >= 2
    assert found["byImage"]["newly denied"] == {ALLOWED: found["summary"]["newly denied"]}


def test_denials_that_are_not_imagegates_are_not_compared(imagegate: Command, written: Written) -> None:
    """The webhooks of this test have names of their own."""
    found = replayed(imagegate, *POLICY, written.audit)
    assert found["verdicts"]["denied"] == 0
    assert any("another reason" in why for why in found["notReplayed"])


def test_the_services_own_log_has_the_same_denials(imagegate: Command, written: Written) -> None:
    found = replayed(imagegate, *POLICY, written.decisions)
    assert found["replayed"] >= 3
    assert found["summary"]["same"] == found["replayed"], found["changes"]
