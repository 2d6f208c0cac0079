"""Servers that send us elsewhere: redirects, token realms, pages and mirrors, in every spelling, against real sockets.

All of them are on this machine; names are resolved by the test. ``evil.example.com`` is a registry that somebody names
in a pod, ``registry.corp`` one that the settings name, ``inside.example.com`` a server in a network that they name.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address

import pytest

from imagegate.adapters.http.client import HttpClient, HttpLimits
from imagegate.adapters.registry.auth import TokenRealms
from imagegate.adapters.registry.client import HttpRegistry, RegistrySettings
from imagegate.adapters.signing.lookaside import LookasideHttp
from imagegate.core.admission.lookup import Absent, Found, Lookup, Unknown
from imagegate.core.references.openshift import ImageReference
from imagegate.core.registry.egress import AddressPolicy
from imagegate.core.registry.manifest import Manifest
from imagegate.core.registry.mirrors import MirrorRule, MirrorUse
from imagegate.core.registry.pull_secrets import Credential, PullSecret, PullSecretEntry
from imagegate.core.registry.special_addresses import Address
from imagegate.core.signing.requirements import LookasideStore
from imagegate.errors import EvidenceError, Refused
from imagegate.ports.registry import ANONYMOUS, RegistryAccess, RegistryErrorKind, RegistryUnknown
from tests.support.certificates import Authority, Certificate
from tests.support.registry_simulator import RegistrySimulator, image, replaced, sha256
from tests.support.simulator import Request, Response

MANIFEST, CONFIG = image("honest")
PATH = "/v2/team/app/manifests/v1"
PASSWORD = "a secret that must not leave"
BASIC = "Basic " + base64.b64encode(f"alice:{PASSWORD}".encode()).decode()
EVIL, NAMED, INSIDE = "evil.example.com", "registry.corp", "inside.example.com"
NAMES = (EVIL, NAMED, INSIDE, "storage.corp", "localhost", "127.0.0.1")


def resolver(host: str, port: int) -> list[Address]:
    if host not in NAMES:
        raise AssertionError(f"{host} was looked up")
    return [ip_address("127.0.0.1")]


@pytest.fixture(scope="module")
def tls(ca: Authority) -> Certificate:
    return ca.issue("egress", names=NAMES)


@pytest.fixture
def evil(tls: Certificate) -> Iterator[RegistrySimulator]:
    with RegistrySimulator(tls=tls) as running:
        running.repository("team/app").put(MANIFEST, CONFIG, tag="v1")
        yield running


@pytest.fixture
def internal(tls: Certificate) -> Iterator[RegistrySimulator]:
    with RegistrySimulator(tls=tls) as running:
        running.repository("team/app").put(MANIFEST, CONFIG, tag="v1")
        yield running


@pytest.fixture
def plain() -> Iterator[RegistrySimulator]:
    """Without TLS."""
    with RegistrySimulator() as running:
        running.repository("team/app").put(MANIFEST, CONFIG, tag="v1")
        yield running


@dataclass
class Client:
    """A registry client and what it asks with."""

    registry: HttpRegistry
    http: HttpClient

    def manifest(self, where: str, access: RegistryAccess = ANONYMOUS) -> Lookup[Manifest]:
        return self.registry.manifest(ImageReference.parse(f"{where}/team/app:v1"), access=access, deadline_s=20)


@pytest.fixture
def make(ca: Authority, internal: RegistrySimulator) -> Callable[..., Client]:
    def made(
        *, hosts: tuple[str, ...] = (), networks: tuple[str, ...] = ("127.0.0.0/8",), **settings: object
    ) -> Client:
        addresses = AddressPolicy.of(hosts or (f"{NAMED}:{internal.port}",), networks)
        limits = HttpLimits(attempts=1)
        http = HttpClient(addresses=addresses, ca_files=(str(ca.bundle),), limits=limits, resolver=resolver)
        return Client(HttpRegistry(http, settings=RegistrySettings(**settings)), http)  # type: ignore[arg-type]

    return made


def at(host: str, simulator: RegistrySimulator) -> str:
    return f"{host}:{simulator.port}"


def error_kind(answer: Lookup[Manifest]) -> RegistryErrorKind:
    assert isinstance(answer, RegistryUnknown), answer
    assert PASSWORD not in answer.why
    return answer.error_kind


def redirect(target: str) -> Callable[[Request, Response], Response]:
    return lambda request, honest: Response(307, headers={"Location": target})


def secret(*hosts: str) -> RegistryAccess:
    entries = tuple(PullSecretEntry(host, "", Credential("alice", PASSWORD)) for host in hosts)
    return RegistryAccess(secrets=(PullSecret("pull", entries),))


SPELLINGS = (
    "registry.corp",
    "REGISTRY.corp",
    "registry.corp.",
    "Registry.Corp.",
    "regi%73try.corp",
    "registry%2ecorp",
    "registry.corp%00",
    "user@registry.corp",
    "registry.corp@registry.corp",
    "reg\u00adistry.corp",
    "registry.c\u00barp",
    "\t registry.corp",
    "regis\ttry.corp",
)


# Redirects


@pytest.mark.parametrize("host", SPELLINGS)
def test_no_spelling_of_a_redirect_reaches_a_named_host(
    make: Callable[..., Client], evil: RegistrySimulator, internal: RegistrySimulator, host: str
) -> None:
    evil.misbehave["/v2/team"] = redirect(f"https://{host}:{internal.port}{PATH}")
    assert error_kind(make().manifest(at(EVIL, evil))) in {RegistryErrorKind.BLOCKED, RegistryErrorKind.MALFORMED}
    assert internal.requests == []
    assert isinstance(make().manifest(at(NAMED, internal)), Found)


@pytest.mark.parametrize(
    "host",
    [INSIDE, "127.0.0.1", "127.1", "0x7f.1", "2130706433", "0177.0.0.1", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"],
)
def test_no_redirect_of_a_stranger_reaches_into_a_named_network(
    make: Callable[..., Client], evil: RegistrySimulator, internal: RegistrySimulator, host: str
) -> None:
    client = make(hosts=("other.corp",))
    evil.misbehave["/v2/team"] = redirect(f"https://{host}:{internal.port}/admin/delete?everything=yes")
    assert error_kind(client.manifest(at(EVIL, evil))) is RegistryErrorKind.BLOCKED
    assert internal.requests == []
    assert isinstance(client.manifest(at(INSIDE, internal)), Found)  # named by an image it is asked


def test_a_connection_that_is_kept_lets_no_stranger_in(
    make: Callable[..., Client], evil: RegistrySimulator, internal: RegistrySimulator
) -> None:
    """The address is judged for every request, not only when a connection is made."""
    client = make(hosts=("other.corp",))
    assert isinstance(client.manifest(at(INSIDE, internal)), Found)
    before = len(internal.requests)
    evil.misbehave["/v2/team"] = redirect(f"https://{INSIDE}:{internal.port}{PATH}")
    assert error_kind(client.manifest(at(EVIL, evil))) is RegistryErrorKind.BLOCKED
    assert len(internal.requests) == before
    assert isinstance(client.manifest(at(INSIDE, internal)), Found)


def test_a_host_leads_to_itself_and_a_named_one_to_another(
    make: Callable[..., Client], evil: RegistrySimulator, internal: RegistrySimulator
) -> None:
    evil.misbehave["/v2/team"] = redirect(f"https://{EVIL.upper()}.:{internal.port}{PATH}")
    own = make(hosts=("other.corp",)).manifest(at(EVIL, evil))
    assert isinstance(own, Found)
    assert own.source == f"https://{EVIL}:{internal.port}{PATH}"
    evil.misbehave["/v2/team"] = redirect(f"https://storage.corp:{internal.port}{PATH}")
    both = make(hosts=(at(NAMED, evil), "storage.corp"))
    assert isinstance(both.manifest(at(NAMED, evil)), Found)
    assert error_kind(both.manifest(at(EVIL, evil))) is RegistryErrorKind.BLOCKED


def test_the_second_hop_is_judged_by_the_first_not_by_who_was_asked(
    make: Callable[..., Client], evil: RegistrySimulator, internal: RegistrySimulator, tls: Certificate
) -> None:
    """registry.corp may lead to a stranger; the stranger may not lead back inside."""
    with RegistrySimulator(tls=tls) as registry:
        registry.misbehave["/v2/team"] = redirect(f"https://{NAMED}:{evil.port}{PATH}")
        evil.misbehave["/v2/team"] = redirect(f"https://{NAMED}:{internal.port}{PATH}")
        client = make(hosts=(at(NAMED, registry), at(NAMED, internal)))
        assert error_kind(client.manifest(at(NAMED, registry))) is RegistryErrorKind.BLOCKED
        assert internal.requests == []


def test_a_name_that_leads_elsewhere_for_the_second_hop(
    ca: Authority, evil: RegistrySimulator, internal: RegistrySimulator
) -> None:
    """Rebinding: the same host, but at an address at which it was not when it was asked."""
    looked_up: list[str] = []

    def rebinding(host: str, port: int) -> list[Address]:
        looked_up.append(host)
        return [ip_address("127.0.0.1" if len(looked_up) == 1 else "127.0.0.2")]

    http = HttpClient(
        addresses=AddressPolicy.of(networks=["127.0.0.0/8"]), ca_files=(str(ca.bundle),), resolver=rebinding
    )
    evil.misbehave["/x"] = redirect(f"https://{EVIL}:{internal.port}/admin")
    with pytest.raises(Refused, match=r"leads to evil\.example\.com \(127\.0\.0\.2\)"):
        http.get(f"https://{EVIL}:{evil.port}/x", until=time.monotonic() + 5, max_bytes=100)
    assert internal.requests == []


@pytest.mark.parametrize(
    "location", ["https://[bad", "http://[::1", "//\\", "https://a:b:c/", "\x00", "https://[v1.x]/"]
)
def test_a_location_that_is_no_url(make: Callable[..., Client], evil: RegistrySimulator, location: str) -> None:
    evil.misbehave["/v2/team"] = redirect(location)
    answer = make().manifest(at(EVIL, evil))
    assert isinstance(answer, (RegistryUnknown, Absent))


# Token realms


def realm(evil: RegistrySimulator, url: str) -> None:
    evil.challenge = f'Bearer realm="{url}",service="s"'
    evil.authorized = lambda header: header == "Bearer simulated"


@pytest.mark.parametrize("host", SPELLINGS)
def test_no_realm_of_a_stranger_is_a_named_host(
    make: Callable[..., Client], evil: RegistrySimulator, internal: RegistrySimulator, host: str
) -> None:
    realm(evil, f"https://{host}:{internal.port}/token?admin=yes")
    for access in (ANONYMOUS, secret(at(EVIL, evil))):
        assert error_kind(make().manifest(at(EVIL, evil), access)) in {
            RegistryErrorKind.BLOCKED,
            RegistryErrorKind.MALFORMED,
        }
    assert internal.requests == []


def test_no_realm_of_a_stranger_is_in_a_named_network(
    make: Callable[..., Client], evil: RegistrySimulator, internal: RegistrySimulator
) -> None:
    client = make(hosts=("other.corp",))
    realm(evil, f"https://{INSIDE}:{internal.port}/token")
    assert error_kind(client.manifest(at(EVIL, evil))) is RegistryErrorKind.BLOCKED
    assert internal.requests == []
    realm(evil, f"https://{EVIL}:{internal.port}/token")  # its own host may be
    assert isinstance(make(hosts=("other.corp",)).manifest(at(EVIL, evil)), Found)


def test_a_realm_that_is_refused_for_one_repository_is_not_for_all(
    make: Callable[..., Client], evil: RegistrySimulator, internal: RegistrySimulator
) -> None:
    client = make()
    evil.repository("open/app").put(MANIFEST, CONFIG, tag="v1")
    evil.misbehave["/v2/team"] = lambda request, honest: Response(
        401, headers={"WWW-Authenticate": f'Bearer realm="https://{NAMED}:{internal.port}/token",service="s"'}
    )
    for _ in range(2):
        assert error_kind(client.manifest(at(EVIL, evil))) is RegistryErrorKind.BLOCKED
        public = ImageReference.parse(f"{at(EVIL, evil)}/open/app:v1")
        assert isinstance(client.registry.manifest(public, deadline_s=5), Found)
    assert internal.requests == []


def test_a_realm_that_the_settings_name_is_asked(
    make: Callable[..., Client], evil: RegistrySimulator, internal: RegistrySimulator
) -> None:
    realm(evil, f"https://{INSIDE.upper()}.:{internal.port}/token")
    realms = TokenRealms.with_known({at(EVIL.upper(), evil): [at(INSIDE, internal)]})
    client = make(hosts=("other.corp",), realms=realms)
    assert isinstance(client.manifest(at(EVIL, evil), secret(at(EVIL, evil))), Found)
    assert [request.headers.get("authorization") for request in internal.requests] == [BASIC]


def test_any_realm_is_still_no_way_inside(
    make: Callable[..., Client], evil: RegistrySimulator, internal: RegistrySimulator
) -> None:
    realm(evil, f"https://{NAMED}:{internal.port}/token")
    client = make(realms=TokenRealms({at(EVIL, evil): frozenset({"*"})}))
    assert error_kind(client.manifest(at(EVIL, evil), secret(at(EVIL, evil)))) is RegistryErrorKind.BLOCKED
    assert internal.requests == []


def test_a_token_is_kept_for_the_registry_that_asked_for_it(
    make: Callable[..., Client], evil: RegistrySimulator, internal: RegistrySimulator, tls: Certificate
) -> None:
    """A stranger that names the same realm, service and repository is not sent the other registry's token."""
    with RegistrySimulator(tls=tls) as registry:
        registry.repository("team/app").put(MANIFEST, CONFIG, tag="v1")
        for simulator in (registry, evil):
            realm(simulator, f"https://{NAMED}:{internal.port}/token")
        client = make(hosts=(at(NAMED, registry), at(NAMED, internal)))
        assert isinstance(client.manifest(at(NAMED, registry)), Found)
        assert error_kind(client.manifest(at(EVIL, evil))) is RegistryErrorKind.BLOCKED
        assert {request.headers.get("authorization") for request in evil.requests} == {None}
        assert len(internal.requests) == 1


def test_tokens_of_two_registries_at_one_realm_are_two(
    make: Callable[..., Client], evil: RegistrySimulator, internal: RegistrySimulator, tls: Certificate
) -> None:
    with RegistrySimulator(tls=tls) as registry:
        registry.repository("team/app").put(MANIFEST, CONFIG, tag="v1")
        for simulator in (registry, evil):
            realm(simulator, f"https://{EVIL}:{internal.port}/token")
            simulator.authorized = lambda header: header.startswith("Bearer ")
        given: list[str] = []

        def token(request: Request, honest: Response) -> Response:
            given.append(f"token-{len(given)}")
            return Response(200, json.dumps({"token": given[-1], "expires_in": 300}).encode())

        internal.misbehave["/token"] = token
        client = make(hosts=("other.corp",))
        for simulator in (registry, evil, registry, evil):
            assert isinstance(client.manifest(at(EVIL, simulator)), Found)
        assert given == ["token-0", "token-1"]
        assert {request.headers.get("authorization") for request in evil.requests} == {None, "Bearer token-1"}


# Blocked registries


@pytest.mark.parametrize("blocked", [EVIL, EVIL.upper(), f"{EVIL}."])
def test_a_blocked_registry_in_every_spelling(
    make: Callable[..., Client], evil: RegistrySimulator, blocked: str
) -> None:
    for client in (make(blocked=frozenset({blocked})), make(blocked=frozenset({f"{blocked}:0{evil.port}"}))):
        for host in (EVIL, EVIL.upper()):
            assert error_kind(client.manifest(at(host, evil))) is RegistryErrorKind.BLOCKED
    assert evil.requests == []
    assert isinstance(make(blocked=frozenset({"other.example.com"})).manifest(at(INSIDE, evil)), Found)


def test_a_blocked_address_by_another_name(make: Callable[..., Client], evil: RegistrySimulator) -> None:
    client = make(blocked=frozenset({at("127.0.0.1", evil)}))
    assert error_kind(client.manifest(at("127.1", evil))) is RegistryErrorKind.BLOCKED
    assert error_kind(client.manifest(at(EVIL, evil))) is RegistryErrorKind.BLOCKED
    assert evil.requests == []


def test_a_blocked_registry_as_a_mirror(
    make: Callable[..., Client], evil: RegistrySimulator, internal: RegistrySimulator
) -> None:
    """It is passed over; the next place is asked."""
    mirrors = (at(EVIL.upper(), evil), at(INSIDE, internal))
    rule = MirrorRule("source.example.com", mirrors, MirrorUse.ANY, never_contact_source=True)
    client = make(blocked=frozenset({at(EVIL, evil)}), mirrors=(rule,))
    assert isinstance(client.manifest("source.example.com"), Found)
    assert evil.requests == []
    only = MirrorRule("source.example.com", mirrors[:1], MirrorUse.ANY, never_contact_source=True)
    blocked = make(blocked=frozenset({at(EVIL, evil)}), mirrors=(only,))
    assert error_kind(blocked.manifest("source.example.com")) is RegistryErrorKind.BLOCKED


def test_a_blocked_source_is_not_had_from_a_mirror_either(
    make: Callable[..., Client], evil: RegistrySimulator, internal: RegistrySimulator
) -> None:
    rule = MirrorRule(at(EVIL, evil), (at(INSIDE, internal),), MirrorUse.ANY)
    client = make(blocked=frozenset({at(EVIL, evil)}), mirrors=(rule,))
    assert error_kind(client.manifest(at(EVIL.upper(), evil))) is RegistryErrorKind.BLOCKED
    assert internal.requests == []


def test_a_blocked_registry_by_redirect_and_realm(
    make: Callable[..., Client], evil: RegistrySimulator, internal: RegistrySimulator
) -> None:
    client = make(hosts=(at(EVIL, evil), at(NAMED, internal)), blocked=frozenset({NAMED}))
    evil.misbehave["/v2/team"] = redirect(f"https://{NAMED.upper()}.:{internal.port}{PATH}")
    assert error_kind(client.manifest(at(EVIL, evil))) is RegistryErrorKind.BLOCKED
    evil.misbehave.clear()
    realm(evil, f"https://{NAMED}:{internal.port}/token")
    assert error_kind(client.manifest(at(EVIL, evil))) is RegistryErrorKind.BLOCKED
    assert internal.requests == []


def test_the_block_of_the_settings_holds_for_signature_stores(ca: Authority, evil: RegistrySimulator) -> None:
    for blocked, requests in ((["EVIL.example.com"], 0), (["other.example.com"], 1)):
        addresses = AddressPolicy.of(networks=["127.0.0.0/8"], blocked=blocked)
        http = HttpClient(addresses=addresses, ca_files=(str(ca.bundle),), resolver=resolver)
        store = LookasideStore.create(f"https://{EVIL}:{evil.port}/sigs")
        answer = LookasideHttp(http).signature(store, "team/app", "sha256:" + "0" * 64, 1, deadline_s=5)
        assert isinstance(answer, Unknown if blocked[0].lower() == EVIL else Absent)
        assert len(evil.requests) == requests


@pytest.mark.parametrize("name", ["docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"])
@pytest.mark.parametrize("asked", ["", "docker.io/", "Docker.io/", "index.docker.io/", "registry.hub.docker.com/"])
@pytest.mark.parametrize("port", ["", ":443", ":80"])
def test_docker_hub_is_blocked_under_all_of_its_names(
    make: Callable[..., Client], name: str, asked: str, port: str
) -> None:
    where = asked.replace("/", f"{port}/") + "team/app:v1"
    answer = make(blocked=frozenset({name})).registry.manifest(ImageReference.parse(where), deadline_s=5)
    assert error_kind(answer) is RegistryErrorKind.BLOCKED


# Insecure sources and their mirrors


def test_insecure_of_the_source_is_not_insecure_of_the_mirror(
    make: Callable[..., Client], evil: RegistrySimulator, plain: RegistrySimulator
) -> None:
    plain.challenge, plain.authorized = 'Basic realm="x"', lambda header: header == BASIC
    rule = MirrorRule(at(INSIDE, evil), (at(INSIDE, plain),), MirrorUse.ANY, never_contact_source=True)
    access = secret(at(INSIDE, plain))
    insecure = RegistryAccess(secrets=access.secrets, insecure=True)
    client = make(hosts=("other.corp",), mirrors=(rule,))
    assert error_kind(client.manifest(at(INSIDE, evil), insecure)) is RegistryErrorKind.HTTP_ONLY
    assert plain.requests == []
    called_so = make(hosts=("other.corp",), mirrors=(rule,), insecure=frozenset({at(INSIDE.upper(), plain)}))
    assert isinstance(called_so.manifest(at(INSIDE, evil), access), Found)
    assert isinstance(client.manifest(at(INSIDE, plain), insecure), Found)


def test_an_insecure_source_behind_its_mirror_is_still_insecure(
    make: Callable[..., Client], evil: RegistrySimulator, plain: RegistrySimulator
) -> None:
    evil.repositories.clear()
    rule = MirrorRule(at(INSIDE, plain), (at(INSIDE, evil),), MirrorUse.ANY)
    client = make(hosts=("other.corp",), mirrors=(rule,))
    assert isinstance(client.manifest(at(INSIDE, plain), RegistryAccess(insecure=True)), Found)


@pytest.mark.parametrize("spelling", [INSIDE.upper(), INSIDE])
def test_no_spelling_gets_around_a_source_that_is_never_contacted(
    make: Callable[..., Client], evil: RegistrySimulator, internal: RegistrySimulator, spelling: str
) -> None:
    rule = MirrorRule(at(INSIDE, evil), (at(INSIDE, internal),), MirrorUse.ANY, never_contact_source=True)
    client = make(hosts=("other.corp",), mirrors=(rule,))
    assert isinstance(client.manifest(f"{spelling}:0{evil.port}"), Found)
    assert evil.requests == []


# What is shown


@pytest.mark.parametrize(
    "response",
    [
        Response(401, headers={"WWW-Authenticate": "Bearer \x1b[2J\x1b[1;31mOWNED realm"}),
        Response(401, headers={"WWW-Authenticate": 'Bearer realm="https://10.0.0.1/\x1b[2J\x1b]0;t\x07",service="s"'}),
        Response(401, headers={"WWW-Authenticate": 'Bearer realm="ftp://x/\x9b31m",service="s"'}),
        Response(307, headers={"Location": "ftp://x/\x1b[2J\x1b[H"}),
        Response(307, headers={"Location": "https://10.0.0.1/\x1b[2J\x1b[H"}),
        Response(307, headers={"Location": "https://\x1b[2J/"}),
        Response(307, headers={"Location": "https://[\x1b[2J"}),
        Response(200, b"{}", {"Content-Type": "\x1b[2J\x1b[Htext"}),
        Response(200, b'{"mediaType": "\\u001b[2J"}', {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}),
        Response(500, b"\x1b[2J" * 100),
    ],
)
def test_what_a_registry_says_is_shown_printable(
    make: Callable[..., Client], evil: RegistrySimulator, response: Response
) -> None:
    evil.misbehave["/v2/team"] = lambda request, honest: response
    answer = make().manifest(at(EVIL, evil))
    assert isinstance(answer, RegistryUnknown)
    assert answer.why.isprintable()
    assert len(answer.why) <= 1024


def test_an_error_is_bounded(make: Callable[..., Client], evil: RegistrySimulator) -> None:
    evil.misbehave["/v2/team"] = redirect("ftp://x/" + "\x1b" * 5000)
    answer = make().manifest(at(EVIL, evil))
    assert isinstance(answer, RegistryUnknown)
    assert len(answer.why) <= 1024
    with pytest.raises(EvidenceError) as error:
        make().http.get("ftp://x/" + "\x1b" * 5000, until=time.monotonic() + 5, max_bytes=1)
    assert len(str(error.value)) <= 1024


def test_the_source_of_an_answer_is_printable(make: Callable[..., Client], evil: RegistrySimulator) -> None:
    evil.misbehave["/v2/team"] = lambda request, honest: (
        Response(307, headers={"Location": "/v2/team/app/manifests/v1?\x1b[2J"})
        if "?" not in request.target
        else honest
    )
    answer = make().manifest(at(EVIL, evil))
    assert isinstance(answer, Found)
    assert answer.source == f"https://{EVIL}:{evil.port}{PATH}"
    assert answer.value.digest == sha256(MANIFEST)


# Pages and signature stores


@pytest.mark.parametrize("host", [*SPELLINGS, INSIDE, "127.0.0.1"])
def test_no_page_of_tags_is_elsewhere(
    make: Callable[..., Client], evil: RegistrySimulator, internal: RegistrySimulator, host: str
) -> None:
    evil.misbehave["/v2/team/app/tags"] = lambda request, honest: replaced(
        honest, headers={"Link": f'<https://{host}:{internal.port}/v2/team/app/tags/list?n=2>; rel="next"'}
    )
    repository = ImageReference.parse(f"{at(EVIL, evil)}/team/app")
    answer = make().registry.tags(repository, deadline_s=5)
    assert isinstance(answer, RegistryUnknown)
    assert answer.why.isprintable()
    assert internal.requests == []


def test_a_page_of_the_same_registry_in_another_spelling(make: Callable[..., Client], evil: RegistrySimulator) -> None:
    def page(request: Request, honest: Response) -> Response:
        more = {"Link": f'<https://{EVIL.upper()}.:0{evil.port}/v2/team/app/tags/list?from=1>; rel="next"'}
        return honest if "from" in request.query else replaced(honest, headers=more)

    evil.misbehave["/v2/team/app/tags"] = page
    repository = ImageReference.parse(f"{at(EVIL, evil)}/team/app")
    answer = make().registry.tags(repository, deadline_s=5)
    assert isinstance(answer, Found)
    assert answer.value == ("v1",)


@pytest.mark.parametrize("host", SPELLINGS)
def test_no_signature_store_leads_to_a_named_host(
    make: Callable[..., Client], evil: RegistrySimulator, internal: RegistrySimulator, host: str
) -> None:
    evil.misbehave["/sigs"] = redirect(f"https://{host}:{internal.port}/sigs")
    store = LookasideStore.create(f"https://{EVIL}:{evil.port}/sigs", Credential("alice", PASSWORD))
    client = LookasideHttp(make().http)
    answer = client.signature(store, "team/app", "sha256:" + "0" * 64, 1, deadline_s=5)
    assert isinstance(answer, Unknown)
    assert answer.why.isprintable()
    assert PASSWORD not in answer.why
    assert internal.requests == []
