"""Which trust server has the trust data of an image (docs/spec/enforcement.md 12.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from imagegate.core.enforcement.image import CiseImage
from imagegate.core.enforcement.policy import Entry, PolicyGroup


class TrustServer(NamedTuple):
    """The server with the trust data of a registry's images."""

    registry: str
    """``HOST[:PORT]``, or ``*.`` and a domain for every host below it. ``evildocker.io`` is not ``docker.io``."""
    url: str
    """With ``{hostname}`` for the registry's."""
    group: PolicyGroup | None = None
    """The only group whose entries use it without naming a server; None: entries of every group."""

    def covers(self, image: CiseImage) -> bool:
        """True if the row applies to an image."""
        if self.registry.startswith("*."):
            return image.hostname.endswith(self.registry[1:])
        return self.registry in (image.hostname, image.domain)


TRUST_SERVERS = (
    TrustServer("docker.io", "https://notary.docker.io", PolicyGroup.PORTIERIS),
    TrustServer("quay.io", "https://quay.io:443", PolicyGroup.PORTIERIS),
    TrustServer("icr.io", "https://{hostname}:4443"),
    TrustServer("*.icr.io", "https://{hostname}:4443"),
    TrustServer("*.bluemix.net", "https://{hostname}:4443"),
)


def trust_server(entry: Entry, image: CiseImage, servers: Sequence[TrustServer] = TRUST_SERVERS) -> str | None:
    """Base URL of the trust server for an image, the first row that covers it; None if there is none."""
    if entry.trust.trust_server:
        return entry.trust.trust_server.removesuffix("/")
    for row in servers:
        if row.covers(image) and row.group in (None, entry.source.group):
            return row.url.replace("{hostname}", image.hostname).removesuffix("/")
    return None
