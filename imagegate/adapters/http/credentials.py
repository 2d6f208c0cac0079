"""``Authorization`` headers of credentials."""

from __future__ import annotations

import base64
import re

from imagegate.core.registry.pull_secrets import Credential

_HEADER_SAFE = re.compile(r"[\x21-\x7e]+")


def basic(credential: Credential) -> str:
    """The ``Basic`` header (RFC 7617, UTF-8)."""
    text = f"{credential.username}:{credential.password}".encode("utf-8", "surrogatepass")
    return f"Basic {base64.b64encode(text).decode()}"


def is_token(text: object) -> bool:
    """True if ``text`` can stand in a header as a token."""
    return isinstance(text, str) and _HEADER_SAFE.fullmatch(text) is not None
