"""Registries and names that hang take nothing from other reviews. The real service, real sockets, a real DNS server."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.in_force import pod_review
from tests.support.name_server import name_server
from tests.support.processes import free_port, wait_until
from tests.support.registry_simulator import RegistrySimulator, image
from tests.support.service import Service, serving
from tests.support.simulator import Request, Response

SOON_S = 3
"""For a review beside hundreds that hang, on a machine that is busy with other tests."""
NO_LOOK_UP = "docker.io/library/nginx:1"


@contextlib.contextmanager
def hanging(address: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """The port of a server that accepts connections and never says anything."""
    kept: list[socket.socket] = []
    ends = threading.Event()
    with socket.create_server((address, port), backlog=512) as listener:
        listener.settimeout(0.1)

        def accept() -> None:
            while not ends.is_set():
                with contextlib.suppress(TimeoutError):
                    kept.append(listener.accept()[0])

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            ends.set()
            thread.join()
            for each in kept:
                each.close()


@pytest.fixture
def good() -> Iterator[RegistrySimulator]:
    with good_registry() as registry:
        yield registry


def good_registry(port: int = 0) -> RegistrySimulator:
    """A registry with an image in ``team/app`` under the tags v0 to v999."""
    registry = RegistrySimulator(port=port)
    manifest, config = image("app")
    for number in range(1000):
        registry.repository("team/app").put(manifest, config, tag=f"v{number}")
    return registry


pytestmark = pytest.mark.usefixtures("event_loop")


def settings(directory: Path, *insecure: str, **registry: Any) -> tuple[str, Path]:
    """The option for settings whose policies look up the digest of every image but those of Docker Hub."""
    requires = {"trust": {"enabled": False}, "simple": {"requirements": [{"type": "insecureAcceptAnything"}]}}
    repositories = [{"name": "docker.io/*", "policy": {}}, {"name": "*", "policy": requires}]
    policy = {
        "apiVersion": "portieris.cloud.ibm.com/v1",
        "kind": "ClusterImagePolicy",
        "metadata": {"name": "all"},
        "spec": {"repositories": repositories},
    }
    (directory / "policies").mkdir()
    (directory / "policies" / "all.yaml").write_text(json.dumps(policy))
    reached = {"allowPrivateAddresses": ["127.0.0.0/8"], "insecure": insecure, **registry}
    path = directory / "settings.yaml"
    path.write_text(json.dumps({"policies": [str(directory / "policies")], "registry": reached}))
    return "--settings", path


@dataclass
class Reviews:
    """Reviews sent, each by a thread of its own."""

    service: Service
    timeout_s: int
    took: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)

    def send(self, images: list[str]) -> None:
        """Send one for each image, without waiting."""
        for each in images:
            thread = threading.Thread(
                target=lambda name=each: self.took.append(asked(self.service, name, self.timeout_s))
            )
            thread.start()
            self.threads.append(thread)

    def wait(self) -> list[dict[str, Any]]:
        """The answers, once all are there: each within its time-out, none of them a permission."""
        for thread in self.threads:
            thread.join()
        assert len(self.took) == len(self.threads)
        assert max(seconds for seconds, _ in self.took) < self.timeout_s
        assert not any(response["allowed"] for _, response in self.took)
        return [response for _, response in self.took]


def asked(service: Service, name: str, timeout_s: int = 10) -> tuple[float, dict[str, Any]]:
    """Seconds that a review of an image took, and the response."""
    begun = time.perf_counter()
    response: dict[str, Any] = service.post(
        f"/admit?timeout={timeout_s}s", json.dumps(pod_review(name)).encode()
    ).response
    return time.perf_counter() - begun, response


def slowest(service: Service, name: Callable[[int], str], times: int = 20) -> float:
    """The longest that a review took; all must be allowed."""
    longest = 0.0
    for number in range(times):
        seconds, response = asked(service, name(number))
        assert response["allowed"] is True, response
        longest = max(longest, seconds)
    return longest


def app(registry: RegistrySimulator, first: int = 0) -> Callable[[int], str]:
    """Images of a registry; each tag must be looked up."""
    return lambda number: f"{registry.host}/team/app:v{first + number}"


def test_one_registry_that_hangs(tmp_path: Path, good: RegistrySimulator) -> None:
    with hanging() as port, serving(tmp_path, *settings(tmp_path, good.host)) as service:
        slowest(service, app(good), 1)
        reviews = Reviews(service, 10)
        reviews.send([f"127.0.0.1:{port}/app{number}:v1" for number in range(200)])
        time.sleep(0.5)
        assert slowest(service, app(good, 100)) < SOON_S
        assert slowest(service, lambda _number: NO_LOOK_UP) < SOON_S
        reviews.wait()


def test_fifty_registries_that_hang_at_once(tmp_path: Path, good: RegistrySimulator) -> None:
    """Also a registry that was never asked before is looked up beside them."""
    port = free_port()
    with contextlib.ExitStack() as stack:
        for number in range(50):
            stack.enter_context(hanging(f"127.0.1.{number + 1}", port))
        service = stack.enter_context(serving(tmp_path, *settings(tmp_path, good.host)))
        reviews = Reviews(service, 10)
        reviews.send([f"127.0.1.{number % 50 + 1}:{port}/app{number}:v1" for number in range(250)])
        time.sleep(0.7)
        assert slowest(service, app(good, 100)) < SOON_S
        assert slowest(service, lambda _number: NO_LOOK_UP) < SOON_S
        reviews.wait()


def test_any_number_of_registries_that_hang_leave_one_that_has_answered(
    tmp_path: Path, good: RegistrySimulator
) -> None:
    """More than there are threads: an image may name any address, at which nothing answers."""
    port = free_port()
    with hanging("0.0.0.0", port), serving(tmp_path, *settings(tmp_path, good.host)) as service:
        slowest(service, app(good), 1)
        reviews = Reviews(service, 10)
        reviews.send([f"127.0.{number // 200 + 2}.{number % 200 + 1}:{port}/app:v1" for number in range(300)])
        time.sleep(0.7)
        assert slowest(service, app(good, 100)) < SOON_S
        reviews.wait()


def test_a_registry_that_hangs_is_shut_out_and_let_in_again(tmp_path: Path) -> None:
    port = free_port()
    host = f"127.0.0.1:{port}"
    circuit = {"failures": 3, "openS": 3, "openMaxS": 3}
    with serving(tmp_path, *settings(tmp_path, host, circuit=circuit)) as service:
        with hanging(port=port):
            first = Reviews(service, 6)
            first.send([f"{host}/app{number}:v1" for number in range(8)])
            assert not any(response["allowed"] for response in first.wait())
            wait_until(lambda: service.get("/readyz").json["lookUps"]["circuits"], "the circuit to open")
            seconds, response = asked(service, f"{host}/other:v1")
            assert seconds < SOON_S
            assert f"{host} is not asked since " in response["status"]["message"]
            assert "UTC: no answer in time; tried again at " in response["status"]["message"]
            shown = service.get("/readyz").json["lookUps"]
            assert [(each["server"], each["why"]) for each in shown["circuits"]] == [(host, "no answer in time")]
            assert service.get("/readyz").status == 200
            assert service.metric("imagegate_circuits_not_closed") == 1
            assert service.metric("imagegate_circuit_changes_total", state="open") >= 1
            assert service.metric("imagegate_look_ups_refused_total", question="ManifestDigest", reason="circuit") >= 1
            assert host in service.get("/console/").content.decode()
        with good_registry(port) as registry:
            wait_until(lambda: asked(service, app(registry)(0))[1]["allowed"] is True, "the registry to be let in")
            assert service.metric("imagegate_circuits_not_closed") == 0
            assert service.get("/readyz").json["lookUps"]["circuits"] == []


def test_what_is_cached_is_used_while_a_registry_is_shut_out(tmp_path: Path) -> None:
    """A digest that was looked up stands for as long as it always does: the same image, verified before."""
    port = free_port()
    host = f"127.0.0.1:{port}"
    with serving(tmp_path, *settings(tmp_path, host, circuit={"failures": 1}, attempts=1)) as service:
        with good_registry(port):
            assert asked(service, f"{host}/team/app:v1")[1]["allowed"] is True
        assert asked(service, f"{host}/team/app:v2")[1]["allowed"] is False
        assert "is not asked since" in asked(service, f"{host}/team/app:v3")[1]["status"]["message"]
        assert asked(service, f"{host}/team/app:v1")[1]["allowed"] is True


@pytest.mark.parametrize("status", [401, 403, 404])
def test_nobody_shuts_out_a_registry_with_images_that_are_refused(
    tmp_path: Path, good: RegistrySimulator, status: int
) -> None:
    def refuse(request: Request, response: Response) -> Response:
        return Response(status) if "/evil" in request.path else response

    good.misbehave["/v2/evil"] = refuse
    with serving(tmp_path, *settings(tmp_path, good.host)) as service:
        for number in range(12):
            assert asked(service, f"{good.host}/evil{number}/app:v1")[1]["allowed"] is False
        assert slowest(service, app(good), 3) < SOON_S
        assert service.metric("imagegate_circuit_changes_total", state="open") == 0


def test_one_slow_repository_shuts_out_no_other(tmp_path: Path, good: RegistrySimulator) -> None:
    def drip(request: Request, response: Response) -> Response:
        if "/slow" not in request.path:
            return response

        def pieces() -> Iterator[bytes]:
            while not good.stopping.wait(0.1):
                yield b" "

        return Response(200, pieces(), response.headers)

    good.misbehave["/v2/slow"] = drip
    circuit = {"failures": 2}
    with serving(tmp_path, *settings(tmp_path, good.host, circuit=circuit)) as service:
        slowest(service, app(good), 1)
        reviews = Reviews(service, 4)
        reviews.send([f"{good.host}/slow/app:v{number}" for number in range(6)])
        time.sleep(0.3)
        assert slowest(service, app(good, 100)) < SOON_S
        reviews.wait()
        assert slowest(service, app(good, 200), 3) < SOON_S
        assert service.metric("imagegate_circuit_changes_total", state="open") == 0


def test_names_that_hang(tmp_path: Path, good: RegistrySimulator) -> None:
    """A hundred names without an answer: names that were resolved before, and new ones, have theirs."""
    good_host = f"r.good.test:{good.port}"
    new_host = f"r.new.test:{good.port}"

    def resolve(name: str) -> str | None:
        return None if ".hangs" in name else "127.0.0.1" if name in {"r.good.test", "r.new.test"} else ""

    options = settings(tmp_path, good_host, new_host)
    with (
        name_server(resolve) as names,
        serving(tmp_path, *options, prefix=names.in_force(tmp_path)) as service,
    ):
        assert asked(service, f"{good_host}/team/app:v0")[1]["allowed"] is True
        reviews = Reviews(service, 10)
        reviews.send([f"r{number}.hangs{number}.test/app:v1" for number in range(100)])
        time.sleep(1.5)
        longest = slowest(service, lambda number: f"{good_host}/team/app:v{number + 100}")
        assert longest < SOON_S
        assert asked(service, f"{new_host}/team/app:v0")[1]["allowed"] is True
        assert slowest(service, lambda _number: NO_LOOK_UP) < SOON_S
        denied = reviews.wait()
        assert len(denied) == 100
        assert len({name for name in names.asked if ".hangs" in name}) > 10
