"""Imports from a real docker-registry into the real store."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from imagegate.adapters.http.client import HttpClient
from imagegate.adapters.registry.client import HttpRegistry, RegistrySettings
from imagegate.adapters.store_sqlite.database import Database
from imagegate.adapters.store_sqlite.objects import SqliteStore
from imagegate.core.admission.lookup import Found, Lookup, Unknown
from imagegate.core.image_streams.stream import RegistryHosts, spec_tag, status_tag
from imagegate.core.imports.outcome import CHECK_ANNOTATION
from imagegate.core.kube.status import StatusError, bad_request
from imagegate.core.registry.egress import AddressPolicy
from imagegate.core.registry.manifest import parse_manifest
from imagegate.core.registry.pull_secrets import Credential, PullSecret, PullSecretEntry
from imagegate.ports.image_store import ObjectKey
from imagegate.service.imports.fetcher import ImportSettings
from imagegate.service.imports.importer import Importer, StoredTarget, StreamCheck
from tests.support.certificates import Authority
from tests.support.images import make_image
from tests.support.registry import PASSWORD, USER, Registry
from tests.support.registry_simulator import OCI_INDEX, RegistrySimulator, image, index, sha256
from tests.support.simulator import Response

JsonObject = dict[str, Any]
NOW = "2018-06-01T10:00:00Z"
NO_SECRETS: Lookup[tuple[PullSecret, ...]] = Found(())
INTEGRATED = RegistryHosts("registry.internal:5000")


@dataclass
class Secrets:
    """The ``NamespacePullSecrets`` of a test."""

    answer: Lookup[tuple[PullSecret, ...]] = field(default_factory=lambda: NO_SECRETS)
    asked: list[str] = field(default_factory=list)

    def pull_secrets(self, namespace: str, *, deadline_s: float) -> Lookup[tuple[PullSecret, ...]]:
        self.asked.append(namespace)
        return self.answer


@dataclass
class Setup:
    """An importer, its store, and what it waited."""

    importer: Importer
    store: SqliteStore
    secrets: Secrets
    pauses: list[float]
    check: StreamCheck | None = None

    def target(self, name: str = "app") -> StoredTarget:
        return StoredTarget(self.store, "test", name, hosts=INTEGRATED, check=self.check)

    def run(self, document: JsonObject, **options: Any) -> JsonObject:
        return self.importer.run(document, "test", self.target(document["metadata"]["name"]), **options)

    def stream(self, name: str = "app") -> JsonObject | None:
        return self.store.get(ObjectKey("image.openshift.io", "imagestreams", "test", name))

    def image(self, digest: str) -> JsonObject | None:
        return self.store.get(ObjectKey("image.openshift.io", "images", "", digest))


@pytest.fixture
def make(tmp_path: Path, ca: Authority) -> Callable[..., Setup]:
    def made(settings: ImportSettings | None = None, **registries: Any) -> Setup:
        http = HttpClient(
            addresses=AddressPolicy.of(networks=("127.0.0.0/8",)),
            ca_files=(str(ca.bundle),),
            sleep=lambda _seconds: None,
        )
        pauses: list[float] = []
        secrets = Secrets()
        importer = Importer(
            HttpRegistry(http, settings=RegistrySettings(**registries)),
            secrets,
            settings=settings,
            now=lambda: datetime(2018, 6, 1, 10, tzinfo=UTC),
            sleep=pauses.append,
        )
        return Setup(importer, SqliteStore(Database(tmp_path / "images.db")), secrets, pauses)

    return made


@pytest.fixture
def world(make: Callable[..., Setup]) -> Setup:
    return make()


def images(*entries: JsonObject, name: str = "app", do: bool = True, **metadata: str) -> JsonObject:
    return {
        "kind": "ImageStreamImport",
        "apiVersion": "image.openshift.io/v1",
        "metadata": {"name": name, "namespace": "test", "creationTimestamp": None, **metadata},
        "spec": {"import": do, "images": list(entries)},
        "status": {},
    }


def entry(source: str, to: str | None = "latest", *, insecure: bool = False, **more: Any) -> JsonObject:
    policy = {"importMode": "Legacy", **({"insecure": True} if insecure else {})}
    target = {} if to is None else {"to": {"name": to}}
    return {
        "from": {"kind": "DockerImage", "name": source},
        "importPolicy": policy,
        "referencePolicy": {"type": "Source"},
        **target,
        **more,
    }


def repository(source: str, **more: Any) -> JsonObject:
    document = images()
    body = {"from": {"kind": "DockerImage", "name": source}, "importPolicy": {}, **more}
    return {**document, "spec": {"import": True, "repository": body}}


def the_status(answer: JsonObject) -> JsonObject:
    (only,) = answer["status"]["images"]
    return dict(only["status"])


# One image


def test_the_example_of_the_manual(world: Setup, registry_tls: Registry) -> None:
    digest = registry_tls.push_sample("tiny-docker", "openshift/image-policy-check:latest")
    source = f"{registry_tls.host}/openshift/image-policy-check"
    answer = world.run(images(entry(f"{source}:latest"), name="image-policy-check"))
    assert answer["kind"] == "ImageStreamImport"
    (result,) = answer["status"]["images"]
    assert result["status"] == {"metadata": {}, "status": "Success"}
    assert result["tag"] == "latest"
    assert result["image"]["metadata"]["name"] == digest
    assert result["image"]["dockerImageReference"] == f"{source}@{digest}"
    assert "dockerImageManifest" not in result["image"]
    stream = world.stream("image-policy-check")
    assert stream is not None
    assert answer["status"]["import"] == stream
    assert stream["metadata"]["generation"] == 1
    assert stream["metadata"]["annotations"] == {CHECK_ANNOTATION: NOW}
    assert stream["spec"] == {
        "lookupPolicy": {"local": False},
        "tags": [
            {
                "name": "latest",
                "annotations": None,
                "from": {"kind": "DockerImage", "name": f"{source}:latest"},
                "generation": 1,
                "importPolicy": {"importMode": "Legacy"},
                "referencePolicy": {"type": "Source"},
            }
        ],
    }
    assert stream["status"] == {
        "dockerImageRepository": "registry.internal:5000/test/image-policy-check",
        "tags": [
            {
                "tag": "latest",
                "items": [
                    {"created": NOW, "dockerImageReference": f"{source}@{digest}", "generation": 1, "image": digest}
                ],
            }
        ],
    }


def test_the_image_object(world: Setup, registry_tls: Registry) -> None:
    digest = registry_tls.push_sample("tiny-docker", "import/object:v1")
    world.run(images(entry(f"{registry_tls.host}/import/object:v1")))
    kept = world.image(digest)
    assert kept is not None
    raw = parse_manifest(registry_tls.manifest("import/object:v1"), "")
    assert raw.config is not None
    assert kept["metadata"]["annotations"] == {"image.openshift.io/dockerLayersOrder": "ascending"}
    assert kept["dockerImageManifestMediaType"] == "application/vnd.docker.distribution.manifest.v2+json"
    assert kept["dockerImageLayers"] == [
        {"name": layer.digest, "size": layer.size, "mediaType": layer.media_type} for layer in raw.layers
    ]
    metadata = kept["dockerImageMetadata"]
    assert metadata["Id"] == raw.config.digest
    assert metadata["Architecture"] == "amd64"
    assert metadata["Size"] == raw.config.size + sum(layer.size for layer in raw.layers)
    assert not {"dockerImageManifest", "dockerImageConfig", "dockerImageManifests"} & kept.keys()


def test_an_import_twice_writes_once(world: Setup, registry_tls: Registry) -> None:
    registry_tls.push_sample("tiny-oci", "import/twice:v1")
    document = images(entry(f"{registry_tls.host}/import/twice:v1"))
    first, second = world.run(document), world.run(document)
    assert first["status"]["import"] == second["status"]["import"]
    assert world.stream() == first["status"]["import"]


def test_a_moved_tag_is_a_new_event(world: Setup, registry_tls: Registry) -> None:
    source = f"{registry_tls.host}/import/moved:v1"
    one = registry_tls.push_sample("tiny-oci", "import/moved:v1")
    world.run(images(entry(source)))
    two = registry_tls.push_sample("tiny-docker", "import/moved:v1")
    stream = world.run(images(entry(source)))["status"]["import"]
    items = (status_tag(stream, "latest") or {})["items"]
    assert [item["image"] for item in items] == [two, one]
    assert [item["generation"] for item in items] == [2, 1]
    assert stream["metadata"]["generation"] == 2
    assert (spec_tag(stream, "latest") or {})["generation"] == 2


def test_a_dry_run_writes_nothing(world: Setup, registry_tls: Registry) -> None:
    digest = registry_tls.push_sample("tiny-oci", "import/dry:v1")
    answer = world.run(images(entry(f"{registry_tls.host}/import/dry:v1"), do=False))
    assert the_status(answer)["status"] == "Success"
    assert "import" not in answer["status"]
    assert world.stream() is None
    assert world.image(digest) is None


def test_the_target_tag_and_no_target(world: Setup, registry_tls: Registry) -> None:
    digest = registry_tls.push_sample("tiny-oci", "import/tags:v1")
    registry_tls.push_sample("tiny-oci", "import/tags:latest")
    source = f"{registry_tls.host}/import/tags"
    answer = world.run(
        images(
            entry(f"{source}:v1", "mine"),
            entry(f"{source}:v1", None),
            entry(source, None),
            entry(f"{source}@{digest}", "pinned"),
        )
    )
    assert [found["status"]["status"] for found in answer["status"]["images"]] == ["Success"] * 4
    assert [found.get("tag") for found in answer["status"]["images"]] == ["v1", "v1", "latest", None]
    stream = answer["status"]["import"]
    assert [tag["tag"] for tag in stream["status"]["tags"]] == ["mine", "pinned", "v1"]
    assert (spec_tag(stream, "pinned") or {})["from"]["name"] == f"{source}@{digest}"


def test_manifests_on_request(world: Setup, registry_tls: Registry) -> None:
    registry_tls.push_sample("tiny-docker", "import/texts:v1")
    source = f"{registry_tls.host}/import/texts:v1"
    answer = world.run(images(entry(source, "a", includeManifest=True), entry(source, "b")))
    with_texts, without = (found["image"] for found in answer["status"]["images"])
    assert with_texts["dockerImageManifest"].encode() == registry_tls.manifest("import/texts:v1")
    assert '"architecture"' in with_texts["dockerImageConfig"]
    assert not {"dockerImageManifest", "dockerImageConfig"} & without.keys()


def test_one_manifest_is_fetched_once(make: Callable[..., Setup], ca: Authority) -> None:
    world = make()
    with RegistrySimulator(tls=ca.server) as simulator:
        manifest, config = image("once")
        simulator.repository("team/app").put(manifest, config, tag="v1")
        source = f"{simulator.host}/team/app:v1"
        world.run(images(*(entry(source, f"t{number}") for number in range(5))))
        assert simulator.count(path="/v2/team/app/manifests/") == 1
        assert simulator.count(path="/v2/team/app/blobs/") == 1
    assert world.pauses == []


def test_the_rate_of_one_import(make: Callable[..., Setup], ca: Authority) -> None:
    world = make(ImportSettings(requests_per_s=2.0, burst=3))
    with RegistrySimulator(tls=ca.server) as simulator:
        for number in range(6):
            manifest, config = image(str(number))
            simulator.repository("team/app").put(manifest, config, tag=f"v{number}")
        world.run(images(*(entry(f"{simulator.host}/team/app:v{number}", f"t{number}") for number in range(6))))
    assert len(world.pauses) == 3  # three at once, then one every half second
    assert all(0 < pause <= 0.5 * number for number, pause in enumerate(world.pauses, 1))


# Lists


def test_of_a_list_one_entry_is_imported(world: Setup, registry_tls: Registry) -> None:
    registry_tls.push_sample("multi-docker", "import/list:v1")
    listed = parse_manifest(registry_tls.manifest("import/list:v1"), "")
    by_architecture = {child.platform.architecture: child.descriptor.digest for child in listed.children}
    source = f"{registry_tls.host}/import/list:v1"
    stream = world.run(images(entry(source)))["status"]["import"]
    assert status_tag(stream, "latest")["items"][0]["image"] == by_architecture["amd64"]  # type: ignore[index]
    preferring = {**stream, "spec": {**stream["spec"], "tags": [dict(stream["spec"]["tags"][0])]}}
    preferring["spec"]["tags"][0]["annotations"] = {"importer.image.openshift.io/prefer-arch": "arm64"}
    key = ObjectKey("image.openshift.io", "imagestreams", "test", "app")
    world.store.update(key, preferring, version=stream["metadata"]["resourceVersion"])
    stream = world.run(images(entry(source)))["status"]["import"]
    assert status_tag(stream, "latest")["items"][0]["image"] == by_architecture["arm64"]  # type: ignore[index]


def test_a_list_is_preserved_with_all_its_entries(world: Setup, registry_tls: Registry) -> None:
    digest = registry_tls.push_sample("multi-oci", "import/preserved:v1")
    listed = parse_manifest(registry_tls.manifest("import/preserved:v1"), "")
    source = f"{registry_tls.host}/import/preserved:v1"
    answer = world.run(images(entry(source, importPolicy={"importMode": "PreserveOriginal"})))
    (result,) = answer["status"]["images"]
    children = {child.descriptor.digest for child in listed.children}
    assert {found["metadata"]["name"] for found in result["manifests"]} == children
    kept = world.image(digest)
    assert kept is not None
    assert {found["digest"] for found in kept["dockerImageManifests"]} == children
    assert kept["dockerImageMetadata"] == {
        "kind": "DockerImage",
        "apiVersion": "image.openshift.io/1.0",
        "Id": digest,
        "Created": NOW,
        "ContainerConfig": {},
    }
    assert "annotations" not in kept["metadata"]
    for child in children:
        entry_image = world.image(child)
        assert entry_image is not None
        assert entry_image["dockerImageReference"] == f"{registry_tls.host}/import/preserved@{child}"
    assert (spec_tag(answer["status"]["import"], "latest") or {})["importPolicy"] == {"importMode": "PreserveOriginal"}


def test_the_default_import_mode(make: Callable[..., Setup], registry_tls: Registry) -> None:
    world = make(ImportSettings(default_import_mode="PreserveOriginal"))
    digest = registry_tls.push_sample("multi-oci", "import/mode:v1")
    source = f"{registry_tls.host}/import/mode:v1"
    stream = world.run(images(entry(source, "a", importPolicy={}), entry(source, "b")))["status"]["import"]
    assert status_tag(stream, "a")["items"][0]["image"] == digest  # type: ignore[index]
    assert status_tag(stream, "b")["items"][0]["image"] != digest  # type: ignore[index]


def test_an_entry_of_a_list_that_is_missing_fails_the_list(make: Callable[..., Setup], ca: Authority) -> None:
    world = make()
    manifest, config = image("there")
    missing, _ = image("missing")
    with RegistrySimulator(tls=ca.server) as simulator:
        repository = simulator.repository("team/app")
        repository.put(manifest, config)
        listed = index({"linux/amd64": manifest, "linux/s390x": missing})
        repository.put(listed, tag="v1", media_type=OCI_INDEX)
        source = f"{simulator.host}/team/app:v1"
        assert the_status(world.run(images(entry(source))))["status"] == "Success"
        answer = world.run(images(entry(source, importPolicy={"importMode": "PreserveOriginal"})))
        expected = f'dockerimage.image.openshift.io "{simulator.host}/team/app@{sha256(missing)}" not found'
        assert the_status(answer)["message"] == expected


# Failures


def test_a_tag_that_is_not_there(world: Setup, registry_tls: Registry) -> None:
    registry_tls.push_sample("tiny-oci", "import/absent:v1")
    source = f"{registry_tls.host}/import/absent:v2"
    answer = world.run(images(entry(source)))
    message = f'dockerimage.image.openshift.io "{source}" not found'
    assert the_status(answer) == {
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": "NotFound",
        "details": {"name": source, "group": "image.openshift.io", "kind": "dockerimage"},
        "code": 404,
    }
    stream = world.stream()
    assert stream is not None
    assert stream["status"]["tags"] == [
        {
            "tag": "latest",
            "items": None,
            "conditions": [
                {
                    "type": "ImportSuccess",
                    "status": "False",
                    "lastTransitionTime": NOW,
                    "reason": "NotFound",
                    "message": message,
                    "generation": 1,
                }
            ],
        }
    ]
    assert (spec_tag(stream, "latest") or {})["generation"] == 1
    again = world.run(images(entry(source)))
    assert again["status"]["import"] == stream  # nothing new to say
    registry_tls.push_sample("tiny-oci", "import/absent:v2")
    mended = world.run(images(entry(source)))["status"]["import"]
    assert "conditions" not in (status_tag(mended, "latest") or {})


def test_a_failure_keeps_the_history(world: Setup, registry_tls: Registry) -> None:
    digest = registry_tls.push_sample("tiny-oci", "import/history:v1")
    source = f"{registry_tls.host}/import/history:v1"
    world.run(images(entry(source)))
    registry_tls.delete("import/history:v1")
    stream = world.run(images(entry(source)))["status"]["import"]
    history = status_tag(stream, "latest") or {}
    assert history["items"][0]["image"] == digest
    assert history["conditions"][0]["reason"] == "NotFound"
    assert history["conditions"][0]["generation"] == 2
    assert (spec_tag(stream, "latest") or {})["generation"] == 2


@pytest.mark.parametrize("name", ["", "A", "a/b/c/d/e:::", "*", "a@sha256:x"])
def test_a_name_that_is_no_image(world: Setup, name: str) -> None:
    status = the_status(world.run(images(entry(name, "latest"))))
    assert status["code"] == 422
    assert status["reason"] == "Invalid"
    assert status["message"].startswith(f' "" is invalid: from.name: Invalid value: "{name}": invalid name: ')


def test_plain_http_needs_insecure(world: Setup, registry: Registry) -> None:
    digest = registry.push_sample("tiny-oci", "import/plain:v1")
    source = f"{registry.host}/import/plain:v1"
    status = the_status(world.run(images(entry(source))))
    assert (status["code"], status["reason"]) == (500, "InternalError")
    why = f'{source}: Get "https://{registry.host}/v2/": http: server gave HTTP response to HTTPS client'
    assert status["message"] == f"Internal error occurred: {why}"
    answer = world.run(images(entry(source, insecure=True)))
    assert answer["status"]["images"][0]["image"]["metadata"]["name"] == digest
    assert (spec_tag(answer["status"]["import"], "latest") or {})["importPolicy"]["insecure"] is True


def test_a_blocked_registry(make: Callable[..., Setup]) -> None:
    world = make(blocked=frozenset({"blocked.example.test", "docker.io"}))
    for source, shown in (("blocked.example.test/a/b:v1", "blocked.example.test"), ("nginx", "")):
        status = the_status(world.run(images(entry(source))))
        assert (status["code"], status["reason"]) == (403, "Forbidden")
        assert status["message"] == f"forbidden: registry {shown} blocked"


def secret(registry: Registry, password: str = PASSWORD) -> PullSecret:
    return PullSecret("pull", (PullSecretEntry(registry.host, "", Credential(USER, password)),))


def test_credentials(make: Callable[..., Setup], registry_htpasswd: Registry) -> None:
    registry_htpasswd.push_sample("tiny-oci", "private/app:v1")
    source = f"{registry_htpasswd.host}/private/app:v1"
    world = make()
    status = the_status(world.run(images(entry(source))))
    assert (status["code"], status["reason"]) == (401, "Unauthorized")
    assert status["message"] == f'you may not have access to the container image "{source}"'
    listed = world.run(repository(f"{registry_htpasswd.host}/private/app"))["status"]["repository"]["status"]
    assert listed["message"] == (
        f'Internal error occurred: Get "https://{registry_htpasswd.host}/v2/private/app/tags/list": '
        "no basic auth credentials"
    )
    world.secrets.answer = Found((secret(registry_htpasswd, "wrong"),))
    status = the_status(world.run(images(entry(source))))
    assert status["message"] == f'you may not have access to the container image "{source}"'
    world.secrets.answer = Found((secret(registry_htpasswd),))
    assert the_status(world.run(images(entry(source))))["status"] == "Success"
    assert set(world.secrets.asked) == {"test"}
    by_node = make(ImportSettings(node_secrets=lambda: (secret(registry_htpasswd),)))
    assert the_status(by_node.run(images(entry(source))))["status"] == "Success"


def test_a_wrong_secret_for_a_public_image(make: Callable[..., Setup], ca: Authority) -> None:
    """Registries refuse wrong credentials even where none are needed; then none are sent."""
    world = make()
    manifest, config = image("public")
    with RegistrySimulator(tls=ca.server) as simulator:
        simulator.repository("team/app").put(manifest, config, tag="v1")
        simulator.misbehave["/v2/team"] = lambda request, honest: (
            Response(401, headers={"WWW-Authenticate": 'Basic realm="x"'})
            if "authorization" in request.headers
            else honest
        )
        simulator.misbehave["/v2/"] = lambda request, honest: Response(
            401, headers={"WWW-Authenticate": 'Basic realm="x"'}
        )
        entry_for = PullSecretEntry(simulator.host, "", Credential(USER, "wrong"))
        world.secrets.answer = Found((PullSecret("pull", (entry_for,)),))
        answer = world.run(images(entry(f"{simulator.host}/team/app:v1")))
        assert the_status(answer)["status"] == "Success"


def test_secrets_that_cannot_be_read_end_the_import(world: Setup) -> None:
    world.secrets.answer = Unknown("no answer from the API")
    with pytest.raises(StatusError) as caught:
        world.run(images(entry("r.example.test/a/b")))
    assert caught.value.status.code == 500
    assert caught.value.status.message == "Internal error occurred: no answer from the API"
    assert world.stream() is None


@pytest.mark.parametrize(
    "response, text",
    [
        (Response(500), "answered with status 500"),
        (Response(200, b"{}", {"Content-Type": "text/html"}), "'text/html' is not an image manifest"),
    ],
)
def test_anything_else_is_an_internal_error(
    make: Callable[..., Setup], ca: Authority, response: Response, text: str
) -> None:
    world = make()
    with RegistrySimulator(tls=ca.server) as simulator:
        simulator.misbehave["/v2/team"] = lambda request, honest: response
        source = f"{simulator.host}/team/app:v1"
        status = the_status(world.run(images(entry(source))))
    assert (status["code"], status["reason"]) == (500, "InternalError")
    assert status["message"].startswith(f"Internal error occurred: {source}: ")
    assert status["message"].count(source) == 1
    assert text in status["message"]
    assert status["details"]["causes"][0]["message"] == status["message"].removeprefix("Internal error occurred: ")


def test_other_content_than_the_digest(make: Callable[..., Setup], ca: Authority) -> None:
    world = make()
    manifest, config = image("honest")
    with RegistrySimulator(tls=ca.server) as simulator:
        digest = simulator.repository("team/app").put(manifest, config)
        simulator.repository("team/app").manifests[digest] = (
            manifest + b" ",
            "application/vnd.oci.image.manifest.v1+json",
        )
        status = the_status(world.run(images(entry(f"{simulator.host}/team/app@{digest}"))))
    assert status["message"] == (
        "Internal error occurred: content integrity error: the manifest retrieved (media type:"
        f" application/vnd.oci.image.manifest.v1+json) with digest {digest} does not match the digest calculated from"
        f" the content {sha256(manifest + b' ')}"
    )


def test_one_failure_does_not_stop_the_others(world: Setup, registry_tls: Registry) -> None:
    registry_tls.push_sample("tiny-oci", "import/some:v1")
    source = f"{registry_tls.host}/import/some"
    answer = world.run(images(entry(f"{source}:none", "a"), entry(f"{source}:v1", "b"), entry("B", "c")))
    assert [found["status"]["status"] for found in answer["status"]["images"]] == ["Failure", "Success", "Failure"]
    assert [tag["name"] for tag in answer["status"]["import"]["spec"]["tags"]] == ["a", "b", "c"]


def simulated(world: Setup, simulator: RegistrySimulator, rest: str = ":v1", **options: Any) -> JsonObject:
    return the_status(world.run(images(entry(f"{simulator.host}/team/app{rest}", **options))))


def test_lists_that_lead_to_no_image(make: Callable[..., Setup], ca: Authority) -> None:
    world = make()
    manifest, config = image("there")
    with RegistrySimulator(tls=ca.server) as simulator:
        repo = simulator.repository("team/app")
        repo.put(index({}), tag="empty", media_type=OCI_INDEX)
        inner = index({"linux/amd64": manifest})
        repo.put(inner, media_type=OCI_INDEX)
        repo.put(index({"linux/amd64": inner}), tag="nested", media_type=OCI_INDEX)
        repo.put(index({"linux/amd64": manifest}), tag="gone", media_type=OCI_INDEX)
        assert simulated(world, simulator, ":empty")["message"].endswith(": no manifests in manifest list")
        assert "a list inside a list" in simulated(world, simulator, ":nested")["message"]
        assert simulated(world, simulator, ":gone")["reason"] == "NotFound"
        repo.put(manifest, config)
        assert simulated(world, simulator, ":gone")["status"] == "Success"


def test_a_configuration_that_is_missing_or_none(make: Callable[..., Setup], ca: Authority) -> None:
    world = make()
    with RegistrySimulator(tls=ca.server) as simulator:
        repo = simulator.repository("team/app")
        manifest, config = image("bad", labels={"a": "b"})
        repo.put(manifest, tag="v1")
        assert simulated(world, simulator)["reason"] == "NotFound"
        repo.put(manifest, config)
        assert simulated(world, simulator)["status"] == "Success"
        broken = b'{"config": []}'
        repo.blobs[sha256(broken)] = broken
        text = manifest.replace(sha256(config).encode(), sha256(broken).encode())
        repo.put(text, tag="v2")
        status = simulated(world, simulator, ":v2")
        assert status["message"].endswith("failed to parse dockerImageConfig: config is not an object")
        assert status["reason"] == "InternalError"


def test_a_user_who_may_not_and_a_realm_that_is_not_named(make: Callable[..., Setup], ca: Authority) -> None:
    world = make()
    with RegistrySimulator(tls=ca.server) as simulator:
        world.secrets.answer = Found(
            (PullSecret("pull", (PullSecretEntry(simulator.host, "", Credential(USER, PASSWORD)),)),)
        )
        simulator.authorized = lambda header: False
        simulator.challenge = f'Bearer realm="{simulator.url}/token",service="s"'
        status = simulated(world, simulator)
        expected = f'you may not have access to the container image "{simulator.host}/team/app:v1"'
        assert (status["code"], status["message"]) == (401, expected)
    with RegistrySimulator(tls=ca.server) as simulator:
        world.secrets.answer = Found(
            (PullSecret("pull", (PullSecretEntry(simulator.host, "", Credential(USER, PASSWORD)),)),)
        )
        simulator.authorized = lambda header: False
        simulator.challenge = 'Bearer realm="https://127.0.0.1:1/token",service="s"'
        status = simulated(world, simulator)
        assert status["code"] == 401
        assert "registry.tokenRealms" in status["message"]


def test_addresses_that_may_not_be_asked(make: Callable[..., Setup]) -> None:
    world = make()
    status = the_status(world.run(images(entry("169.254.169.254/latest/meta-data:v1"))))
    assert (status["code"], status["reason"]) == (403, "Forbidden")
    assert "may not be connected to" in status["message"]


# Repositories


def test_a_repository(make: Callable[..., Setup], registry_tls: Registry, tmp_path: Path) -> None:
    world = make(ImportSettings(max_images_per_repository=3))
    digests = {}
    for number, tag in enumerate(("v1.0", "v2.0", "latest", "other", "v1.0.1")):
        make_image(tmp_path / tag, text=f"repository {number}")
        digests[tag] = registry_tls.push(f"oci:{tmp_path / tag}:latest", f"import/repo:{tag}")
    source = f"{registry_tls.host}/import/repo"
    seen: list[tuple[int, int, str]] = []
    answer = world.run(repository(source), progress=lambda *state: seen.append(state))
    status = answer["status"]["repository"]
    assert status["status"] == {"metadata": {}, "status": "Success"}
    assert [found["tag"] for found in status["images"]] == ["latest", "v2.0", "v1.0"]
    assert status["additionalTags"] == ["v1.0.1", "other"]
    stream = answer["status"]["import"]
    assert {tag["tag"]: tag["items"][0]["image"] for tag in stream["status"]["tags"]} == {
        tag: digests[tag] for tag in ("latest", "v2.0", "v1.0")
    }
    assert (spec_tag(stream, "v1.0") or {})["from"]["name"] == f"{source}:v1.0"
    assert [state[:2] for state in seen] == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_a_repository_with_failures(make: Callable[..., Setup], ca: Authority) -> None:
    world = make()
    with RegistrySimulator(tls=ca.server) as simulator:
        repo = simulator.repository("team/app")
        manifest, config = image("fine")
        repo.put(manifest, config, tag="fine")
        repo.tags += ["gone"]
        source = f"{simulator.host}/team/app"
        status = world.run(repository(source))["status"]["repository"]["status"]
        assert status == {
            "metadata": {},
            "status": "Failure",
            "reason": "ImportFailed",
            "message": "one of the images from this repository failed to import",
        }
        repo.tags += ["lost"]
        answer = world.run(repository(source))
        message = answer["status"]["repository"]["status"]["message"]
        assert message == "2 of the images from this repository failed to import"
        # a repository's failed tags get a condition and no spec tag
        assert [tag["name"] for tag in answer["status"]["import"]["spec"]["tags"]] == ["fine"]
        assert [tag["tag"] for tag in answer["status"]["import"]["status"]["tags"]] == ["fine", "gone", "lost"]


def test_a_repository_that_is_no_name(world: Setup) -> None:
    status = world.run(repository("A"))["status"]["repository"]["status"]
    assert (status["code"], status["reason"]) == (422, "Invalid")


def test_repositories_that_cannot_be_listed(make: Callable[..., Setup], ca: Authority) -> None:
    world = make()
    with RegistrySimulator(tls=ca.server) as simulator:
        source = f"{simulator.host}/team/none"
        status = world.run(repository(source))["status"]["repository"]["status"]
        assert (status["code"], status["message"]) == (404, f'dockerimage.image.openshift.io "{source}" not found')
        simulator.misbehave["/v2/"] = lambda request, honest: Response(404)
    with RegistrySimulator(tls=ca.server) as simulator:
        simulator.misbehave["/v2/"] = lambda request, honest: Response(404)
        status = world.run(repository(f"{simulator.host}/team/none"))["status"]["repository"]["status"]
        assert (status["code"], status["reason"]) == (403, "NotV2Registry")
        expected = f'.image.openshift.io is forbidden: registry "{simulator.host}" does not support the v2 Registry API'
        assert status["message"] == expected


# Streams that are there already


def test_preconditions(world: Setup, registry_tls: Registry) -> None:
    registry_tls.push_sample("tiny-oci", "import/pre:v1")
    source = f"{registry_tls.host}/import/pre:v1"
    for document in (images(entry(source), resourceVersion="1"), images(entry(source), uid="x")):
        with pytest.raises(StatusError) as caught:
            world.run(document)
        assert caught.value.status.message == 'imagestreamimports.image.openshift.io "app" not found'
    stream = world.run(images(entry(source)))["status"]["import"]
    version, uid = stream["metadata"]["resourceVersion"], stream["metadata"]["uid"]
    with pytest.raises(StatusError) as caught:
        world.run(images(entry(source), resourceVersion="12345"))
    assert caught.value.status.code == 409
    assert caught.value.status.message == (
        'Operation cannot be fulfilled on imagestream.image.openshift.io "app": the image stream was updated from'
        f' "12345" to "{version}"'
    )
    with pytest.raises(StatusError) as caught:
        world.run(images(entry(source), uid="other"))
    assert caught.value.status.message == 'imagestream.image.openshift.io "app" not found'
    world.run(images(entry(source), uid=uid, resourceVersion=version))


def test_reference_policy_and_annotations_stay(world: Setup, registry_tls: Registry) -> None:
    one = registry_tls.push_sample("tiny-oci", "import/policy:v1")
    registry_tls.push_sample("tiny-docker", "import/policy:v2")
    source = f"{registry_tls.host}/import/policy"
    stream = world.run(images(entry(f"{source}:v1", referencePolicy={"type": "Local"})))["status"]["import"]
    assert (spec_tag(stream, "latest") or {})["referencePolicy"] == {"type": "Local"}
    stream = world.run(images(entry(f"{source}:v2")))["status"]["import"]
    assert (spec_tag(stream, "latest") or {})["referencePolicy"] == {"type": "Local"}
    assert (spec_tag(stream, "latest") or {})["from"]["name"] == f"{source}:v2"
    assert status_tag(stream, "latest")["items"][1]["image"] == one  # type: ignore[index]


def test_tags_that_follow_an_imported_tag(world: Setup, registry_tls: Registry) -> None:
    digest = registry_tls.push_sample("tiny-oci", "import/follow:v1")
    following = {"name": "prod", "from": {"kind": "ImageStreamTag", "name": "latest"}, "generation": 1}
    world.store.create(
        ObjectKey("image.openshift.io", "imagestreams", "test", "app"),
        {
            "metadata": {"name": "app", "namespace": "test", "generation": 1},
            "spec": {"tags": [following]},
            "status": {},
        },
    )
    stream = world.run(images(entry(f"{registry_tls.host}/import/follow:v1")))["status"]["import"]
    assert {tag["tag"]: tag["items"][0]["image"] for tag in stream["status"]["tags"]} == {
        "latest": digest,
        "prod": digest,
    }


def test_the_image_that_was_there_first_is_kept(world: Setup, registry_tls: Registry) -> None:
    digest = registry_tls.push_sample("tiny-oci", "import/first:v1")
    registry_tls.push_sample("tiny-oci", "import/second:v1")
    world.run(images(entry(f"{registry_tls.host}/import/first:v1"), name="one"))
    answer = world.run(images(entry(f"{registry_tls.host}/import/second:v1"), name="two"))
    shown = answer["status"]["images"][0]["image"]
    assert shown["dockerImageReference"] == f"{registry_tls.host}/import/second@{digest}"
    assert "resourceVersion" not in shown["metadata"]  # as it was fetched; the stored one is the first
    event = (status_tag(answer["status"]["import"], "latest") or {})["items"][0]
    assert event["dockerImageReference"] == f"{registry_tls.host}/import/second@{digest}"


def test_what_the_gate_refuses_leaves_nothing_behind(world: Setup, registry_tls: Registry) -> None:
    digest = registry_tls.push_sample("tiny-oci", "import/gate:v1")
    refused: list[JsonObject | None] = []

    def check(stream: JsonObject, old: JsonObject | None) -> None:
        refused.append(old)
        raise StatusError(bad_request("not from there"))

    world.check = check
    with pytest.raises(StatusError, match="not from there"):
        world.run(images(entry(f"{registry_tls.host}/import/gate:v1")))
    assert refused == [None]
    assert world.stream() is None
    assert world.image(digest) is None


def test_imports_at_once_lose_nothing(make: Callable[..., Setup], ca: Authority) -> None:
    """Into one stream, each another tag; nobody names a version, so everybody succeeds."""
    world = make(ImportSettings(burst=100))
    with RegistrySimulator(tls=ca.server) as simulator:
        for number in range(8):
            manifest, config = image(str(number))
            simulator.repository("team/app").put(manifest, config, tag=f"v{number}")
        failures: list[BaseException] = []

        def work(number: int) -> None:
            try:
                world.run(images(entry(f"{simulator.host}/team/app:v{number}", f"v{number}")))
            except BaseException as error:  # noqa: BLE001 - shown below
                failures.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []
    stream = world.stream()
    assert stream is not None
    assert [tag["tag"] for tag in stream["status"]["tags"]] == [f"v{number}" for number in range(8)]
    assert len({tag["items"][0]["image"] for tag in stream["status"]["tags"]}) == 8


@pytest.mark.parametrize(
    "spec", [{"images": 1}, {"images": [1]}, {"images": [{"from": 1}]}, {"repository": []}, {"import": "yes"}]
)
def test_a_document_of_another_form(world: Setup, spec: JsonObject) -> None:
    with pytest.raises(StatusError) as caught:
        world.run({**images(), "spec": spec})
    assert caught.value.status.code == 400
