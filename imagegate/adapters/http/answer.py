"""One answer of an HTTP server."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

from imagegate.core.registry.egress import Sender
from imagegate.core.registry.error_text import error_sentence


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """One answer, read to its end.

    ``url`` is the last one requested, after redirects; ``authenticate`` holds the lines of ``WWW-Authenticate``;
    ``server`` is the server that answered, the ``sender`` of requests to servers that the answer names;
    ``secrets`` were sent with the request, and messages must not repeat them.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str
    authenticate: tuple[str, ...] = ()
    server: Sender | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def content_type(self) -> str:
        """Media type in lower case without parameters."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def sentence(self) -> str:
        """The sentence of an error answer: one printable line without the request's credential, or empty."""
        said = error_sentence(self.content_type, self.body, secrets=self.secrets)
        wait_s = retry_after(self)
        return f"{said} (try again in {wait_s:.0f} s)".lstrip() if wait_s else said


def retry_after(answer: HttpAnswer) -> float | None:
    """Seconds that the server wants to be left alone; None if it does not say."""
    text = answer.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time()) if text else None
    except (ValueError, OverflowError):
        return None
