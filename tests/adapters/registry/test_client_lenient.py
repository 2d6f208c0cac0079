"""A registry with the habits of real ones: what is read in spite of its form, and what is not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from imagegate.adapters.http.client import HttpClient
from imagegate.adapters.registry.client import HttpRegistry
from imagegate.core.admission.lookup import Absent, Found, Lookup
from imagegate.core.references.openshift import ImageReference
from imagegate.core.registry.egress import AddressPolicy
from imagegate.core.registry.manifest import DOCKER_SCHEMA1, Manifest
from imagegate.core.registry.pull_secrets import Credential, PullSecret, PullSecretEntry
from imagegate.ports.registry import ANONYMOUS, RegistryAccess, RegistryErrorKind, RegistryUnknown
from tests.support.certificates import Authority
from tests.support.registry_simulator import RegistrySimulator, image, replaced, sha256
from tests.support.simulator import Request, Response

DEADLINE_S = 20.0
MANIFEST, CONFIG = image("honest")
PASSWORD = "a secret that must not leave"
SCHEMA1 = json.dumps(
    {
        "schemaVersion": 1,
        "name": "team/app",
        "tag": "v1",
        "architecture": "amd64",
        "fsLayers": [{"blobSum": sha256(b"layer")}],
        "history": [{"v1Compatibility": json.dumps({"id": "a" * 64})}],
    }
).encode()


@pytest.fixture
def simulator(ca: Authority) -> Iterator[RegistrySimulator]:
    with RegistrySimulator(tls=ca.server) as running:
        running.repository("team/app").put(MANIFEST, CONFIG, tag="v1")
        yield running


@pytest.fixture
def registry(ca: Authority) -> HttpRegistry:
    loopback = AddressPolicy.of(networks=("127.0.0.0/8",))
    return HttpRegistry(HttpClient(addresses=loopback, ca_files=(str(ca.bundle),), sleep=lambda seconds: None))


def manifest(
    registry: HttpRegistry, simulator: RegistrySimulator, access: RegistryAccess = ANONYMOUS
) -> Lookup[Manifest]:
    image = ImageReference.parse(f"{simulator.host}/team/app:v1")
    return registry.manifest(image, access=access, deadline_s=DEADLINE_S)


def tags(registry: HttpRegistry, simulator: RegistrySimulator) -> Lookup[tuple[str, ...]]:
    return registry.tags(ImageReference.parse(f"{simulator.host}/team/app"), deadline_s=DEADLINE_S)


def secret(host: str, credential: Credential) -> RegistryAccess:
    return RegistryAccess(secrets=(PullSecret("pull", (PullSecretEntry(host, "", credential),)),))


def why(answer: Lookup[Any]) -> str:
    assert isinstance(answer, RegistryUnknown), answer
    assert PASSWORD not in answer.why
    return answer.why


# Challenges


def two_lines(first: str, second: str) -> str:
    return f"{first}\r\nWWW-Authenticate: {second}"


@pytest.mark.parametrize(
    "form",
    [
        lambda bearer: f'{bearer}, Basic realm="r"',
        lambda bearer: f'Basic realm="r", {bearer}',
        lambda bearer: two_lines('Basic realm="r"', bearer),
        lambda bearer: two_lines("Negotiate YIIabc==", bearer),
        lambda bearer: two_lines('"unreadable', bearer),
        lambda bearer: f"Negotiate YIIabc==, {bearer}",
        lambda bearer: f'Digest realm="d", qop="auth,auth-int", nonce=n, {bearer}',
        lambda bearer: f"  {bearer.replace('Bearer', 'BEARER').replace('realm', 'Realm')} ,",
        lambda bearer: f'{bearer} error="invalid_token"',  # a comma is missing
    ],
)
def test_the_challenge_that_can_be_answered(
    registry: HttpRegistry, simulator: RegistrySimulator, form: Callable[[str], str]
) -> None:
    simulator.challenge = form(f'Bearer realm="{simulator.url}/token",service="s"')
    simulator.authorized = lambda header: header == "Bearer simulated"
    assert isinstance(manifest(registry, simulator), Found)


def test_a_realm_that_is_refused_gives_way(registry: HttpRegistry, simulator: RegistrySimulator) -> None:
    """The password goes to the registry itself, not to a realm on another host."""
    credential = Credential("alice", PASSWORD)
    simulator.challenge = 'Bearer realm="https://auth.example.com/token",service="s", Basic realm="r"'
    simulator.authorized = lambda header: header.startswith("Basic ")
    assert isinstance(manifest(registry, simulator, secret(simulator.host, credential)), Found)


def test_a_realm_without_tls_is_refused(registry: HttpRegistry, simulator: RegistrySimulator) -> None:
    simulator.challenge, simulator.authorized = 'Bearer realm="http://127.0.0.1:1/token"', lambda header: False
    assert "not HTTPS" in why(manifest(registry, simulator, secret(simulator.host, Credential("bob", PASSWORD))))


@pytest.mark.parametrize("challenge", ["", "Negotiate", '"', "Bearer", 'Bearer service="s"', "Bearer realm="])
def test_challenges_that_nobody_can_answer(
    registry: HttpRegistry, simulator: RegistrySimulator, challenge: str
) -> None:
    simulator.challenge, simulator.authorized = challenge, lambda header: False
    assert why(manifest(registry, simulator))
    assert simulator.count() <= 3


# Tokens


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_token_that_ends_early_is_replaced_once(
    registry: HttpRegistry, simulator: RegistrySimulator, status: int
) -> None:
    simulator.challenge = f'Bearer realm="{simulator.url}/token",service="s"'
    simulator.authorized = lambda header: header == "Bearer simulated"
    assert isinstance(manifest(registry, simulator), Found)
    simulator.token = b'{"token": "second", "expires_in": 300}'
    refused = Response(status, b'{"errors":[{"code":"DENIED","message":"authorization token has expired"}]}')
    simulator.authorized = lambda header: True
    simulator.misbehave["/v2/team"] = lambda request, honest: (
        honest if request.headers.get("authorization") == "Bearer second" else refused
    )
    assert isinstance(manifest(registry, simulator), Found)
    assert simulator.count(path="/token") == 2
    simulator.misbehave["/v2/team"] = lambda request, honest: refused
    assert isinstance(manifest(registry, simulator), RegistryUnknown)
    assert simulator.count(path="/token") == 3  # once, then it is the registry's answer


@pytest.mark.parametrize("status", [400, 403])
def test_a_new_token_that_is_refused_is_refused(
    registry: HttpRegistry, simulator: RegistrySimulator, status: int
) -> None:
    simulator.challenge = f'Bearer realm="{simulator.url}/token",service="s"'
    simulator.authorized = lambda header: header == "Bearer simulated"
    simulator.misbehave["/v2/team"] = lambda request, honest: (
        Response(status) if request.headers.get("authorization") else honest
    )
    assert isinstance(manifest(registry, simulator), RegistryUnknown)
    assert simulator.count(path="/token") == 1


def test_an_identity_token_is_exchanged(registry: HttpRegistry, simulator: RegistrySimulator) -> None:
    forms: list[Request] = []

    def grant(request: Request, honest: Response) -> Response:
        forms.append(request)
        if request.method != "POST" or b"refresh_token=identity" not in request.body:
            return Response(400, b'{"error":"invalid_grant","error_description":"unknown: an ended token"}')
        return Response(200, b'{"access_token": "simulated"}')

    simulator.challenge = f'Bearer realm="{simulator.url}/token",service="s"'
    simulator.authorized = lambda header: header == "Bearer simulated"
    simulator.misbehave["/token"] = grant
    good = secret(simulator.host, Credential("0000", "", "identity"))
    assert isinstance(manifest(registry, simulator, good), Found)
    assert b"grant_type=refresh_token" in forms[-1].body
    assert "identity" not in forms[-1].target
    bad = manifest(registry, simulator, secret(simulator.host, Credential("0000", "", "an ended token")))
    assert "an ended token" not in why(bad)
    assert isinstance(bad, RegistryUnknown)
    assert bad.error_kind is RegistryErrorKind.BAD_CREDENTIALS


def test_an_identity_token_is_no_password(registry: HttpRegistry, simulator: RegistrySimulator) -> None:
    simulator.challenge, simulator.authorized = 'Basic realm="r"', lambda header: False
    answer = manifest(registry, simulator, secret(simulator.host, Credential("0000", "", "identity")))
    assert "takes passwords only" in why(answer)
    assert {request.headers.get("authorization") for request in simulator.requests} == {None}


# Pages of tags


@pytest.mark.parametrize(
    "link",
    [
        '</v2/team/app/tags/list?last=1>; REL="NEXT"',
        '/v2/team/app/tags/list?last=1; rel="next"',
        "</v2/team/app/tags/list?last=1>",
        "<?last=1>; rel=next",
        '</repository/proxy/v2/team/app/tags/list?last=1>; rel="next"',
        '<http://internal.invalid:8081/v2/app/tags/list?last=1>; rel="next"',
        '</other>; rel="self", </v2/team/app/tags/list?last=1>; rel="next"',
    ],
)
def test_every_page_of_tags(registry: HttpRegistry, simulator: RegistrySimulator, link: str) -> None:
    def page(request: Request, honest: Response) -> Response:
        if request.query.get("last") == ["1"]:
            return Response(200, b'{"tags": ["2"]}')
        return Response(200, b'{"tags": ["1"]}', {"Link": link})

    simulator.misbehave["/v2/team/app/tags/list"] = page
    answer = tags(registry, simulator)
    assert isinstance(answer, Found)
    assert answer.value == ("1", "2")
    assert {request.path for request in simulator.requests} <= {"/v2/", "/v2/team/app/tags/list"}


@pytest.mark.parametrize("link", ["<", "<https://other.invalid/>; rel=next", "</v2/team/app/tags/list>; rel=next"])
def test_a_short_list_is_never_silent(registry: HttpRegistry, simulator: RegistrySimulator, link: str) -> None:
    simulator.misbehave["/v2/team"] = lambda _, honest: replaced(honest, headers={"Link": link})
    assert why(tags(registry, simulator))
    assert simulator.count(path="/v2/team/app/tags/list") == 1


@pytest.mark.parametrize(
    "listed, expected",
    [
        (["1", "-ot-beta", "2"], ("1", "-ot-beta", "2")),
        (["1", None, sha256(b"x"), "2"], ("1", "2")),
        (["a\x1b[2Jb", "a" * 300], ("a\\x1b[2Jb", "a" * 253 + "...")),
        (None, ()),
        ([], ()),
    ],
)
def test_odd_tags(
    registry: HttpRegistry, simulator: RegistrySimulator, listed: object, expected: tuple[str, ...]
) -> None:
    simulator.misbehave["/v2/team"] = lambda _, honest: replaced(honest, body=json.dumps({"tags": listed}).encode())
    answer = tags(registry, simulator)
    assert isinstance(answer, Found)
    assert answer.value == expected


@pytest.mark.parametrize("listed", [[1], [{}], "1", {"a": 1}])
def test_a_list_of_something_else(registry: HttpRegistry, simulator: RegistrySimulator, listed: object) -> None:
    simulator.misbehave["/v2/team"] = lambda _, honest: replaced(honest, body=json.dumps({"tags": listed}).encode())
    assert why(tags(registry, simulator))


def test_an_odd_tag_is_not_asked_for(registry: HttpRegistry, simulator: RegistrySimulator) -> None:
    odd = ImageReference(simulator.host, "team", "app", tag="-ot-beta")
    assert "is not a tag" in why(registry.manifest(odd, deadline_s=DEADLINE_S))
    assert simulator.requests == []


# Media types


@pytest.mark.parametrize("served", ["application/json", "application/json; charset=utf-8", "Application/JSON", ""])
def test_schema_1_of_old_registries(registry: HttpRegistry, simulator: RegistrySimulator, served: str) -> None:
    simulator.misbehave["/v2/team"] = lambda _, __: Response(200, SCHEMA1, {"Content-Type": served} if served else {})
    answer = manifest(registry, simulator)
    assert isinstance(answer, Found), answer
    assert answer.value.media_type == DOCKER_SCHEMA1


@pytest.mark.parametrize(
    "served",
    ["application/vnd.oci.image.manifest.v1+json ; charset=utf-8", "APPLICATION/vnd.oci.image.Manifest.v1+JSON"],
)
def test_parameters_and_letter_case(registry: HttpRegistry, simulator: RegistrySimulator, served: str) -> None:
    simulator.misbehave["/v2/team"] = lambda _, honest: replaced(honest, headers={"Content-Type": served})
    assert isinstance(manifest(registry, simulator), Found)


@pytest.mark.parametrize("served", ["application/json", "", "text/html", "application/octet-stream"])
def test_only_schema_1_comes_without_its_type(
    registry: HttpRegistry, simulator: RegistrySimulator, served: str
) -> None:
    simulator.misbehave["/v2/team"] = lambda _, __: Response(200, MANIFEST, {"Content-Type": served} if served else {})
    assert "is not an image manifest" in why(manifest(registry, simulator))


# Sentences


def test_a_limit_names_the_server_and_its_sentence(registry: HttpRegistry, simulator: RegistrySimulator) -> None:
    body = b'{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit"}]}'
    simulator.misbehave["/v2/team"] = lambda _, __: Response(429, body, {"Retry-After": "3600"})
    assert why(manifest(registry, simulator)) == (
        f"{simulator.url}/v2/team/app/manifests/v1 answered with status 429:"
        " TOOMANYREQUESTS: You have reached your pull rate limit (try again in 3600 s)"
    )


def test_a_page_in_the_place_of_an_answer(registry: HttpRegistry, simulator: RegistrySimulator) -> None:
    page = Response(200, b"<html><title>Sign in to Wi-Fi</title>", {"Content-Type": "text/html"})
    simulator.misbehave["/v2/"] = lambda _, __: page
    assert 'a web page titled "Sign in to Wi-Fi"' in why(manifest(registry, simulator))
    simulator.misbehave["/v2/"] = lambda _, __: replaced(page, status=502)
    assert 'status 502: a web page titled "Sign in to Wi-Fi"' in why(manifest(registry, simulator))


def test_a_token_servers_sentence_and_no_password(registry: HttpRegistry, simulator: RegistrySimulator) -> None:
    simulator.challenge = f'Bearer realm="{simulator.url}/token",service="s"'
    simulator.authorized = lambda header: False
    simulator.misbehave["/token"] = lambda _, __: Response(
        400, json.dumps({"error": "invalid_scope", "error_description": f"not {PASSWORD}\x1b[2J"}).encode()
    )
    said = why(manifest(registry, simulator, secret(simulator.host, Credential("alice", PASSWORD))))
    assert said == f"token server {simulator.url}/token answered status 400: invalid_scope: not [hidden]\\x1b[2J"


def test_absent_is_absent(registry: HttpRegistry, simulator: RegistrySimulator) -> None:
    simulator.misbehave["/v2/team"] = lambda _, __: Response(404, b"<html>", {"Content-Type": "text/html"})
    assert isinstance(manifest(registry, simulator), Absent)
