"""The client's certificate of a request, whatever server received it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PEER_CERTIFICATE = "imagegate.peer_certificate"
"""Key in the ASGI scope and the WSGI environment: the client's certificate, DER. Missing: it has shown none."""


def peer_certificate(environ: Mapping[str, Any]) -> bytes | None:
    """The certificate of a WSGI request's client, DER; gunicorn's own workers give the socket instead."""
    found: bytes | None = environ.get(PEER_CERTIFICATE)
    if found is not None:
        return found
    shown = getattr(environ.get("gunicorn.socket"), "getpeercert", None)  # a plain socket has none
    return None if shown is None else shown(binary_form=True)
