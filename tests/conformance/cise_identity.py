"""Which signed identity is accepted (docs/spec/enforcement.md 13.6)."""

from __future__ import annotations

from typing import Any

from imagegate.core.signing.identity import identity_matches, image_identity, signed_identity
from imagegate.errors import InvalidPolicy, InvalidReference
from tests.conformance.context import Context, differences


def run(case: dict[str, Any], context: Context) -> str | None:
    """Compile the rule, read the image, compare with the signature's reference."""
    expected = {**case, **case.get("imagegate", {})}
    accepted, error = _answer(case)
    return differences({name: expected[name] for name in ("accepted", "error")}, {"accepted": accepted, "error": error})


def _answer(case: dict[str, Any]) -> tuple[bool, str | None]:
    try:
        image = image_identity(case["image"])
        rule = signed_identity(
            case["type"],
            docker_reference=case.get("docker_reference", ""),
            docker_repository=case.get("docker_repository", ""),
            prefix=case.get("prefix", ""),
            signed_prefix=case.get("signed_prefix", ""),
        )
    except (InvalidPolicy, InvalidReference) as error:
        return False, str(error)
    return identity_matches(rule, image, case["signed_reference"]), None
