"""Trust servers over HTTP: the token protocol with a real notary-server, and where passwords may go."""

from __future__ import annotations

import base64
import itertools
import time
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import parse_qs

import pytest

from imagegate.adapters.http.client import HttpClient, HttpLimits
from imagegate.adapters.registry.auth import TokenRealms
from imagegate.adapters.registry.trust_server import NotaryServers
from imagegate.core.admission.lookup import Absent, Found, Lookup
from imagegate.core.content_trust.fetches import Fetch
from imagegate.core.content_trust.question import TrustedImage
from imagegate.core.registry.egress import AddressPolicy
from imagegate.core.registry.pull_secrets import PullSecret
from imagegate.ports.content_trust import AuthEndpointError, NotAuthorized
from tests.service.signing_setup import pull_secret
from tests.support.certificates import Authority
from tests.support.notary import Notary, TrustServerSimulator, start_notary
from tests.support.registry import PASSWORD, USER
from tests.support.simulator import Response
from tests.support.token_server import TokenServer

REGISTRY, REPOSITORY = "127.0.0.1:5000", "private/app"
GUN = f"{REGISTRY}/{REPOSITORY}"
ROOT = Fetch("root", "root", 1_000_000, immutable=False)
TIMESTAMP = Fetch("timestamp", "timestamp", 1_000_000, immutable=False)
BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


def question(server: str, *secrets: PullSecret) -> TrustedImage:
    return TrustedImage(server=server, registry=REGISTRY, repository=REPOSITORY, tag="v1", secrets=secrets)


def servers(ca: Authority, **realms: frozenset[str]) -> NotaryServers:
    http = HttpClient(
        addresses=AddressPolicy.of(networks=("127.0.0.0/8",)),
        ca_files=(str(ca.bundle),),
        limits=HttpLimits(attempts=1),
    )
    return NotaryServers(http, TokenRealms(realms))


def fetched(notary: NotaryServers, asked: TrustedImage, fetch: Fetch = ROOT) -> list[Lookup[bytes] | str]:
    """What each session finds, up to the first that is let in."""
    results: list[Lookup[bytes] | str] = []
    for session in notary.sessions(asked):
        try:
            results.append(session.fetch(fetch, until=time.monotonic() + 10))
            break
        except NotAuthorized:
            results.append("not authorized")
    return results


@pytest.fixture(scope="module")
def notary(tmp_path_factory: pytest.TempPathFactory, ca: Authority, token_server: TokenServer) -> Iterator[Notary]:
    """A notary-server that wants tokens, with trust data of one repository."""
    folder = tmp_path_factory.mktemp("notary")
    with start_notary(folder, ca, token=token_server, user=f"{USER}:{PASSWORD}") as running:
        running.start_signing(GUN)
        yield running


def host_of(server: TokenServer) -> str:
    return server.url.removeprefix("https://")


class TestTokens:
    def test_the_registrys_credentials_open_the_trust_data(
        self, ca: Authority, notary: Notary, token_server: TokenServer
    ) -> None:
        peer = servers(ca, **{REGISTRY: frozenset({host_of(token_server)})})
        asked = question(notary.url, pull_secret(REGISTRY, USER, PASSWORD))
        stranger, friend = fetched(peer, asked)
        assert stranger == "not authorized"
        assert isinstance(friend, Found)
        assert b'"_type":"Root"' in friend.value
        before = token_server.count()
        assert fetched(peer, asked)[0] == "not authorized"
        assert token_server.count() == before, "tokens are kept"
        assert f"repository:{GUN}:pull" in token_server.requests[-1].query["scope"]

    @pytest.mark.parametrize(
        "methods, asked_by",
        [(("GET",), ["POST", "GET"]), (("POST", "GET"), ["POST"]), (("POST",), ["POST"])],
        ids=["no form is known", "both", "forms only"],
    )
    def test_a_token_is_asked_for_by_a_form_first(
        self,
        ca: Authority,
        notary: Notary,
        token_server: TokenServer,
        monkeypatch: pytest.MonkeyPatch,
        methods: tuple[str, ...],
        asked_by: list[str],
    ) -> None:
        monkeypatch.setattr(token_server, "methods", methods)
        peer = servers(ca, **{REGISTRY: frozenset({host_of(token_server)})})
        before = len(token_server.requests)
        *_, last = fetched(peer, question(notary.url, pull_secret(REGISTRY, USER, PASSWORD)))
        assert isinstance(last, Found)
        asked = token_server.requests[before:]
        sent = [each for each in asked if each.method == "POST" or "authorization" in each.headers]
        assert [each.method for each in sent] == asked_by
        form = parse_qs(sent[0].body.decode())
        assert form.pop("service")
        assert form == {
            "grant_type": ["password"],
            "client_id": ["imagegate"],
            "username": [USER],
            "password": [PASSWORD],
            "scope": [f"repository:{GUN}:pull"],
        }
        assert "authorization" not in sent[0].headers

    def test_a_wrong_password_in_a_form_is_not_sent_again(
        self, ca: Authority, notary: Notary, token_server: TokenServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(token_server, "methods", ("POST", "GET"))
        peer = servers(ca, **{REGISTRY: frozenset({host_of(token_server)})})
        before = len(token_server.requests)
        wrong = question(notary.url, pull_secret(REGISTRY, USER, "wrong"))
        assert fetched(peer, wrong) == ["not authorized", "not authorized"]
        assert [each.method for each in token_server.requests[before:]].count("POST") == 1
        assert all("authorization" not in each.headers for each in token_server.requests[before:])

    def test_credentials_of_the_trust_servers_own_host(
        self, ca: Authority, notary: Notary, token_server: TokenServer
    ) -> None:
        own = notary.url.removeprefix("https://")
        peer = servers(ca, **{own: frozenset({host_of(token_server)})})
        *_, last = fetched(peer, question(notary.url, pull_secret(own, USER, PASSWORD)))
        assert isinstance(last, Found)

    def test_a_realm_on_another_host_gets_no_password(
        self, ca: Authority, notary: Notary, token_server: TokenServer
    ) -> None:
        before = len(token_server.requests)
        asked = question(notary.url, pull_secret(REGISTRY, USER, PASSWORD))
        assert fetched(servers(ca), asked) == ["not authorized", "not authorized"]
        assert all("authorization" not in request.headers for request in token_server.requests[before:])
        assert all(request.method == "GET" for request in token_server.requests[before:]), "nor in a form"

    def test_a_wrong_password_and_no_password(self, ca: Authority, notary: Notary, token_server: TokenServer) -> None:
        peer = servers(ca, **{REGISTRY: frozenset({host_of(token_server)})})
        assert fetched(peer, question(notary.url)) == ["not authorized"]
        wrong = question(notary.url, pull_secret(REGISTRY, USER, "wrong"))
        assert fetched(peer, wrong) == ["not authorized", "not authorized"]

    def test_the_next_credential_is_tried(self, ca: Authority, notary: Notary, token_server: TokenServer) -> None:
        peer = servers(ca, **{REGISTRY: frozenset({host_of(token_server)})})
        secrets = [pull_secret(REGISTRY, USER, word) for word in ("wrong", PASSWORD)]
        *refused, found = fetched(peer, question(notary.url, *secrets))
        assert refused == ["not authorized", "not authorized"]
        assert isinstance(found, Found)


@pytest.fixture
def simulator(ca: Authority) -> Iterator[TrustServerSimulator]:
    with TrustServerSimulator(tls=ca.server) as running:
        yield running


def guarded(simulator: TrustServerSimulator, challenge: str, status: int = 401) -> None:
    simulator.repositories[GUN] = lambda _name: Response(status, b"", {"WWW-Authenticate": challenge})


class TestPasswords:
    def test_the_registrys_password_is_never_sent_to_the_trust_server(
        self, ca: Authority, simulator: TrustServerSimulator
    ) -> None:
        """A policy names the trust server; its author must not be handed the pull secrets of Pods."""
        guarded(simulator, 'Basic realm="give me"')
        asked = question(simulator.url, pull_secret(REGISTRY, USER, PASSWORD))
        assert fetched(servers(ca), asked) == ["not authorized", "not authorized"]
        assert all("authorization" not in request.headers for request in simulator.requests)

    def test_a_realm_of_the_trust_servers_choice_gets_no_password_of_the_registry(
        self, ca: Authority, simulator: TrustServerSimulator
    ) -> None:
        guarded(simulator, f'Bearer realm="{simulator.url}/token",service="s",scope="x"')
        asked = question(simulator.url, pull_secret(REGISTRY, USER, PASSWORD))
        assert fetched(servers(ca), asked) == ["not authorized", "not authorized"]
        assert simulator.count(path="/token") > 0, "anonymously it may be asked"
        assert all("authorization" not in request.headers for request in simulator.requests)

    def test_a_trust_server_cannot_ask_the_registrys_token_server_for_more(
        self, ca: Authority, simulator: TrustServerSimulator, token_server: TokenServer
    ) -> None:
        """The token goes to the trust server: with ``push`` in it, that server could replace the image."""
        realm = f"https://{host_of(token_server)}/token?scope=repository:{REPOSITORY}:pull,push"
        guarded(simulator, f'Bearer realm="{realm}",service="s"')
        peer = servers(ca, **{REGISTRY: frozenset({host_of(token_server)})})
        before = len(token_server.requests)
        asked = question(simulator.url, pull_secret(REGISTRY, USER, PASSWORD))
        assert fetched(peer, asked) == ["not authorized", "not authorized"]
        assert all("authorization" not in request.headers for request in token_server.requests[before:])

    def test_a_namespaces_author_gets_no_token_of_the_registry(
        self, ca: Authority, notary: Notary, token_server: TokenServer
    ) -> None:
        peer = servers(ca, **{REGISTRY: frozenset({host_of(token_server)})})
        before = len(token_server.requests)
        asked = question(notary.url, pull_secret(REGISTRY, USER, PASSWORD))
        assert fetched(peer, replace(asked, registry_tokens=False)) == ["not authorized"]
        assert all("authorization" not in request.headers for request in token_server.requests[before:])
        *_, found = fetched(peer, asked)
        assert isinstance(found, Found)

    def test_its_own_password_is_sent_as_basic(self, ca: Authority, simulator: TrustServerSimulator) -> None:
        answers = itertools.chain([401], itertools.repeat(200))
        challenge = {"WWW-Authenticate": 'Basic realm="own"'}
        simulator.repositories[GUN] = lambda _name: Response(next(answers), b"{}", challenge)
        own = simulator.host
        *_, found = fetched(servers(ca), question(simulator.url, pull_secret(own, USER, PASSWORD)))
        assert isinstance(found, Found)
        assert [request.headers.get("authorization") for request in simulator.requests] == [None, BASIC]

    @pytest.mark.parametrize("status", [401, 403])
    def test_a_credential_that_is_refused(self, ca: Authority, simulator: TrustServerSimulator, status: int) -> None:
        guarded(simulator, 'Basic realm="own"', status)
        asked = question(simulator.url, pull_secret(simulator.host, USER, PASSWORD))
        assert fetched(servers(ca), asked) == ["not authorized"] * 2

    @pytest.mark.parametrize(
        "challenge, text",
        [
            ("Negotiate", "no supported auth-endpoint found"),
            ("", "no auth-scheme found"),
            ("Bearer realm", "parameter value missing"),
            ('Bearer "x"', "parameter expected"),
        ],
    )
    def test_a_challenge_that_says_nothing(
        self, ca: Authority, simulator: TrustServerSimulator, challenge: str, text: str
    ) -> None:
        guarded(simulator, challenge)
        session = next(servers(ca).sessions(question(simulator.url)))
        with pytest.raises(AuthEndpointError, match=text):
            session.fetch(ROOT, until=time.monotonic() + 10)


def test_absence_is_worded_as_the_original_words_it(ca: Authority, simulator: TrustServerSimulator) -> None:
    peer = servers(ca)
    (root,), (timestamp,) = (fetched(peer, question(simulator.url), fetch) for fetch in (ROOT, TIMESTAMP))
    assert root == Absent(f"{simulator.host} does not have trust data for {GUN}")
    assert timestamp == Absent("timestamp trust data unavailable.  Has a notary repository been initialized?")


def test_a_redirect_to_a_private_address_is_not_followed(ca: Authority, simulator: TrustServerSimulator) -> None:
    simulator.repositories[GUN] = lambda _name: Response(302, b"", {"Location": "https://169.254.169.254/latest"})
    (answer,) = fetched(servers(ca), question(simulator.url))
    assert not isinstance(answer, (Found, Absent))


def test_a_server_url_that_is_none(ca: Authority) -> None:
    (answer,) = fetched(servers(ca), question("https://[::bad"))
    assert not isinstance(answer, (Found, Absent))
