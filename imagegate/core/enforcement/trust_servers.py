"""Which trust server has the trust data of an image (docs/spec/enforcement.md 12.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

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
    return _listed_server(entry, image, servers)


def may_have_registry_tokens(entry: Entry, image: CiseImage, servers: Sequence[TrustServer] = TRUST_SERVERS) -> bool:
    """True if the image's trust server may get tokens that the registry issues for pull secrets.

    Who may write an ImagePolicy in a namespace need not be allowed to read its Secrets. A server of that author's
    choice gets such tokens only on the registry's own host, or if the settings name it, too.
    """
    named = entry.trust.trust_server
    if not named or not entry.source.namespace:
        return True
    if named.removesuffix("/") == _listed_server(entry, image, servers):
        return True
    try:
        return urlsplit(named).hostname in {_host(image.hostname), _host(image.domain)}
    except ValueError:
        return False


def _host(authority: str) -> str | None:
    return urlsplit(f"https://{authority}").hostname


def _listed_server(entry: Entry, image: CiseImage, servers: Sequence[TrustServer]) -> str | None:
    for row in servers:
        if row.covers(image) and row.group in (None, entry.source.group):
            return row.url.replace("{hostname}", image.hostname).removesuffix("/")
    return None
