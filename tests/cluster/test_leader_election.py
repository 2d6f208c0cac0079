"""Which replica imports in the background: Leases of the real API server, replicas that are killed or cut off."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from imagegate.adapters.kubernetes_api.connection import Connection, Credentials
from imagegate.adapters.kubernetes_api.lease import Lease
from imagegate.adapters.kubernetes_api.lease_turn import LeaseTurn
from imagegate.adapters.records.process_notes import ProcessNotes
from tests.cluster.control_plane import ControlPlane
from tests.cluster.stores import define, new_namespace
from tests.cluster.stores import replica as sharing_replica
from tests.support.kubectl import Kubectl
from tests.support.processes import Running, free_port, started, wait_until
from tests.support.registry import Registry
from tests.support.service import IMAGEGATE, ROOT, Service
from tests.walkthrough.document_004 import IMAGE

LEASE, NAMESPACE = "imagegate-imports", "election"
LEASE_S = 6.0
_NO_END = datetime.max.replace(tzinfo=UTC)
STREAMS = "/apis/image.openshift.io/v1/namespaces/default/imagestreams"
ROLES = ("base/rbac/look-ups.yaml", "overlays/image-api/rbac/leases.yaml")


def terms(running: Iterable[Running]) -> list[tuple[datetime, datetime]]:
    """When a replica held the Lease, by its logs; a term that did not end ends in the year 9999."""
    found: list[tuple[datetime, datetime]] = []
    begun: datetime | None = None
    for line in (line for each in running for line in each.output().splitlines()):
        event = re.search(rf"Lease {LEASE} (taken|lost|given up)", line)
        at = re.search(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+", line)
        if event and at:
            when = datetime.fromisoformat(at[0]).replace(tzinfo=UTC)
            if event[1] == "taken":
                begun = when
            elif begun is not None:
                found.append((begun, when))
                begun = None
    return found if begun is None else [*found, (begun, _NO_END)]


@dataclass(slots=True)
class Replica:
    """One replica with a store of its own: what is imported in it, this replica has imported."""

    directory: Path
    settings: Path
    image: str
    _stack: contextlib.ExitStack
    running: list[Running] = field(default_factory=list)
    options: tuple[str, ...] = ()

    def start(self) -> None:
        port = free_port()
        bind = f"127.0.0.1:{port}"
        command = [str(IMAGEGATE), "serve", "--bind", bind, "--workers", "2", "--settings", str(self.settings)]
        command += self.options
        log = self.directory / f"serve-{len(self.running)}.log"
        environment = {**os.environ, "XDG_STATE_HOME": str(self.directory / "state")}
        self.running.append(
            self._stack.enter_context(started(command, port=port, log=log, env=environment, cwd=self.directory))
        )
        wait_until(lambda: self.service.get("/readyz").status == 200, "the replica to be ready")

    @property
    def service(self) -> Service:
        return Service(self.running[-1])

    @property
    def lease(self) -> dict[str, Any]:
        """What /readyz shows of the Lease."""
        found: dict[str, Any] = self.service.get("/readyz").json["lease"]
        return found

    def holds(self) -> bool:
        return bool(self.lease["held"])

    def add_stream(self, name: str) -> None:
        """Ask for an import by a tag that was not imported yet."""
        tag = {
            "name": "latest",
            "from": {"kind": "DockerImage", "name": self.image},
            "importPolicy": {"insecure": True},
        }
        body = {
            "kind": "ImageStream",
            "apiVersion": "image.openshift.io/v1",
            "metadata": {"name": name},
            "spec": {"tags": [tag]},
        }
        answer = self.service.post(STREAMS, body)
        assert answer.status == 201, answer.content

    def has_imported(self, name: str) -> bool:
        tags = self.service.get(f"{STREAMS}/{name}").json.get("status", {}).get("tags") or []
        return any(tag.get("items") for tag in tags)


@dataclass(slots=True)
class Two:
    """Two replicas of one installation."""

    plane: ControlPlane
    each: tuple[Replica, Replica]

    def leader(self) -> Replica:
        """The one that holds the Lease, once one does."""
        found: list[Replica] = []

        def is_one() -> bool:
            found[:] = [replica for replica in self.each if replica.holds()]
            return len(found) == 1

        wait_until(is_one, "one leader", timeout_s=3 * LEASE_S)
        return found[0]

    def other(self, one: Replica) -> Replica:
        return next(replica for replica in self.each if replica is not one)


def _account(plane: ControlPlane, directory: Path) -> Kubectl:
    """A client with the rights of the manifests, in a namespace of its own, and no other."""
    documents: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "imagegate", "namespace": NAMESPACE}},
    ]
    for name in ROLES:
        for role in yaml.safe_load_all((ROOT / "openshift" / name).read_text(encoding="utf-8")):
            where = {"namespace": NAMESPACE} if role["kind"] == "Role" else {}
            role["metadata"] = {"name": f"election-{role['metadata']['name']}", **where}
            reference = {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": role["kind"],
                "name": role["metadata"]["name"],
            }
            subject = {"kind": "ServiceAccount", "name": "imagegate", "namespace": NAMESPACE}
            binding = {"kind": f"{role['kind']}Binding", "roleRef": reference, "subjects": [subject]}
            documents += [role, {"apiVersion": role["apiVersion"], "metadata": role["metadata"], **binding}]
    plane.kubectl("apply", "-f", "-", text_in=yaml.safe_dump_all(documents))
    token = plane.kubectl("-n", NAMESPACE, "create", "token", "imagegate").stdout.strip()
    own = Kubectl(directory)
    own.use(plane.url, ca=plane.ca.bundle, token=token)
    return own


@pytest.fixture(scope="module")
def account(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubectl]:
    yield _account(plane, tmp_path_factory.mktemp("account"))
    plane.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.fixture
def two(plane: ControlPlane, account: Kubectl, registry: Registry, tmp_path: Path) -> Iterator[Two]:
    registry.push_sample("tiny-docker", "team/app:v1")
    plane.kubectl("-n", NAMESPACE, "delete", "lease", LEASE, "--ignore-not-found")
    with contextlib.ExitStack() as stack:
        replicas = []
        for name in ("a", "b"):
            directory = tmp_path / name
            directory.mkdir()
            cluster = {"kubeconfig": str(account.configuration), "leaderElection": "lease", "leaseSeconds": LEASE_S}
            document = {
                "store": {"path": str(directory / "images.db")},
                "cluster": cluster,
                "guard": {"ownNamespace": NAMESPACE},
                "registry": {"allowPrivateAddresses": ["127.0.0.0/8"]},
            }
            settings = directory / "imagegate.yaml"
            settings.write_text(yaml.safe_dump(document), encoding="utf-8")
            replicas.append(Replica(directory, settings, f"{registry.host}/team/app:v1", stack))
        for replica in replicas:
            replica.start()
        yield Two(plane, (replicas[0], replicas[1]))


def terms_that_overlap(two: Two) -> list[Any]:
    a, b = (terms(replica.running) for replica in two.each)
    assert a or b
    return [(one, other) for one in a for other in b if one[0] < other[1] and other[0] < one[1]]


class TestReplicas:
    def test_exactly_one_imports_and_hands_over_at_once(self, two: Two) -> None:
        leader = two.leader()
        other = two.other(leader)
        for replica in two.each:
            replica.add_stream("one")
        wait_until(lambda: leader.has_imported("one"), "the leader to import")
        time.sleep(LEASE_S)
        assert not other.has_imported("one")
        assert leader.lease == {"name": LEASE, "held": True, "holder": leader.lease["holder"], "problem": ""}
        assert other.lease == {"name": LEASE, "held": False, "holder": leader.lease["holder"], "problem": ""}
        assert leader.service.metric("imagegate_lease_held", lease=LEASE) == 1
        assert other.service.metric("imagegate_lease_held", lease=LEASE) == 0
        changes = "imagegate_lease_changes_total"
        wait_until(lambda: leader.service.metric(changes, lease=LEASE, change="taken") == 1, "the change to be counted")
        stored = two.plane.kubectl.json("-n", NAMESPACE, "get", "lease", LEASE)
        assert stored["spec"]["holderIdentity"] == leader.lease["holder"]
        assert [each["kind"] for each in stored["metadata"]["ownerReferences"]] == ["ServiceAccount"]

        ended = time.monotonic()
        leader.running[-1].process.terminate()
        wait_until(other.holds, "the other one to take over")
        assert time.monotonic() - ended < LEASE_S / 2
        wait_until(lambda: other.has_imported("one"), "the other one to import")
        assert terms_that_overlap(two) == []

    def test_a_leader_under_granian_hands_over_at_once_too(self, two: Two) -> None:
        first = two.leader()
        granian = two.other(first)
        granian.running[-1].process.terminate()
        granian.running[-1].process.wait(30)
        granian.options = ("--server", "granian")
        granian.start()
        first.running[-1].process.terminate()
        wait_until(granian.holds, "granian to take over", timeout_s=2 * LEASE_S)
        first.start()
        ended = time.monotonic()
        granian.running[-1].process.terminate()
        wait_until(first.holds, "the first one to take over again")
        assert time.monotonic() - ended < LEASE_S / 2
        assert granian.running[-1].process.wait(30) == 0
        assert terms_that_overlap(two) == []

    def test_a_leader_that_is_killed_is_followed_within_the_time_of_the_lease(self, two: Two) -> None:
        leader = two.leader()
        other = two.other(leader)
        other.add_stream("two")
        killed = time.monotonic()
        os.killpg(leader.running[-1].pid, signal.SIGKILL)
        wait_until(other.holds, "the other one to take over")
        took_s = time.monotonic() - killed
        assert LEASE_S / 2 < took_s < LEASE_S * 1.5
        wait_until(lambda: other.has_imported("two"), "the other one to import")
        leader.start()
        time.sleep(LEASE_S)
        assert (leader.holds(), other.holds()) == (False, True)

    def test_a_worker_that_is_killed_is_followed_too(self, two: Two) -> None:
        leader = two.leader()
        holder = leader.lease["holder"]
        for worker in leader.service.workers():
            os.kill(worker, signal.SIGKILL)
        wait_until(lambda: two.leader().lease["holder"] != holder, "another holder", timeout_s=3 * LEASE_S)

    def test_without_the_api_server_nobody_leads(self, two: Two) -> None:
        leader = two.leader()
        os.kill(two.plane.api_server.pid, signal.SIGSTOP)
        stopped = time.monotonic()
        try:
            wait_until(lambda: not leader.holds(), "the leader to step down", timeout_s=LEASE_S)
            assert time.monotonic() - stopped < LEASE_S
            for replica in two.each:
                replica.add_stream("three")
            time.sleep(LEASE_S)
            assert [replica.has_imported("three") for replica in two.each] == [False, False]
            assert all(replica.lease["problem"] for replica in two.each)
            assert all(replica.service.get("/readyz").json["checks"]["lease"] != "ok" for replica in two.each)
            failing = "imagegate_lease_failing"
            wait_until(lambda: leader.service.metric(failing, lease=LEASE) == 1, "the failure to be shown")
            assert all(replica.service.get("/readyz").status == 200 for replica in two.each)
        finally:
            os.kill(two.plane.api_server.pid, signal.SIGCONT)
        after = two.leader()
        wait_until(lambda: after.has_imported("three"), "the leader to import")
        assert not two.other(after).has_imported("three")
        assert terms_that_overlap(two) == []


STREAMS_AT_ONCE = 60
MERGE = {"Content-Type": "application/merge-patch+json"}


def test_a_leader_that_is_killed_while_it_imports_loses_nothing(
    plane: ControlPlane, registry_tls: Registry, tmp_path: Path
) -> None:
    """Over the store that replicas share, while a client writes to the same streams."""
    define(plane)
    digest = registry_tls.push_sample("tiny-docker", IMAGE)
    namespace = new_namespace(plane)
    cluster = {"kubeconfig": str(plane.kubectl.configuration), "leaseSeconds": LEASE_S}
    with contextlib.ExitStack() as stack:
        each = [
            stack.enter_context(sharing_replica(plane, namespace, tmp_path / name, registry_tls, cluster=cluster))
            for name in ("a", "b")
        ]

        def leaders() -> list[Service]:
            return [service for service in each if service.get("/readyz").json["lease"]["held"]]

        wait_until(lambda: len(leaders()) == 1, "one leader", timeout_s=3 * LEASE_S)
        (leader,) = leaders()
        (other,) = (service for service in each if service is not leader)
        tag = {"name": "latest", "from": {"kind": "DockerImage", "name": f"docker.io/{IMAGE}"}}
        names = [f"s{number}" for number in range(STREAMS_AT_ONCE)]
        for name in names:
            body = {"metadata": {"name": name}, "spec": {"tags": [tag]}}
            assert other.post(STREAMS, body).status == 201
        wait_until(lambda: len(_imported(other)) > 0, "imports to be under way")
        os.killpg(leader.running.pid, signal.SIGKILL)
        before = len(_imported(other))
        for name in names:
            note = json.dumps({"metadata": {"annotations": {"noted": name}}})
            assert other.ask("PATCH", f"{STREAMS}/{name}", note, MERGE).status == 200
        wait_until(lambda: len(_imported(other)) == STREAMS_AT_ONCE, "all to be imported", timeout_s=10 * LEASE_S)
        assert before < STREAMS_AT_ONCE, "the leader was done before it was killed"
        for stream in other.get(STREAMS).json["items"]:
            assert stream["metadata"]["annotations"]["noted"] == stream["metadata"]["name"]
            assert [item["image"] for found in stream["status"]["tags"] for item in found["items"]] == [digest]
        assert len(terms([other.running])) == 1


def _imported(service: Service) -> list[str]:
    items = service.get(STREAMS).json["items"]
    return [each["metadata"]["name"] for each in items if each.get("status", {}).get("tags")]


TURNS, CHAOS_S, CHAOS_LEASE_S = 5, 45.0, 3.0


def test_there_are_never_two(plane: ControlPlane, account: Kubectl, tmp_path: Path) -> None:
    """Turns are given up and asked for again, the API server stops, somebody edits and deletes the Lease."""
    name = "chaos"
    connection = Connection(Credentials(str(plane.kubectl.configuration)))
    numbers = iter(range(10**6))

    def turn() -> LeaseTurn:
        number = next(numbers)
        notes = tmp_path / str(number)
        notes.mkdir()
        make = lambda: Lease(lambda: connection, NAMESPACE, name, str(number), duration_s=CHAOS_LEASE_S)  # noqa: E731
        return LeaseTurn(make, name, ProcessNotes(notes), duration_s=CHAOS_LEASE_S)

    turns = [turn() for _ in range(TURNS)]
    ends = threading.Event()
    troubles = threading.Thread(target=_trouble, args=(plane, name, ends))
    troubles.start()
    looks, terms, last = 0, 0, ""
    try:
        until, next_end = time.monotonic() + CHAOS_S, time.monotonic() + 2
        while time.monotonic() < until:
            held = [each for each in turns if each.is_mine()]
            looks += 1
            assert len(held) <= 1, [each.state() for each in held]
            holder = held[0].state().holder if held else last
            terms, last = terms + (holder != last), holder
            if time.monotonic() > next_end:
                next_end = time.monotonic() + random.uniform(0.5, 3)
                gone = random.randrange(TURNS)
                threading.Thread(target=turns[gone].release).start()
                turns[gone] = turn()
            time.sleep(0.0005)
    finally:
        ends.set()
        troubles.join()
        for each in turns:
            each.release()
    assert looks > 1000
    assert terms > 2


def _trouble(plane: ControlPlane, name: str, ends: threading.Event) -> None:
    """Stop the API server, edit the Lease, delete it, again and again."""
    patches = (
        '{"spec": {"holderIdentity": ""}}',
        '{"spec": {"holderIdentity": "nobody", "leaseDurationSeconds": 2147483}}',
        '{"spec": {"renewTime": "2999-01-01T00:00:00.000000Z", "leaseTransitions": -5}}',
        '{"metadata": {"labels": {"a": "b"}}}',
        '{"spec": null}',
    )
    lease = ("-n", NAMESPACE, "lease", name)
    while not ends.wait(random.uniform(0.5, 2)):
        what = random.randrange(len(patches) + 3)
        if what < len(patches):
            plane.kubectl("patch", *lease, "--type=merge", "-p", patches[what], check=False)
        elif what == len(patches):
            plane.kubectl("delete", *lease, "--ignore-not-found", "--wait=false")
        else:
            os.kill(plane.api_server.pid, signal.SIGSTOP)
            ends.wait(random.uniform(0.5, 5))
            os.kill(plane.api_server.pid, signal.SIGCONT)
