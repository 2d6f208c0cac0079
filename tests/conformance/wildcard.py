"""``IsWildcardMatch`` of OpenShift's import whitelist."""

from __future__ import annotations

from typing import Any

from imagegate.core.references.wildcard import Wildcard
from tests.conformance.context import Context, differences


def run(case: dict[str, Any], context: Context) -> str | None:
    """``s`` against the pattern ``p``."""
    return differences({"match": case["match"]}, {"match": Wildcard(case["p"]).matches(case["s"])})
