"""The WSGI application under a server that knows nothing of it: Python's own, with PEP 3333 checked on every call."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.in_force import FORBIDS, PERMITS, admitted, policies, replaced
from tests.support.processes import free_port, started, wait_until
from tests.support.service import Service, sample_config, sample_review

SERVER = """
import sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.validate import validator
from imagegate.web.wsgi import application

class Threads(ThreadingMixIn, WSGIServer):
    daemon_threads = True

class Quiet(WSGIRequestHandler):
    def log_message(self, *_): pass

make_server("127.0.0.1", int(sys.argv[1]), validator(application()), Threads, Quiet).serve_forever()
"""


def serving(directory: Path, settings: Path) -> Any:
    """Python's ``wsgiref`` with the application."""
    port = free_port()
    environment = {**os.environ, "IMAGEGATE_SETTINGS": str(settings), "XDG_STATE_HOME": str(directory / "state")}
    environment.pop("PROMETHEUS_MULTIPROC_DIR", None)
    return started([sys.executable, "-c", SERVER, str(port)], port=port, log=directory / "log", env=environment)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with serving(tmp_path, sample_config(tmp_path) / "imagegate.yaml") as running:
        yield Service(running)


def test_it_keeps_to_the_interface(service: Service) -> None:
    allowed, denied = sample_review("step-2-docker-hub"), sample_review("step-3-other-registry")
    assert service.post("/mutate", allowed).response["allowed"] is True
    assert service.post("/validate", denied).response["allowed"] is False
    assert service.post("/mutate", b"{").status == 400
    assert service.ask("GET", "/mutate").status == 405
    for path in ("/readyz", "/metrics", "/version", "/console/", "/apis/image.openshift.io/v1/images"):
        assert service.get(path).status == 200, path
    assert service.get("/no/such/page").status == 404
    assert "AssertionError" not in service.running.output()


def test_policies_are_followed_without_a_hook_of_the_server(tmp_path: Path) -> None:
    policy = tmp_path / "policies" / "p.yaml"
    policy.parent.mkdir()
    policy.write_text(PERMITS)
    settings = tmp_path / "imagegate.yaml"
    settings.write_text("policies: [policies]\n")
    with serving(tmp_path, settings) as running:
        service = Service(running)
        assert admitted(service, times=2) == 2
        replaced(policy, FORBIDS)
        wait_until(lambda: admitted(service, times=2) == 0, "the new policy")
        assert policies(service)["error"] == ""
