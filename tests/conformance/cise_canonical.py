"""Canonical JSON and key ids of Notary (docs/spec/enforcement.md 12.7)."""

from __future__ import annotations

import hashlib
from typing import Any

from imagegate.core.kube.canonical_json import canonical, canonical_key, key_id
from imagegate.core.kube.strict_json import InvalidJson
from tests.conformance.context import Context, differences


def run(case: dict[str, Any], context: Context) -> str | None:
    """Print a text canonically, or a key with its id."""
    expected = {**case, **case.get("imagegate", {})}
    if "keytype" in case:
        got = {
            "canonical": canonical_key(case["keytype"], case["public"]).decode(),
            "keyid": key_id(case["keytype"], case["public"]),
        }
        return differences({name: expected[name] for name in ("canonical", "keyid")}, got)
    names = ("ok", "canonical", "sha256") if expected["ok"] else ("ok",)
    return differences({name: expected[name] for name in names}, _printed(case["json"]))


def _printed(text: str) -> dict[str, Any]:
    try:
        printed = canonical(text)
    except InvalidJson:
        return {"ok": False}
    return {"ok": True, "canonical": printed.decode(), "sha256": hashlib.sha256(printed).hexdigest()}
