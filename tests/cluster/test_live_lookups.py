"""Settings with a ``cluster`` block: namespaces, owners, Secrets and rights come from the API server."""

from __future__ import annotations

import os
import signal
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from imagegate.adapters.kubernetes_api.access_reviews import ClusterAccessReviews
from imagegate.adapters.kubernetes_api.connection import ApiError, Connection, Credentials, InvalidAccess
from imagegate.adapters.kubernetes_api.fetched import FetchedObjects, Fetcher
from imagegate.adapters.kubernetes_api.namespaces import PATH, slimmed
from imagegate.adapters.kubernetes_api.watched import Watched
from imagegate.core.admission.access_review import Access, AccessAnswer
from imagegate.core.admission.lookup import Absent, Found, Impossible
from imagegate.core.admission.owners import Owner
from imagegate.core.admission.request import User
from imagegate.core.enforcement.questions import Secret, ServiceAccount
from tests.cluster.control_plane import ControlPlane
from tests.cluster.rights import restricted
from tests.cluster.test_image_policy import ALLOWED, FORBIDDEN, PATHS, deployment, pod
from tests.cluster.test_watched_policies import review
from tests.cluster.webhooks import Hooked, hooked, make_namespace
from tests.support.processes import wait_until

DRY_RUN = ("create", "--dry-run=server")
IGNORES = "alpha.image.policy.openshift.io/ignore-rules"
IN_FORCE_S = 1.0


@pytest.fixture(scope="module")
def live(plane: ControlPlane) -> Iterator[Hooked]:
    """The documented policy, with a reject rule that namespaces may switch off, and audit by a label."""
    with tempfile.TemporaryDirectory(prefix="live-") as name:
        directory = Path(name)
        config = directory / "master-config.yaml"
        rule = {
            "name": "no-evil",
            "reject": True,
            "matchRegistries": ["quay.io", "never.example"],
        }
        policy = {
            "kind": "ImagePolicyConfig",
            "apiVersion": "v1",
            "resolveImages": "DoNotAttempt",
            "executionRules": [{**rule, "onResources": [{"resource": "pods"}]}],
        }
        plugins = {"openshift.io/ImagePolicy": {"configuration": policy}}
        document = {"kind": "MasterConfig", "apiVersion": "v1", "admissionConfig": {"pluginConfig": plugins}}
        config.write_text(yaml.safe_dump(document))
        settings = directory / "imagegate.yaml"
        chosen = {
            "config": str(config),
            "cluster": {"kubeconfig": str(plane.kubectl.configuration)},
            "imagePolicy": {"namespaces": [{"selector": {"matchLabels": {"stage": "trial"}}, "mode": "audit"}]},
        }
        settings.write_text(yaml.safe_dump(chosen))
        with hooked(plane, "live", directory, "--settings", settings, paths=PATHS) as found:
            yield found


def is_allowed(live: Hooked) -> bool:
    return "created" in live.apply(pod("tried", FORBIDDEN), how=DRY_RUN, check=False)


class TestNamespaces:
    def test_an_annotation_and_its_removal_are_in_force_within_a_second(self, live: Hooked) -> None:
        asked = review(FORBIDDEN, live.namespace)
        took: dict[str, list[float]] = {"set": [], "removed": []}
        for _ in range(5):
            for what, value, expected in (("set", f"{IGNORES}=no-evil", True), ("removed", f"{IGNORES}-", False)):
                live.plane.kubectl("annotate", "namespace", live.namespace, value)
                began = time.monotonic()
                while live.service.post("/validate", asked).response["allowed"] is not expected:
                    assert time.monotonic() - began < 10 * IN_FORCE_S, "the annotation"
                took[what].append(time.monotonic() - began)
        for what, each in took.items():
            assert statistics.median(each) < IN_FORCE_S, (what, each)

    def test_a_label_decides_the_mode(self, live: Hooked) -> None:
        assert not is_allowed(live)
        live.plane.kubectl("label", "namespace", live.namespace, "stage=trial")
        wait_until(lambda: is_allowed(live), "the label")
        live.plane.kubectl("label", "namespace", live.namespace, "stage-")
        wait_until(lambda: not is_allowed(live), "the removal of the label")

    def test_a_pod_in_a_namespace_that_was_just_made(self, live: Hooked, plane: ControlPlane) -> None:
        make_namespace(plane, "just-made", live.namespace)
        there = Hooked(plane, live.service, "just-made")
        assert not is_allowed(there)
        assert "created" in there.apply(pod("tried", ALLOWED), how=DRY_RUN)
        plane.kubectl("delete", "namespace", "just-made", "--wait=false")

    def test_readiness_says_how_current_the_namespaces_are(self, live: Hooked) -> None:
        checks = live.service.get("/readyz").json["checks"]
        assert checks["namespaces"] == "ok"
        assert checks["cluster"] == "ok"


class TestAnApiServerThatIsSilent:
    def test_decisions_go_on_from_the_last_state(self, live: Hooked) -> None:
        review = {
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {
                "uid": "1",
                "operation": "CREATE",
                "namespace": live.namespace,
                "kind": {"group": "", "version": "v1", "kind": "Pod"},
                "resource": {"group": "", "version": "v1", "resource": "pods"},
                "object": pod("tried", FORBIDDEN),
            },
        }
        os.kill(live.plane.api_server.pid, signal.SIGSTOP)
        try:
            for _ in range(20):
                began = time.monotonic()
                assert live.service.post("/validate", review).response["allowed"] is False
                assert time.monotonic() - began < 2
        finally:
            os.kill(live.plane.api_server.pid, signal.SIGCONT)
        wait_until(lambda: live.plane.answers("/readyz"), "the API server to go on")


class TestObjects:
    @pytest.fixture
    def connection(self, plane: ControlPlane) -> Callable[[], Connection]:
        made = Connection(Credentials(str(plane.kubectl.configuration)))
        return lambda: made

    def test_secrets_and_service_accounts(self, plane: ControlPlane, connection: Callable[[], Connection]) -> None:
        plane.kubectl("create", "secret", "generic", "key", "--from-literal=key=text")
        objects = FetchedObjects(Fetcher(connection, ttl_s=60))
        asked = Secret("default", "key")
        assert objects.cached_secret(asked) is None
        found = objects.secret(asked, deadline_s=10)
        assert isinstance(found, Found)
        assert found.value["data"] == {"key": "dGV4dA=="}
        assert objects.cached_secret(asked) == found
        assert isinstance(objects.service_account(ServiceAccount("default", "default"), deadline_s=10), Found)
        assert objects.secret(Secret("default", "none"), deadline_s=10) == Absent('secrets "none" not found', "secrets")
        assert isinstance(objects.secret(Secret("default", "../pods"), deadline_s=10), Impossible)

    def test_owners(self, plane: ControlPlane, connection: Callable[[], Connection]) -> None:
        plane.kubectl("apply", "-f", "-", text_in=yaml.safe_dump(deployment("owner", ALLOWED, replicas=0)))
        objects = FetchedObjects(Fetcher(connection, ttl_s=60))
        found = objects.owner(Owner("apps/v1", "Deployment", "default", "owner"), deadline_s=10)
        assert isinstance(found, Found)
        assert found.value["kind"] == "Deployment"
        for question in (
            Owner("apps/v1", "Nothing", "default", "owner"),
            Owner("none.example/v1", "Deployment", "default", "owner"),
            Owner("apps/v1", "Deployment", "default", "gone"),
        ):
            assert isinstance(objects.owner(question, deadline_s=10), Absent), question
        assert isinstance(objects.owner(Owner("../v1", "Pod", "default", "owner"), deadline_s=10), Impossible)

    def test_rights(self, plane: ControlPlane, connection: Callable[[], Connection]) -> None:
        plane.kubectl("create", "role", "reader", "--verb=get", "--resource=pods")
        plane.kubectl("create", "rolebinding", "reader", "--role=reader", "--user=ann")
        reviews = ClusterAccessReviews(connection, ttl_s=60)
        may = Access(User("ann"), "get", "", "pods", namespace="default")
        for question, allowed in (
            (may, True),
            (Access(User("bob"), "get", "", "pods", namespace="default"), False),
            (Access(User("ann"), "get", "", "secrets", namespace="default"), False),
            (Access(User("eve", groups=("system:masters",)), "delete", "", "nodes"), True),
        ):
            answer = reviews.access(question, deadline_s=10)
            assert isinstance(answer, Found)
            assert isinstance(answer.value, AccessAnswer)
            assert answer.value.allowed is allowed, question
        assert reviews.cached(may) is not None

    def test_the_rights_of_the_role_are_enough_and_no_more(self, plane: ControlPlane, tmp_path: Path) -> None:
        with restricted(plane, "look-ups", tmp_path) as connection:
            watched = Watched(lambda: connection, PATH, slimmed)
            watched.start()
            assert watched.wait(20), watched.state
            watched.stop()
            objects = FetchedObjects(Fetcher(lambda: connection, ttl_s=0))
            assert isinstance(objects.secret(Secret("default", "absent"), deadline_s=10), Absent)
            assert isinstance(objects.owner(Owner("batch/v1", "CronJob", "default", "absent"), deadline_s=10), Absent)
            reviews = ClusterAccessReviews(lambda: connection, ttl_s=0)
            assert isinstance(reviews.access(Access(User("ann"), "get", "", "pods"), deadline_s=10), Found)
            with pytest.raises(ApiError, match="cannot list resource"):
                connection.get("/api/v1/secrets", deadline_s=10)

    def test_a_kubeconfig_that_cannot_be_used(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidAccess, match=f"kubeconfig {tmp_path / 'none'}"):
            Connection(Credentials(str(tmp_path / "none")))
        with pytest.raises(InvalidAccess, match="the pod's service account"):
            Connection(Credentials())
