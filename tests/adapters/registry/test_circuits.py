"""What opens a registry's circuit and what does not, through the registry client, over real connections."""

from __future__ import annotations

import base64
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from imagegate.adapters.http.circuits import CircuitLimits, Circuits, Failure
from imagegate.adapters.http.client import HttpClient, HttpLimits
from imagegate.adapters.registry.client import HttpRegistry, RegistrySettings
from imagegate.core.admission.lookup import Found, Lookup
from imagegate.core.references.openshift import ImageReference
from imagegate.core.registry.egress import AddressPolicy
from imagegate.core.registry.manifest import Manifest
from imagegate.core.registry.mirrors import MirrorRule, MirrorUse
from imagegate.core.registry.pull_secrets import Credential, PullSecret, PullSecretEntry
from imagegate.ports.registry import ANONYMOUS, RegistryAccess, RegistryUnknown
from tests.support.processes import free_port
from tests.support.registry_simulator import RegistrySimulator, image
from tests.support.simulator import Request, Response

LIMITS = CircuitLimits(failures=3, subjects=2, patience_s=0.15, open_s=30)
WITHIN_S = 0.5
MANIFEST, CONFIG = image("app")


@pytest.fixture
def registry() -> Iterator[RegistrySimulator]:
    with RegistrySimulator() as simulator:
        yield simulator


@pytest.fixture
def other() -> Iterator[RegistrySimulator]:
    with RegistrySimulator() as simulator:
        yield simulator


class Asking:
    """A registry client with circuits that can be looked at."""

    def __init__(self, *insecure: str, mirrors: tuple[MirrorRule, ...] = ()) -> None:
        self.circuits = Circuits(LIMITS)
        http = HttpClient(
            addresses=AddressPolicy.of(networks=("127.0.0.0/8",)),
            limits=HttpLimits(attempts=1),
            circuits=self.circuits,
        )
        self.registry = HttpRegistry(http, settings=RegistrySettings(insecure=frozenset(insecure), mirrors=mirrors))

    def ask(self, host: str, path: str = "team/app", access: RegistryAccess = ANONYMOUS) -> Lookup[Manifest]:
        wanted = ImageReference.parse(f"{host}/{path}:v1")
        return self.registry.manifest(wanted, access=access, deadline_s=WITHIN_S)

    def opened(self) -> list[str]:
        return [circuit.server for circuit in self.circuits.unclosed()]


def serves(registry: RegistrySimulator, *paths: str) -> None:
    for path in paths:
        registry.repository(path).put(MANIFEST, CONFIG, tag="v1")


def slow(registry: RegistrySimulator) -> Callable[[Request, Response], Response]:
    def act(_request: Request, response: Response) -> Response:
        registry.stopping.wait(3)
        return response

    return act


def test_a_registry_that_hangs_after_the_token_is_shut_out(registry: RegistrySimulator) -> None:
    """Its token server has the same host and answers, and each request without a token gets a quick 401."""
    registry.challenge = f'Bearer realm="{registry.url}/token",service="r"'
    registry.authorized = lambda header: header.startswith("Bearer ")
    honest = registry.answer

    def answer(request: Request) -> Response:
        if "/manifests/" in request.path and "authorization" in request.headers:
            registry.stopping.wait(3)
        return honest(request)

    registry.answer = answer  # type: ignore[method-assign]
    asking = Asking(registry.host)
    for number in range(4):
        assert not isinstance(asking.ask(registry.host, f"team/app{number}"), Found)
    assert asking.opened() == [registry.host]
    began = time.monotonic()
    refused = asking.ask(registry.host, "team/other")
    assert time.monotonic() - began < WITHIN_S / 2
    assert isinstance(refused, RegistryUnknown)
    assert f"{registry.host} is not asked since" in refused.why
    assert asking.registry.not_answering(ImageReference.parse(f"{registry.host}/any/image:v1")) == refused.why


def test_a_registry_that_answers_all_of_that_is_not(registry: RegistrySimulator) -> None:
    registry.challenge = f'Bearer realm="{registry.url}/token",service="r"'
    registry.authorized = lambda header: header.startswith("Bearer ")
    serves(registry, *(f"team/app{number}" for number in range(10)))
    asking = Asking(registry.host)
    for number in range(10):
        assert isinstance(asking.ask(registry.host, f"team/app{number}"), Found)
    assert asking.circuits.unclosed() == []


def test_a_registry_cannot_have_another_one_shut_out(registry: RegistrySimulator, other: RegistrySimulator) -> None:
    """Its redirects lead to what is slow there; only the way from one to the other is closed."""
    other.misbehave["/slow"] = slow(other)
    registry.misbehave["/v2/team"] = lambda _request, _response: Response(
        307, headers={"Location": f"{other.url}/slow"}
    )
    serves(other, "team/app")
    asking = Asking(registry.host, other.host)
    for number in range(4):
        assert not isinstance(asking.ask(registry.host, f"team/app{number}"), Found)
    assert asking.opened() == [f"{other.host} (where {registry.host} leads)"]
    assert isinstance(asking.ask(other.host), Found)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_server_errors_of_several_repositories(registry: RegistrySimulator, status: int) -> None:
    registry.misbehave["/v2"] = lambda _request, _response: Response(status)
    asking = Asking(registry.host)
    for number in range(3):
        asking.ask(registry.host, f"team/app{number}")
    assert [circuit.why for circuit in asking.circuits.unclosed()] == [Failure.SERVER_ERROR]


def test_a_closed_port(registry: RegistrySimulator) -> None:
    host = f"127.0.0.1:{free_port()}"
    asking = Asking()
    for _ in range(3):
        asking.ask(host)
    assert [(circuit.server, circuit.why) for circuit in asking.circuits.unclosed()] == [(host, Failure.CONNECTION)]
    serves(registry, "team/app")
    assert isinstance(Asking(registry.host).ask(registry.host), Found)


def test_a_handshake_that_hangs() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        asking = Asking()
        for _ in range(3):
            asking.ask(host)
        assert [circuit.why for circuit in asking.circuits.unclosed()] == [Failure.TIME_OUT]


def test_a_limit_on_one_credential_leaves_the_others(registry: RegistrySimulator) -> None:
    """A registry that limits one user must not be shut to another one, or to those without a credential."""
    serves(registry, "team/app")
    alice = _authorization("alice")

    def limit(request: Request, response: Response) -> Response:
        authorization = request.headers.get("authorization", "")
        if authorization == alice:
            return Response(429, headers={"Retry-After": "20"})
        return response if authorization else Response(401, headers={"WWW-Authenticate": 'Basic realm="r"'})

    registry.misbehave["/v2"] = limit
    asking = Asking(registry.host)
    for number in range(5):
        assert not isinstance(asking.ask(registry.host, f"team/app{number}", access(registry, "alice")), Found)
    before = len(registry.requests)
    refused = asking.ask(registry.host, access=access(registry, "alice"))
    assert isinstance(refused, RegistryUnknown)
    assert "is not asked with this credential: too many requests" in refused.why
    assert len(registry.requests) == before, "nothing was sent"
    assert isinstance(asking.ask(registry.host, access=access(registry, "bob")), Found)
    assert asking.circuits.unclosed() == []


def access(registry: RegistrySimulator, user: str) -> RegistryAccess:
    return RegistryAccess((PullSecret("pull", (PullSecretEntry(registry.host, "", Credential(user, "x")),)),))


def _authorization(user: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:x".encode()).decode()


def test_a_mirror_that_hangs_is_passed_over(registry: RegistrySimulator) -> None:
    serves(registry, "team/app")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        mirror = f"127.0.0.1:{listener.getsockname()[1]}"
        rule = MirrorRule(registry.host, (mirror,), MirrorUse.ANY)
        asking = Asking(registry.host, mirrors=(rule,))
        for _ in range(3):
            asking.ask(registry.host)
        assert asking.opened() == [mirror]
        assert isinstance(asking.ask(registry.host), Found)
        assert asking.registry.not_answering(ImageReference.parse(f"{registry.host}/team/app:v1")) == ""
