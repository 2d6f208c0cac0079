"""Generation and status of workloads in a cluster without controllers."""

from __future__ import annotations

from typing import Any

import pytest

from imagegate.core.image_api.workloads import as_served, with_stored_generation

WHY = "nothing runs"
FAILED = [
    {"type": "Available", "status": "False", "reason": "MinimumReplicasUnavailable", "message": WHY},
    {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": WHY},
]


def made(kind: str, old: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    return as_served({"kind": kind, "metadata": {"name": "a"}, "spec": {}, **fields}, old, WHY)


def test_the_generation_counts_changes_of_the_spec() -> None:
    first = made("Deployment")
    assert first["metadata"]["generation"] == first["status"]["observedGeneration"] == 1
    same = as_served({**first, "metadata": {"name": "a", "labels": {"a": "b"}}}, first, WHY)
    assert same["metadata"] == {"name": "a", "labels": {"a": "b"}, "generation": 1}
    forged = as_served({**first, "metadata": {"name": "a", "generation": 9}, "spec": {"replicas": 2}}, first, WHY)
    assert forged["metadata"]["generation"] == forged["status"]["observedGeneration"] == 2
    older = {key: value for key, value in first.items() if key != "metadata"} | {"metadata": {"name": "a"}}
    assert as_served(older, older, WHY)["metadata"]["generation"] == 1


@pytest.mark.parametrize("sent", [{}, {"generation": 1}, {"generation": 9}])
def test_the_generation_is_not_the_sender_s(sent: dict[str, Any]) -> None:
    stored = {"metadata": {"name": "a", "generation": 4}}
    assert with_stored_generation({"metadata": {"name": "a", **sent}}, stored) == stored
    assert with_stored_generation({"metadata": {"name": "a", **sent}}, {}) == {"metadata": {"name": "a"}}


@pytest.mark.parametrize("kind", ["Deployment", "DeploymentConfig"])
def test_a_rollout_has_failed(kind: str) -> None:
    forged = {"readyReplicas": 3, "latestVersion": 4, "conditions": []}
    status = made(kind, spec={"replicas": 2}, status=forged)["status"]
    assert status["conditions"] == FAILED
    assert status["unavailableReplicas"] == 2
    assert "readyReplicas" not in status
    assert "conditions" not in made(kind, spec={"replicas": 0})["status"]


def test_the_version_of_a_deployment_config_is_counted_up() -> None:
    def asked(old: dict[str, Any], version: Any) -> Any:
        return as_served({**old, "status": {"latestVersion": version}}, old, WHY)["status"]["latestVersion"]

    first = made("DeploymentConfig", status={"latestVersion": 1})
    assert first["status"]["latestVersion"] == 0
    assert [asked(first, version) for version in (0, 1, 2, None, "1")] == [0, 1, 0, 0, 0]


@pytest.mark.parametrize(
    "kind, status",
    [
        ("Job", {}),
        ("CronJob", {}),
        ("ReplicaSet", {"replicas": 0, "observedGeneration": 1}),
        ("StatefulSet", {"replicas": 0, "observedGeneration": 1}),
        ("BuildConfig", {"own": True}),
    ],
)
def test_the_status_is_not_the_sender_s(kind: str, status: dict[str, Any]) -> None:
    assert made(kind, status={"own": True})["status"] == status


@pytest.mark.parametrize("spec", [None, [], {"replicas": "two"}])
def test_a_spec_of_another_type(spec: Any) -> None:
    """Its check is elsewhere."""
    assert "conditions" not in made("Deployment", spec=spec)["status"]
