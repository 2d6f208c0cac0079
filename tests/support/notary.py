"""The real notary-server and notary client, and a trust server that serves whatever a test gives it."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.certificates import Authority, Certificate
from tests.support.processes import Running, free_port, started
from tests.support.programs import program, run
from tests.support.simulator import Request, Response, Simulator
from tests.support.token_server import ISSUER, TokenServer

SERVICE = "test-notary"
PASSPHRASES = {
    "NOTARY_ROOT_PASSPHRASE": "testroot00",
    "NOTARY_TARGETS_PASSPHRASE": "testtgts00",
    "NOTARY_SNAPSHOT_PASSPHRASE": "testsnap00",
    "NOTARY_DELEGATION_PASSPHRASE": "testdele00",
}
_TUF = "/_trust/tuf/"


@dataclass(frozen=True, slots=True)
class Notary:
    """A running notary-server, and the client that publishes there."""

    running: Running
    directory: Path
    ca: Authority
    credentials: str = field(default="", repr=False)
    """``USER:PASSWORD`` for the token server, or empty."""

    @property
    def url(self) -> str:
        """``https://127.0.0.1:PORT``."""
        return f"https://127.0.0.1:{self.running.port}"

    def __call__(self, *arguments: str | Path, text_in: str | None = None) -> subprocess.CompletedProcess[str]:
        """``notary ARGUMENTS``."""
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.directory), **PASSPHRASES}
        if self.credentials:
            environment["NOTARY_AUTH"] = base64.b64encode(self.credentials.encode()).decode()
        return run(
            [program("notary"), "-c", self.directory / "client.json", *arguments], env=environment, text_in=text_in
        )

    def start_signing(self, gun: str) -> None:
        """Make a repository's keys and publish its first, empty trust data."""
        self("init", gun, "--publish")

    def sign(self, gun: str, tag: str, manifest: bytes, digest: str, *roles: str) -> None:
        """Sign a manifest's digest under a tag, as ``targets`` or as delegations (``targets/releases``)."""
        chosen = ("-r", ",".join(roles)) if roles else ()
        sha256 = digest.removeprefix("sha256:")
        self("addhash", gun, tag, str(len(manifest)), "--sha256", sha256, *chosen, "--publish")

    def add_signer(self, gun: str, signer: str) -> SignerKey:
        """A new signer: ``targets/SIGNER``, also for ``targets/releases``, as ``docker trust signer add`` does."""
        key = signer_key(self.directory, signer)
        for role in ("targets/releases", f"targets/{signer}"):
            self("delegation", "add", gun, role, key.public, "--all-paths", "--publish")
        self("key", "import", key.private, "--role", "user")
        return key


@dataclass(frozen=True, slots=True)
class SignerKey:
    """A signer's key pair, as PEM files."""

    private: Path
    public: Path


def signer_key(directory: Path, name: str) -> SignerKey:
    """A new P-256 key, in the forms that ``notary`` imports."""
    key = SignerKey(directory / f"{name}.key", directory / f"{name}.pub")
    run([program("openssl"), "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key.private])
    run([program("openssl"), "pkey", "-in", key.private, "-pubout", "-out", key.public])
    return key


@contextlib.contextmanager
def start_notary(
    directory: Path, ca: Authority, *, token: TokenServer | None = None, user: str = ""
) -> Iterator[Notary]:
    """Run a notary-server in ``directory`` (an empty one) until the block is left; it keeps everything in memory.

    Args:
        token: clients are sent there for a token of the service ``SERVICE``.
        user: ``USER:PASSWORD`` of the publishing client there.
    """
    port = free_port()
    document: dict[str, Any] = {
        "server": {
            "http_addr": f"127.0.0.1:{port}",
            "tls_cert_file": str(ca.server.certificate),
            "tls_key_file": str(ca.server.key),
        },
        "trust_service": {"type": "local"},
        "storage": {"backend": "memory"},
        "logging": {"level": "error"},
    }
    if token is not None:
        bundle = str(token.signing.certificate)
        options = {"realm": token.realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": bundle}
        document["auth"] = {"type": "token", "options": options}
    configuration = directory / "server.json"
    configuration.write_text(json.dumps(document), encoding="utf-8")
    remote = {"url": f"https://127.0.0.1:{port}", "root_ca": str(ca.bundle)}
    client = {"trust_dir": str(directory / "trust"), "remote_server": remote}
    (directory / "client.json").write_text(json.dumps(client), encoding="utf-8")
    command: list[str | Path] = [program("notary-server"), "-config", configuration]
    with started(command, port=port, log=directory / "notary.log") as running:
        yield Notary(running, directory, ca, user)


class TrustServerSimulator(Simulator):
    """A trust server whose files the test chooses: by GUN, a function from a file's name to its content or answer."""

    def __init__(self, *, tls: Certificate | None = None) -> None:
        super().__init__(tls=tls)
        self.repositories: dict[str, Callable[[str], bytes | Response | None]] = {}

    def answer(self, request: Request) -> Response:
        """The file; 404 as notary-server answers it."""
        gun, _, name = request.path.removeprefix("/v2/").partition(_TUF)
        files = self.repositories.get(gun)
        content = None if files is None else files(name.removesuffix(".json"))
        if content is None:
            return Response(404, b'{"errors":[{"code":"METADATA_NOT_FOUND"}]}')
        return content if isinstance(content, Response) else Response(200, content)

    def asked(self, gun: str, since: int = 0) -> Sequence[str]:
        """Names of a repository's files that were asked for."""
        prefix = f"/v2/{gun}{_TUF}"
        paths = [request.path for request in self.requests[since:]]
        return [path.removeprefix(prefix).removesuffix(".json") for path in paths if path.startswith(prefix)]
