"""Trust collections of a real notary-server, and the answers a server would give from them."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from imagegate.core.admission.lookup import Absent, Found, Lookup
from imagegate.core.content_trust.fetches import Fetch
from tests.support.samples import SAMPLES

SAMPLES_NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
"""The timestamps of notary-server expire on 2026-12-05."""
SIGNED_DIGEST = "sha256:0d4c6b3d5d3fb55fd4e0637bb6f973f608cb94836e75fc9b81d2c87e933b141a"

_BY_HASH = re.compile(r"\.[0-9a-f]{64}$")


class TrustSample(NamedTuple):
    """One collection."""

    folder: str
    gun: str

    def content(self, name: str) -> bytes:
        """The bytes of a file by its name on the server."""
        return (SAMPLES / "notary" / self.folder / f"{name}.json").read_bytes()

    def fetch(self, asked: list[str] | None = None) -> Callable[[Fetch], Lookup[bytes]]:
        """Answers fetches, and notes the names that were asked for, without hashes."""

        def answer(fetch: Fetch) -> Lookup[bytes]:
            name = _BY_HASH.sub("", fetch.name)
            if asked is not None:
                asked.append(name)
            try:
                return Found(self.content(name))
            except FileNotFoundError:
                return Absent(f"{fetch.role} trust data unavailable.  Has a notary repository been initialized?")

        return answer


SERVER_ECDSA = TrustSample("server-ecdsa", "127.0.0.1:5000/signed/app")
SERVER_LOCAL = TrustSample("server-local", "127.0.0.1:5000/odd/app")
SERVER_OFFSET = TrustSample("server-offset", "127.0.0.1:5000/offset/app")
FAR_EXPIRY = TrustSample("far-expiry", "127.0.0.1:5000/signed/app")
TRUST_SAMPLES = (SERVER_ECDSA, SERVER_LOCAL, SERVER_OFFSET, FAR_EXPIRY)
