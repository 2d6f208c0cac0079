"""The three comparing functions of Portieris (docs/spec/enforcement.md 8.2)."""

from __future__ import annotations

from typing import Any

from imagegate.core.enforcement.patterns import compare, compare_any_tag, compare_image_ref
from tests.conformance.context import Context, differences

_FUNCTIONS = {"compare": compare, "compare_any_tag": compare_any_tag, "compare_image_ref": compare_image_ref}


def run(case: dict[str, Any], context: Context) -> str | None:
    """``string`` against ``pattern``."""
    expected = {name: case[name] for name in _FUNCTIONS}
    got = {name: function(case["pattern"], case["string"]) for name, function in _FUNCTIONS.items()}
    return differences(expected, got)
