"""Image strings (docs/spec/enforcement.md 9): what upstream answered, with imagegate's stricter answers on top."""

from __future__ import annotations

from typing import Any

from imagegate.core.enforcement.image import CiseImage, invalid_image_text, parse_image
from imagegate.errors import InvalidReference
from tests.conformance.context import Context, differences

_UPSTREAM_ONLY = frozenset({"id", "image", "imagegate", "panic", "portieris_trust_url"})


def run(case: dict[str, Any], context: Context) -> str | None:
    """Parse ``image`` and compare every field that is specified for it."""
    own = case.get("imagegate", {})
    expected = {key: value for key, value in case.items() if key not in _UPSTREAM_ONLY} | own
    if own.get("ok") is False or case.get("panic"):
        expected = dict(own)  # upstream's parser took it, or crashed: there is no text of its to compare
    try:
        got = _fields(parse_image(case["image"]))
    except InvalidReference as error:
        got = {"ok": False, "deny": invalid_image_text(case["image"]), "error": str(error)}
        if "error" not in expected:
            del got["error"]
    return differences(expected, got)


def _fields(image: CiseImage) -> dict[str, Any]:
    return {
        "ok": True,
        "hostname": image.hostname,
        "port": image.port,
        "name": image.name,
        "tag": image.tag_or_latest,
        "digest": image.digest,
        "name_with_tag": f"{image.name}:{image.tag_or_latest}",
        "registry_url": f"https://{image.domain}",
        "ibm_registry": image.is_ibm_registry,
    }
