"""Reports through the whole service: docker-registry over HTTPS, reports in a folder and attached to images."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.artifacts import Pusher
from tests.support.certificates import Authority
from tests.support.images import make_image, source_of
from tests.support.registry import PASSWORD, USER, Registry, start_registry
from tests.support.scan_reports import OPENSSL, ZLIB, Found, dumped, grype, statement, trivy, vex
from tests.support.service import Service, serving

IMAGES = ("clean", "bad", "attached", "unscanned", "other", "old", "accepted", "excused", "list")


@dataclass(frozen=True, slots=True)
class Setup:
    """The service, the registry, and the reports."""

    service: Service
    registry: Registry
    reports: Path
    digests: dict[str, str]

    def message(self, name: str, path: str = "/admit") -> str:
        """The message of a denial; empty if the image is allowed."""
        document = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "app", "namespace": "shop"},
            "spec": {
                "containers": [{"name": "c", "image": f"{self.registry.host}/shop/{name}"}],
                "imagePullSecrets": [{"name": "pull"}],
            },
        }
        review = {
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {
                "uid": "1",
                "kind": {"group": "", "version": "v1", "kind": "Pod"},
                "resource": {"group": "", "version": "v1", "resource": "pods"},
                "operation": "CREATE",
                "namespace": "shop",
                "userInfo": {"username": "alice"},
                "object": document,
            },
        }
        response = self.service.post(path, review).response
        assert "patch" not in response
        return "" if response["allowed"] else str(response["status"]["message"]).strip()


def scanned(
    registry: Registry, name: str, digest: str, *found: Found, made: datetime | None = None, **more: Any
) -> Any:
    made = made or datetime.now(UTC)
    config = json.loads(registry.manifest(f"shop/{name}:1")).get("config", {}).get("digest", "")
    return trivy(*found, digest=digest, config=config, created=made.isoformat(), **more)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, ca: Authority) -> Iterator[Setup]:
    directory = tmp_path_factory.mktemp("scanner")
    for name in ("registry", "reports", "vex", "policies"):
        (directory / name).mkdir()
    with start_registry(directory / "registry", tls=ca, htpasswd=True) as registry:
        digests = {}
        for name in IMAGES:
            folder = directory / name
            make_image(folder, text=name, kind="multi" if name == "list" else "oci")
            digests[name] = registry.push(source_of(folder), f"shop/{name}:1")
        fill(directory, registry, digests, ca)
        with serving(directory, "--settings", write_settings(directory, registry, ca)) as service:
            yield Setup(service, registry, directory / "reports", digests)


def fill(directory: Path, registry: Registry, digests: dict[str, str], ca: Authority) -> None:
    """Reports: of every image as its name says."""

    def put(name: str, document: Any) -> None:
        (directory / "reports" / f"{digests[name].replace(':', '-')}.json").write_bytes(dumped(document))

    put("clean", scanned(registry, "clean", digests["clean"]))
    put("bad", scanned(registry, "bad", digests["bad"], OPENSSL, ZLIB))
    put("other", scanned(registry, "clean", digests["clean"]))
    put("old", scanned(registry, "old", digests["old"], made=datetime.now(UTC) - timedelta(days=8)))
    put("accepted", scanned(registry, "accepted", digests["accepted"], ZLIB))
    put("excused", scanned(registry, "excused", digests["excused"], OPENSSL))
    (directory / "vex/statements.json").write_bytes(
        dumped(vex(statement(digest=digests["excused"]), statement(digest=digests["bad"]), author="nobody@example.com"))
    )
    (directory / "vex/ours.json").write_bytes(dumped(vex(statement(digest=digests["excused"]))))
    pusher = Pusher(registry.url, "shop/attached", str(ca.bundle), USER, PASSWORD)
    found = grype(OPENSSL, digest=digests["attached"], created=datetime.now(UTC).isoformat())
    pusher.list(
        digests["attached"],
        pusher.attach(digests["attached"], dumped(found), "application/vnd.anchore.grype.report+json"),
    )


def write_settings(directory: Path, registry: Registry, ca: Authority) -> Path:
    auths = {"auths": {registry.host: {"username": USER, "password": PASSWORD}}}
    documents = [
        {
            "apiVersion": "securityenforcement.admission.cloud.ibm.com/v1beta1",
            "kind": "ImagePolicy",
            "metadata": {"name": "scanned", "namespace": "shop"},
            "spec": {"repositories": [{"name": "*", "policy": {"va": {"enabled": True}}}]},
        },
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "pull", "namespace": "shop"},
            "stringData": {".dockerconfigjson": json.dumps(auths)},
        },
    ]
    (directory / "policies/all.yaml").write_text(yaml.safe_dump_all(documents))
    settings = {
        "policies": ["policies"],
        "cise": {"profile": "portieris"},
        "scanner": {
            "reports": [{"folder": "reports"}, {"referrers": True}],
            "vex": [{"folder": "vex", "authors": ["security@example.com"]}],
            "cacheS": 0,
            "allow": [
                {
                    "id": ZLIB[0],
                    "images": [f"{registry.host}/shop/accepted"],
                    "expires": (datetime.now(UTC) + timedelta(days=2)).date().isoformat(),
                    "reason": "not reachable",
                }
            ],
        },
        "registry": {"caFile": str(ca.bundle), "allowPrivateAddresses": ["127.0.0.0/8"]},
        "messages": {"nearestRule": False},
    }
    (directory / "imagegate.yaml").write_text(yaml.safe_dump(settings))
    return directory / "imagegate.yaml"


@pytest.mark.parametrize("name", ["clean:1", "accepted:1", "excused:1"])
def test_allowed(world: Setup, name: str) -> None:
    for path in ("/admit", "/admit/va", "/validate"):
        assert world.message(name, path) == ""


def test_the_trust_endpoint_leaves_reports_to_the_other(world: Setup) -> None:
    assert world.message("bad:1", "/admit/trust") == ""


@pytest.mark.parametrize("by_digest", [False, True])
def test_vulnerable(world: Setup, by_digest: bool) -> None:
    name = f"bad@{world.digests['bad']}" if by_digest else "bad:1"
    message = world.message(name)
    assert message.startswith(
        f'Deny "{world.registry.host}/shop/{name}", 2 vulnerabilities of severity HIGH or above: '
        "CVE-2024-0001 CRITICAL in openssl 3.0.11 (fixed in 3.0.14); CVE-2023-45853 HIGH in zlib1g 1:1.2.13 (no fix) "
        f"(report: Trivy at {world.reports}/"
    )
    assert message.endswith("rebuild the image with the fixed versions, or accept them in scanner.allow")


def test_a_report_attached_to_the_image(world: Setup) -> None:
    message = world.message("attached:1")
    assert "CVE-2024-0001 CRITICAL" in message
    assert f"(report: Grype at {world.registry.host}/shop/attached@sha256:" in message


def test_without_a_report(world: Setup) -> None:
    assert world.message("unscanned:1") == (
        f'Deny "{world.registry.host}/shop/unscanned:1", its vulnerabilities are not known: no report about '
        f"{world.digests['unscanned']}; scan the image, by its digest, and put the report where scanner.reports says"
    )


def test_a_report_of_another_image(world: Setup) -> None:
    assert f"is about another image ({world.digests['clean']})" in world.message("other:1")


def test_an_old_report(world: Setup) -> None:
    assert "it is 8 days old, more than 7 days" in world.message("old:1")


def test_a_list_needs_a_report_of_every_platform(world: Setup) -> None:
    manifest = json.loads(world.registry.manifest("shop/list:1"))
    children = {each["platform"]["architecture"]: each["digest"] for each in manifest["manifests"]}
    place = world.reports / world.digests["list"].replace(":", "-")
    place.mkdir()
    for architecture, digest in children.items():
        assert f"no report about linux/{architecture}" in world.message("list:1")
        report = trivy(
            digest=digest, config="", created=datetime.now(UTC).isoformat(), platform=f"linux/{architecture}"
        )
        (place / f"{architecture}.json").write_bytes(dumped(report))
    assert world.message("list:1") == ""


def test_a_new_report_counts(world: Setup) -> None:
    world.message("unscanned:1")
    file = world.reports / f"{world.digests['unscanned'].replace(':', '-')}.json"
    file.write_bytes(dumped(scanned(world.registry, "unscanned", world.digests["unscanned"])))
    assert world.message("unscanned:1") == ""
    file.write_bytes(b'{"SchemaVersion": 2, "ArtifactType"')
    assert "cannot be read" in world.message("unscanned:1")
    file.unlink()
