"""The registry client against docker-registry: plain, TLS with a private CA, passwords, tokens; and OCI layouts."""

from __future__ import annotations

import json
import shutil
import socket
import time
from pathlib import Path

import pytest

from imagegate.adapters.http.client import HttpClient
from imagegate.adapters.registry.auth import TokenRealms
from imagegate.adapters.registry.cache import CachedRegistry
from imagegate.adapters.registry.client import HttpRegistry, RegistrySettings
from imagegate.adapters.registry.oci_layout import OciLayoutRegistry
from imagegate.core.admission.lookup import Absent, Found
from imagegate.core.references.openshift import ImageReference
from imagegate.core.registry.egress import AddressPolicy
from imagegate.core.registry.manifest import DOCKER_SCHEMA1_SIGNED, digest_of, parse_manifest
from imagegate.core.registry.pull_secrets import Credential, PullSecret, PullSecretEntry
from imagegate.ports.registry import RegistryAccess, RegistryErrorKind, RegistryUnknown
from tests.adapters.registry_contract import DEADLINE_S, PUSHED, Place, RegistryContract
from tests.support.certificates import Authority
from tests.support.registry import PASSWORD, USER, Registry
from tests.support.token_server import TokenServer

LOOPBACK = AddressPolicy.of(networks=("127.0.0.0/8",))


def client(ca: Authority | None = None, realms: TokenRealms | None = None) -> HttpRegistry:
    http = HttpClient(addresses=LOOPBACK, ca_files=(str(ca.bundle),) if ca else (), sleep=lambda _seconds: None)
    return HttpRegistry(http, settings=RegistrySettings(realms=realms))


def access(registry: Registry, *, password: str = PASSWORD, path: str = "", insecure: bool = False) -> RegistryAccess:
    entry = PullSecretEntry(registry.host, path, Credential(USER, password))
    return RegistryAccess(secrets=(PullSecret("pull", (entry,)),), insecure=insecure)


def pushed(registry: Registry) -> dict[str, str]:
    return {sample: registry.push_sample(sample, f"team/app:{tag}") for sample, tag in PUSHED.items()}


def realms_of(registry: Registry, token_server: TokenServer) -> TokenRealms:
    return TokenRealms({registry.host: frozenset({token_server.host})})


@pytest.fixture(scope="module")
def plain(registry: Registry) -> dict[str, str]:
    return pushed(registry)


@pytest.fixture(scope="module")
def tls(registry_tls: Registry) -> dict[str, str]:
    return pushed(registry_tls)


@pytest.fixture(scope="module")
def htpasswd(registry_htpasswd: Registry) -> dict[str, str]:
    return pushed(registry_htpasswd)


@pytest.fixture(scope="module")
def token(registry_token: Registry) -> dict[str, str]:
    return pushed(registry_token)


class TestPlainHttp(RegistryContract):
    @pytest.fixture
    def place(self, registry: Registry, plain: dict[str, str]) -> Place:
        return Place(client(), registry.host, plain, RegistryAccess(insecure=True))

    def test_http_only_is_said_where_insecure_is_not(self, registry: Registry, place: Place) -> None:
        answer = place.registry.manifest(place.image(":v1"), deadline_s=DEADLINE_S)
        assert isinstance(answer, RegistryUnknown)
        assert answer.error_kind is RegistryErrorKind.HTTP_ONLY
        assert answer.why == "the repository team/app is HTTP only and requires the insecure flag to import"
        assert not answer.retryable

    def test_insecure_by_the_settings(self, registry: Registry, plain: dict[str, str]) -> None:
        http = HttpClient(addresses=LOOPBACK)
        asked = HttpRegistry(http, settings=RegistrySettings(insecure=frozenset({registry.host})))
        image = ImageReference.parse(f"{registry.host}/team/app:v1")
        assert isinstance(asked.manifest(image, deadline_s=DEADLINE_S), Found)


class TestTls(RegistryContract):
    @pytest.fixture
    def place(self, ca: Authority, registry_tls: Registry, tls: dict[str, str]) -> Place:
        return Place(client(ca), registry_tls.host, tls)

    def test_an_unknown_authority_is_refused_and_accepted_only_as_insecure(self, place: Place) -> None:
        stranger = client()
        answer = stranger.manifest(place.image(":v1"), deadline_s=DEADLINE_S)
        assert isinstance(answer, RegistryUnknown)
        assert "certificate refused" in answer.why
        insecure = RegistryAccess(insecure=True)
        assert isinstance(stranger.manifest(place.image(":v1"), access=insecure, deadline_s=DEADLINE_S), Found)


class TestCachedTls(RegistryContract):
    @pytest.fixture
    def place(self, ca: Authority, registry_tls: Registry, tls: dict[str, str]) -> Place:
        return Place(CachedRegistry(client(ca)), registry_tls.host, tls)


class TestHtpasswd(RegistryContract):
    @pytest.fixture
    def place(self, ca: Authority, registry_htpasswd: Registry, htpasswd: dict[str, str]) -> Place:
        return Place(client(ca), registry_htpasswd.host, htpasswd, access(registry_htpasswd))

    def test_without_credentials(self, place: Place) -> None:
        answer = place.registry.manifest(place.image(":v1"), deadline_s=DEADLINE_S)
        assert isinstance(answer, RegistryUnknown)
        assert answer.error_kind is RegistryErrorKind.NO_CREDENTIALS
        assert answer.why == (
            f'you may not have access to the container image "{place.host}/team/app:v1" and did not have credentials'
            " to the repository"
        )

    def test_with_a_wrong_password(self, place: Place, registry_htpasswd: Registry) -> None:
        wrong = access(registry_htpasswd, password="other")
        answer = place.registry.manifest(place.image(":v1"), access=wrong, deadline_s=DEADLINE_S)
        assert isinstance(answer, RegistryUnknown)
        assert answer.error_kind is RegistryErrorKind.BAD_CREDENTIALS
        assert answer.why == f'incorrect username or password for image "{place.host}/team/app:v1"'

    def test_the_next_credential_is_tried(self, place: Place, registry_htpasswd: Registry) -> None:
        both = RegistryAccess(
            secrets=access(registry_htpasswd, password="other").secrets + access(registry_htpasswd).secrets
        )
        answer = place.registry.manifest(place.image(":v1"), access=both, deadline_s=DEADLINE_S)
        assert isinstance(answer, Found)

    @pytest.mark.parametrize(
        "path, allowed", [("", True), ("team", True), ("team/app", True), ("tea", False), ("team/ap", False)]
    )
    def test_a_secret_with_a_path_is_for_that_path(
        self, place: Place, registry_htpasswd: Registry, path: str, allowed: bool
    ) -> None:
        own = access(registry_htpasswd, path=path)
        answer = place.registry.manifest(place.image(":v1"), access=own, deadline_s=DEADLINE_S)
        assert isinstance(answer, Found) is allowed

    def test_a_secret_for_another_port_is_not_sent(self, place: Place) -> None:
        entry = PullSecretEntry("127.0.0.1:1", "", Credential(USER, PASSWORD))
        other = RegistryAccess(secrets=(PullSecret("pull", (entry,)),))
        answer = place.registry.manifest(place.image(":v1"), access=other, deadline_s=DEADLINE_S)
        assert isinstance(answer, RegistryUnknown)
        assert answer.error_kind is RegistryErrorKind.NO_CREDENTIALS

    def test_anonymous_first_falls_back_to_the_secret(self, place: Place, registry_htpasswd: Registry) -> None:
        first = RegistryAccess(secrets=access(registry_htpasswd).secrets, anonymous_first=True)
        assert isinstance(place.registry.manifest(place.image(":v1"), access=first, deadline_s=DEADLINE_S), Found)


class TestToken(RegistryContract):
    @pytest.fixture
    def place(self, ca: Authority, registry_token: Registry, token_server: TokenServer, token: dict[str, str]) -> Place:
        realms = realms_of(registry_token, token_server)
        return Place(client(ca, realms), registry_token.host, token, access(registry_token))

    def test_one_token_serves_a_repository(self, place: Place, token_server: TokenServer) -> None:
        before = len(token_server.requests)
        place.manifest(":v1")
        place.manifest(":list")
        assert len(token_server.requests) == before + 1

    def test_credentials_stay_where_the_realm_is_not_named(
        self, ca: Authority, place: Place, token_server: TokenServer
    ) -> None:
        before = len(token_server.requests)
        answer = client(ca).manifest(place.image(":v1"), access=place.access, deadline_s=DEADLINE_S)
        assert isinstance(answer, RegistryUnknown)
        assert answer.error_kind is RegistryErrorKind.REALM
        assert "registry.tokenRealms" in answer.why
        sent = [request.headers.get("authorization") for request in token_server.requests[before:]]
        assert sent == [None]  # only the anonymous attempt

    def test_anybody_may_pull_what_is_public(self, ca: Authority, registry_token: Registry) -> None:
        digest = registry_token.push_sample("tiny-oci", "public/app:v1")
        image = ImageReference.parse(f"{registry_token.host}/public/app:v1")
        answer = client(ca).manifest(image, deadline_s=DEADLINE_S)
        assert isinstance(answer, Found)
        assert answer.value.digest == digest

    def test_a_private_repository_without_credentials(self, ca: Authority, place: Place) -> None:
        answer = client(ca).manifest(place.image(":v1"), deadline_s=DEADLINE_S)
        assert isinstance(answer, RegistryUnknown)
        assert answer.error_kind is RegistryErrorKind.NO_CREDENTIALS

    def test_a_wrong_password(self, place: Place, registry_token: Registry) -> None:
        wrong = access(registry_token, password="other")
        answer = place.registry.manifest(place.image(":v1"), access=wrong, deadline_s=DEADLINE_S)
        assert isinstance(answer, RegistryUnknown)
        assert answer.error_kind is RegistryErrorKind.BAD_CREDENTIALS


class TestOciLayout(RegistryContract):
    @pytest.fixture
    def place(self, tmp_path: Path, registry: Registry, plain: dict[str, str]) -> Place:
        """What the registry has, copied out of it by skopeo; Docker images become OCI images then."""
        host = "registry.example.test:5000"
        target = tmp_path / "layouts" / host / "team" / "app"
        target.parent.mkdir(parents=True)
        for tag in PUSHED.values():
            source = f"docker://{registry.host}/team/app:{tag}"
            registry.skopeo("copy", "--all", "--src-tls-verify=false", source, f"oci:{tmp_path / 'copy'}:{tag}")
        shutil.move(tmp_path / "copy", target)
        entries = json.loads((target / "index.json").read_bytes())["manifests"]
        by_tag = {entry["annotations"]["org.opencontainers.image.ref.name"]: entry["digest"] for entry in entries}
        digests = {sample: by_tag[tag] for sample, tag in PUSHED.items()}
        assert digests["tiny-oci"] == plain["tiny-oci"]
        assert digests["multi-oci"] == plain["multi-oci"]
        return Place(OciLayoutRegistry(tmp_path / "layouts"), host, digests, docker=False)

    def test_a_changed_file_is_noticed(self, place: Place, tmp_path: Path) -> None:
        digest = place.digests["tiny-oci"]
        file = tmp_path / "layouts" / place.host / "team/app/blobs/sha256" / digest.removeprefix("sha256:")
        file.write_bytes(file.read_bytes().replace(b"{", b"{ ", 1))
        for rest in (":v1", "@" + digest):
            answer = place.registry.manifest(place.image(rest), deadline_s=DEADLINE_S)
            assert isinstance(answer, RegistryUnknown)
            assert answer.error_kind is RegistryErrorKind.INTEGRITY


def test_nobody_at_all_behind_an_insecure_name() -> None:
    """TLS is tried first, then plain HTTP; that nobody listens is no reason to say that it is HTTP only."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    image = ImageReference.parse(f"127.0.0.1:{port}/team/app:v1")
    answer = client().manifest(image, access=RegistryAccess(insecure=True), deadline_s=DEADLINE_S)
    assert isinstance(answer, RegistryUnknown)
    assert answer.error_kind is RegistryErrorKind.UNREACHABLE


def test_a_deleted_image_is_absent(ca: Authority, registry_tls: Registry) -> None:
    registry_tls.push_sample("tiny-oci", "team/gone:v1")
    image = ImageReference.parse(f"{registry_tls.host}/team/gone:v1")
    asked = client(ca)
    assert isinstance(asked.manifest(image, deadline_s=DEADLINE_S), Found)
    registry_tls.delete("team/gone:v1")
    assert isinstance(asked.manifest(image, deadline_s=DEADLINE_S), Absent)


def test_schema_1_as_a_real_registry_signs_it(registry: Registry, plain: dict[str, str]) -> None:
    """Asked without Accept, docker-registry converts to schema 1, signs, and says which digest that has."""
    url = f"{registry.url}/v2/team/app/manifests/{PUSHED['tiny-docker']}"
    answer = HttpClient(addresses=LOOPBACK).get(url, until=time.monotonic() + 20, max_bytes=10**6, verify=False)
    assert answer.content_type == DOCKER_SCHEMA1_SIGNED
    manifest = parse_manifest(answer.body, answer.content_type)
    assert manifest.digest == answer.headers["Docker-Content-Digest"]
    assert manifest.digest != digest_of(answer.body)
    changed = answer.body.replace(b'"architecture": "amd64"', b'"architecture": "arm64"')
    assert changed != answer.body
    assert parse_manifest(changed, answer.content_type).digest != manifest.digest
