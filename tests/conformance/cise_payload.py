"""Payloads of simple signing (docs/spec/enforcement.md 13.5 steps 3 and 4)."""

from __future__ import annotations

from typing import Any

from imagegate.core.signing.claims import Claims
from imagegate.errors import VerificationError
from tests.conformance.context import Context, differences


def run(case: dict[str, Any], context: Context) -> str | None:
    """Read the claims. The error's text is the original's JSON library's and not compared."""
    names = ("ok", "digest", "reference") if case["ok"] else ("ok",)
    return differences({name: case[name] for name in names}, _answer(case["payload"]))


def _answer(payload: str) -> dict[str, Any]:
    try:
        claims = Claims.parse(payload.encode())
    except VerificationError:
        return {"ok": False}
    return {"ok": True, "digest": claims.docker_manifest_digest, "reference": claims.docker_reference}
