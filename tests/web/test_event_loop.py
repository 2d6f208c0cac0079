"""What clients may cost: slow, many, large, malformed, gone. Against the real service.

Red team findings 3, 4, 9 and 17, cluster finding 7. Twin of each: a review that is sent as it should be is answered.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import re
import resource
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from imagegate.web.server import EVENT_LOOP
from tests.support.certificates import Authority
from tests.support.in_force import pod_review
from tests.support.processes import free_port, is_listening, wait_until
from tests.support.service import CONFIG, IMAGEGATE, Service, sample_review, serving
from tests.support.slow_clients import slow_clients

DOCKER_HUB = "step-2-docker-hub"
BODY = json.dumps(sample_review(DOCKER_HUB)).encode()
HEAD = b"POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
LENGTH = b"Content-Length: %d\r\n\r\n" % len(BODY)
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
CHUNKS = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(BODY) + BODY + b"\r\n0\r\n\r\n"
UNFINISHED = b"Content-Length: 900000\r\n\r\n" + b" " * 400_000


pytestmark = pytest.mark.usefixtures("event_loop")


def settings(directory: Path, **server: Any) -> tuple[str, Path]:
    """The option for a settings file over the sample configuration."""
    path = directory / "settings.yaml"
    documents = {"config": str(CONFIG / "master-config.yaml"), "images": [str(CONFIG / "examples" / "images")]}
    path.write_text(json.dumps({**documents, "server": server}))
    return "--settings", path


def slowest_review(service: Service, times: int = 20) -> float:
    """The longest that one of ``times`` reviews took, each over a connection of its own. All must be allowed."""
    slowest = 0.0
    for _ in range(times):
        begun = time.perf_counter()
        assert service.post("/mutate?timeout=10s", BODY).response["allowed"] is True
        slowest = max(slowest, time.perf_counter() - begun)
    return slowest


def unread(port: int) -> int:
    """Bytes between the clients of 127.0.0.1:``port`` and the service that the service has not read."""
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    queues = [row[4].split(":") for row in rows if f":{port:04X}" in f"{row[1]} {row[2]}" and row[3] == "01"]
    return sum(int(queue, 16) for queue in itertools.chain.from_iterable(queues))


def early_closes(service: Service) -> dict[str, float]:
    """How many connections were closed early, by reason."""
    found = re.findall(
        r'^imagegate_connections_closed_early_total\{reason="(.*)"\} (.*)$',
        service.get("/metrics").content.decode(),
        re.MULTILINE,
    )
    return {reason: float(count) for reason, count in found}


def sent(service: Service, request: bytes, *, wait_s: float = 10) -> bytes:
    """Everything that comes back until the service closes the connection, or has answered and waits."""
    with socket.create_connection(("127.0.0.1", service.running.port), timeout=wait_s) as raw:
        raw.sendall(request)
        raw.settimeout(wait_s)
        answer = b""
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            while piece := raw.recv(65536):
                answer += piece
        return answer


class TestSlowClients:
    @pytest.mark.parametrize(
        "first, drip",
        [(HEAD + LENGTH, BODY), (b"", HEAD + b"X-A: " + b"a" * 4000), (b"", b""), (HEAD + CHUNKS[:60], b"x" * 4000)],
        ids=["body", "headers", "connect only", "chunks"],
    )
    def test_hundreds_of_them_delay_nobody(self, tmp_path: Path, first: bytes, drip: bytes) -> None:
        with (
            serving(tmp_path, workers=2) as service,
            slow_clients(service.running.port, 400, first=first, drip=drip) as seen,
        ):
            wait_until(lambda: seen.connected == 400, "the slow clients")
            assert slowest_review(service) < 1

    def test_handshakes_that_drip_delay_nobody_and_are_ended(self, tmp_path: Path, ca: Authority) -> None:
        files = ca.issue("127.0.0.1")
        tls = ("--tls-cert", files.certificate, "--tls-key", files.key, "--tls-client-ca", ca.bundle)
        context = ssl.create_default_context(cafile=ca.bundle)
        client = ca.issue("apiserver")
        context.load_cert_chain(client.certificate, client.key)
        with (
            serving(tmp_path, *settings(tmp_path, handshakeTimeoutS=2), *tls, context=context) as service,
            slow_clients(service.running.port, 200, first=HELLO, drip=b"a" * 4000) as seen,
        ):
            wait_until(lambda: seen.connected == 200, "the slow clients")
            assert slowest_review(service) < 2
            wait_until(lambda: len(seen.answers) == 200, "the end of the handshakes", timeout_s=15)

    def test_a_request_must_arrive_within_its_time_however_it_drips(self, tmp_path: Path) -> None:
        with serving(tmp_path, *settings(tmp_path, requestTimeoutS=1)) as service:
            for first, drip, answer in ((HEAD + LENGTH, BODY, b"HTTP/1.1 408 "), (b"", HEAD + b"X: " + b"a" * 99, b"")):
                with slow_clients(service.running.port, 3, first=first, drip=drip) as seen:
                    wait_until(lambda seen=seen: len(seen.answers) == 3, "the end of their patience", timeout_s=10)  # type: ignore[misc]
                assert {each[:13] for each in seen.answers} == {answer}
            assert service.metric("imagegate_connections_closed_early_total", reason="too slow") == 6

    def test_line_feeds_between_requests_buy_no_time(self, tmp_path: Path) -> None:
        with serving(tmp_path, *settings(tmp_path, requestTimeoutS=1)) as service:
            first = HEAD + LENGTH + BODY
            with slow_clients(service.running.port, 1, first=first + b"\r\n", drip=b"\r\n" * 200) as seen:
                wait_until(lambda: len(seen.answers) == 1, "the answer")
            with socket.create_connection(("127.0.0.1", service.running.port), timeout=10) as raw:
                raw.sendall(first)
                assert b"200 OK" in raw.recv(4096)
                begun = time.monotonic()
                with contextlib.suppress(OSError):
                    while time.monotonic() - begun < 8:
                        raw.sendall(b"\r\n")
                        raw.settimeout(0.2)
                        with contextlib.suppress(TimeoutError):
                            if raw.recv(4096) == b"":
                                break
                assert time.monotonic() - begun < 6

    def test_one_that_is_slow_but_in_time_is_answered(self, tmp_path: Path) -> None:
        with (
            serving(tmp_path, *settings(tmp_path, requestTimeoutS=8)) as service,
            contextlib.closing(service.connection()) as connection,
        ):
            connection.putrequest("POST", "/mutate")
            connection.putheader("Content-Type", "application/json")
            connection.putheader("Content-Length", str(len(BODY)))
            connection.endheaders()
            for start in range(0, len(BODY), 500):
                time.sleep(0.3)
                connection.send(BODY[start : start + 500])
            assert json.load(connection.getresponse())["response"]["allowed"] is True


class TestRoom:
    def test_a_clients_oldest_unfinished_connections_make_room_for_its_new_ones(self, tmp_path: Path) -> None:
        with (
            serving(tmp_path, *settings(tmp_path, connectionsPerClient=20)) as service,
            slow_clients(service.running.port, 100, first=b"", drip=b"") as seen,
        ):
            wait_until(lambda: seen.connected == 100 and len(seen.answers) >= 80, "the first ones to be closed")
            assert slowest_review(service) < 2

    def test_one_body_that_is_not_complete_makes_room_for_one_that_is(self, tmp_path: Path) -> None:
        with (
            serving(tmp_path, *settings(tmp_path, bufferedMaxBytes=2**20)) as service,
            slow_clients(service.running.port, 2, first=HEAD + UNFINISHED, drip=b"") as seen,
        ):
            wait_until(lambda: seen.connected == 2 and unread(service.running.port) == 0, "all to be read")
            assert service.post("/mutate", BODY.ljust(500_000)).response["allowed"] is True
            wait_until(lambda: len(seen.answers) > 0, "the larger one to be closed")
            assert early_closes(service) == {"too many bytes": 1}

    def test_bodies_that_are_not_complete_leave_room_for_reviews(self, tmp_path: Path) -> None:
        with (
            serving(tmp_path, *settings(tmp_path, bufferedMaxBytes=2**20)) as service,
            slow_clients(service.running.port, 10, first=HEAD + UNFINISHED, drip=b"") as seen,
        ):
            wait_until(lambda: len(seen.answers) >= 8, "all but the two that fit to be closed")
            assert slowest_review(service) < 2
            # Which of them was the largest when room was needed depends on whose packets came first.
            assert early_closes(service).keys() <= {"too many bytes", "refused with 503"}
            wait_until(lambda: sum(early_closes(service).values()) == len(seen.answers), "each close to be counted")

    def test_a_worker_without_descriptors_lives_and_answers(self, tmp_path: Path) -> None:
        with serving(tmp_path) as service:
            (worker,) = service.workers()
            slowest_review(service, 3)
            used = max(int(each.name) for each in Path(f"/proc/{worker}/fd").iterdir())
            resource.prlimit(worker, resource.RLIMIT_NOFILE, (used + 12, used + 12))
            with slow_clients(service.running.port, 100, first=b"", drip=b"") as seen:
                wait_until(lambda: seen.connected == 100, "the idle clients")
                assert slowest_review(service, 5) < 5
            assert slowest_review(service) < 2
            assert service.workers() == {worker}
            text = service.get("/metrics").content.decode()
            assert 'reason="cannot accept: Too many open files"' in text
            assert sum("cannot accept" in line["message"] for line in service.log_lines()) <= 2

    def test_a_service_that_begins_with_few_descriptors_keeps_some(self, tmp_path: Path) -> None:
        with serving(tmp_path, prefix=("prlimit", "--nofile=128:128")) as service:
            (worker,) = service.workers()
            slowest_review(service, 3)
            with slow_clients(service.running.port, 200, first=b"", drip=b"") as seen:
                wait_until(lambda: seen.connected == 200, "the idle clients")
                assert slowest_review(service, 5) < 5
                assert len(list(Path(f"/proc/{worker}/fd").iterdir())) < 110
            assert service.workers() == {worker}

    def test_without_memory_a_review_is_denied_with_its_uid_and_the_worker_lives(self, tmp_path: Path) -> None:
        review = sample_review(DOCKER_HUB)
        containers = [{"name": f"c{n}", "image": f"elsewhere.example/x:{n}"} for n in range(120_000)]
        review["request"]["object"]["spec"]["containers"] = containers
        body = json.dumps(review).encode()
        with serving(tmp_path) as service:
            (worker,) = service.workers()
            slowest_review(service, 3)
            service.post("/mutate", BODY.ljust(40_000))  # so that the thread for large ones is there
            used = int(Path(f"/proc/{worker}/statm").read_text().split()[0]) * resource.getpagesize()
            codes = []
            for spare in (4, 16, 32):
                limit = used + spare * 2**20
                resource.prlimit(worker, resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
                answer = service.post("/mutate", body)
                if answer.status == 200:
                    assert answer.response["uid"] == review["request"]["uid"]
                    assert answer.response["allowed"] is False
                    codes.append(answer.response["status"]["code"])
                else:
                    codes.append(answer.status)
                assert service.workers() == {worker}
            assert {500, 503} & set(codes)
            assert set(codes) <= {422, 500, 503}
            resource.prlimit(worker, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            assert slowest_review(service) < 2
            assert service.workers() == {worker}


MALFORMED = {
    "both lengths": (b"Content-Length: 3\r\n" + CHUNKS, b"400"),
    "two codings": (b"Transfer-Encoding: chunked\r\n" + CHUNKS, b"400"),
    "another coding": (CHUNKS.replace(b"chunked", b"xchunked"), b"501"),
    "coding before chunks": (CHUNKS.replace(b"chunked", b"gzip, chunked"), b"501"),
    "coding behind chunks": (CHUNKS.replace(b"chunked", b"chunked, identity"), b"400"),
    "vertical tab before the coding": (CHUNKS.replace(b" chunked", b" \x0bchunked"), b"400"),
    "space before the colon": (CHUNKS.replace(b"Encoding:", b"Encoding :"), b"400"),
    "bare line feed in the head": (b"X: y\n" + LENGTH + BODY, b"400"),
    "bare carriage return in the head": (b"X: y\rZ: w\r\n" + LENGTH + BODY, b"400"),
    "two lengths": (b"Content-Length: 3\r\n" + LENGTH + BODY, b"400"),
    "the same length twice": (LENGTH[:-2] + LENGTH + BODY, b"400"),
    "length with a sign": (LENGTH.replace(b": ", b": +") + BODY, b"400"),
    "folded header": (b"X: a\r\n b\r\n" + LENGTH + BODY, b"400"),
    "null in a header": (b"X: a\0b\r\n" + LENGTH + BODY, b"400"),
    "line feed in a chunk's extension": (CHUNKS.replace(b"\r\n{", b';a="\n"\r\n{', 1), b"400"),
    "size of a chunk with a sign": (CHUNKS.replace(b"\r\n\r\n", b"\r\n\r\n+", 1), b"400"),
    "data behind a chunk": (CHUNKS.replace(b"\r\n0\r\n", b"xx0\r\n"), b"400"),
    "two hosts": (b"Host: y\r\n" + LENGTH + BODY, b"400"),
    "unknown expectation": (b"Expect: x\r\n" + LENGTH + BODY, b"417"),
    "too many headers": (b"".join(b"X%d: y\r\n" % n for n in range(70)) + LENGTH + BODY, b"431"),
    "too long a header": (b"X: " + b"a" * 9000 + b"\r\n" + LENGTH + BODY, b"431"),
    "too long a head": (b"X: " + b"a" * 300_000, b"431"),
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service without any option."""
    with serving(tmp_path_factory.mktemp("malformed"), "--worker", EVENT_LOOP) as found:
        yield found


class TestMalformed:
    @pytest.mark.parametrize("name", MALFORMED)
    def test_what_two_programs_may_understand_differently_is_refused_and_closed(
        self, service: Service, name: str
    ) -> None:
        rest, status = MALFORMED[name]
        behind = b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n"
        answer = sent(service, HEAD + rest + behind)
        assert answer.startswith(b"HTTP/1.1 " + status)
        assert answer.count(b"HTTP/1.1 ") == 1, "what stands behind it is no request"

    @pytest.mark.parametrize(
        "request_, status",
        [
            (b"GET http://evil.example/livez HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
            (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", b"400"),
            (b"GET /livez HTTP/2.0\r\nHost: x\r\n\r\n", b"505"),
            (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"414"),
            (HELLO + b"a" * 100, b"400"),
        ],
    )
    def test_other_requests_that_are_refused(self, service: Service, request_: bytes, status: bytes) -> None:
        assert sent(service, request_).startswith(b"HTTP/1.1 " + status)

    @pytest.mark.parametrize("rest", [LENGTH + BODY, CHUNKS, CHUNKS.replace(b"\r\n{", b";a=b\r\n{", 1)])
    def test_the_same_written_as_it_should_be_is_answered(self, service: Service, rest: bytes) -> None:
        twice = HEAD + b"Connection: keep-alive\r\n" + rest + HEAD + b"Connection: close\r\n" + rest
        assert sent(service, twice).count(b"HTTP/1.1 200 ") == 2

    def test_fields_behind_the_body_are_not_taken_for_headers(self, service: Service) -> None:
        trailed = CHUNKS[:-2] + b"Content-Encoding: gzip\r\n\r\n"
        assert sent(service, HEAD + b"Connection: close\r\n" + trailed).startswith(b"HTTP/1.1 200 ")

    def test_an_answer_to_head_has_no_body(self, service: Service) -> None:
        answer = sent(service, b"HEAD /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.endswith(b"\r\n\r\n")

    def test_headers_with_underscores_do_not_pass_for_those_with_dashes(self, service: Service) -> None:
        path = "/apis/image.openshift.io/v1/images"
        assert service.ask("GET", path, headers={"Origin": "http://evil.example"}).status == 403
        assert service.ask("GET", path, headers={"Host": "localhost", "X_Origin": "http://evil.example"}).status == 200
        refused = sent(service, f"GET {path} HTTP/1.1\r\nHost: evil\r\nConnection: close\r\n\r\n".encode())
        assert refused.startswith(b"HTTP/1.1 403 ")


@pytest.fixture
def hanging() -> Iterator[int]:
    """The port of a registry that accepts and never answers."""
    ends = threading.Event()
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        listener.settimeout(0.2)
        kept: list[socket.socket] = []

        def accept() -> None:
            while not ends.is_set():
                with contextlib.suppress(TimeoutError):
                    kept.append(listener.accept()[0])

        thread = threading.Thread(target=accept)
        thread.start()
        yield listener.getsockname()[1]
        ends.set()
        thread.join()
        for each in kept:
            each.close()


def asks_registry(directory: Path, port: int) -> None:
    """Write ``s.yaml``: images of the registry at ``port`` are looked up, those of Docker Hub are allowed without."""
    policy = directory / "policies" / "p.yaml"
    policy.parent.mkdir()
    requires = {"trust": {"enabled": False}, "simple": {"requirements": [{"type": "insecureAcceptAnything"}]}}
    repositories = [{"name": f"127.0.0.1:{port}/*", "policy": requires}, {"name": "docker.io/*", "policy": {}}]
    document = {"apiVersion": "portieris.cloud.ibm.com/v1", "kind": "ClusterImagePolicy"}
    policy.write_text(json.dumps({**document, "metadata": {"name": "all"}, "spec": {"repositories": repositories}}))
    registry = {"allowPrivateAddresses": ["127.0.0.0/8"], "insecure": [f"127.0.0.1:{port}"]}
    (directory / "s.yaml").write_text(json.dumps({"policies": [str(policy.parent)], "registry": registry}))


class TestBulkhead:
    @pytest.mark.parametrize("same", [False, True], ids=["images of their own", "one image"])
    def test_a_hanging_registry_takes_nothing_from_other_reviews(
        self, tmp_path: Path, hanging: int, same: bool
    ) -> None:
        asks_registry(tmp_path, hanging)
        answers: list[tuple[float, Any]] = []
        with serving(tmp_path, "--settings", tmp_path / "s.yaml") as service:

            def ask(number: int) -> None:
                image = f"127.0.0.1:{hanging}/app{0 if same else number}:v1"
                begun = time.perf_counter()
                response = service.post("/admit?timeout=3s", json.dumps(pod_review(image)).encode()).response
                answers.append((time.perf_counter() - begun, response))

            threads = [threading.Thread(target=ask, args=(number,)) for number in range(200)]
            for thread in threads:
                thread.start()
            time.sleep(0.5)
            slowest = 0.0
            quick = json.dumps(pod_review("docker.io/library/nginx:1")).encode()
            for _ in range(10):
                begun = time.perf_counter()
                assert service.post("/admit?timeout=3s", quick).response["allowed"] is True
                slowest = max(slowest, time.perf_counter() - begun)
            for thread in threads:
                thread.join()
        assert len(answers) == 200
        assert not any(response["allowed"] for _, response in answers)
        assert max(seconds for seconds, _ in answers) < 3
        assert slowest < 1
        at_once = [response for seconds, response in answers if seconds < 2]
        assert all("too many look-ups at 127.0.0.1:" in each["status"]["message"] for each in at_once)
        assert (len(at_once) > 100) is not same


def log_blocked(tmp_path: Path, reader: Callable[[int], None]) -> tuple[subprocess.Popen[bytes], Service]:
    """A service whose standard error is a pipe that ``reader`` is given the read end of."""
    port = free_port()
    read_end, write_end = os.pipe()
    process = subprocess.Popen(
        [IMAGEGATE, "serve", "--bind", f"127.0.0.1:{port}", "--workers", "1"],
        stdout=subprocess.DEVNULL,
        stderr=write_end,
        cwd=tmp_path,
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")},
        start_new_session=True,
    )
    os.close(write_end)
    wait_until(lambda: is_listening(port), "the service")
    reader(read_end)
    from tests.support.processes import Running

    return process, Service(Running(process, port, tmp_path / "no.log"))


@pytest.mark.parametrize("how", ["nobody reads", "the reader has gone"])
def test_a_log_that_cannot_be_written_delays_no_review(tmp_path: Path, how: str) -> None:
    ends: list[int] = []
    process, service = log_blocked(tmp_path, ends.append if how == "nobody reads" else os.close)
    try:
        with contextlib.closing(service.connection()) as connection:
            slowest = 0.0
            for _ in range(600):
                begun = time.perf_counter()
                connection.request("POST", "/mutate", BODY, {"Content-Type": "application/json"})
                assert json.loads(connection.getresponse().read())["response"]["allowed"] is True
                slowest = max(slowest, time.perf_counter() - begun)
            assert slowest < 2
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        assert process.wait(20) == 0
        for end in ends:
            os.close(end)


class TestEnd:
    def test_it_answers_on_while_it_says_that_it_is_not_ready(self, tmp_path: Path) -> None:
        with serving(tmp_path, *settings(tmp_path, drainS=3), workers=2) as service, contextlib.ExitStack() as stack:
            kept = [stack.enter_context(contextlib.closing(service.connection())) for _ in range(20)]
            for connection in kept:
                connection.request("POST", "/mutate", BODY, {"Content-Type": "application/json"})
                assert json.loads(connection.getresponse().read())["response"]["allowed"] is True
            os.kill(service.running.pid, signal.SIGTERM)
            wait_until(lambda: service.get("/readyz").status == 503, "readiness", timeout_s=2)
            assert any("stopping" in each for each in service.get("/readyz").json["waitingFor"])
            fresh = service.post("/mutate", BODY)
            assert fresh.response["allowed"] is True
            assert fresh.headers["connection"] == "close"
            for connection in kept:
                connection.request("POST", "/mutate", BODY, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                assert json.loads(answer.read())["response"]["allowed"] is True
                assert answer.getheader("Connection") == "close"
            assert service.running.process.wait(20) == 0

    def test_reviews_that_wait_for_a_look_up_are_answered(self, tmp_path: Path, hanging: int) -> None:
        asks_registry(tmp_path, hanging)
        answers: list[Any] = []
        with serving(tmp_path, "--settings", tmp_path / "s.yaml") as service:

            def ask(number: int) -> None:
                body = json.dumps(pod_review(f"127.0.0.1:{hanging}/app{number}:v1"))
                answers.append(service.post("/admit?timeout=4s", body.encode()).response)

            threads = [threading.Thread(target=ask, args=(number,)) for number in range(10)]
            for thread in threads:
                thread.start()
            time.sleep(1)
            assert answers == []
            os.kill(service.running.pid, signal.SIGTERM)
            for thread in threads:
                thread.join()
            assert service.running.process.wait(20) == 0
        assert [answer["allowed"] for answer in answers] == [False] * 10

    def test_busy_clients_are_never_reset(self, tmp_path: Path) -> None:
        """As Go's transport: a connection is used again unless the answer says that it is closed."""
        broken: list[BaseException] = []
        refused: list[float] = []

        def client(service: Service, pause_s: float) -> None:
            with contextlib.closing(service.connection()) as connection:
                while True:
                    try:
                        connection.request("POST", "/mutate", BODY, {"Content-Type": "application/json"})
                        connection.getresponse().read()
                    except ConnectionRefusedError:
                        refused.append(time.monotonic())
                        return
                    except (OSError, http.client.HTTPException) as error:
                        broken.append(error)
                        return
                    time.sleep(pause_s)

        with serving(tmp_path, *settings(tmp_path, drainS=1), workers=2) as service:
            threads = [threading.Thread(target=client, args=(service, n % 4 * 0.1)) for n in range(20)]
            for thread in threads:
                thread.start()
            time.sleep(1)
            told = time.monotonic()
            os.kill(service.running.pid, signal.SIGTERM)
            for thread in threads:
                thread.join()
            assert service.running.process.wait(20) == 0
        assert broken == []
        assert len(refused) == 20
        assert min(refused) - told >= 0.9

    def test_without_a_drain_kept_connections_still_have_a_last_request(self, tmp_path: Path) -> None:
        with serving(tmp_path, *settings(tmp_path, drainS=0)) as service:
            with contextlib.closing(service.connection()) as connection:
                connection.request("GET", "/livez")
                connection.getresponse().read()
                os.kill(service.running.pid, signal.SIGTERM)
                wait_until(lambda: not is_listening(service.running.port), "the end of listening")
                connection.request("POST", "/mutate", BODY, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                assert json.loads(answer.read())["response"]["allowed"] is True
                assert answer.getheader("Connection") == "close"
            begun = time.monotonic()
            assert service.running.process.wait(20) == 0
            assert time.monotonic() - begun < 5

    def test_an_interrupt_waits_for_nobody(self, tmp_path: Path) -> None:
        with (
            serving(tmp_path, *settings(tmp_path, drainS=20)) as service,
            contextlib.closing(service.connection()) as connection,
        ):
            connection.request("GET", "/livez")
            connection.getresponse().read()
            begun = time.monotonic()
            os.killpg(service.running.pid, signal.SIGINT)
            service.running.process.wait(10)
            assert time.monotonic() - begun < 5

    def test_one_worker_that_is_told_to_end_takes_nothing_from_the_others(self, tmp_path: Path) -> None:
        with serving(tmp_path, *settings(tmp_path, drainS=3), workers=2) as service:
            before = service.workers()
            os.kill(min(before), signal.SIGTERM)
            wait_until(lambda: len(service.workers() - before) == 1, "its successor", timeout_s=10)
            assert slowest_review(service, 40) < 1
            assert max(before) in service.workers()

    def test_reloads_do_not_drain_and_lose_nothing(self, tmp_path: Path) -> None:
        with serving(tmp_path, *settings(tmp_path, drainS=20), workers=2) as service:
            before = service.workers()
            with contextlib.closing(service.connection()) as connection:
                connection.request("GET", "/livez")
                connection.getresponse().read()
                os.kill(service.running.pid, signal.SIGHUP)
                wait_until(lambda: len(service.workers() - before) == 2, "new workers")
                connection.request("POST", "/mutate", BODY, {"Content-Type": "application/json"})
                assert json.loads(connection.getresponse().read())["response"]["allowed"] is True
            wait_until(lambda: not before & service.workers(), "the end of the old workers", timeout_s=10)


class TestWatches:
    PATH = "/apis/image.openshift.io/v1/namespaces/default/imagestreams?watch=true&timeoutSeconds=60"

    def test_many_are_open_beside_reviews_and_end_with_their_clients(self, tmp_path: Path) -> None:
        def opened(service: Service) -> http.client.HTTPConnection:
            connection = service.connection()
            connection.request("GET", self.PATH)
            return connection

        with serving(tmp_path) as service:
            (worker,) = service.workers()

            def sockets() -> int:
                count = 0
                for each in Path(f"/proc/{worker}/fd").iterdir():
                    with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                        count += str(each.readlink()).startswith("socket:")
                return count

            for _ in range(2):
                with contextlib.ExitStack() as stack:
                    watches = [stack.enter_context(contextlib.closing(opened(service))) for _ in range(200)]
                    answers = [stack.enter_context(contextlib.closing(each.getresponse())) for each in watches]
                    assert {answer.status for answer in answers} == {200}
                    assert slowest_review(service) < 1
                    assert sockets() > 200
                wait_until(lambda: sockets() < 20, "the end of the watches", timeout_s=8)

    def test_the_end_of_the_service_ends_them(self, tmp_path: Path) -> None:
        with serving(tmp_path) as service:
            with contextlib.closing(service.connection()) as connection:
                connection.request("GET", self.PATH)
                answer = connection.getresponse()
                os.kill(service.running.pid, signal.SIGTERM)
                answer.read()  # to its proper end
            assert service.running.process.wait(20) == 0
