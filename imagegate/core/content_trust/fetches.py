"""Files that an update asks for, and the reading of answers; whoever drives the update does the fetching."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from imagegate.core.admission.lookup import Found, Lookup, Unknown
from imagegate.core.content_trust.errors import MetadataTooLarge, TrustDataUnavailable
from imagegate.core.content_trust.limits import MAX_UPDATE_BYTES

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Fetch:
    """One file below ``<server>/v2/<GUN>/_trust/tuf/``."""

    role: str
    name: str
    """Without ``.json``: ``timestamp``, ``3.root``, ``targets/alice.<sha256 in hex>``."""
    max_bytes: int
    """An answer of more bytes is refused; the driver reads one more at most."""
    immutable: bool
    """True if the name holds the file's version or hash, so that its content never changes."""


Steps: TypeAlias = Generator[Fetch, Lookup[bytes], T]


def run(steps: Steps[T], fetch: Callable[[Fetch], Lookup[bytes]]) -> T:
    """Drive steps to their end, one fetch after the other."""
    try:
        wanted = next(steps)
        while True:
            wanted = steps.send(fetch(wanted))
    except StopIteration as end:
        result: T = end.value
        return result


class Reader:
    """Reads answers within the limit of one update."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = MAX_UPDATE_BYTES

    def read(self, fetch: Fetch) -> Steps[bytes]:
        """Ask for one file.

        Raises:
            TrustDataUnavailable: there is none, or nobody could be asked.
            MetadataTooLarge: more bytes than expected, or than an update reads in all.
        """
        answer = yield fetch
        if not isinstance(answer, Found):
            unknown = isinstance(answer, Unknown)
            retryable = isinstance(answer, Unknown) and answer.retryable
            raise TrustDataUnavailable(answer.why, role=fetch.role, absent=not unknown, retryable=retryable)
        content = answer.value
        if len(content) > fetch.max_bytes:
            text = f"{fetch.name} is larger than the {fetch.max_bytes} bytes that are expected"
            raise MetadataTooLarge(text, role=fetch.role)
        self._left -= len(content)
        if self._left < 0:
            text = f"trust data of the repository is larger than {MAX_UPDATE_BYTES} bytes"
            raise MetadataTooLarge(text, role=fetch.role)
        return content
