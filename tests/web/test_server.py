"""The settings that gunicorn gets, and its hooks."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from gunicorn.config import Config

from imagegate.settings.aggregation import AggregationSettings, ImageApiSettings
from imagegate.settings.load import Settings
from imagegate.web.connections import Limits
from imagegate.web.server import (
    EVENT_LOOP,
    GROUPS_MAX,
    GTHREAD,
    MULTIPROCESS,
    RECEIVE_TIMEOUT_S,
    Reloads,
    ServerOptions,
    gunicorn_settings,
    notice_lost_clients,
    share_metrics,
    when_ready,
    when_ready_for_event_loop,
)


def test_connections_inherit_the_time_limits() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        when_ready(SimpleNamespace(LISTENERS=[SimpleNamespace(sock=listener)]))
        with socket.create_connection(listener.getsockname()) as client:
            accepted, _ = listener.accept()
            with accepted:
                for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                    limit = accepted.getsockopt(socket.SOL_SOCKET, option, struct.calcsize("ll"))
                    assert struct.unpack("ll", limit) == (RECEIVE_TIMEOUT_S, 0)
            client.close()


def test_connections_inherit_the_probes_for_lost_clients() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        when_ready_for_event_loop(SimpleNamespace(LISTENERS=[SimpleNamespace(sock=listener)]))
        with socket.create_connection(listener.getsockname()) as client:
            accepted, _ = listener.accept()
            with accepted:
                assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
                options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
                assert [accepted.getsockopt(socket.IPPROTO_TCP, each) for each in options] == [60, 10, 3, 90_000]
            client.close()


def test_a_unix_socket_has_no_probes(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        notice_lost_clients(listener)
        assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0


@pytest.fixture
def no_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No folder for metrics is named, and the one that is made does not stay in the environment."""
    monkeypatch.setenv(MULTIPROCESS, "")
    yield
    if folder := os.environ.get(MULTIPROCESS):
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.usefixtures("no_folder")
class TestSettings:
    def test_options_come_from_the_settings_file(self) -> None:
        options = ServerOptions.of(Settings())
        assert options.bind == (f"{Settings().server.host}:{Settings().server.port}",)
        assert options.limits.body_max_bytes == Settings().server.body_max_bytes

    def test_each_group_of_a_user_is_a_header_field_behind_an_api_server(self) -> None:
        aggregated = ImageApiSettings(aggregation=AggregationSettings(enabled=True))
        limits = [ServerOptions.of(each).limits for each in (Settings(), Settings(image_api=aggregated))]
        assert [each.fields for each in limits] == [Limits().fields, GROUPS_MAX]

    @pytest.mark.parametrize("worker", [EVENT_LOOP, GTHREAD])
    def test_gunicorn_knows_every_setting(self, worker: str) -> None:
        settings = gunicorn_settings(ServerOptions(worker=worker, workers=3))
        config = Config()
        for name, value in settings.items():
            config.set(name, value)
        assert config.workers == 3
        assert config.worker_class.__name__ == ("EventLoopWorker" if worker == EVENT_LOOP else "ThreadWorker")

    @pytest.mark.parametrize("cluster, given, drain_s", [(False, None, 0), (True, None, 5), (True, 1.5, 1.5)])
    def test_only_a_pod_of_a_cluster_drains_unless_told(
        self, monkeypatch: pytest.MonkeyPatch, cluster: bool, given: float | None, drain_s: float
    ) -> None:
        monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
        if cluster:
            monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "192.0.2.1")
        worker = gunicorn_settings(ServerOptions(drain_s=given))["worker_class"]
        assert worker.options.drain_s == drain_s

    def test_a_folder_for_metrics_is_made_once_and_removed_by_its_maker(self) -> None:
        settings = gunicorn_settings(ServerOptions())
        folder = Path(os.environ[MULTIPROCESS])
        assert folder.is_dir()
        assert share_metrics() is None
        settings["on_exit"](None)
        assert not folder.exists()


def test_reloads_of_the_master_are_seen_by_a_fork() -> None:
    reloads = Reloads()
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        deadline = time.monotonic() + 10
        while reloads.count() < 2 and time.monotonic() < deadline:
            time.sleep(0.005)
        os.write(theirs, b"%d" % reloads.count())
        os._exit(0)
    reloads.note()
    reloads.note()
    os.waitpid(child, 0)
    assert os.read(ours, 10) == b"2"
    os.close(ours)
    os.close(theirs)
