"""The fixtures of ``tests.support``, as a pytest plug-in; the table is in the package's docstring."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagegate.web.server import EVENT_LOOP, WORKERS
from tests.support.apiserver_client import ApiserverClient, build_apiserver_client
from tests.support.certificates import Authority
from tests.support.gpg import GpgHome
from tests.support.kubectl import Kubectl
from tests.support.lookaside import Lookaside
from tests.support.registry import PASSWORD, USER, Registry, start_registry
from tests.support.token_server import TokenServer

WORKER_SETTING = "IMAGEGATE_SERVER_WORKER"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--face``."""
    text = "kind of worker of every service that a test starts; without it, tests of both faces run over both"
    parser.addoption("--face", choices=WORKERS, help=text)


def pytest_configure(config: pytest.Config) -> None:
    """Start services with the chosen worker also in tests that run over one face only."""
    if chosen := config.getoption("--face"):
        os.environ[WORKER_SETTING] = chosen


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test that uses ``face`` once over each."""
    if "face" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--face")
        metafunc.parametrize("face", [chosen] if chosen else WORKERS, scope="module", indirect=True)


@pytest.fixture(scope="module")
def face(request: pytest.FixtureRequest) -> Iterator[str]:
    """The kind of worker of every service that is started meanwhile: ASGI under the event loop, WSGI under gthread.

    For tests of what the service answers, and of what it does on signals and on changes of its files.
    """
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(WORKER_SETTING, request.param)
        yield request.param


@pytest.fixture(scope="session")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority with a server certificate for 127.0.0.1 and localhost."""
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def gpg_home() -> Iterator[GpgHome]:
    """A key ring of the session's own."""
    with GpgHome() as home:
        yield home


@pytest.fixture(scope="session")
def token_server(tmp_path_factory: pytest.TempPathFactory, ca: Authority) -> Iterator[TokenServer]:
    """A token server over HTTPS."""
    with TokenServer(tmp_path_factory.mktemp("token"), users={USER: PASSWORD}, tls=ca.server) as server:
        yield server


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory, gpg_home: GpgHome) -> Iterator[Registry]:
    """A registry over plain HTTP that anybody may push to; it may sign with the keys of ``gpg_home``."""
    with start_registry(tmp_path_factory.mktemp("registry"), gpg_home=gpg_home.path) as running:
        yield running


@pytest.fixture(scope="session")
def registry_tls(tmp_path_factory: pytest.TempPathFactory, ca: Authority) -> Iterator[Registry]:
    """A registry over HTTPS with a private CA, anonymous."""
    with start_registry(tmp_path_factory.mktemp("registry-tls"), tls=ca) as running:
        yield running


@pytest.fixture(scope="session")
def registry_htpasswd(tmp_path_factory: pytest.TempPathFactory, ca: Authority) -> Iterator[Registry]:
    """A registry over HTTPS that wants a user and password."""
    with start_registry(tmp_path_factory.mktemp("registry-htpasswd"), tls=ca, htpasswd=True) as running:
        yield running


@pytest.fixture(scope="session")
def registry_token(
    tmp_path_factory: pytest.TempPathFactory, ca: Authority, token_server: TokenServer
) -> Iterator[Registry]:
    """A registry over HTTPS that wants tokens of ``token_server``."""
    with start_registry(tmp_path_factory.mktemp("registry-token"), tls=ca, token=token_server) as running:
        yield running


@pytest.fixture
def lookaside(tmp_path: Path) -> Iterator[Lookaside]:
    """A lookaside server with nothing in it yet."""
    directory = tmp_path / "lookaside"
    directory.mkdir()
    with Lookaside(directory) as server:
        yield server


@pytest.fixture
def kubectl(tmp_path: Path) -> Kubectl:
    """kubectl, for a server still to be named with ``use``."""
    home = tmp_path / "kubectl"
    home.mkdir()
    return Kubectl(home)


@pytest.fixture(scope="session")
def apiserver_client(tmp_path_factory: pytest.TempPathFactory) -> ApiserverClient:
    """A Go program that calls the service as the API server does."""
    return build_apiserver_client(tmp_path_factory.mktemp("apiserver-client"))


@pytest.fixture(scope="module")
def event_loop() -> Iterator[None]:
    """For tests of what only the event loop promises, whatever ``--face`` says."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(WORKER_SETTING, EVENT_LOOP)
        yield
