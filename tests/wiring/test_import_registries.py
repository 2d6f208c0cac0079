"""Which registries imports ask, whom they trust, and what they send: whole services over registries in this process."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from imagegate.core.admission.lookup import Found, Unknown
from imagegate.core.admission.request import User
from imagegate.core.enforcement.questions import ManifestDigest
from imagegate.core.image_streams.stream import status_tag
from imagegate.core.references.openshift import ImageReference
from imagegate.errors import InvalidSettings
from imagegate.ports.image_store import ObjectKey
from imagegate.ports.registry import RegistryUnknown
from imagegate.service.image_api.local import ADMINISTRATORS
from imagegate.service.image_api.request import ApiRequest
from imagegate.service.imports.scheduler import ScheduledImports, ScheduleSettings
from imagegate.service.review.lookups import Deadline
from imagegate.settings.load import load_settings
from imagegate.wiring.choices import StartupOptions
from imagegate.wiring.registries import http_client, registry
from imagegate.wiring.runtime import Runtime, build
from tests.support.certificates import Authority
from tests.support.registry_simulator import RegistrySimulator, image, sha256

JsonObject = dict[str, Any]
MANIFEST, CONFIG = image("listed")
NEWER, NEWER_CONFIG = image("newer")
BASIC = "Basic " + base64.b64encode(b"u:SCHEDULED").decode()
NEAREST = 'nearest rule: allowedRegistriesForImport[0] quay.io:443 would allow it, but host "127.0.0.1" does not match'
ADMINISTRATOR = User("system:admin", "", (ADMINISTRATORS,))


@pytest.fixture
def simulator(ca: Authority) -> Iterator[RegistrySimulator]:
    with RegistrySimulator(tls=ca.server) as running:
        running.repository("team/app").put(MANIFEST, CONFIG, tag="v1")
        yield running


def served(
    tmp_path: Path,
    *,
    listed: list[str] | None = None,
    block: JsonObject | None = None,
    registries: JsonObject | None = None,
    **settings: object,
) -> Runtime:
    """A service over the store in ``tmp_path``, whatever was there before."""
    policy: JsonObject = {**(block or {})}
    if listed is not None:
        policy["allowedRegistriesForImport"] = [{"domainName": name} for name in listed]
    config = {"kind": "MasterConfig", "apiVersion": "v1", "imagePolicyConfig": policy}
    (tmp_path / "master-config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    own = {"allowPrivateAddresses": ["127.0.0.1/32"], "attempts": 1, **(registries or {})}
    document = {"config": "master-config.yaml", "store": {"path": "images.db"}, "registry": own, **settings}
    path = tmp_path / "imagegate.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return build(StartupOptions(settings_file=path, environ={}), keeps_images=True)


class Schedule:
    """The scheduled imports of a service, with a clock that is turned by hand."""

    def __init__(self, service: Runtime) -> None:
        assert service.images is not None
        self.images = service.images
        self.now = 0.0
        self._imports = ScheduledImports(
            self.images.store,
            self.images.importer,
            self.images.api.imports.controller_target,
            settings=ScheduleSettings(interval_s=10),
            monotonic=lambda: self.now,
        )

    def rounds(self, number: int = 4) -> list[str]:
        """What was tried in some rounds, each of which finds scheduled tags due."""
        tried: list[str] = []
        for _ in range(number):
            tried += self._imports.run_round()
            self.now += 2000
        return tried

    def create(self, source: str, *, insecure: bool = False) -> None:
        """A stream with one scheduled tag, and a pull secret for the registry."""
        tag = {
            "name": "v1",
            "from": {"kind": "DockerImage", "name": source},
            "importPolicy": {"scheduled": True, "insecure": insecure},
        }
        auths = {"auths": {source.partition("/")[0]: {"username": "u", "password": "SCHEDULED"}}}
        call = ApiRequest(ADMINISTRATOR, "default")
        api = self.images.api
        objects: dict[str, Any] = {resource.name: endpoint for resource, endpoint in api.endpoints.items()}
        objects["secrets"].create(
            call,
            {
                "kind": "Secret",
                "apiVersion": "v1",
                "metadata": {"name": "pull"},
                "type": "kubernetes.io/dockerconfigjson",
                "data": {".dockerconfigjson": base64.b64encode(json.dumps(auths).encode()).decode()},
            },
        )
        body = {"kind": "ImageStream", "apiVersion": "image.openshift.io/v1", "metadata": {"name": "app"}}
        objects["imagestreams"].create(call, {**body, "spec": {"tags": [tag]}})

    @property
    def stream(self) -> JsonObject:
        found = self.images.store.get(ObjectKey("image.openshift.io", "imagestreams", "default", "app"))
        assert found is not None
        return found

    @property
    def digests(self) -> list[str]:
        return [item["image"] for item in (status_tag(self.stream, "v1") or {}).get("items") or ()]

    @property
    def condition(self) -> str:
        conditions = (status_tag(self.stream, "v1") or {}).get("conditions") or [{}]
        return str(conditions[0].get("message", ""))


@pytest.mark.parametrize("grandfather", ["repository", "exact", "none"])
@pytest.mark.parametrize("with_secret", [True, False])
def test_a_registry_that_left_the_list_is_not_asked_again(
    tmp_path: Path, ca: Authority, simulator: RegistrySimulator, grandfather: str, with_secret: bool
) -> None:
    if with_secret:
        simulator.challenge, simulator.authorized = 'Basic realm="x"', lambda header: header == BASIC
    trusted: JsonObject = {"registries": {"caFile": str(ca.bundle)}, "importGate": {"grandfather": grandfather}}
    before = Schedule(served(tmp_path, listed=[simulator.host, "quay.io"], **trusted))
    before.create(f"{simulator.host}/team/app:v1")
    assert before.rounds() == ["default/app"] * 4
    assert before.digests == [sha256(MANIFEST)]
    assert ("Basic" in str([request.headers for request in simulator.requests])) is with_secret

    asked = len(simulator.requests)
    simulator.repository("team/app").put(NEWER, NEWER_CONFIG, tag="v1")
    after = Schedule(served(tmp_path, listed=["quay.io"], **trusted))
    after.rounds()
    assert simulator.requests[asked:] == []
    assert after.digests == [sha256(MANIFEST)]
    if grandfather == "repository":  # the others refuse every write of a stream that holds what is not listed
        assert f'not allowed by whitelist: "quay.io:443"; {NEAREST}' in after.condition
        version = after.stream["metadata"]["resourceVersion"]
        after.rounds()
        assert after.stream["metadata"]["resourceVersion"] == version

    again = Schedule(served(tmp_path, listed=[simulator.host, "quay.io"], **trusted))
    again.rounds()
    assert again.digests == [sha256(NEWER), sha256(MANIFEST)]


def test_a_new_tag_of_a_repository_that_left_the_list_is_not_asked_for(
    tmp_path: Path, ca: Authority, simulator: RegistrySimulator
) -> None:
    """A failed import is tried again later; the list counts then, too."""
    trusted: JsonObject = {"registries": {"caFile": str(ca.bundle)}}
    before = Schedule(served(tmp_path, listed=[simulator.host], **trusted))
    before.create(f"{simulator.host}/team/absent:v1")
    before.rounds()
    asked = len(simulator.requests)
    assert asked
    after = Schedule(served(tmp_path, listed=["quay.io"], **trusted))
    after.rounds()
    assert len(simulator.requests) == asked


@pytest.mark.parametrize(
    "settings, is_asked",
    [
        ({"importGate": {"mode": "warn"}}, True),
        ({"importGate": {"mode": "audit"}}, True),
        ({"profile": "openshift-4"}, True),
        ({"profile": "openshift-4", "importGate": {"grandfather": "none"}}, False),
        ({}, False),
    ],
)
def test_where_the_list_does_not_deny_the_schedule_goes_on(
    tmp_path: Path, ca: Authority, simulator: RegistrySimulator, settings: JsonObject, is_asked: bool
) -> None:
    trusted: JsonObject = {"registries": {"caFile": str(ca.bundle)}, **settings}
    Schedule(served(tmp_path, listed=[simulator.host], **trusted)).create(f"{simulator.host}/team/app:v1")
    before = Schedule(served(tmp_path, listed=[simulator.host], **trusted))
    before.rounds()
    asked = len(simulator.requests)
    after = Schedule(served(tmp_path, listed=["quay.io"], **trusted))
    after.rounds()
    assert (len(simulator.requests) > asked) is is_asked


def test_an_insecure_tag_is_imported_by_the_rule_that_admits_it(tmp_path: Path, simulator: RegistrySimulator) -> None:
    """``oc tag --insecure`` is admitted by rules for port 443; what it has written is imported."""
    schedule = Schedule(served(tmp_path, listed=[simulator.host]))
    schedule.create(f"{simulator.host}/team/app:v1", insecure=True)
    schedule.rounds(1)
    assert schedule.digests == [sha256(MANIFEST)]


# additionalTrustedCA


def imported(service: Runtime, source: str, *, do: bool = True) -> JsonObject:
    assert service.images is not None
    entry = {"from": {"kind": "DockerImage", "name": source}, "to": {"name": "v1"}}
    body = {"metadata": {"name": "trusted"}, "spec": {"import": do, "images": [entry]}}
    answer = service.images.api.imports.create(ApiRequest(ADMINISTRATOR, "default"), body)
    status: JsonObject = answer["status"]["images"][0]["status"]
    return status


UNTRUSTED = "x509: certificate signed by unknown authority"
"""As clients of OpenShift's imports know it; policies say "certificate refused"."""


def digest_question(host: str) -> ManifestDigest:
    return ManifestDigest(ImageReference.parse(f"{host}/team/app:v1"))


def test_authorities_of_imports_are_trusted_by_imports_only(
    tmp_path: Path, ca: Authority, simulator: RegistrySimulator
) -> None:
    without = served(tmp_path, cise={})
    assert UNTRUSTED in imported(without, f"{simulator.host}/team/app:v1")["message"]
    assert simulator.requests == []

    (tmp_path / "ca.pem").write_bytes(ca.bundle.read_bytes())
    service = served(tmp_path, block={"additionalTrustedCA": "ca.pem"}, cise={})
    for do in (False, True):
        assert imported(service, f"{simulator.host}/team/app:v1", do=do)["status"] == "Success"
    answer = service.look_up.look_up(digest_question(simulator.host), Deadline.after(10))
    assert isinstance(answer, Unknown)
    assert "certificate refused" in answer.why

    everywhere = served(tmp_path, registries={"caFile": str(ca.bundle)}, cise={})
    assert isinstance(everywhere.look_up.look_up(digest_question(simulator.host), Deadline.after(10)), Found)


def test_authorities_of_imports_are_read_again(tmp_path: Path, ca: Authority, simulator: RegistrySimulator) -> None:
    other = Authority(tmp_path)
    file = tmp_path / "ca.pem"
    file.write_bytes(other.bundle.read_bytes())
    service = served(tmp_path, block={"additionalTrustedCA": "ca.pem"})
    source = f"{simulator.host}/team/app:v1"
    assert UNTRUSTED in imported(service, source)["message"]
    file.write_bytes(ca.bundle.read_bytes())
    assert imported(service, source)["status"] == "Success"
    file.write_text("-----BEGIN CERTIFICATE-----\nbroken")
    assert "additionalTrustedCA" in imported(service, source)["message"]
    file.write_bytes(other.bundle.read_bytes())
    assert UNTRUSTED in imported(service, source)["message"]
    file.unlink()
    assert "additionalTrustedCA" in imported(service, source)["message"]


@pytest.mark.parametrize("content", [b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_authorities_that_cannot_be_read_are_an_error_at_the_start(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "ca.pem").write_bytes(content)
    with pytest.raises(InvalidSettings, match=r"additionalTrustedCA: .*ca\.pem"):
        served(tmp_path, block={"additionalTrustedCA": "ca.pem"})


# Settings that reach the client


def test_token_realms_of_the_settings_come_beside_the_known_ones(
    tmp_path: Path, ca: Authority, simulator: RegistrySimulator
) -> None:
    with RegistrySimulator(tls=ca.issue("auth", names=("localhost",))) as auth:
        simulator.challenge = f'Bearer realm="https://localhost:{auth.port}/token",service="s"'
        simulator.authorized = lambda header: header == "Bearer simulated"
        named = {simulator.host: [f"localhost:{auth.port}"], "docker.io": ["mine.example.com"]}
        path = tmp_path / "imagegate.yaml"
        registries = {
            "caFile": str(ca.bundle),
            "allowPrivateAddresses": ["127.0.0.1/32", "localhost", "::1"],
            "tokenRealms": named,
        }
        path.write_text(yaml.safe_dump({"registry": registries}), encoding="utf-8")
        settings = load_settings(path, environ={})
        client = registry(settings, http_client(settings))
        answer = client.manifest(ImageReference.parse(f"{simulator.host}/team/app:v1"), deadline_s=10)
        assert isinstance(answer, Found)
        realms = client._upstream._settings.realms  # type: ignore[attr-defined]
        for realm in ("https://auth.docker.io/token", "https://mine.example.com/token"):
            assert realms.may_have_credentials(realm, "https://registry-1.docker.io")


@pytest.mark.parametrize(
    "registries, message",
    [
        ({"allowPrivateAddresses": ["https://registry.corp"]}, "no port"),
        ({"allowPrivateAddresses": ["10.0.0.0/99"]}, "not a host name"),
        ({"blocked": ["*.evil.com"]}, "not a host name"),
        ({"blocked": ["evil.com:99999"]}, "no port"),
    ],
)
def test_settings_that_would_do_nothing_are_refused(tmp_path: Path, registries: JsonObject, message: str) -> None:
    with pytest.raises(InvalidSettings, match=message):
        served(tmp_path, registries=registries)


def test_the_block_holds_for_imports(tmp_path: Path, ca: Authority, simulator: RegistrySimulator) -> None:
    registries = {"caFile": str(ca.bundle), "blocked": [f"127.0.0.1:0{simulator.port}"]}
    service = served(tmp_path, registries=registries)
    for host in (simulator.host, f"127.1:{simulator.port}"):
        assert "blocked" in imported(service, f"{host}/team/app:v1")["message"]
    assert simulator.requests == []
    assert isinstance(
        registry(service.settings, http_client(service.settings)).manifest(
            ImageReference.parse(f"{simulator.host}/a/b:v1"), deadline_s=5
        ),
        RegistryUnknown,
    )
