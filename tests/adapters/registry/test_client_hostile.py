"""A registry that lies, stalls, floods and redirects; beside each refusal the honest answer that passes."""

from __future__ import annotations

import base64
import gzip
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from imagegate.adapters.http.client import HttpClient, HttpLimits
from imagegate.adapters.registry.auth import TokenRealms
from imagegate.adapters.registry.client import HttpRegistry, RegistrySettings
from imagegate.adapters.registry.place import RegistryLimits
from imagegate.core.admission.lookup import Absent, Found, Lookup
from imagegate.core.references.openshift import ImageReference
from imagegate.core.registry.egress import AddressPolicy
from imagegate.core.registry.manifest import Manifest
from imagegate.core.registry.mirrors import MirrorRule, MirrorUse
from imagegate.core.registry.pull_secrets import Credential, PullSecret, PullSecretEntry
from imagegate.ports.registry import ANONYMOUS, RegistryAccess, RegistryErrorKind, RegistryUnknown
from tests.support.certificates import Authority
from tests.support.registry_simulator import (
    OCI_INDEX,
    OCI_MANIFEST,
    RegistrySimulator,
    gzip_bomb,
    image,
    index,
    replaced,
    sha256,
)
from tests.support.simulator import Request, Response

DEADLINE_S = 20.0
LOOPBACK = AddressPolicy.of(networks=("127.0.0.0/8",))
MANIFEST, CONFIG = image("honest")
DIGEST = sha256(MANIFEST)
MANIFEST_PATH = "/v2/team/app/manifests/v1"
PASSWORD = "a secret that must not leave"
BASIC = "Basic " + base64.b64encode(f"alice:{PASSWORD}".encode()).decode()


@dataclass
class Client:
    """A registry client, and the pauses it made."""

    registry: HttpRegistry
    pauses: list[float]

    def manifest(
        self, host: str, rest: str = ":v1", *, access: RegistryAccess = ANONYMOUS, deadline_s: float = DEADLINE_S
    ) -> Lookup[Manifest]:
        wanted = ImageReference.parse(f"{host}/team/app{rest}")
        return self.registry.manifest(wanted, access=access, deadline_s=deadline_s)


MakeClient = Callable[..., Client]


@pytest.fixture
def make(ca: Authority) -> MakeClient:
    def made(
        settings: RegistrySettings | None = None,
        limits: RegistryLimits | None = None,
        http_limits: HttpLimits | None = None,
        addresses: AddressPolicy = LOOPBACK,
    ) -> Client:
        pauses: list[float] = []
        http = HttpClient(addresses=addresses, ca_files=(str(ca.bundle),), limits=http_limits, sleep=pauses.append)
        return Client(HttpRegistry(http, settings=settings, limits=limits), pauses)

    return made


@pytest.fixture
def client(make: MakeClient) -> Client:
    return make()


@pytest.fixture
def simulator(ca: Authority) -> Iterator[RegistrySimulator]:
    with RegistrySimulator(tls=ca.server) as running:
        running.repository("team/app").put(MANIFEST, CONFIG, tag="v1")
        yield running


@pytest.fixture
def other(ca: Authority) -> Iterator[RegistrySimulator]:
    """Another host: another port."""
    with RegistrySimulator(tls=ca.server) as running:
        running.repository("team/app").put(MANIFEST, CONFIG, tag="v1")
        yield running


def secret(host: str) -> RegistryAccess:
    return RegistryAccess(secrets=(PullSecret("pull", (PullSecretEntry(host, "", Credential("alice", PASSWORD)),)),))


def found(answer: Lookup[Manifest]) -> Manifest:
    assert isinstance(answer, Found), answer
    return answer.value


def error_kind(answer: Lookup[Any]) -> RegistryErrorKind:
    assert isinstance(answer, RegistryUnknown), answer
    assert PASSWORD not in answer.why
    return answer.error_kind


def paths(simulator: RegistrySimulator) -> list[str]:
    return [request.path for request in simulator.requests]


def always(response: Response) -> Callable[[Request, Response], Response]:
    return lambda request, honest: response


# What is said and what is sent


def test_a_digest_header_is_not_believed(client: Client, simulator: RegistrySimulator) -> None:
    lie = "sha256:" + "0" * 64
    simulator.misbehave["/v2/team"] = lambda _, r: replaced(r, headers={"Docker-Content-Digest": lie})
    assert found(client.manifest(simulator.host)).digest == DIGEST
    assert found(client.manifest(simulator.host, "@" + DIGEST)).digest == DIGEST


def test_other_bytes_than_the_digest_asked_for(client: Client, simulator: RegistrySimulator) -> None:
    assert found(client.manifest(simulator.host, "@" + DIGEST)).digest == DIGEST
    swapped = MANIFEST.replace(b"{", b"{ ", 1)
    simulator.repository("team/app").manifests[DIGEST] = (swapped, OCI_MANIFEST)
    answer = client.manifest(simulator.host, "@" + DIGEST)
    assert error_kind(answer) is RegistryErrorKind.INTEGRITY
    assert isinstance(answer, RegistryUnknown)
    assert not answer.retryable
    assert answer.why == (
        f"content integrity error: the manifest retrieved (media type: {OCI_MANIFEST}) with digest {DIGEST} does not"
        f" match the digest calculated from the content {sha256(swapped)}"
    )


def test_other_bytes_than_the_configuration(client: Client, simulator: RegistrySimulator) -> None:
    manifest = found(client.manifest(simulator.host))
    wanted = ImageReference.parse(f"{simulator.host}/team/app")
    assert client.registry.config(wanted, manifest, deadline_s=DEADLINE_S) == Found(
        CONFIG, f"https://{simulator.host}/v2/team/app/blobs/{sha256(CONFIG)}"
    )
    simulator.repository("team/app").blobs[sha256(CONFIG)] = CONFIG + b" "
    assert error_kind(client.registry.config(wanted, manifest, deadline_s=DEADLINE_S)) is RegistryErrorKind.INTEGRITY


@pytest.mark.parametrize("content_type", ["text/html", "", "application/json", "application/octet-stream"])
def test_a_content_type_that_was_not_asked_for(client: Client, simulator: RegistrySimulator, content_type: str) -> None:
    simulator.misbehave["/v2/team"] = lambda _, r: replaced(r, headers={"Content-Type": content_type})
    assert error_kind(client.manifest(simulator.host)) is RegistryErrorKind.MALFORMED


def test_a_content_type_with_parameters(client: Client, simulator: RegistrySimulator) -> None:
    typed = f"{OCI_MANIFEST.upper()}; charset=utf-8"
    simulator.misbehave["/v2/team"] = lambda _, r: replaced(r, headers={"Content-Type": typed})
    assert found(client.manifest(simulator.host)).media_type == OCI_MANIFEST


def test_a_list_served_as_an_image(client: Client, simulator: RegistrySimulator) -> None:
    repository = simulator.repository("team/app")
    listed = index({"linux/amd64": MANIFEST})
    repository.put(listed, tag="list", media_type=OCI_INDEX)
    assert found(client.manifest(simulator.host, ":list")).is_index
    repository.manifests["list"] = (listed, OCI_MANIFEST)
    assert error_kind(client.manifest(simulator.host, ":list")) is RegistryErrorKind.MALFORMED


def test_truncated_json(client: Client, simulator: RegistrySimulator) -> None:
    simulator.repository("team/app").manifests["v1"] = (MANIFEST[:-10], OCI_MANIFEST)
    assert error_kind(client.manifest(simulator.host)) is RegistryErrorKind.MALFORMED


def test_an_answer_cut_short(client: Client, simulator: RegistrySimulator) -> None:
    padded = MANIFEST + b"\n" * 100  # still JSON without its end, and another digest
    simulator.repository("team/app").manifests["v1"] = (padded, OCI_MANIFEST)
    assert found(client.manifest(simulator.host)).digest == sha256(padded)
    simulator.misbehave["/v2/team"] = lambda _, r: replaced(r, cut_after=len(MANIFEST))
    assert error_kind(client.manifest(simulator.host)) is RegistryErrorKind.UNREACHABLE


def test_deep_json(client: Client, simulator: RegistrySimulator) -> None:
    for depth, expected in ((60, None), (65, RegistryErrorKind.TOO_LARGE), (100_000, RegistryErrorKind.TOO_LARGE)):
        deep = MANIFEST[:-1] + b', "annotations": ' + b"[" * depth + b"]" * depth + b"}"
        simulator.repository("team/app").manifests["v1"] = (deep, OCI_MANIFEST)
        answer = client.manifest(simulator.host)
        assert found(answer) if expected is None else error_kind(answer) is expected, depth


# How much and how long


def test_an_endless_body(client: Client, simulator: RegistrySimulator) -> None:
    simulator.misbehave["/v2/team"] = lambda _, r: replaced(r, body=simulator.endless())
    assert error_kind(client.manifest(simulator.host)) is RegistryErrorKind.TOO_LARGE
    assert simulator.count(path="/v2/team") == 1  # more of the same is not asked for


def test_an_endless_error(client: Client, simulator: RegistrySimulator) -> None:
    simulator.misbehave["/v2/team"] = lambda _, r: replaced(r, status=404, body=simulator.endless())
    assert isinstance(client.manifest(simulator.host), Absent)


def test_one_byte_more_than_allowed(make: MakeClient, simulator: RegistrySimulator) -> None:
    fits = make(limits=RegistryLimits(manifest_max_bytes=len(MANIFEST)))
    assert found(fits.manifest(simulator.host)).digest == DIGEST
    short = make(limits=RegistryLimits(manifest_max_bytes=len(MANIFEST) - 1))
    assert error_kind(short.manifest(simulator.host)) is RegistryErrorKind.TOO_LARGE


def test_a_compressed_answer_and_a_bomb(client: Client, simulator: RegistrySimulator) -> None:
    encoded = {"Content-Encoding": "gzip"}
    simulator.misbehave["/v2/team"] = lambda _, r: replaced(r, body=gzip.compress(MANIFEST), headers=encoded)
    assert found(client.manifest(simulator.host)).digest == DIGEST
    bomb = gzip_bomb(64 * 1024 * 1024)
    assert len(bomb) < 100_000
    simulator.misbehave["/v2/team"] = lambda _, r: replaced(r, body=bomb, headers=encoded)
    assert error_kind(client.manifest(simulator.host)) is RegistryErrorKind.TOO_LARGE


def test_a_body_a_byte_at_a_time(client: Client, simulator: RegistrySimulator) -> None:
    simulator.misbehave["/v2/team"] = lambda _, r: replaced(r, body=simulator.drip(MANIFEST, 0.1))
    answer = client.manifest(simulator.host, deadline_s=1.0)
    assert error_kind(answer) is RegistryErrorKind.UNREACHABLE
    assert isinstance(answer, RegistryUnknown)
    assert answer.why.endswith("did not answer in time")


def test_headers_a_byte_at_a_time(make: MakeClient, ca: Authority) -> None:
    """No single read takes long; together they would never end."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def serve() -> None:
            context = ca.server.server_context()
            try:
                with context.wrap_socket(server.accept()[0], server_side=True) as connection:
                    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                    while not stop.wait(0.05):
                        connection.sendall(b"a")
            except OSError:
                return

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            answer = make(http_limits=HttpLimits(attempts=1)).manifest(f"127.0.0.1:{port}", deadline_s=0.5)
        finally:
            stop.set()
            thread.join()
    assert error_kind(answer) is RegistryErrorKind.UNREACHABLE


def test_no_time_no_question(client: Client, simulator: RegistrySimulator) -> None:
    assert error_kind(client.manifest(simulator.host, deadline_s=0.0)) is RegistryErrorKind.UNREACHABLE
    assert simulator.requests == []


# Trying again


def failing(times: int, response: Response) -> Callable[[Request, Response], Response]:
    left = [times]

    def act(_: Request, honest: Response) -> Response:
        left[0] -= 1
        return response if left[0] >= 0 else honest

    return act


@pytest.mark.parametrize("response", [Response(503), Response(500), Response(502), Response(429), Response(drop=True)])
def test_a_passing_failure_is_retried(client: Client, simulator: RegistrySimulator, response: Response) -> None:
    simulator.misbehave["/v2/team"] = failing(2, response)
    assert found(client.manifest(simulator.host)).digest == DIGEST
    assert len(client.pauses) == 2
    assert client.pauses[1] > client.pauses[0]


@pytest.mark.parametrize("response", [Response(503), Response(429), Response(drop=True)])
def test_a_lasting_failure_is_given_up(client: Client, simulator: RegistrySimulator, response: Response) -> None:
    simulator.misbehave["/v2/team"] = always(response)
    answer = client.manifest(simulator.host)
    assert error_kind(answer) is RegistryErrorKind.UNREACHABLE
    assert isinstance(answer, RegistryUnknown)
    assert answer.retryable
    assert simulator.count(path="/v2/team") == HttpLimits().attempts


def test_retry_after_is_obeyed_up_to_a_limit(client: Client, simulator: RegistrySimulator) -> None:
    simulator.misbehave["/v2/team"] = failing(1, Response(429, headers={"Retry-After": "3"}))
    assert found(client.manifest(simulator.host)).digest == DIGEST
    assert client.pauses == [3.0]
    simulator.misbehave["/v2/team"] = failing(1, Response(429, headers={"Retry-After": "3600"}))
    assert error_kind(client.manifest(simulator.host)) is RegistryErrorKind.UNREACHABLE
    assert client.pauses == [3.0]


@pytest.mark.parametrize(
    "text, pauses",
    [
        ("Wed, 21 Oct 2015 07:28:00 GMT", 1),  # long past: the usual pause
        ("Wed, 21 Oct 2099 07:28:00 GMT", 0),
        ("soon", 1),
        ("-5", 1),
        ("9" * 400, 0),
    ],
)
def test_other_forms_of_retry_after(client: Client, simulator: RegistrySimulator, text: str, pauses: int) -> None:
    simulator.misbehave["/v2/team"] = failing(1, Response(429, headers={"Retry-After": text}))
    answer = client.manifest(simulator.host)
    assert isinstance(answer, Found) is bool(pauses)
    assert len(client.pauses) == pauses
    assert all(pause < 1 for pause in client.pauses)


def test_no_pause_beyond_the_deadline(client: Client, simulator: RegistrySimulator) -> None:
    simulator.misbehave["/v2/team"] = failing(1, Response(429, headers={"Retry-After": "3"}))
    assert error_kind(client.manifest(simulator.host, deadline_s=2.0)) is RegistryErrorKind.UNREACHABLE
    assert client.pauses == []


@pytest.mark.parametrize("status", [400, 403, 404, 410])
def test_a_refusal_is_not_retried(client: Client, simulator: RegistrySimulator, status: int) -> None:
    simulator.misbehave["/v2/team"] = always(Response(status))
    client.manifest(simulator.host)
    assert simulator.count(path="/v2/team") == 1


# Redirects


def redirect(target: str) -> Callable[[Request, Response], Response]:
    return always(Response(307, headers={"Location": target}))


def test_a_redirect_to_another_host_goes_without_credentials(
    client: Client, simulator: RegistrySimulator, other: RegistrySimulator
) -> None:
    simulator.challenge, simulator.authorized = 'Basic realm="x"', lambda header: header == BASIC
    simulator.misbehave["/v2/team"] = redirect(f"{other.url}/v2/team/app/manifests/v1")
    answer = client.manifest(simulator.host, access=secret(simulator.host))
    assert found(answer).digest == DIGEST
    assert isinstance(answer, Found)
    assert answer.source == f"{other.url}/v2/team/app/manifests/v1"
    assert simulator.requests[-1].headers["authorization"] == BASIC
    assert {request.headers.get("authorization") for request in other.requests} == {None}


def test_a_redirect_within_the_host_keeps_credentials(client: Client, simulator: RegistrySimulator) -> None:
    simulator.challenge, simulator.authorized = 'Basic realm="x"', lambda header: header == BASIC
    simulator.repository("moved/app").put(MANIFEST, tag="v1")
    simulator.misbehave["/v2/team"] = redirect("/v2/moved/app/manifests/v1")
    assert found(client.manifest(simulator.host, access=secret(simulator.host))).digest == DIGEST
    assert simulator.requests[-1].path == "/v2/moved/app/manifests/v1"
    assert simulator.requests[-1].headers["authorization"] == BASIC


@pytest.mark.parametrize(
    "target",
    [
        "https://169.254.169.254/latest/meta-data/",
        "https://[::ffff:169.254.169.254]/latest/meta-data/",
        "https://[::ffff:a9fe:a9fe]/",
        "https://[64:ff9b::a9fe:a9fe]/",
        "https://10.0.0.1/",
        "https://[fd00:ec2::254]/",
        "https://[::ffff:127.0.0.2]:1/",
        "http://169.254.169.254/",
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "https://user:pass@127.0.0.1:1/",
        "https://127.0.0.1:99999/",
    ],
)
def test_a_redirect_to_where_nobody_may_go(make: MakeClient, simulator: RegistrySimulator, target: str) -> None:
    simulator.misbehave["/v2/team"] = redirect(target)
    only_this = make(addresses=AddressPolicy.of(hosts=(simulator.host,)))
    answer = only_this.manifest(simulator.host)
    assert error_kind(answer) in {RegistryErrorKind.BLOCKED, RegistryErrorKind.MALFORMED}
    assert simulator.count(path="/v2/team") == 1


def test_a_stranger_does_not_lead_to_a_host_that_only_settings_allow(
    make: MakeClient, simulator: RegistrySimulator, other: RegistrySimulator
) -> None:
    simulator.misbehave["/v2/team"] = redirect(f"{other.url}/v2/team/app/manifests/v1")
    by_network = make(addresses=AddressPolicy.of(hosts=(other.host,), networks=("127.0.0.1/32",)))
    assert error_kind(by_network.manifest(simulator.host)) is RegistryErrorKind.BLOCKED
    assert other.requests == []
    both = make(addresses=AddressPolicy.of(hosts=(other.host, simulator.host)))
    assert found(both.manifest(simulator.host)).digest == DIGEST


def test_private_addresses_only_where_allowed(make: MakeClient, simulator: RegistrySimulator) -> None:
    answer = make(addresses=AddressPolicy()).manifest(simulator.host)
    assert error_kind(answer) is RegistryErrorKind.BLOCKED
    assert isinstance(answer, RegistryUnknown)
    assert "registry.allowPrivateAddresses" in answer.why
    assert simulator.requests == []


def test_redirects_in_a_circle_and_without_an_end(client: Client, simulator: RegistrySimulator) -> None:
    simulator.misbehave["/v2/team"] = redirect("/v2/team/app/manifests/v1")
    assert error_kind(client.manifest(simulator.host)) is RegistryErrorKind.BLOCKED
    assert simulator.count(path="/v2/team") == 1
    simulator.misbehave["/v2/team"] = lambda request, _: Response(
        302, headers={"Location": f"/v2/team/app/manifests/{len(simulator.requests)}"}
    )
    assert error_kind(client.manifest(simulator.host)) is RegistryErrorKind.BLOCKED
    assert simulator.count(path="/v2/team") == 1 + 1 + HttpLimits().redirects


def test_a_redirect_away_from_tls(client: Client, simulator: RegistrySimulator) -> None:
    with RegistrySimulator() as plain:
        plain.repository("team/app").put(MANIFEST, tag="v1")
        simulator.misbehave["/v2/team"] = redirect(f"{plain.url}/v2/team/app/manifests/v1")
        assert error_kind(client.manifest(simulator.host)) is RegistryErrorKind.BLOCKED
        assert plain.requests == []


# Credentials


def test_401_for_ever(client: Client, simulator: RegistrySimulator) -> None:
    simulator.challenge = f'Bearer realm="{simulator.url}/token",service="s"'
    simulator.authorized = lambda header: False
    assert error_kind(client.manifest(simulator.host)) is RegistryErrorKind.NO_CREDENTIALS
    assert simulator.count(path="/token") == 1
    assert simulator.count(path="/v2/") == 2  # as a stranger, and with the token
    assert error_kind(client.manifest(simulator.host, access=secret(simulator.host))) is RegistryErrorKind.UNAUTHORIZED
    assert len(simulator.requests) < 12


def test_a_token_that_was_ended_is_replaced_once(client: Client, simulator: RegistrySimulator) -> None:
    simulator.challenge = f'Bearer realm="{simulator.url}/token",service="s"'
    simulator.authorized = lambda header: header == "Bearer simulated"
    assert found(client.manifest(simulator.host)).digest == DIGEST
    simulator.token = b'{"token": "second", "expires_in": 300}'
    simulator.authorized = lambda header: header == "Bearer second"
    assert found(client.manifest(simulator.host)).digest == DIGEST
    assert simulator.count(path="/token") == 2


def test_first_question_costs_two_requests_and_a_token(client: Client, simulator: RegistrySimulator) -> None:
    simulator.challenge = f'Bearer realm="{simulator.url}/token",service="s"'
    simulator.authorized = lambda header: header == "Bearer simulated"
    found(client.manifest(simulator.host, access=secret(simulator.host)))
    assert paths(simulator) == [MANIFEST_PATH, "/token", MANIFEST_PATH]
    assert "authorization" not in simulator.requests[0].headers
    asked = simulator.requests[1]
    assert asked.headers["authorization"] == BASIC
    assert asked.query == {"service": ["s"], "scope": ["repository:team/app:pull"], "account": ["alice"]}


def test_a_public_image_costs_one_request(client: Client, simulator: RegistrySimulator) -> None:
    found(client.manifest(simulator.host, access=secret(simulator.host)))
    assert paths(simulator) == [MANIFEST_PATH]
    assert "authorization" not in simulator.requests[0].headers


def test_a_public_image_and_its_signatures_cost_two_requests(client: Client, simulator: RegistrySimulator) -> None:
    header = {"X-Registry-Supports-Signatures": "1"}
    simulator.misbehave["/v2/team"] = lambda _, r: replaced(r, headers=header)
    found(client.manifest(simulator.host))
    assert isinstance(signatures_of(client, simulator.host), Found)
    assert paths(simulator) == [MANIFEST_PATH, f"/extensions/v2/team/app/signatures/{DIGEST}"]


@pytest.mark.parametrize("supports", [True, False])
def test_whether_there_are_signatures_is_asked_where_the_manifest_does_not_say(
    client: Client, simulator: RegistrySimulator, supports: bool
) -> None:
    simulator.supports_signatures = supports
    found(client.manifest(simulator.host))
    assert isinstance(signatures_of(client, simulator.host), Found) is supports
    assert paths(simulator)[:2] == [MANIFEST_PATH, "/v2/"]
    assert simulator.count(path="/extensions") == int(supports)


def test_signatures_are_not_announced_by_another_host(
    client: Client, simulator: RegistrySimulator, other: RegistrySimulator
) -> None:
    header = {"X-Registry-Supports-Signatures": "1"}
    other.misbehave["/v2/team"] = lambda _, r: replaced(r, headers=header)
    simulator.misbehave["/v2/team"] = redirect(f"{other.url}{MANIFEST_PATH}")
    found(client.manifest(simulator.host))
    assert isinstance(signatures_of(client, simulator.host), Absent)


@pytest.mark.parametrize("status", [403, 404])
def test_a_refusal_without_a_challenge_is_believed_of_a_registry_only(
    client: Client, simulator: RegistrySimulator, status: int
) -> None:
    simulator.misbehave["/v2/team"] = always(Response(status))
    answer = client.manifest(simulator.host)
    assert isinstance(answer, Absent) if status == 404 else error_kind(answer) is RegistryErrorKind.NO_CREDENTIALS
    assert paths(simulator) == [MANIFEST_PATH, "/v2/"]


def test_a_page_is_no_introduction(client: Client, simulator: RegistrySimulator) -> None:
    """A web server that has a page for every address."""
    simulator.misbehave["/v2/team"] = always(Response(200, b"<html>", {"Content-Type": "text/html"}))
    assert error_kind(client.manifest(simulator.host)) is RegistryErrorKind.MALFORMED
    assert paths(simulator) == [MANIFEST_PATH, "/v2/"]


def test_a_page_of_what_is_no_registry(client: Client, simulator: RegistrySimulator) -> None:
    simulator.misbehave["/v2/team"] = always(Response(200, b"<html>", {"Content-Type": "text/html"}))
    simulator.misbehave["/v2/"] = always(Response(404))
    assert error_kind(client.manifest(simulator.host)) is RegistryErrorKind.NOT_V2


def test_a_guarded_repository_beside_a_public_one(client: Client, simulator: RegistrySimulator) -> None:
    """How a registry wants to be asked is learned with the first repository that is guarded."""
    simulator.challenge = f'Bearer realm="{simulator.url}/token",service="s"'
    simulator.misbehave["/v2/team"] = lambda request, _: (
        simulator._content(request)
        if request.headers.get("authorization") == "Bearer simulated" or request.path.endswith("/v1")
        else Response(401, headers={"WWW-Authenticate": simulator.challenge})
    )
    found(client.manifest(simulator.host))
    assert paths(simulator) == [MANIFEST_PATH]
    pinned = MANIFEST_PATH.replace("v1", DIGEST)
    found(client.manifest(simulator.host, "@" + DIGEST))
    assert paths(simulator)[1:] == [pinned, "/token", pinned]
    found(client.manifest(simulator.host, "@" + DIGEST))
    assert paths(simulator)[4:] == [pinned]


def test_repositories_with_realms_of_their_own(client: Client, simulator: RegistrySimulator) -> None:
    """A registry that names another token service for each repository is asked as it says."""
    services = {"v1": "one", DIGEST: "two"}

    def answer(request: Request, _: Response) -> Response:
        service = services[request.path.rpartition("/")[2]]
        if request.headers.get("authorization") == f"Bearer {service}":
            return simulator._content(request)
        realm = f'Bearer realm="{simulator.url}/token",service="{service}"'
        return Response(401, headers={"WWW-Authenticate": realm})

    simulator.misbehave["/v2/team"] = answer
    simulator.misbehave["/token"] = lambda request, _: Response(
        200, json.dumps({"token": request.query["service"][0], "expires_in": 300}).encode()
    )
    for _ in range(2):
        assert found(client.manifest(simulator.host)).digest == DIGEST
        assert found(client.manifest(simulator.host, "@" + DIGEST)).digest == DIGEST


def test_a_realm_on_another_host_gets_no_password(
    make: MakeClient, simulator: RegistrySimulator, other: RegistrySimulator
) -> None:
    simulator.challenge = f'Bearer realm="{other.url}/token",service="s"'
    simulator.authorized = lambda header: header == "Bearer simulated"
    # anonymously the realm may be asked, and here that is enough
    assert found(make().manifest(simulator.host, access=secret(simulator.host))).digest == DIGEST
    assert [request.headers.get("authorization") for request in other.requests] == [None]
    named = make(RegistrySettings(realms=TokenRealms({simulator.host: frozenset({other.host})})))
    assert found(named.manifest(simulator.host, access=secret(simulator.host))).digest == DIGEST
    assert other.requests[-1].headers["authorization"] == BASIC


@pytest.mark.parametrize(
    "realm", ["http://127.0.0.1:1/token", "", "/token", "https://", "https://a@127.0.0.1/", "file:///etc/passwd"]
)
def test_a_realm_that_is_no_https_url(client: Client, simulator: RegistrySimulator, realm: str) -> None:
    simulator.challenge = f'Bearer realm="{realm}",service="s"'
    simulator.authorized = lambda header: False
    answer = client.manifest(simulator.host, access=secret(simulator.host))
    assert error_kind(answer) in {RegistryErrorKind.BLOCKED, RegistryErrorKind.MALFORMED}


def test_a_realm_that_redirects_gets_the_password_only_once(
    client: Client, simulator: RegistrySimulator, other: RegistrySimulator
) -> None:
    simulator.challenge = f'Bearer realm="{simulator.url}/token",service="s"'
    simulator.authorized = lambda header: header == "Bearer simulated"
    simulator.misbehave["/token"] = redirect(f"{other.url}/token")
    found(client.manifest(simulator.host, access=secret(simulator.host)))
    assert [request.headers.get("authorization") for request in other.requests] == [None]


@pytest.mark.parametrize(
    "token",
    [
        b'{"token": "a\\r\\nX-Injected: yes"}',
        b'{"token": ""}',
        b'{"token": 7}',
        b"[]",
        b"nothing",
        b'{"token": "\xc3\xa9"}',
        b"{" * 100_000,
    ],
)
def test_a_token_that_is_none(client: Client, simulator: RegistrySimulator, token: bytes) -> None:
    simulator.challenge = f'Bearer realm="{simulator.url}/token",service="s"'
    simulator.authorized = lambda header: header.startswith("Bearer ")
    simulator.token = token
    assert error_kind(client.manifest(simulator.host)) in {RegistryErrorKind.MALFORMED, RegistryErrorKind.TOO_LARGE}
    simulator.token = b'{"access_token": "fine", "expires_in": "soon"}'
    assert found(client.manifest(simulator.host)).digest == DIGEST


def test_a_challenge_that_cannot_be_read(client: Client, simulator: RegistrySimulator) -> None:
    simulator.challenge, simulator.authorized = 'Bearer realm="', lambda header: False
    assert error_kind(client.manifest(simulator.host)) is RegistryErrorKind.MALFORMED


def test_a_private_repository_that_looks_absent_to_strangers(client: Client, simulator: RegistrySimulator) -> None:
    simulator.challenge = 'Basic realm="x"'
    simulator.misbehave["/v2/"] = lambda request, honest: (
        honest if request.headers.get("authorization") == BASIC else Response(404)
    )
    simulator.misbehave = {
        "/v2/team": simulator.misbehave["/v2/"],
        "/v2/": lambda request, _: Response(401, headers={"WWW-Authenticate": 'Basic realm="x"'}),
    }
    own = secret(simulator.host)
    first = RegistryAccess(secrets=own.secrets, anonymous_first=True)
    assert isinstance(client.manifest(simulator.host), Absent)
    assert found(client.manifest(simulator.host, access=first)).digest == DIGEST


def test_realms_of_the_settings_come_beside_the_known_ones() -> None:
    realms = TokenRealms.with_known({"r.corp:5000": ["auth.corp"], "registry-1.docker.io": ["mine.test"]})
    for realm, registry, allowed in (
        ("https://auth.docker.io/token", "https://registry-1.docker.io", True),
        ("https://mine.test/token", "https://registry-1.docker.io", True),
        ("https://auth.corp/token", "https://r.corp:5000", True),
        ("https://auth.corp/token", "https://r.corp", False),
        ("https://auth.corp:8443/token", "https://r.corp:5000", False),
        ("http://auth.corp/token", "https://r.corp:5000", False),
        ("https://auth.corp.evil.test/token", "https://r.corp:5000", False),
        ("https://r.other/token", "https://r.other", True),
        ("https://r.other:444/token", "https://r.other", False),
    ):
        assert realms.may_have_credentials(realm, registry) is allowed, (realm, registry)
    anything = TokenRealms({"r.corp": frozenset({"*"})})
    assert anything.may_have_credentials("https://x.test/token", "https://r.corp")
    assert not anything.may_have_credentials("http://x.test/token", "https://r.corp")


@pytest.mark.parametrize("scheme", ["Digest", "Negotiate"])
def test_a_way_to_log_in_that_is_not_known(client: Client, simulator: RegistrySimulator, scheme: str) -> None:
    simulator.challenge, simulator.authorized = f'{scheme} realm="x"', lambda header: False
    own = secret(simulator.host)
    assert error_kind(client.manifest(simulator.host, access=own)) is RegistryErrorKind.NO_CREDENTIALS
    assert all("authorization" not in request.headers for request in simulator.requests)


def test_a_token_server_in_trouble(client: Client, simulator: RegistrySimulator) -> None:
    simulator.challenge = f'Bearer realm="{simulator.url}/token",service="s"'
    simulator.authorized = lambda header: header == "Bearer simulated"
    simulator.misbehave["/token"] = always(Response(418))
    assert error_kind(client.manifest(simulator.host)) is RegistryErrorKind.UNREACHABLE
    simulator.misbehave["/token"] = always(Response(401))
    assert error_kind(client.manifest(simulator.host)) is RegistryErrorKind.NO_CREDENTIALS
    assert (
        error_kind(client.manifest(simulator.host, access=secret(simulator.host))) is RegistryErrorKind.BAD_CREDENTIALS
    )


# Not a registry


def test_no_registry_api(client: Client, simulator: RegistrySimulator) -> None:
    simulator.misbehave["/v2/"] = always(Response(404))
    answer = client.manifest(simulator.host)
    assert error_kind(answer) is RegistryErrorKind.NOT_V2
    assert isinstance(answer, RegistryUnknown)
    assert answer.why == f'registry "{simulator.host}" does not support the v2 Registry API'


def test_an_api_that_lives_elsewhere(client: Client, simulator: RegistrySimulator, other: RegistrySimulator) -> None:
    simulator.misbehave["/v2/"] = redirect(f"{other.url}/v2/")
    assert error_kind(client.manifest(simulator.host)) is RegistryErrorKind.BLOCKED


def test_nobody_there(client: Client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert error_kind(client.manifest(f"127.0.0.1:{port}")) is RegistryErrorKind.UNREACHABLE
    assert len(client.pauses) == HttpLimits().attempts - 1


# Tags


def tags_of(client: Client, host: str) -> Lookup[tuple[str, ...]]:
    return client.registry.tags(ImageReference.parse(f"{host}/team/app"), deadline_s=DEADLINE_S)


def test_pages_of_tags(client: Client, simulator: RegistrySimulator) -> None:
    repository = simulator.repository("team/app")
    repository.tags = [f"v{number}" for number in range(10)]
    simulator.page = 3
    answer = tags_of(client, simulator.host)
    assert isinstance(answer, Found)
    assert list(answer.value) == repository.tags
    assert simulator.count(path="/v2/team/app/tags/list") == 4


@pytest.mark.parametrize("link", ["/v2/team/app/tags/list?n=1000", "?n=1000"])
def test_pages_in_a_circle(client: Client, simulator: RegistrySimulator, link: str) -> None:
    simulator.misbehave["/v2/team"] = lambda _, r: replaced(r, headers={"Link": f'<{link}>; rel="next"'})
    assert error_kind(tags_of(client, simulator.host)) is RegistryErrorKind.MALFORMED
    assert simulator.count(path="/v2/team/app/tags/list") == 1


def test_pages_without_an_end(make: MakeClient, simulator: RegistrySimulator) -> None:
    simulator.misbehave["/v2/team"] = lambda _, r: replaced(
        r, headers={"Link": f'</v2/team/app/tags/list?last={len(simulator.requests)}>; rel="next"'}
    )
    client = make(limits=RegistryLimits(tag_pages_max=7))
    assert error_kind(tags_of(client, simulator.host)) is RegistryErrorKind.MALFORMED
    assert simulator.count(path="/v2/team/app/tags/list") == 7


@pytest.mark.parametrize("link", ["https://127.0.0.1:1/v2/team/app/tags/list", "/v2/secret/app/tags/list", "//x.test/"])
def test_the_next_page_is_elsewhere(client: Client, simulator: RegistrySimulator, link: str) -> None:
    simulator.misbehave["/v2/team"] = lambda _, r: replaced(r, headers={"Link": f'<{link}>; rel="next"'})
    assert error_kind(tags_of(client, simulator.host)) is RegistryErrorKind.MALFORMED


@pytest.mark.parametrize("unit", ["<", "<>;", "<>; rel", "<> ", '<>; rel="next', "<a,"])
def test_a_long_link_is_read_once(client: Client, simulator: RegistrySimulator, unit: str) -> None:
    """A header of 64 KB that a pattern going back would look at for a minute."""
    link = unit * (60_000 // len(unit))
    simulator.misbehave["/v2/team"] = lambda _, r: replaced(r, headers={"Link": link})
    assert isinstance(tags_of(client, simulator.host), Found | RegistryUnknown)
    assert simulator.count(path="/v2/team/app/tags/list") == 1


def test_too_many_tags(make: MakeClient, simulator: RegistrySimulator) -> None:
    simulator.repository("team/app").tags = [f"v{number}" for number in range(11)]
    assert isinstance(tags_of(make(limits=RegistryLimits(tags_max=11)), simulator.host), Found)
    assert error_kind(tags_of(make(limits=RegistryLimits(tags_max=10)), simulator.host)) is RegistryErrorKind.TOO_LARGE


@pytest.mark.parametrize(
    "body, tags",
    [
        (b'{"tags": null}', ()),
        (b'{"tags": []}', ()),
        (b'{"tags": ["", "v1", "v1"]}', ("", "v1")),
        (b'{"tags": ["../x"]}', ("../x",)),  # its own look-up fails
        (b'{"tags": [1]}', None),
        (b'{"tags": "v1"}', None),
        (b'["v1"]', None),
        (b'{"tags": ["v1"], "tags": ["v2"]}', None),
    ],
)
def test_lists_of_tags(client: Client, simulator: RegistrySimulator, body: bytes, tags: tuple[str, ...] | None) -> None:
    simulator.misbehave["/v2/team"] = always(Response(200, body))
    answer = tags_of(client, simulator.host)
    if tags is None:
        assert error_kind(answer) is RegistryErrorKind.MALFORMED
    else:
        assert isinstance(answer, Found)
        assert answer.value == tags


# Signatures by the registry's extension


def signatures_of(client: Client, host: str) -> Lookup[tuple[bytes, ...]]:
    return client.registry.signatures(ImageReference.parse(f"{host}/team/app:v1"), DIGEST, deadline_s=DEADLINE_S)


def signature(content: object, **changes: object) -> dict[str, object]:
    return {"schemaVersion": 2, "name": f"{DIGEST}@1", "type": "atomic", "content": content, **changes}


def test_the_signature_extension(client: Client, simulator: RegistrySimulator) -> None:
    simulator.supports_signatures = True
    assert signatures_of(client, simulator.host) == Found(
        (), f"{simulator.url}/extensions/v2/team/app/signatures/{DIGEST}"
    )
    encoded = base64.b64encode(b"\x90blob").decode()
    simulator.repository("team/app").signatures[DIGEST] = [
        signature(encoded),
        signature(encoded, type="cosign"),
        signature(encoded, schemaVersion=1),
    ]
    answer = signatures_of(client, simulator.host)
    assert isinstance(answer, Found)
    assert answer.value == (b"\x90blob",)


def test_no_signature_extension(client: Client, simulator: RegistrySimulator) -> None:
    assert isinstance(signatures_of(client, simulator.host), Absent)
    assert simulator.count(path="/extensions") == 0


@pytest.mark.parametrize(
    "response, expected",
    [
        (Response(404), RegistryErrorKind.MALFORMED),
        (Response(500), RegistryErrorKind.UNREACHABLE),
        (Response(200, b"{}" * 2), RegistryErrorKind.MALFORMED),
        (Response(200, json.dumps({"signatures": [signature("not base64!")]}).encode()), RegistryErrorKind.MALFORMED),
        (Response(200, json.dumps({"signatures": [signature(None)]}).encode()), RegistryErrorKind.MALFORMED),
        (Response(200, json.dumps({"signatures": {"a": 1}}).encode()), RegistryErrorKind.MALFORMED),
        (Response(200, b" " * (4 * 1024 * 1024 + 1)), RegistryErrorKind.TOO_LARGE),
    ],
)
def test_a_signature_extension_in_trouble(
    client: Client, simulator: RegistrySimulator, response: Response, expected: RegistryErrorKind
) -> None:
    simulator.supports_signatures = True
    simulator.misbehave["/extensions"] = always(response)
    answer = signatures_of(client, simulator.host)
    assert error_kind(answer) is expected
    assert isinstance(answer, RegistryUnknown)
    assert answer.why.startswith(f"downloading signatures for {DIGEST} in {simulator.host}/team/app: ")


# Mirrors and blocked registries


def mirrored(source: str, *mirrors: str, never: bool = False) -> RegistrySettings:
    return RegistrySettings(mirrors=(MirrorRule(source, mirrors, MirrorUse.ANY, never_contact_source=never),))


def test_a_mirror_is_asked_first_and_gets_no_credentials_of_the_source(
    make: MakeClient, simulator: RegistrySimulator, other: RegistrySimulator
) -> None:
    other.challenge, other.authorized = 'Basic realm="x"', lambda header: header == BASIC
    client = make(mirrored(f"{simulator.host}/team", f"{other.host}/team"))
    answer = client.manifest(simulator.host, access=secret(simulator.host))
    assert found(answer).digest == DIGEST
    assert isinstance(answer, Found)
    assert answer.source.startswith(simulator.url)
    assert {request.headers.get("authorization") for request in other.requests} == {None}
    with_own = client.manifest(simulator.host, access=secret(other.host))
    assert isinstance(with_own, Found)
    assert with_own.source.startswith(other.url)


def test_a_source_that_must_not_be_contacted_is_not_whatever_is_asked(
    make: MakeClient, simulator: RegistrySimulator
) -> None:
    """Without a mirror for tags there is no place left, and none of the requests reaches the source."""
    rule = MirrorRule(simulator.host, ("mirror.example",), MirrorUse.DIGEST, never_contact_source=True)
    answer = make(RegistrySettings(mirrors=(rule,))).manifest(simulator.host)
    assert isinstance(answer, RegistryUnknown)
    assert answer.why == (f"{simulator.host} must not be contacted and has no mirror for {simulator.host}/team/app:v1")
    assert simulator.requests == []


def test_mirrors_that_are_not_known_yet_let_nothing_be_contacted(
    make: MakeClient, simulator: RegistrySimulator
) -> None:
    known: list[tuple[MirrorRule, ...] | None] = [None]
    client = make(RegistrySettings(watched_mirrors=lambda: known[0]))
    answer = client.manifest(simulator.host)
    assert isinstance(answer, RegistryUnknown)
    assert answer.why == "the cluster's mirrors are not known yet"
    assert simulator.requests == []
    known[0] = ()
    assert isinstance(client.manifest(simulator.host), Found)


def test_the_source_is_asked_where_mirrors_have_none(
    make: MakeClient, simulator: RegistrySimulator, other: RegistrySimulator
) -> None:
    other.repositories.clear()
    settings = mirrored(simulator.host, other.host)
    assert found(make(settings).manifest(simulator.host)).digest == DIGEST
    before = len(simulator.requests)
    only = make(mirrored(simulator.host, other.host, never=True)).manifest(simulator.host)
    assert isinstance(only, Absent)
    assert len(simulator.requests) == before


def test_a_silent_mirror_and_one_that_has_none(
    make: MakeClient, simulator: RegistrySimulator, other: RegistrySimulator
) -> None:
    """None of them has it is known only if each of them was heard."""
    other.repositories.clear()
    simulator.misbehave["/v2/team"] = always(Response(503))
    settings = mirrored("registry.example.test", simulator.host, other.host, never=True)
    assert error_kind(make(settings).manifest("registry.example.test")) is RegistryErrorKind.UNREACHABLE


def test_swapped_bytes_in_a_mirror_do_not_hide_the_source(
    make: MakeClient, simulator: RegistrySimulator, other: RegistrySimulator
) -> None:
    other.repository("team/app").manifests[DIGEST] = (MANIFEST + b" ", OCI_MANIFEST)
    answer = make(mirrored(simulator.host, other.host)).manifest(simulator.host, "@" + DIGEST)
    assert found(answer).raw == MANIFEST


def test_a_blocked_registry(make: MakeClient, simulator: RegistrySimulator) -> None:
    client = make(RegistrySettings(blocked=frozenset({simulator.host})))
    answer = client.manifest(simulator.host)
    assert error_kind(answer) is RegistryErrorKind.BLOCKED
    assert isinstance(answer, RegistryUnknown)
    assert answer.why == f"registry {simulator.host} blocked"
    assert simulator.requests == []


def test_connections_are_kept(client: Client, simulator: RegistrySimulator) -> None:
    """A second handshake would cost more than the answer."""
    count = 0
    note = simulator._note

    def counted(connection: socket.socket, *, opened: bool) -> None:
        nonlocal count
        count += opened
        note(connection, opened=opened)

    simulator._note = counted  # type: ignore[method-assign]
    for _ in range(5):
        found(client.manifest(simulator.host))
    assert count == 1


def test_many_questions_at_once_are_one_introduction_and_one_token(
    client: Client, simulator: RegistrySimulator
) -> None:
    """Sixteen images of one repository; what they share is asked for once, though nothing is cached yet."""
    simulator.challenge = f'Bearer realm="{simulator.url}/token",service="s"'
    simulator.authorized = lambda header: header == "Bearer simulated"
    together = threading.Barrier(16)
    answers: list[Lookup[Manifest]] = []

    def ask() -> None:
        together.wait(30)
        answers.append(client.manifest(simulator.host))

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {found(answer).digest for answer in answers} == {DIGEST}
    assert len(answers) == 16
    assert simulator.count(path="/token") == 1
    assert sum(request.path == "/v2/" for request in simulator.requests) <= 1
    assert sum("authorization" not in request.headers for request in simulator.requests) <= 1 + 1 + 1
