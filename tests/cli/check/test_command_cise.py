"""``imagegate check`` and ``explain`` with image enforcement policies."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.cli.commands import Command
from tests.support.enforcement_setup import CISE_GROUP, policy, workload


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    (tmp_path / "policies.yaml").write_text(policy('{name: "r.example.com/*"}', group=CISE_GROUP))
    return tmp_path / "policies.yaml"


@pytest.mark.parametrize("kind", ["Pod", "Deployment", "CronJob"])
def test_manifests_are_examined_whatever_makes_the_pods(
    imagegate: Command, tmp_path: Path, policies: Path, kind: str
) -> None:
    """In the default profile a cluster denies the Pods, not the Deployment: too late for a pipeline."""
    manifest = tmp_path / "manifest.yaml"
    for image, code in (("r.example.com/a:1", 0), ("evil.example.com/a:1", 1)):
        manifest.write_text(yaml.safe_dump(workload(kind, image)))
        assert imagegate("check", "--policies", policies, manifest).code == code


def test_explain_names_every_entry(imagegate: Command, policies: Path) -> None:
    ran = imagegate("explain", "--policies", policies, "r.example.com/a:1")
    assert ran.code == 0
    assert "ClusterImagePolicy p repositories[0] r.example.com/* decides" in ran.out
    ran = imagegate("explain", "--policies", policies, "evil.example.com/a:1")
    assert ran.code == 1
    assert "host evil.example.com does not match r.example.com" in ran.out
