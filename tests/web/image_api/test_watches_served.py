"""Watches of a running service: thousands of them, clients that vanish or do not read, other workers' changes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagegate.web.asgi import STREAMS
from imagegate.web.server import EVENT_LOOP
from imagegate.web.streams import IN_THREADS_MAX
from tests.support.kubectl import Kubectl
from tests.support.processes import wait_until
from tests.support.programs import program
from tests.support.service import Service, serving
from tests.support.watches import FROM_NOW, MAPS, Client, Clients, watching

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory, face: str) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("watches"), "--worker", face, workers=2) as found:
        yield found


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Service]:
    with serving(tmp_path, "--worker", EVENT_LOOP) as found:
        yield found


def create(service: Service, name: str, size: int = 1) -> None:
    text = "\x01" * max(size // 6, 1)  # six bytes each in JSON: before encoding, config maps hold no more than 1 MiB
    body = json.dumps({"metadata": {"name": name}, "data": {"a": text}})
    assert service.ask("POST", MAPS, body, JSON).status == 201


def added(client: Client) -> list[str]:
    return [event["object"]["metadata"]["name"] for event in client.events if event["type"] == "ADDED"]


def status_of_one_more(service: Service) -> int:
    with watching(service.running.port, 1) as clients:
        return clients[0].status


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def test_a_watch_ends_in_time(two_workers: Service) -> None:
    query = f"{MAPS}?{FROM_NOW}&timeoutSeconds=1&allowWatchBookmarks=true"
    began = time.monotonic()
    with watching(two_workers.running.port, 2, query) as clients:
        clients.read_until(lambda client: client.is_whole, "the end", 10)
        assert time.monotonic() - began >= 0.9
        assert not any(client.events for client in clients)


def test_kubectl_watches_and_waits(two_workers: Service, tmp_path: Path) -> None:
    kubectl = Kubectl(tmp_path)
    kubectl.use(f"http://127.0.0.1:{two_workers.running.port}")
    create(two_workers, "waited-for")
    command = [program("kubectl"), "get", "configmaps", "--watch", "--output-watch-events"]
    waiting = [program("kubectl"), "wait", "configmap/waited-for", "--for=jsonpath={.data.a}=done", "--timeout=30s"]
    deleted = [program("kubectl"), "wait", "configmap/waited-for", "--for=delete", "--timeout=30s"]
    with (
        subprocess.Popen(command, env=kubectl._env, stdout=subprocess.PIPE, text=True) as watch,
        subprocess.Popen(waiting, env=kubectl._env, stdout=subprocess.PIPE, text=True) as done,
        subprocess.Popen(deleted, env=kubectl._env, stdout=subprocess.PIPE, text=True) as gone,
    ):
        assert watch.stdout is not None
        lines: list[list[str]] = []
        while not lines or lines[-1][:2] != ["ADDED", "waited-for"]:
            lines.append(watch.stdout.readline().split())
        time.sleep(1)  # so that the two others wait as well
        assert done.poll() is None
        kubectl("patch", "configmap", "waited-for", "--type=merge", "-p", '{"data":{"a":"done"}}')
        assert done.wait(20) == 0
        assert gone.poll() is None
        kubectl("delete", "configmap", "waited-for")
        assert gone.wait(20) == 0
        while lines[-1][0] != "DELETED":
            lines.append(watch.stdout.readline().split())
        assert [line[:2] for line in lines[-2:]] == [["MODIFIED", "waited-for"], ["DELETED", "waited-for"]]
        watch.terminate()


def test_kubectl_lists_by_a_watch(two_workers: Service, tmp_path: Path) -> None:
    """The feature WatchListClient, on by default from 1.35: without an end of the list, kubectl would wait for ever."""
    kubectl = Kubectl(tmp_path)
    kubectl.use(f"http://127.0.0.1:{two_workers.running.port}")
    create(two_workers, "listed")
    command = [program("kubectl"), "wait", "configmap/listed", "--for=delete", "--timeout=30s", "-v=8"]
    env = {**kubectl._env, "KUBE_FEATURE_WatchListClient": "true"}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as waiting:
        assert waiting.stdout is not None
        asked: list[str] = []
        while not asked or "sendInitialEvents=true" not in asked[-1]:
            asked.append(waiting.stdout.readline())
            assert asked[-1], "kubectl ended"
        time.sleep(1)
        assert waiting.poll() is None
        kubectl("delete", "configmap", "listed")
        rest = waiting.communicate(timeout=20)[0]
        assert waiting.returncode == 0, rest
        assert "configmaps?" not in rest, "it did not fall back to a list"


def test_the_system_looks_for_clients_that_are_gone_without_a_word(two_workers: Service) -> None:
    with watching(two_workers.running.port, 1) as (client,):
        port = client.connection.getsockname()[1]
        table = Path("/proc/net/tcp").read_text().splitlines()[1:]
        rows = [row.split() for row in table]
        ends = (f":{two_workers.running.port:04X}", f":{port:04X}")  # local and remote, seen from the service
        (served,) = [row for row in rows if (row[1][8:], row[2][8:]) == ends]
        timer, ticks = served[5].split(":")
        assert timer == "02", "a keep-alive timer runs"
        assert int(ticks, 16) / os.sysconf("SC_CLK_TCK") <= 61


def test_changes_of_every_worker_arrive_at_all_watches(two_workers: Service) -> None:
    # few of them: gthread notices late that watches of other tests have ended
    with watching(two_workers.running.port, 3) as clients:
        names = [f"every-{number}" for number in range(6)]  # each over a connection of its own: any worker answers
        for name in names:
            create(two_workers, name)
        clients.read_until(lambda client: added(client) == names, "the changes", 15)


def test_sigterm_ends_watches_with_an_end(tmp_path: Path, face: str) -> None:
    with serving(tmp_path, "--worker", face) as service, watching(service.running.port, IN_THREADS_MAX) as clients:
        os.kill(service.running.pid, signal.SIGTERM)
        clients.read_until(lambda client: client.is_whole, "the end", 10)
        wait_until(lambda: service.running.process.poll() is not None, "the end of the service", timeout_s=10)


def test_thousands_cost_nothing_while_nothing_changes_and_all_see_a_change(loop: Service) -> None:
    (worker,) = loop.workers()
    before = descriptors(worker)
    with watching(loop.running.port, STREAMS) as clients:
        assert {client.status for client in clients} == {200}
        assert status_of_one_more(loop) == 429
        assert loop.get("/readyz").status == 200
        began, used = time.monotonic(), cpu_s(worker)
        time.sleep(4)
        assert (cpu_s(worker) - used) / (time.monotonic() - began) < 0.05
        create(loop, "seen-by-all")
        clients.read_until(lambda client: added(client) == ["seen-by-all"], "the change")
        for number, client in enumerate(clients):  # half of them vanish, half of them end
            if number % 2:
                client.reset()
            else:
                client.connection.close()
        wait_until(lambda: descriptors(worker) < before + 100, "the end of the connections", timeout_s=5)
        with watching(loop.running.port, STREAMS) as again:
            assert {client.status for client in again} == {200}


def test_a_client_that_does_not_read_is_cut_off_and_holds_little(loop: Service) -> None:
    (worker,) = loop.workers()
    create(loop, "warm", 1_000_000)
    before = resident_mib(worker)
    with watching(loop.running.port, 20, receive_bytes=4096) as deaf, watching(loop.running.port, 1) as (reads,):
        for number in range(20):
            create(loop, f"large-{number}", 1_000_000)
        Clients([reads]).read_until(lambda client: len(added(client)) == 20, "the changes")
        assert resident_mib(worker) - before < 150, "20 clients times 20 MB would be 400"
        reasons = ("answer not read in time", "answer not read while others wait")
        metric = "imagegate_connections_closed_early_total"
        wait_until(
            lambda: sum(loop.metric(metric, reason=reason) for reason in reasons) == 20,
            "the end of the clients that do not read",
            timeout_s=60,
        )
        deaf.read(2)
        assert not any(client.is_whole for client in deaf), "an end would say that there was nothing more"
        assert status_of_one_more(loop) == 200


def test_one_large_object_is_not_copied_for_all_watches_at_once(loop: Service) -> None:
    (worker,) = loop.workers()
    create(loop, "warm", 2_000_000)
    before = resident_mib(worker)
    highest = before
    with watching(loop.running.port, 300, receive_bytes=4096) as clients, watching(loop.running.port, 20) as quick:
        create(loop, "large", 2_000_000)
        for _ in range(20):
            quick.read(0.1)
            highest = max(highest, resident_mib(worker))
        assert highest - before < 200, "300 clients times 2 MB would be 600"
        quick.read_until(lambda client: added(client) == ["large"], "the object, though others do not read", 90)
        assert {client.status for client in clients} == {200}


def test_a_client_that_vanishes_while_it_is_sent_much_frees_its_place(loop: Service) -> None:
    for number in range(10):
        create(loop, f"large-{number}", 1_000_000)
    (worker,) = loop.workers()
    before = descriptors(worker) + 48  # 16 threads for requests, each with its connection to the store
    query = f"{MAPS}?watch=1"
    for _ in range(3):
        with watching(loop.running.port, 50, query, receive_bytes=4096) as clients:
            for client in clients:
                client.reset()
        wait_until(lambda: descriptors(worker) <= before, "the end of the connections", timeout_s=10)
    with watching(loop.running.port, STREAMS) as clients:
        assert {client.status for client in clients} == {200}
