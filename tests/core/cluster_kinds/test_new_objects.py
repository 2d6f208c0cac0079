"""Fields that an API server sets in new objects."""

from __future__ import annotations

from typing import Any

from imagegate.core.cluster_kinds.new_objects import before_admission, before_storage


def test_pods() -> None:
    found = before_admission("Pod", {"spec": {"containers": []}})["spec"]
    assert (found["serviceAccountName"], found["priority"]) == ("default", 0)
    assert [each["key"] for each in found["tolerations"]] == [
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
    ]


def test_pods_keep_what_they_have() -> None:
    tolerations = [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}, {"operator": "Exists"}]
    given = {"serviceAccountName": "own", "tolerations": tolerations}
    found = before_admission("Pod", {"spec": given})["spec"]
    assert found["serviceAccountName"] == "own"
    assert found["tolerations"] == tolerations
    assert before_admission("Deployment", {"spec": {}}) == {"spec": {}}


def test_jobs_select_their_own_pods() -> None:
    job: dict[str, Any] = {"metadata": {"name": "a"}, "spec": {"template": {"metadata": {"labels": {"x": "y"}}}}}
    found = before_storage("Job", job, "UID")
    assert found["metadata"]["uid"] == "UID"
    assert found["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": "UID"}}
    assert found["spec"]["template"]["metadata"]["labels"] == {
        "batch.kubernetes.io/controller-uid": "UID",
        "controller-uid": "UID",
        "batch.kubernetes.io/job-name": "a",
        "job-name": "a",
        "x": "y",
    }
    own = {"metadata": {}, "spec": {"manualSelector": True}}
    assert before_storage("Job", own, "UID") == own


def test_services_have_families_of_addresses() -> None:
    assert before_storage("Service", {"spec": {"clusterIP": "None"}}, "")["spec"] == {
        "clusterIP": "None",
        "clusterIPs": ["None"],
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
    }
    named = {"spec": {"type": "ExternalName"}}
    assert before_storage("Service", named, "") == named
