"""Trust data (Notary v1) from files, in the place of a trust server: it is verified as a server's is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from imagegate.core.admission.lookup import Absent, Found, Lookup
from imagegate.core.content_trust.question import TrustedImage
from imagegate.core.content_trust.roles import ROOT

if TYPE_CHECKING:  # verifies with cryptography, which takes time and memory
    from imagegate.core.content_trust.fetches import Fetch
    from imagegate.ports.content_trust import TrustServers, TrustSession

_BY_HASH = re.compile(r"\.[0-9a-f]{64}$")


@dataclass(slots=True)
class TrustFiles:
    """The files of one repository: the ``TrustSession`` port.

    Args:
        files: by name as a server has them, without ``.json``: ``root``, ``2.root``, ``targets/alice``.
    """

    files: Mapping[str, bytes]
    server: str
    """``HOST[:PORT]``."""
    gun: str
    reached: bool = True

    def fetch(self, fetch: Fetch, *, until: float) -> Lookup[bytes]:  # noqa: ARG002 - the port's signature
        """See ``TrustSession``. A name with a hash is that of the same file; whoever asks compares the hash."""
        content = self.files.get(fetch.name)
        if content is None:
            content = self.files.get(_BY_HASH.sub("", fetch.name))
        if content is not None:
            return Found(content)
        if fetch.role == ROOT:
            return Absent(f"{self.server} does not have trust data for {self.gun}")
        return Absent(f"{fetch.role} trust data unavailable.  Has a notary repository been initialized?")


@dataclass(slots=True)
class OfflineTrustServers:
    """The ``TrustServers`` port over files."""

    repositories: Mapping[str, Mapping[str, bytes]]
    """Files by repository (``HOST/PATH``)."""

    def sessions(self, question: TrustedImage) -> Iterator[TrustSession]:
        """See ``TrustServers``: one session, whoever asks."""
        server = urlsplit(question.server).netloc.rpartition("@")[2] or question.server
        yield TrustFiles(self.repositories.get(question.gun, {}), server, question.gun)


@dataclass(slots=True)
class RecordingTrustServers:
    """Passes questions on to trust servers, and remembers every file that they give."""

    servers: TrustServers
    fetched: dict[tuple[str, str], dict[str, bytes]] = field(default_factory=dict)
    """By server and repository: content by name, without hashes."""

    def sessions(self, question: TrustedImage) -> Iterator[TrustSession]:
        """See ``TrustServers``."""
        into = self.fetched.setdefault((question.server, question.gun), {})
        for session in self.servers.sessions(question):
            yield _Recording(session, into)


@dataclass(slots=True)
class _Recording:
    session: TrustSession
    into: dict[str, bytes]

    @property
    def reached(self) -> bool:
        return self.session.reached

    def fetch(self, fetch: Fetch, *, until: float) -> Lookup[bytes]:
        answer = self.session.fetch(fetch, until=until)
        if isinstance(answer, Found):
            self.into[_BY_HASH.sub("", fetch.name)] = answer.value
        return answer
