"""The real docker-registry, with and without TLS and credentials."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.support.certificates import Authority
from tests.support.images import SAMPLES, source_of
from tests.support.processes import Running, free_port, started
from tests.support.programs import program, run
from tests.support.skopeo import Skopeo
from tests.support.token_server import ISSUER, TokenServer

USER, PASSWORD = "alice", "secret"
SERVICE = "test-registry"


@dataclass(frozen=True, slots=True)
class Registry:
    """A running registry and how to reach it."""

    running: Running
    directory: Path
    skopeo: Skopeo
    ca: Authority | None = None
    """Set if it speaks HTTPS."""
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def host(self) -> str:
        """``127.0.0.1:PORT``, as it stands in image references."""
        return f"127.0.0.1:{self.running.port}"

    @property
    def url(self) -> str:
        """``http[s]://127.0.0.1:PORT``."""
        return f"{'http' if self.ca is None else 'https'}://{self.host}"

    def push(self, source: str, name: str, *options: str | Path) -> str:
        """Copy ``source`` (``oci:DIR:TAG``, ``dir:DIR``) with every platform to ``name`` (``team/app:v1``).

        Args:
            options: more options of ``skopeo copy`` (``--sign-by``).

        Returns:
            The digest of the top manifest.
        """
        self.skopeo("copy", "--all", *self._trust("--dest-"), *options, source, f"docker://{self.host}/{name}")
        return self.digest(name)

    def push_sample(self, sample: str, name: str, *options: str | Path) -> str:
        """``push`` one of the stored images: ``tiny-oci``, ``multi-oci``, ``tiny-docker``, ``multi-docker``."""
        return self.push(source_of(SAMPLES / sample), name, *options)

    def digest(self, name: str) -> str:
        """The digest of ``name`` (``team/app:v1``), by the bytes that the registry serves."""
        raw = self.directory / "manifest.json"
        raw.write_bytes(self.manifest(name))
        return self.skopeo("manifest-digest", raw).stdout.strip()

    def manifest(self, name: str) -> bytes:
        """The exact bytes of the top manifest of ``name``."""
        reference = f"docker://{self.host}/{name}"
        return self.skopeo("inspect", "--raw", *self._trust("--"), reference).stdout.encode()

    def delete(self, name: str) -> None:
        """Delete the manifest that ``name`` stands for; tags of it are gone too."""
        self.skopeo("delete", *self._trust("--"), f"docker://{self.host}/{name}")

    def _trust(self, prefix: str) -> list[str]:
        options = [f"{prefix}tls-verify=false"] if self.ca is None else [f"{prefix}cert-dir={self.ca.trusted}"]
        if self.user:
            options.append(f"{prefix}creds={self.user}:{self.password}")
        return options


@contextlib.contextmanager
def start_registry(
    directory: Path,
    *,
    tls: Authority | None = None,
    htpasswd: bool = False,
    token: TokenServer | None = None,
    gpg_home: Path | None = None,
    client_ca: Path | None = None,
) -> Iterator[Registry]:
    """Run a registry in ``directory`` (an empty one) until the block is left.

    Args:
        htpasswd: only ``USER`` with ``PASSWORD`` may anything.
        token: clients are sent there for a token of the service ``SERVICE``.
        client_ca: clients must show a certificate of it.
        gpg_home: whose keys ``push(..., "--sign-by", fingerprint)`` may use.
    """
    port = free_port()
    configuration = directory / "registry.yaml"
    document = _configuration(directory, port, tls, htpasswd=htpasswd, token=token, client_ca=client_ca)
    configuration.write_text(yaml.safe_dump(document), encoding="utf-8")
    command: list[str | Path] = [program("docker-registry"), "serve", configuration]
    skopeo = Skopeo(directory / "skopeo", gpg_home=gpg_home)
    with started(command, port=port, log=directory / "registry.log") as running:
        if htpasswd or token is not None:
            yield Registry(running, directory, skopeo, tls, USER, PASSWORD)
        else:
            yield Registry(running, directory, skopeo, tls)


def _configuration(
    directory: Path,
    port: int,
    tls: Authority | None,
    *,
    htpasswd: bool,
    token: TokenServer | None,
    client_ca: Path | None,
) -> dict[str, Any]:
    http: dict[str, Any] = {"addr": f"127.0.0.1:{port}", "secret": "not-a-secret"}
    if tls is not None:
        http["tls"] = {"certificate": str(tls.server.certificate), "key": str(tls.server.key)}
        if client_ca is not None:
            http["tls"]["clientcas"] = [str(client_ca)]
    document: dict[str, Any] = {
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(directory / "storage")}, "delete": {"enabled": True}},
        "http": http,
    }
    if htpasswd:
        lines = run([program("htpasswd"), "-Bbn", USER, PASSWORD]).stdout
        (directory / "htpasswd").write_text(lines, encoding="utf-8")
        document["auth"] = {"htpasswd": {"realm": "test", "path": str(directory / "htpasswd")}}
    if token is not None:
        bundle = str(token.signing.certificate)
        settings = {"realm": token.realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": bundle}
        document["auth"] = {"token": settings}
    return document
