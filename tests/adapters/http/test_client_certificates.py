"""Client certificates and authorities of single registries, against a docker-registry that demands a certificate."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from imagegate.adapters.http.client import HttpClient
from imagegate.adapters.http.tls import HostCertificates, HostFiles
from imagegate.adapters.registry.client import HttpRegistry
from imagegate.core.admission.lookup import Absent, Lookup
from imagegate.core.references.openshift import ImageReference
from imagegate.core.registry.egress import AddressPolicy
from imagegate.documents.yaml.source import read_source
from imagegate.errors import InvalidSettings, Refused
from imagegate.ports.registry import RegistryErrorKind, RegistryUnknown
from imagegate.settings.load import read_settings
from imagegate.wiring.registries import http_client
from tests.support.certificates import Authority, Certificate
from tests.support.registry import Registry, start_registry
from tests.support.registry_simulator import RegistrySimulator
from tests.support.simulator import Response

LOOPBACK = AddressPolicy.of(networks=("127.0.0.0/8",))
DEADLINE_S = 20.0


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority of the clients, another one than the registry's."""
    return Authority(tmp_path_factory.mktemp("clients"), "client CA")


@pytest.fixture(scope="module")
def alice(clients: Authority) -> Certificate:
    return clients.issue("alice")


@pytest.fixture(scope="module")
def demanding(tmp_path_factory: pytest.TempPathFactory, ca: Authority, clients: Authority) -> Iterator[Registry]:
    with start_registry(tmp_path_factory.mktemp("demanding"), tls=ca, client_ca=clients.bundle) as running:
        yield running


def asked(registry: Registry, certificates: HostCertificates, *ca_files: Path) -> Lookup[tuple[str, ...]]:
    """The tags of a repository that is not there: ``Absent`` only from whoever lets us in."""
    http = HttpClient(
        addresses=LOOPBACK, ca_files=tuple(map(str, ca_files)), certificates=certificates, sleep=lambda _: None
    )
    repository = ImageReference.parse(f"{registry.host}/team/none")
    try:
        return HttpRegistry(http).tags(repository, deadline_s=DEADLINE_S)
    finally:
        http.close()


def folder(top: Path, name: str, ca: Path | None, pair: Certificate | None) -> Path:
    """``certs.d`` with one host."""
    place = top / name
    place.mkdir(parents=True)
    if ca is not None:
        shutil.copy(ca, place / "ca.crt")
    if pair is not None:
        shutil.copy(pair.certificate, place / "client.cert")
        shutil.copy(pair.key, place / "client.key")
    return top


def test_named_files(demanding: Registry, ca: Authority, alice: Certificate) -> None:
    files = HostFiles((str(ca.bundle),), ((str(alice.certificate), str(alice.key)),))
    assert isinstance(asked(demanding, HostCertificates.of({demanding.host: files})), Absent)


def test_the_layout_of_certs_d(demanding: Registry, ca: Authority, alice: Certificate, tmp_path: Path) -> None:
    certs = folder(tmp_path / "certs.d", demanding.host, ca.bundle, alice)
    empty = tmp_path / "first"
    empty.mkdir()
    assert isinstance(asked(demanding, HostCertificates.of({}, (str(empty), str(certs)))), Absent)


def test_without_one_the_registry_refuses(demanding: Registry, ca: Authority) -> None:
    assert isinstance(asked(demanding, HostCertificates(), ca.bundle), RegistryUnknown)


def test_one_of_another_authority_is_refused(demanding: Registry, ca: Authority) -> None:
    files = HostFiles((str(ca.bundle),), ((str(ca.server.certificate), str(ca.server.key)),))
    assert isinstance(asked(demanding, HostCertificates.of({demanding.host: files})), RegistryUnknown)


@pytest.mark.parametrize("other", ["127.0.0.1", "127.0.0.1:1", "localhost:{port}"])
def test_files_are_for_one_host_and_port(
    demanding: Registry, ca: Authority, alice: Certificate, tmp_path: Path, other: str
) -> None:
    certs = folder(tmp_path, other.format(port=demanding.running.port), ca.bundle, alice)
    answer = asked(demanding, HostCertificates.of({}, (str(certs),)))
    assert isinstance(answer, RegistryUnknown)
    assert "certificate refused" in answer.why  # not even the authority


def test_renewed_files_are_used_at_once(
    demanding: Registry, ca: Authority, clients: Authority, alice: Certificate, tmp_path: Path
) -> None:
    certs = folder(tmp_path, demanding.host, ca.bundle, Certificate(ca.server.certificate, ca.server.key))
    http = HttpClient(addresses=LOOPBACK, certificates=HostCertificates.of({}, (str(certs),)), sleep=lambda _: None)
    registry = HttpRegistry(http)
    repository = ImageReference.parse(f"{demanding.host}/team/none")
    assert isinstance(registry.tags(repository, deadline_s=DEADLINE_S), RegistryUnknown)
    shutil.copy(alice.certificate, certs / demanding.host / "client.cert")
    half = registry.tags(repository, deadline_s=DEADLINE_S)
    assert isinstance(half, RegistryUnknown)
    assert "is not the private key of" in half.why
    shutil.copy(alice.key, certs / demanding.host / "client.key")
    assert isinstance(registry.tags(repository, deadline_s=DEADLINE_S), Absent)
    (certs / demanding.host / "client.key").unlink()
    gone = registry.tags(repository, deadline_s=DEADLINE_S)
    assert isinstance(gone, RegistryUnknown)  # not over the connection that is open
    assert gone.error_kind is RegistryErrorKind.BLOCKED
    assert "client.cert has no client.key beside it" in gone.why
    http.close()


def encrypted(pair: Certificate, path: Path) -> Path:
    key = serialization.load_pem_private_key(pair.key.read_bytes(), None)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
        )
    )
    return path


@pytest.mark.parametrize(
    "spoil, why",
    [
        (lambda place, pair: (place / "client.key").unlink(), "client.cert has no client.key beside it"),
        (lambda place, pair: (place / "client.cert").unlink(), "client.key has no client.cert beside it"),
        (lambda place, pair: (place / "client.key").write_text("nonsense"), "cannot be used as a PEM file"),
        (lambda place, pair: (place / "client.key").write_text(""), "cannot be used as a PEM file"),
        (lambda place, pair: (place / "ca.crt").write_text("nonsense"), "ca.crt: cannot be used as a PEM file"),
        (lambda place, pair: encrypted(pair, place / "client.key"), "the private key is encrypted"),
        (
            lambda place, pair: ((place / "client.key").unlink(), (place / "client.key").mkdir()),
            "client.key: cannot be read",
        ),
        (
            lambda place, pair: ((place / "client.key").unlink(), (place / "client.key").symlink_to("client.key")),
            "client.key: cannot be read",
        ),
    ],
)  # fmt: skip
def test_files_that_cannot_be_used_refuse_the_request(
    ca: Authority, alice: Certificate, tmp_path: Path, spoil: object, why: str
) -> None:
    with RegistrySimulator(tls=ca.server) as simulator:
        certs = folder(tmp_path, simulator.host, ca.bundle, alice)
        assert callable(spoil)
        spoil(certs / simulator.host, alice)
        http = HttpClient(addresses=LOOPBACK, certificates=HostCertificates.of({}, (str(certs),)))
        answer = HttpRegistry(http).tags(ImageReference.parse(f"{simulator.host}/a/b"), deadline_s=DEADLINE_S)
        assert isinstance(answer, RegistryUnknown)
        assert why in answer.why
        assert simulator.requests == []


def test_where_another_server_leads_it_is_not_shown(
    demanding: Registry, ca: Authority, alice: Certificate, tmp_path: Path
) -> None:
    """Whoever redirects would otherwise ask the registry in our name."""
    certs = folder(tmp_path, demanding.host, ca.bundle, alice)
    with RegistrySimulator(tls=ca.server) as stranger:
        http = HttpClient(
            addresses=LOOPBACK,
            ca_files=(str(ca.bundle),),
            certificates=HostCertificates.of({}, (str(certs),)),
            sleep=lambda _: None,
        )
        stranger.misbehave["/v2/"] = lambda _, __: Response(307, headers={"Location": f"{demanding.url}/v2/"})
        answer = HttpRegistry(http).tags(ImageReference.parse(f"{stranger.host}/a/b"), deadline_s=DEADLINE_S)
        assert isinstance(answer, RegistryUnknown)
        http.close()


def test_a_host_of_another_form() -> None:
    with pytest.raises(Exception, match="is not a host"):
        HostCertificates.of({"a b": HostFiles()})


@pytest.mark.parametrize(
    "block, why",
    [
        ("certificates: {r.corp: {caFile: /nowhere/ca.crt}}", "/nowhere/ca.crt: cannot be read"),
        ("certificates: {r.corp: {certFile: a.cert}}", "a client certificate needs keyFile as well"),
        ("certificates: {r.corp: {}}", "caFile"),
        ("certificates: {r.corp: {ca: x}}", "ca"),
        ("certificates: {'a b': {caFile: x}}", "is not a host"),
        ("certificateFolders: [/nowhere]", "/nowhere is not a folder"),
    ],
)
def test_settings_that_cannot_be_used_stop_the_start(block: str, why: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        http_client(read_settings(read_source(f"registry:\n  {block}\n", "s").documents[0], "s"))
    assert why in str(caught.value)


def test_an_unusable_certificate_is_a_refusal() -> None:
    with pytest.raises(Refused):
        HostCertificates.of({}, ("/dev/null",)).files("r.corp", 443)
