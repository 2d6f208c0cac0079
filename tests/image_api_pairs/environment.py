"""The registries and the imagegate of the recorded requests: see ``tests/vectors/image_api/README.md``."""

from __future__ import annotations

import contextlib
import fcntl
import json
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.image_api_pairs.pairs import VECTORS
from tests.support.certificates import Authority
from tests.support.processes import started
from tests.support.programs import program, run
from tests.support.service import Service, serving

REGISTRY_PORTS = (27020, 27021, 27022, 27024, 27025)
NAMESPACES = ("t1", "t2", "shared", "closed", "openshift", "default")
_LOCK = Path(tempfile.gettempdir()) / "imagegate-image-api-pairs.lock"
_USER, _PASSWORD = "alice", "secret"
_ALLOWED: list[dict[str, Any]] = [
    {"domainName": "127.0.0.1:27020"},
    {"domainName": "127.0.0.1:27021", "insecure": True},
    {"domainName": "127.0.0.1:27022"},
    {"domainName": "127.0.0.1:27023"},
    {"domainName": "127.0.0.1:27025"},
    {"domainName": "docker.io"},
    {"domainName": "quay.io"},
    {"domainName": "*.mydomain.com", "insecure": True},
]
_STREAM_RESOURCES = (
    "imagestreams",
    "imagestreamtags",
    "imagetags",
    "imagestreamimports",
    "imagestreamimages",
    "imagestreams/status",
)
_ACCESS_RULES: dict[str, Any] = {
    "kind": "AccessRules",
    "rules": [
        {
            "users": ["dev"],
            "verbs": ["*"],
            "apiGroups": ["image.openshift.io"],
            "resources": list(_STREAM_RESOURCES),
            "namespaces": ["t1", "t2"],
        },
        {
            "users": ["dev"],
            "verbs": ["get"],
            "apiGroups": ["image.openshift.io"],
            "resources": ["imagestreams/layers"],
            "namespaces": ["shared"],
        },
        {"users": ["importer"], "verbs": ["*"], "apiGroups": ["image.openshift.io"], "resources": ["*", "*/*"]},
    ],
}

_SAFELY: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
"""Python has the filter since 3.11.4; Debian 12 has 3.11.2."""


@contextlib.contextmanager
def only_run() -> Iterator[None]:
    """Wait until no other run uses the registries' ports."""
    with _LOCK.open("a", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def registries(directory: Path) -> Iterator[Authority]:
    """The five registries over one storage folder; the authority that clients trust."""
    trusted, unknown = (Authority(_folder(directory / name)) for name in ("trusted", "unknown"))
    storage = directory / "storage"
    with tarfile.open(VECTORS / "registry-storage.tar.gz") as archive:
        archive.extractall(storage, **_SAFELY)
    lines = run([program("htpasswd"), "-Bbn", _USER, _PASSWORD]).stdout
    (directory / "htpasswd").write_text(lines, encoding="utf-8")
    with contextlib.ExitStack() as running:
        for port in REGISTRY_PORTS:
            document: dict[str, Any] = {
                "version": 0.1,
                "log": {"level": "warn", "accesslog": {"disabled": True}},
                "storage": {"filesystem": {"rootdirectory": str(storage / "reg")}},
                "http": {"addr": f"127.0.0.1:{port}", "secret": "not-a-secret"},
            }
            if port != 27021:
                issued = (unknown if port == 27022 else trusted).server
                document["http"]["tls"] = {"certificate": str(issued.certificate), "key": str(issued.key)}
            if port == 27025:
                document["auth"] = {"htpasswd": {"realm": "test", "path": str(directory / "htpasswd")}}
            configuration = directory / f"registry-{port}.yaml"
            configuration.write_text(yaml.safe_dump(document), encoding="utf-8")
            log = directory / f"registry-{port}.log"
            running.enter_context(started([program("docker-registry"), "serve", configuration], port=port, log=log))
        yield trusted


@contextlib.contextmanager
def image_api(directory: Path, authority: Authority, also_allowed: tuple[str, ...] = ()) -> Iterator[Service]:
    """imagegate over the store in ``directory``, with the namespaces of the recorded requests.

    Args:
        directory: may hold the store of an earlier run, which is continued.
        authority: of the registries.
        also_allowed: more registries on the allow list.
    """
    allowed = [*_ALLOWED, *({"domainName": name} for name in also_allowed)]
    master = {
        "kind": "MasterConfig",
        "apiVersion": "v1",
        "imagePolicyConfig": {
            "internalRegistryHostname": "registry.example.svc:5000",
            "allowedRegistriesForImport": allowed,
        },
    }
    settings = {
        "profile": "openshift-4",
        "config": "master-config.yaml",
        "accessRules": "access.yaml",
        "registry": {"caFile": str(authority.bundle), "allowPrivateAddresses": ["127.0.0.0/8"], "attempts": 1},
        "store": {"path": str(directory / "store.sqlite")},
    }
    for name, document in (("master-config", master), ("access", _ACCESS_RULES), ("imagegate", settings)):
        (directory / f"{name}.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    with (
        _without_background_work(directory / "store.sqlite"),
        serving(directory, "--settings", directory / "imagegate.yaml") as service,
    ):
        for name in NAMESPACES:
            body = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}}
            answer = service.post("/api/v1/namespaces", body)
            if answer.status not in (201, 409):
                raise RuntimeError(f"namespace {name} was not created: {answer.status} {json.dumps(answer.json)}")
        yield service


@contextlib.contextmanager
def _without_background_work(store: Path) -> Iterator[None]:
    """Take the turn of the worker that imports and collects in the background: the recordings have neither."""
    with Path(f"{store}.imports.lock").open("a", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _folder(path: Path) -> Path:
    path.mkdir(parents=True)
    return path
