"""``lint`` refuses whatever ``serve`` would refuse, with file and line; both run the same code."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imagegate import logs
from imagegate.web.server import MULTIPROCESS, Server
from tests.cli.commands import Command

POLICY = """apiVersion: portieris.cloud.ibm.com/v1
kind: ClusterImagePolicy
metadata: {name: all}
spec: {repositories: [{name: "docker.io/*", policy: {}}]}
"""
RULES = """kind: ImagePolicyConfig
apiVersion: v1
executionRules: [{name: a, onResources: [{resource: pods}], matchRegistries: [docker.io]}]
"""
FILES = {
    "config.yaml": RULES,
    "broken.yaml": "a: [\n",
    "policies/p.yaml": POLICY,
    "twice/a.yaml": POLICY,
    "twice/b.yaml": POLICY,
    "spelt/p.yaml": POLICY.replace("repositories", "repositorys"),
    "unrendered/p.yaml": POLICY.replace("all", "{{ .Values.name }}"),
    "text.pem": "no certificate\n",
    "empty.yaml": "",
    "images.yaml": "apiVersion: v1\nkind: ImageStream\nmetadata: {}\n",
    "auth.json": "[]",
    "short.key": "x",
    "imports.yaml": (
        "imagePolicyConfig: {allowedRegistriesForImport: [{domainName: docker.io}], additionalTrustedCA: no.pem}\n"
    ),
    "guarded.yaml": RULES.replace("docker.io", "a.io"),
    "list.yaml": "imagePolicyConfig: {allowedRegistriesForImport: [{domainName: docker.io}]}\n",
}
BAD = [
    ("profil: documented", 1),
    ("profile: other", 1),
    ("server: {port: x}", 1),
    ("server:\n  port: 8443\n  port: 8444", 3),
    ("- a", 1),
    ("", None),
    ("a: [", 2),
    ("config: nowhere.yaml", 1),
    ("config: broken.yaml", None),
    ("config: empty.yaml", None),
    ("store: {}\nconfig: policies", 2),
    ("policies: [nowhere]", 1),
    ("log: {level: info}\npolicies:\n- policies\n- nowhere", 4),
    ("policies: [broken.yaml]", None),
    ("policies: [twice]", None),
    ("policies: [spelt]", None),
    ("policies: [unrendered]", None),
    ("policies: [dangling]", None),
    ("policies: [pipes]", None),
    ("images: [nowhere]", 1),
    ("images: [images.yaml]", None),
    ("accessRules: nowhere.yaml", 1),
    ("accessRules: broken.yaml", None),
    ("cise:\n  trust:\n    servers: {a: b}", 3),
    ("cise:\n  trust:\n    servers:\n      a: b", 4),
    ("cise:\n  trust:\n    pinning:\n      ca: {a: nowhere.pem}", 4),
    ("cise:\n  trust:\n    pinning:\n      ca: {a: text.pem}", 4),
    ("cise:\n  recordKeyFile: nowhere.key", 2),
    ("cise:\n  recordKeyFile: short.key", 2),
    ("cise:\n  recordKeySecret: key", 2),
    ("cise:\n  recordKeySecret: key\n  recordKeyFile: short.key", 2),
    ("scanner: {reports: [{folder: reports}]}", 1),
    ("policies: [policies]\nscanner:\n  reports: []", 3),
    ("registry:\n  caFile: nowhere.pem", 2),
    ("registry:\n  caFile: text.pem", 2),
    ("registry:\n  certificateFolders: [nowhere]", 2),
    ("registry:\n  certificates:\n    a.io: {caFile: nowhere.pem}", 3),
    ("registry:\n  nodeCredentials: [nowhere.json]", 2),
    ("registry:\n  nodeCredentials: [auth.json]", 2),
    ("registry:\n  mirrorSets: [nowhere.yaml]", 2),
    ("registry:\n  clusterMirrors: true", 2),
    ("registry:\n  proxy: {url: 'ftp://a'}", 2),
    ("registry:\n  blocked: ['x/y/z']", 2),
    ("config: imports.yaml", None),
    ("store:\n  kind: kubernetes", 2),
    ("server:\n  certificate:\n    certFile: nowhere.crt", 3),
    ("server:\n  certificate: {certFile: nowhere.crt, keyFile: nowhere.key}", 2),
    ("server:\n  certificate: {certFile: text.pem, keyFile: text.pem}", 2),
    ("server:\n  clientCAFile: text.pem", 2),
    ("server:\n  callers: [a]", 2),
    ("imageApi:\n  aggregation: {enabled: true}", 2),
    ("config: guarded.yaml\nguard: {images: [b.io/imagegate:1], ownNamespace: imagegate, lockout: refuse}", None),
    ("documents: {ending: marker}\nconfig: config.yaml", None),
]  # fmt: skip
GOOD = [
    "{}",
    "config: config.yaml",
    "policies: [policies]",
    "config: config.yaml\nserver: {host: 127.0.0.1, port: 8443}\nstore: {path: new/images.db}",
    "cise: {trust: {store: trust}}",
    "config: list.yaml",
]


class Started(Exception):
    """The server got as far as serving."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    for name in ("dangling", "pipes"):
        (tmp_path / name).mkdir()
    (tmp_path / "dangling/p.yaml").symlink_to("nothing")
    os.mkfifo(tmp_path / "pipes/p.yaml")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def run(*_: Any) -> None:
        raise Started

    monkeypatch.setattr(Server, "run", run)
    monkeypatch.setattr(logs, "configure", lambda *_, **__: None)
    monkeypatch.setenv(
        MULTIPROCESS, ""
    )  # what a server sets must not stay: metrics of later tests would be looked for there
    yield tmp_path
    if shared := os.environ.get(MULTIPROCESS):
        shutil.rmtree(shared, ignore_errors=True)


@pytest.fixture
def imagegate(capfd: pytest.CaptureFixture[str]) -> Command:
    """Captured as a server writes: to the descriptor."""
    return Command(capfd)


def settings(folder: Path, text: str) -> Path:
    path = folder / "imagegate.yaml"
    path.write_text(f"{text}\n" if text else "")
    return path


@pytest.mark.parametrize("text, line", BAD, ids=[text for text, _ in BAD])
def test_both_refuse(imagegate: Command, folder: Path, text: str, line: int | None) -> None:
    path = settings(folder, text)
    served = imagegate("serve", "--settings", path, "--bind", "127.0.0.1:0")
    assert served.code == 2, "serve starts"
    linted = imagegate("lint", path, "-o", "json")
    assert linted.code in (1, 2)
    errors = errors_in(linted.out)
    assert errors
    said = [line.removeprefix("imagegate: ") for line in served.err.splitlines()]
    found = {f"{each['path']}: {each['text']}" if each["path"] else each["text"] for each in errors}
    assert any(any(text in each for each in said) for text in found), (said, found)
    if line is not None:
        assert {(each["file"], each["line"]) for each in errors} == {(str(path), line)}
        assert all(each.startswith(f"{path}:{line}: ") for each in said), said


@pytest.mark.parametrize("text", GOOD)
def test_both_accept(imagegate: Command, folder: Path, text: str) -> None:
    path = settings(folder, text)
    linted = imagegate("lint", path, "-o", "json")
    assert linted.code == 0, linted.out
    assert not any((folder / name).exists() for name in ("new", "trust", "state"))
    with pytest.raises(Started):
        imagegate("serve", "--settings", path, "--bind", "127.0.0.1:0")


def errors_in(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [each for each in json.loads(text) if each["severity"] == "error"]
    return found


def test_what_needs_the_cluster_is_named(imagegate: Command, folder: Path) -> None:
    text = "cluster: {policies: true}\ncise: {recordKeySecret: key}\nserver: {certificate: {source: secret}}\n"
    linted = imagegate("lint", settings(folder, text))
    assert linted.code == 0, linted.out
    assert [line.split(": ")[2] for line in linted.out.splitlines()] == [
        "cluster", "cise.recordKeySecret", "server.certificate.source",
    ]  # fmt: skip


def test_a_kubeconfig_is_read(imagegate: Command, folder: Path) -> None:
    linted = imagegate("lint", settings(folder, "cluster:\n  kubeconfig: broken.yaml"))
    assert linted.code == 1
    assert "the cluster cannot be reached with kubeconfig" in linted.out


def test_the_files_may_be_elsewhere(imagegate: Command, folder: Path) -> None:
    path = settings(folder, "policies: [/etc/imagegate/policies]")
    assert imagegate("lint", path).code == 1
    assert imagegate("lint", "--no-start", path).code == 0
