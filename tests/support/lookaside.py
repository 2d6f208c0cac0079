"""A lookaside server: signatures as static files over HTTP."""

from __future__ import annotations

from pathlib import Path

from tests.support.certificates import Certificate
from tests.support.simulator import Request, Response, Simulator


class Lookaside(Simulator):
    """Serves ``directory`` read-only; 404 for what is not there, as the protocol needs to end a list.

    Layout: ``REPOSITORY@sha256=HEX/signature-N`` (containers/image, docs/signature-protocols.md).
    """

    def __init__(self, directory: Path, *, tls: Certificate | None = None) -> None:
        super().__init__(tls=tls)
        self.directory = directory.resolve()

    def answer(self, request: Request) -> Response:
        """The file, or 404; 405 for anything but reading."""
        if request.method not in ("GET", "HEAD"):
            return Response(405)
        path = (self.directory / request.path.lstrip("/")).resolve()
        if not path.is_relative_to(self.directory) or not path.is_file():
            return Response(404)
        return Response(200, path.read_bytes(), {"Content-Type": "application/octet-stream"})

    def put(self, repository: str, digest: str, number: int, blob: bytes) -> None:
        """Add ``signature-NUMBER`` (from 1) for ``repository@digest`` (``team/app``, ``sha256:...``)."""
        folder = self.directory / f"{repository}@{digest.replace(':', '=')}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"signature-{number}").write_bytes(blob)
