"""The ``trust`` requirement of an entry: finds the trust server of an image.

Source: docs/spec/enforcement.md 12.1 and 12.2.

This version does not verify metadata of Notary v1: an entry that requires it denies with a message that says so.
"""

from __future__ import annotations

from typing import NamedTuple

from imagegate.core.admission.answer_reader import AnswerReader
from imagegate.core.admission.decision import DenialCode
from imagegate.core.enforcement.behaviour import Dialect
from imagegate.core.enforcement.image import CiseImage
from imagegate.core.enforcement.policy import Entry, PolicyGroup
from imagegate.core.enforcement.requirement import ImageUnderPolicy, Refused, RequirementResult

NO_SERVER = "Trust Server/Image Configuration Error: no trust server could be found"
NOT_SUPPORTED = "Trust is not supported for images from this registry"
NOT_CHECKED = "content trust cannot be checked: this version of imagegate does not verify Notary metadata"


class TrustServer(NamedTuple):
    """The server with the trust data of a registry's images."""

    registry: str
    """A host name, or ``*.`` and a domain for every host below it. ``evildocker.io`` is not ``docker.io``."""
    url: str
    """With ``{hostname}`` for the registry's."""
    group: PolicyGroup | None = None
    """The only group whose entries use it without naming a server; None: entries of every group."""

    def covers(self, hostname: str) -> bool:
        """True if the row applies to a host."""
        if self.registry.startswith("*."):
            return hostname.endswith(self.registry[1:])
        return hostname == self.registry


TRUST_SERVERS = (
    TrustServer("docker.io", "https://notary.docker.io", PolicyGroup.PORTIERIS),
    TrustServer("quay.io", "https://quay.io:443", PolicyGroup.PORTIERIS),
    TrustServer("icr.io", "https://{hostname}:4443"),
    TrustServer("*.icr.io", "https://{hostname}:4443"),
    TrustServer("*.bluemix.net", "https://{hostname}:4443"),
)


def trust_server(entry: Entry, image: CiseImage) -> str | None:
    """Base URL of the trust server for an image; None if there is none."""
    if entry.trust.trust_server:
        return entry.trust.trust_server.removesuffix("/")
    hostname = image.hostname
    for row in TRUST_SERVERS:
        if row.covers(hostname) and row.group in (None, entry.source.group):
            return row.url.format(hostname=hostname)
    return None


class TrustCheck:
    """Docker Content Trust."""

    kind = "trust"

    def applies(self, entry: Entry) -> bool:
        """See ``Check``."""
        return entry.trust.enabled

    def evaluate(self, subject: ImageUnderPolicy, reader: AnswerReader) -> RequirementResult | None:  # noqa: ARG002 - nothing is looked up yet
        """See ``Check``."""
        documented = subject.dialect is Dialect.CISE
        if trust_server(subject.entry, subject.image) is None:
            return Refused(DenialCode.TRUST, NOT_SUPPORTED if documented else f"trust: {NO_SERVER}")
        return Refused(DenialCode.LOOK_UP_FAILED, NOT_CHECKED if documented else f"trust: {NOT_CHECKED}")
