"""Requests through proxies: tinyproxy, and one that misbehaves. The address rules hold all the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from imagegate.adapters.http.client import HttpClient
from imagegate.adapters.registry.client import HttpRegistry
from imagegate.core.admission.lookup import Found, Lookup
from imagegate.core.references.openshift import ImageReference
from imagegate.core.registry.egress import AddressPolicy
from imagegate.core.registry.manifest import Manifest
from imagegate.core.registry.proxies import Exceptions, Proxy, ProxyRules
from imagegate.core.registry.pull_secrets import Credential, PullSecret, PullSecretEntry
from imagegate.core.registry.special_addresses import Address
from imagegate.documents.yaml.source import read_source
from imagegate.errors import InvalidSettings
from imagegate.ports.registry import ANONYMOUS, RegistryAccess, RegistryErrorKind, RegistryUnknown
from imagegate.settings.load import load_settings, read_settings
from imagegate.wiring.proxies import proxy_rules
from tests.support.certificates import Authority
from tests.support.processes import free_port
from tests.support.proxy import odd_proxy, start_tinyproxy
from tests.support.registry import Registry
from tests.support.registry_simulator import RegistrySimulator, image
from tests.support.simulator import Request, Response

NAME = "registry.test"
DEADLINE_S = 20.0
MANIFEST, CONFIG = image("behind a proxy")
LOOPBACK = AddressPolicy.of(hosts=(NAME, "other.test"))


def names(host: str, port: int) -> list[Address]:
    """All names are this machine; ``metadata.test`` is the address of a cloud's metadata."""
    return [ip_address("169.254.169.254" if host == "metadata.test" else "127.0.0.1")]


@pytest.fixture
def named(ca: Authority) -> Iterator[RegistrySimulator]:
    """A registry with a certificate for ``NAME``."""
    with RegistrySimulator(tls=ca.issue(NAME, names=(NAME, "other.test", "localhost"))) as running:
        running.repository("team/app").put(MANIFEST, CONFIG, tag="v1")
        yield running


def through(proxy_port: int, *, authorization: str = "", **rules: Any) -> ProxyRules:
    proxy = Proxy("proxy.test", proxy_port, authorization)
    return ProxyRules(**{"https": proxy, "http": proxy, **rules})


def asked(
    ca: Authority,
    rules: ProxyRules,
    host: str,
    *,
    addresses: AddressPolicy = LOOPBACK,
    access: RegistryAccess = ANONYMOUS,
    deadline_s: float = DEADLINE_S,
) -> Lookup[Manifest]:
    http = HttpClient(
        addresses=addresses, ca_files=(str(ca.bundle),), proxies=rules, resolver=names, sleep=lambda _: None
    )
    try:
        wanted = ImageReference.parse(f"{host}/team/app:v1")
        return HttpRegistry(http).manifest(wanted, access=access, deadline_s=deadline_s)
    finally:
        http.close()


def always(response: Response) -> Callable[[Request, Response], Response]:
    return lambda request, honest: response


def why(answer: Lookup[Any]) -> str:
    assert isinstance(answer, RegistryUnknown), answer
    return answer.why


# The real one


def test_through_tinyproxy(ca: Authority, named: RegistrySimulator, tmp_path: Path) -> None:
    with start_tinyproxy(tmp_path) as proxy:
        assert isinstance(asked(ca, through(proxy.port), f"{NAME}:{named.port}"), Found)
        assert f"CONNECT 127.0.0.1:{named.port}" in proxy.output()


def test_plain_http_takes_a_tunnel_as_well(ca: Authority, registry: Registry, tmp_path: Path) -> None:
    registry.push_sample("tiny-oci", "team/app:v1")
    with start_tinyproxy(tmp_path) as proxy:
        host = f"{NAME}:{registry.running.port}"
        assert isinstance(asked(ca, through(proxy.port), host, access=RegistryAccess(insecure=True)), Found)
        assert f"CONNECT 127.0.0.1:{registry.running.port}" in proxy.output()


def test_a_user_and_a_password(ca: Authority, named: RegistrySimulator, tmp_path: Path) -> None:
    host = f"{NAME}:{named.port}"
    with start_tinyproxy(tmp_path, user="alice secret") as proxy:
        good = Proxy.of("http://alice:secret@proxy.test").authorization
        assert isinstance(asked(ca, through(proxy.port, authorization=good), host), Found)
        assert all("proxy-authorization" not in request.headers for request in named.requests)
        refused = asked(ca, through(proxy.port), host)
        assert f"proxy proxy.test:{proxy.port} asks for a user and a password (status 40" in why(refused)
        bad = Proxy.of("http://alice:wrong1@proxy.test").authorization
        wrong = why(asked(ca, through(proxy.port, authorization=bad), host))
        assert "proxy" in wrong
        assert "wrong1" not in wrong


def test_a_port_that_the_proxy_forbids(ca: Authority, named: RegistrySimulator, tmp_path: Path) -> None:
    with start_tinyproxy(tmp_path, ports=(443,)) as proxy:
        said = why(asked(ca, through(proxy.port), f"{NAME}:{named.port}"))
        assert said.startswith(f"proxy proxy.test:{proxy.port} does not connect to 127.0.0.1:{named.port} (status 403")
        assert proxy.output().count(": CONNECT 127.0.0.1") == 1  # not asked again
    assert named.requests == []


def test_a_proxy_that_is_down(ca: Authority, named: RegistrySimulator) -> None:
    port = free_port()
    said = why(asked(ca, through(port), f"{NAME}:{named.port}"))
    assert f"proxy proxy.test:{port}: cannot connect" in said
    assert named.requests == []


# Exceptions


def test_an_exception_goes_there_itself(ca: Authority, named: RegistrySimulator) -> None:
    rules = through(1, exceptions=Exceptions.of([NAME]))
    assert isinstance(asked(ca, rules, f"{NAME}:{named.port}"), Found)


# Address rules


def test_an_address_that_is_not_permitted_is_not_asked_of_the_proxy(ca: Authority) -> None:
    with odd_proxy() as proxy:
        for host in ("metadata.test", "169.254.169.254", "private.test"):
            answer = asked(ca, through(proxy.port), host)
            assert isinstance(answer, RegistryUnknown)
            assert answer.error_kind is RegistryErrorKind.BLOCKED
        assert proxy.heads == []


def test_a_redirect_is_judged_as_without_a_proxy(ca: Authority, named: RegistrySimulator) -> None:
    """The registry is in the list of hosts, the target is not."""
    with odd_proxy(places={f"127.0.0.1:{named.port}": named.port}) as proxy:
        for target in ("https://metadata.test/", "https://private.test/", "https://169.254.169.254/"):
            named.misbehave["/v2/team"] = always(Response(307, headers={"Location": target}))
            answer = asked(ca, through(proxy.port), f"{NAME}:{named.port}")
            assert isinstance(answer, RegistryUnknown)
            assert answer.error_kind is RegistryErrorKind.BLOCKED
        assert set(proxy.asked) == {f"127.0.0.1:{named.port}"}


def test_every_request_over_a_tunnel_is_judged(ca: Authority, named: RegistrySimulator) -> None:
    """Another server's answer may not use the connection that an image opened."""
    with odd_proxy(places={f"127.0.0.1:{named.port}": named.port}) as proxy:
        http = HttpClient(
            addresses=AddressPolicy.of(networks=("127.0.0.1/32",)),
            ca_files=(str(ca.bundle),),
            proxies=through(proxy.port),
            resolver=names,
            sleep=lambda _: None,
        )
        registry = HttpRegistry(http)
        host = f"{NAME}:{named.port}"
        first = registry.manifest(ImageReference.parse(f"{host}/team/app:v1"), deadline_s=DEADLINE_S)
        assert isinstance(first, Found)
        with RegistrySimulator(tls=ca.server) as stranger:
            stranger.misbehave["/"] = lambda _, __: Response(
                307, headers={"Location": f"https://{host}/v2/team/app/manifests/v1"}
            )
            led = ImageReference.parse(f"{stranger.host}/team/app:v1")
            assert "is not permitted" in why(registry.manifest(led, deadline_s=DEADLINE_S))
        http.close()


# Names that only the proxy knows


def test_the_proxy_looks_names_up(ca: Authority, named: RegistrySimulator) -> None:
    host = f"{NAME}:{named.port}"
    with odd_proxy(places={host: named.port}) as proxy:
        rules = through(proxy.port, resolved_here=False)
        assert isinstance(asked(ca, rules, host, addresses=AddressPolicy()), Found)
        assert set(proxy.asked) == {host}


@pytest.mark.parametrize("host", ["registry", "metadata.google.internal", "169.254.169.254", "10.0.0.1", "a.local"])
def test_names_and_addresses_that_are_never_given_to_it(ca: Authority, host: str) -> None:
    with odd_proxy() as proxy:
        answer = asked(ca, through(proxy.port, resolved_here=False), f"{host}:5000", addresses=AddressPolicy())
        assert isinstance(answer, RegistryUnknown)
        assert answer.error_kind is RegistryErrorKind.BLOCKED
        assert proxy.heads == []


# Proxies that misbehave


@pytest.mark.parametrize(
    "answer, said",
    [
        (
            b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\n\r\n<title>Policy</title>",
            'a web page titled "Policy"',
        ),
        (b"HTTP/1.1 407 Authenticate\r\n\r\n", "asks for a user and a password"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "status 502 Bad Gateway"),
        (b"HTTP/1.1 302 Found\r\nLocation: https://evil.test/\r\n\r\n", "status 302 Found"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "does not answer as an HTTP proxy"),
        (b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "sends data before the server"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 40_000, "bytes of headers"),
        (b"HTTP/1.1 403 no\x1b[2J\r\n\r\n", "\\x1b[2J"),
        (b"HTTP/1.1 200", "closed the connection without an answer"),
    ],
)
def test_what_a_proxy_may_not_do(ca: Authority, named: RegistrySimulator, answer: bytes, said: str) -> None:
    with odd_proxy(answer) as proxy:
        shown = why(asked(ca, through(proxy.port), f"{NAME}:{named.port}"))
        assert said in shown
        assert f"proxy.test:{proxy.port}" in shown
    assert named.requests == []


def test_a_proxy_that_never_answers(ca: Authority, named: RegistrySimulator) -> None:
    with odd_proxy(stall=True) as proxy:
        said = why(asked(ca, through(proxy.port), f"{NAME}:{named.port}", deadline_s=1.0))
    assert "did not answer in time" in said


def test_the_proxy_sees_no_credential(ca: Authority, named: RegistrySimulator) -> None:
    host = f"{NAME}:{named.port}"
    named.challenge, named.authorized = 'Basic realm="r"', bool
    entry = PullSecretEntry(host, "", Credential("alice", "a secret"))
    with odd_proxy(places={f"127.0.0.1:{named.port}": named.port}) as proxy:
        access = RegistryAccess(secrets=(PullSecret("pull", (entry,)),))
        assert isinstance(asked(ca, through(proxy.port), host, access=access), Found)
        assert all(b"uthorization" not in head for head in proxy.heads)


# Settings


def rules_of(block: str, environ: dict[str, str] | None = None) -> ProxyRules:
    document = read_source(f"registry:\n  proxy: {block}\n", "s").documents[0]
    return proxy_rules(read_settings(document, "s").registry.proxy, environ or {})


ENVIRON = {"HTTPS_PROXY": "http://a:b@env.test:1", "http_proxy": "env.test:2", "NO_PROXY": "corp, 10.0.0.0/8"}


def test_the_environment_only_where_asked_for() -> None:
    assert rules_of("{}", ENVIRON) == ProxyRules()
    found = rules_of("{fromEnvironment: true}", ENVIRON)
    assert found.https == Proxy("env.test", 1, "Basic YTpi")
    assert found.http == Proxy("env.test", 2)
    assert found.exceptions == Exceptions.of(["corp", "10.0.0.0/8"])
    mixed = rules_of("{fromEnvironment: true, https: 'http://own.test:3', noProxy: [x.test]}", ENVIRON)
    assert (mixed.https, mixed.exceptions) == (Proxy("own.test", 3), Exceptions.of(["x.test"]))


def test_credentials_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "proxy").write_text("a:b\n")
    (tmp_path / "s.yaml").write_text("registry: {proxy: {https: 'p.test:1', credentialsFile: proxy}}")
    given = load_settings(tmp_path / "s.yaml", environ={}).registry.proxy
    assert proxy_rules(given, {}).https == Proxy("p.test", 1, "Basic YTpi")


@pytest.mark.parametrize(
    "block, said",
    [
        ("{https: 'https://a:secret@p.test'}", "registry.proxy.https: proxies are contacted by http:// only"),
        ("{http: 'http://a:secret@'}", "registry.proxy.http: is not the URL of a proxy"),
        ("{noProxy: [10.0.0.0/99]}", "10.0.0.0/99"),
        ("{https: p.test, credentialsFile: /nowhere}", "registry.proxy.credentialsFile: /nowhere"),
        ("{nameResolution: remote}", "nameResolution"),
    ],
)
def test_settings_that_cannot_be_used(block: str, said: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        rules_of(block)
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)
