"""Reviews stay quick and right while nobody reads the log, disks are full, and workers die."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.store_sqlite.test_full_disk import MOUNTED
from tests.support.processes import Running, end_process, free_port, is_listening, wait_until
from tests.support.service import IMAGEGATE, Service, sample_review, serving

ELSEWHERE = "step-3-other-registry"
QUICK_S = 2.0
"""A busy machine takes a while; whoever waits for a log waits for ever."""


@contextlib.contextmanager
def logging_to(descriptor: int, directory: Path) -> Iterator[Service]:
    """The service with one worker and ``descriptor`` as its standard error."""
    port = free_port()
    command: list[str | Path] = [IMAGEGATE, "serve", "--bind", f"127.0.0.1:{port}", "--workers", "1"]
    environment = {**os.environ, "XDG_STATE_HOME": str(directory / "state")}
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=descriptor, env=environment, cwd=directory, start_new_session=True
    )
    try:
        wait_until(lambda: is_listening(port), "the service")
        yield Service(Running(process, port, Path(os.devnull)))
    finally:
        end_process(process)


def named(name: str) -> dict[str, Any]:
    """A review that is denied, of an object with this name."""
    review = sample_review(ELSEWHERE)
    review["request"]["name"] = name
    return review


def post_many(service: Service, count: int, body: bytes) -> float:
    """Send the same review again and again, on one connection; every one is denied. Seconds of the slowest answer."""
    slowest = 0.0
    with contextlib.closing(service.connection()) as connection:
        for _ in range(count):
            begun = time.monotonic()
            assert not _allowed(connection, body)
            slowest = max(slowest, time.monotonic() - begun)
    return slowest


def _allowed(connection: http.client.HTTPConnection, body: bytes) -> bool:
    connection.request("POST", "/mutate", body, {"Content-Type": "application/json"})
    allowed: bool = json.loads(connection.getresponse().read())["response"]["allowed"]
    return allowed


@pytest.mark.parametrize("kind", ["pipe", "fifo"])
def test_a_log_that_nobody_reads_delays_no_review(tmp_path: Path, kind: str) -> None:
    if kind == "pipe":
        read_end, write_end = os.pipe()
    else:  # like a disk that does not answer: the one who writes waits, without an error
        os.mkfifo(tmp_path / "log")
        read_end = os.open(tmp_path / "log", os.O_RDONLY | os.O_NONBLOCK)
        write_end = os.open(tmp_path / "log", os.O_WRONLY)
    try:
        with logging_to(write_end, tmp_path) as service:
            assert post_many(service, 3500, json.dumps(named("x" * 900)).encode()) < QUICK_S
            assert service.metric("imagegate_review_duration_seconds_count", phase="mutate") == 3500
            wait_until(lambda: service.metric("imagegate_log_lines_dropped_total") > 0, "lines that did not fit")
            begun = time.monotonic()
            service.running.end()
            assert time.monotonic() - begun < 9
    finally:
        os.close(read_end)
        os.close(write_end)


def test_a_log_on_a_full_disk_delays_no_review(tmp_path: Path) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        with logging_to(full, tmp_path) as service:
            assert post_many(service, 50, json.dumps(named("x")).encode()) < QUICK_S
            wait_until(lambda: service.metric("imagegate_log_lines_dropped_total") >= 50, "all lines, counted")
            assert service.metric("imagegate_review_duration_seconds_count", phase="mutate") == 50
    finally:
        os.close(full)


@contextlib.contextmanager
def sharing_on_small_disk(directory: Path) -> Iterator[tuple[Service, Path]]:
    """The service with its shared folder on a file system of three MiB, and that folder."""
    shared = directory / "shared"
    shared.mkdir()
    mount = f'mount -t tmpfs -o size=3m tmpfs "{shared}" && exec "$@"'
    prefix = (*MOUNTED, "env", f"PROMETHEUS_MULTIPROC_DIR={shared}", "sh", "-c", mount, "sh")
    with serving(directory, prefix=prefix) as service:
        yield service, Path(f"/proc/{service.running.pid}/root{shared}")


def fill(disk: Path) -> None:
    """Leave no room on it."""
    with (disk / "filler").open("ab", buffering=0) as filler, contextlib.suppress(OSError):
        while True:
            filler.write(bytes(4096))


def replaced_worker(service: Service) -> set[int]:
    """Kill the worker; its successor."""
    before = service.workers()
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: bool(service.workers() - before) and not service.workers() & before, "another worker")
    return service.workers()


def test_a_full_disk_under_the_shared_folder_ends_no_worker(tmp_path: Path) -> None:
    body = json.dumps(named("x")).encode()
    with sharing_on_small_disk(tmp_path) as (service, disk):
        assert post_many(service, 5, body) < QUICK_S
        assert service.metric("imagegate_review_duration_seconds_count", phase="mutate") == 5
        fill(disk)
        workers = service.workers()
        for number in range(5):  # each a new series
            review = named("x")
            review["request"]["object"]["spec"]["containers"][0]["image"] = f"registry-{number}.example.com/a/b"
            assert service.post("/validate", review).response["allowed"] is False
        assert service.metric("imagegate_review_duration_seconds_count", phase="mutate") == 5
        assert service.get("/console/").status == 200
        assert service.workers() == workers
        successors = replaced_worker(service)
        assert post_many(service, 5, body) < QUICK_S
        time.sleep(1)  # more than the time in which everything is written once
        assert service.get("/readyz").status == 200
        assert service.workers() == successors
        assert "the metrics of this process are not seen" in service.running.output()
        (disk / "filler").unlink()
        replaced_worker(service)
        assert post_many(service, 7, body) < QUICK_S
        wait_until(
            lambda: service.metric("imagegate_review_duration_seconds_count", phase="mutate") == 12,
            "the counts of the first worker and the third",
        )


def test_a_shared_folder_that_cannot_be_written_is_told_at_the_start(tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path), "PROMETHEUS_MULTIPROC_DIR": "/proc"}
    done = subprocess.run(
        [IMAGEGATE, "serve", "--bind", f"127.0.0.1:{free_port()}"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "the policies cannot be shared between processes" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_killed_worker_loses_only_its_last_batch(tmp_path: Path) -> None:
    body = json.dumps(named("x")).encode()
    with serving(tmp_path) as service:
        post_many(service, 20, body)
        time.sleep(0.5)  # ten batches
        replaced_worker(service)
        post_many(service, 20, body)
        assert service.metric("imagegate_review_duration_seconds_count", phase="mutate") == 40
        assert len([line for line in service.log_lines() if line["logger"] == "imagegate.decision"]) == 40


def test_the_end_of_the_service_loses_nothing(tmp_path: Path) -> None:
    with serving(tmp_path) as service:
        post_many(service, 20, json.dumps(named("x")).encode())
        service.running.end()
        assert len([line for line in service.log_lines() if line["logger"] == "imagegate.decision"]) == 20
