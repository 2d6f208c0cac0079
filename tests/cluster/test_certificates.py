"""Certificates that imagegate makes for itself, behind the real API server and under load."""

from __future__ import annotations

import base64
import contextlib
import itertools
import os
import signal
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.cluster.control_plane import WEBHOOK_CLIENT, ControlPlane
from tests.cluster.load import CLIENTS, Load
from tests.cluster.replicas import CA_SECRET, SECRET, Replicas, replicas
from tests.support.kubectl import Kubectl
from tests.support.processes import wait_until
from tests.support.service import ROOT

IMAGES = ("docker.io/library/nginx:1", "quay.io/evil/tool:1")
BEFORE_S, AFTER_S = 1.0, 2.0


@pytest.fixture(scope="module")
def both(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    """Two replicas, started at once, that the API server asks."""
    with replicas(plane, tmp_path_factory.mktemp("certificates"), "certificates") as found:
        for number in (0, 1):
            found.start(number, wait=False)
        for number in (0, 1):
            found.wait_ready(number)
        yield found


@pytest.fixture
def two(both: Replicas) -> Replicas:
    """The same, each test with both of them at work; what one test changed of certificates stays."""
    for number in (0, 1):
        if both.running[number].process.poll() is not None:
            both.start(number)
    wait_until(lambda: len(both.balancer.ready) == 2, "the balancer to see both")
    wait_until(lambda: asked(both), "the API server to ask the webhooks")
    return both


def asked(found: Replicas) -> bool:
    with (load := Load(found.hooked(), IMAGES)).running():
        time.sleep(0.3)
    return load.counts["denied"] > 0 and not load.counts["wrongly allowed"] and not load.counts["failed"]


class Handshakes:
    """New connections to both replicas, of a client that reads the bundle now and then, as an API server does."""

    LATE_S = 1.0

    def __init__(self, found: Replicas) -> None:
        self._found = found
        self._ends = threading.Event()
        self.done = 0
        self.failures: list[str] = []

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self._connect)
        thread.start()
        try:
            yield
        finally:
            self._ends.set()
            thread.join()

    def _connect(self) -> None:
        read_at, context = float("-inf"), ssl.create_default_context()
        for number in itertools.count():
            if self._ends.is_set():
                return
            if time.monotonic() - read_at > self.LATE_S:
                read_at = time.monotonic()
                trusted = base64.b64decode(max(self._found.bundles(), key=len)).decode()
                context = ssl.create_default_context(cadata=trusted)
            port = self._found.balancer.ports[number % 2]
            try:
                with (
                    socket.create_connection(("127.0.0.1", port), timeout=10) as raw,
                    context.wrap_socket(raw, server_hostname="127.0.0.1"),
                ):
                    self.done += 1
            except OSError as error:
                self.failures.append(str(error))


def counted(load: Load, capsys: pytest.CaptureFixture[str], what: str) -> None:
    with capsys.disabled():
        print(f"\n{what}: {dict(load.counts)}")  # noqa: T201 - the figures of the drill
    assert load.counts["wrongly allowed"] == 0
    assert min(load.counts["allowed"], load.counts["denied"]) > 20


def test_made_once_for_both_replicas(two: Replicas) -> None:
    assert len(set(two.serials())) == 1
    secret = two.secret(SECRET)
    assert secret["type"] == "kubernetes.io/tls"
    assert base64.b64decode(secret["data"]["tls.crt"]).decode().strip() == two.serials()[0].strip()
    assert two.bundles() == {secret["data"]["ca.crt"]}
    names = two.service(0).get("/readyz").json["certificate"]["names"]
    here = f"imagegate.{two.namespace}.svc"
    assert names == sorted([here, f"{here}.cluster.local", "127.0.0.1"])


def test_one_replica_maintains_and_every_worker_may_go(two: Replicas) -> None:
    lease = two.plane.kubectl.json("-n", two.namespace, "get", "lease", "imagegate-certificates")
    assert lease["spec"]["holderIdentity"]
    before = set(two.serials())
    for number in (0, 1):
        for worker in two.service(number).workers():
            os.kill(worker, signal.SIGKILL)
            time.sleep(0.2)
    two.plane.kubectl("-n", two.namespace, "annotate", "secret", SECRET, "imagegate.dev/rotate=now")
    wait_until(lambda: set(two.serials()).isdisjoint(before), "both replicas to show the new certificate")


def test_a_bundle_that_was_overwritten_is_put_back(two: Replicas) -> None:
    before = two.bundles()
    patch = '[{"op":"remove","path":"/webhooks/0/clientConfig/caBundle"}]'
    two.plane.kubectl("patch", "validatingwebhookconfiguration", two.namespace, "--type=json", "-p", patch)
    wait_until(lambda: two.bundles() == before, "the bundle to be put back")
    wait_until(lambda: asked(two), "the API server to trust the replicas")


def test_a_new_certificate_under_load(two: Replicas, capsys: pytest.CaptureFixture[str]) -> None:
    before = two.serials()
    handshakes = Handshakes(two)
    with (load := Load(two.hooked(), IMAGES)).running(), handshakes.running():
        time.sleep(BEFORE_S)
        two.plane.kubectl("-n", two.namespace, "annotate", "secret", SECRET, "imagegate.dev/rotate=now")
        wait_until(lambda: set(two.serials()).isdisjoint(before), "both replicas to show the new certificate")
        time.sleep(AFTER_S)
    counted(load, capsys, f"certificate rotated under load, {handshakes.done} handshakes")
    assert handshakes.failures == []
    assert load.counts["failed"] == 0, load.failures
    assert "imagegate.dev/rotate" not in two.secret(SECRET)["metadata"].get("annotations", {})


def test_a_new_ca_under_load(two: Replicas, capsys: pytest.CaptureFixture[str]) -> None:
    before, [old] = two.serials(), two.bundles()
    handshakes = Handshakes(two)
    with (load := Load(two.hooked(), IMAGES)).running(), handshakes.running():
        time.sleep(BEFORE_S)
        two.plane.kubectl("-n", two.namespace, "annotate", "secret", CA_SECRET, "imagegate.dev/rotate=now")
        wait_until(lambda: old not in two.bundles(), "both CAs to be trusted")
        [both] = two.bundles()
        assert base64.b64decode(both).count(b"BEGIN CERTIFICATE") == 2
        assert base64.b64decode(both).endswith(base64.b64decode(old))
        wait_until(lambda: set(two.serials()).isdisjoint(before), "both replicas to show the new certificate")
        wait_until(lambda: both not in two.bundles(), "the old CA to be left out", timeout_s=60)
        time.sleep(AFTER_S)
    counted(load, capsys, f"CA rotated under load, {handshakes.done} handshakes")
    assert handshakes.failures == []
    assert load.counts["failed"] == 0, load.failures
    [new] = two.bundles()
    assert base64.b64decode(both).startswith(base64.b64decode(new))


def test_a_thread_for_each_connection(plane: ControlPlane, tmp_path: Path) -> None:
    with replicas(plane, tmp_path, "gthread", most=1) as found:
        found.server = {"worker": "gthread"}
        found.start(0)
        before = found.serials()
        found.hooked_kubectl("annotate", "secret", SECRET, "imagegate.dev/rotate=now")
        wait_until(lambda: found.serials() != before, "the new certificate")


def test_rolling_restart_under_load(two: Replicas, capsys: pytest.CaptureFixture[str]) -> None:
    with (load := Load(two.hooked(), IMAGES)).running():
        time.sleep(BEFORE_S)
        for number in (0, 1):
            two.running[number].process.send_signal(signal.SIGTERM)
            two.running[number].process.wait(30)
            two.start(number)
            wait_until(lambda: len(two.balancer.ready) == 2, "the balancer to see both")
        time.sleep(AFTER_S)
    counted(load, capsys, "rolling restart of two replicas under load")
    assert load.counts["failed"] == 0, load.failures


def test_one_replica_killed_under_load(two: Replicas, capsys: pytest.CaptureFixture[str]) -> None:
    with (load := Load(two.hooked(), IMAGES)).running():
        time.sleep(BEFORE_S)
        os.killpg(two.running[0].pid, signal.SIGKILL)
        time.sleep(AFTER_S)
    counted(load, capsys, "one of two replicas killed under load")
    # those under way in the killed replica, and connections until the balancer sees that it is gone
    assert load.counts["failed"] <= 4 * CLIENTS, load.failures


@pytest.mark.parametrize("entry", ["tls.key", "tls.crt"])
def test_a_damaged_secret_is_made_anew_and_never_taken(two: Replicas, entry: str) -> None:
    before = set(two.serials())
    patch = f'[{{"op":"replace","path":"/data/{entry}","value":"bm9uc2Vuc2U="}}]'
    two.plane.kubectl("-n", two.namespace, "patch", "secret", SECRET, "--type=json", "-p", patch)
    wait_until(lambda: set(two.serials()).isdisjoint(before), "a new certificate in both replicas")
    assert len(two.bundles()) == 1
    assert asked(two)


def test_a_removed_ca_is_replaced_without_a_failed_call(two: Replicas, capsys: pytest.CaptureFixture[str]) -> None:
    before = set(two.serials())
    with (load := Load(two.hooked(), IMAGES)).running():
        time.sleep(BEFORE_S)
        two.plane.kubectl("-n", two.namespace, "delete", "secret", CA_SECRET)
        wait_until(lambda: set(two.serials()).isdisjoint(before), "a certificate of the new CA in both replicas")
        time.sleep(AFTER_S)
    counted(load, capsys, "Secret of the CA deleted under load")
    assert load.counts["failed"] == 0, load.failures


def test_the_rights_are_enough_and_no_more(plane: ControlPlane, tmp_path: Path) -> None:
    file = ROOT / "openshift" / "base" / "rbac" / "certificates.yaml"
    roles = list(yaml.safe_load_all(file.read_text(encoding="utf-8")))
    [role] = [each for each in roles if each["kind"] == "Role"]
    namespace = role["metadata"]["namespace"]
    with replicas(plane, tmp_path, namespace, most=1) as found:
        kubectl = found.hooked_kubectl
        kubectl("apply", "-f", "-", text_in=yaml.safe_dump_all(roles))
        kubectl("create", "serviceaccount", "imagegate")
        account, name = f"--serviceaccount={namespace}:imagegate", role["metadata"]["name"]
        kubectl("create", "rolebinding", name, f"--role={name}", account)
        kubectl("create", "clusterrolebinding", name, f"--clusterrole={name}", account)
        plane.kubectl("apply", "-f", ROOT / "openshift" / "base" / "rbac" / "look-ups.yaml")
        kubectl("create", "clusterrolebinding", "certificates-look-ups", "--clusterrole=imagegate-look-ups", account)
        plane.kubectl("apply", "-f", ROOT / "openshift" / "base" / "rbac" / "policies.yaml")
        kubectl("create", "clusterrolebinding", "certificates-policies", "--clusterrole=imagegate-policies", account)
        own = Kubectl(tmp_path)
        own.use(plane.url, ca=plane.ca.bundle, token=kubectl("create", "token", "imagegate").stdout.strip())
        try:
            found.kubeconfig = own.configuration
            service = found.start(0)
            assert service.get("/readyz").json["checks"]["certificate Secret"] == "ok"
            assert found.bundles() == {found.secret(SECRET)["data"]["ca.crt"]}
            for denied in (("secrets",), ("validatingwebhookconfiguration", "other"), ("apiservice", "v1.apps")):
                said = own("-n", namespace, "get", *denied, check=False)
                assert "forbidden" in said.stderr, denied
            said = own("delete", "validatingwebhookconfiguration", namespace, check=False)
            assert "forbidden" in said.stderr
            found.running.pop(0).end()
            kubectl("delete", "serviceaccount", "imagegate")  # as the removal of an installation does
            kinds = ("get", "secrets,leases", "-o", "name")
            wait_until(lambda: kubectl(*kinds).stdout == "", "the garbage collector to remove what was made")
        finally:
            for each in (name, "certificates-look-ups", "certificates-policies"):
                plane.kubectl("delete", "clusterrolebinding", each, "--ignore-not-found")


def test_an_api_service_trusts_it_too(plane: ControlPlane, tmp_path: Path) -> None:
    namespace, group = "trusted-api", "trusted-api.example"
    name = f"v1.{group}"
    service = {"name": "imagegate", "namespace": namespace}
    api_service = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": name},
        "spec": {
            "group": group,
            "version": "v1",
            "service": service,
            "groupPriorityMinimum": 10,
            "versionPriority": 10,
        },
    }
    with replicas(plane, tmp_path, namespace, most=1) as found:
        plane.kubectl("apply", "-f", "-", text_in=yaml.safe_dump(api_service))
        try:
            found.certificate = {"apiServices": [name]}
            found.start(0)
            expected = found.secret(SECRET)["data"]["ca.crt"]

            def bundle() -> str:
                spec: dict[str, str] = plane.kubectl.json("get", "apiservice", name)["spec"]
                return spec.get("caBundle", "")

            wait_until(lambda: bundle() == expected, "the APIService to trust it")
            plane.kubectl("patch", "apiservice", name, "--type=merge", "-p", '{"spec":{"caBundle":null}}')
            wait_until(lambda: bundle() == expected, "the bundle to be put back")
        finally:
            plane.kubectl("delete", "apiservice", name)


def test_a_secret_that_somebody_else_maintains(plane: ControlPlane, tmp_path: Path) -> None:
    with replicas(plane, tmp_path, "given-secret", most=1) as found:
        found.certificate = {"source": "secret"}
        service = found.start(0, wait=False)
        wait_until(lambda: "there is no Secret" in str(service.get("/readyz").json), "the replica to miss the Secret")
        host = "imagegate.given-secret.svc"

        def put(*names: str) -> None:
            pair = plane.ca.issue("given", names=names, file_name="given")
            files = (f"--cert={pair.certificate}", f"--key={pair.key}", "--dry-run=client", "-o", "yaml")
            made = found.hooked_kubectl("create", "secret", "tls", SECRET, *files).stdout
            found.hooked_kubectl("apply", "-f", "-", text_in=made)

        put(host)
        found.wait_ready(0)
        first = found.serials()
        put("another.example")
        wait_until(
            lambda: f"not good for {host}" in service.get("/readyz").json["checks"]["certificate files"],
            "the replica to refuse the certificate",
        )
        assert found.serials() == first
        put(host, "more.example")
        wait_until(lambda: found.serials() != first, "the new certificate")
        assert found.bundles() == {""}


@pytest.mark.parametrize("callers", [[WEBHOOK_CLIENT], ["somebody-else"]], ids=["the API server", "another client"])
def test_only_clients_with_a_certificate_may_send_reviews(
    plane: ControlPlane, tmp_path: Path, callers: list[str]
) -> None:
    with replicas(plane, tmp_path, f"callers-{len(callers[0])}", most=1) as found:
        found.server = {"clientCAFile": str(plane.ca.bundle), "callers": callers}
        service = found.start(0)
        assert service.post("/validate", {}).status == 401
        assert service.get("/metrics").status == 200
        wait_until(lambda: bool(found.balancer.ready), "the balancer to see it")
        if callers == [WEBHOOK_CLIENT]:
            wait_until(lambda: asked(found), "the API server to be let in")
            return
        wait_until(lambda: "common name is not among" in str(refusals(found)), "the API server to be refused")


def refusals(found: Replicas) -> set[str]:
    with (load := Load(found.hooked(), IMAGES)).running():
        time.sleep(0.3)
    assert load.counts.keys() == {"failed"}
    return load.failures


def test_an_api_server_that_is_away(plane: ControlPlane, tmp_path: Path) -> None:
    with replicas(plane, tmp_path, "api-server-away", most=1) as found:
        os.kill(plane.api_server.pid, signal.SIGSTOP)
        try:
            service = found.start(0, wait=False)
            answer = service.get("/readyz")
            assert answer.status == 503
            assert any("was not read yet" in each for each in answer.json["waitingFor"])
            assert service.get("/livez").status == 200
        finally:
            os.kill(plane.api_server.pid, signal.SIGCONT)
        wait_until(
            lambda: all(service.get("/readyz").status == 200 for _ in range(10)),
            "both workers to be ready",
            timeout_s=90,
        )
        before = found.serials()
        os.kill(plane.api_server.pid, signal.SIGSTOP)
        try:
            wait_until(
                lambda: "cannot be read" in service.get("/readyz").json["checks"]["certificate Secret"],
                "the replica to notice",
                timeout_s=60,
            )
            assert service.get("/readyz").status == 200
            assert found.serials() == before
        finally:
            os.kill(plane.api_server.pid, signal.SIGCONT)
        wait_until(lambda: plane.answers("/readyz"), "the API server to go on")
