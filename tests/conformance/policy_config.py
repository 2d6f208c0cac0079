"""``Register`` of OpenShift's ImagePolicy plug-in: decode, defaults, validation.

The texts of decode errors hold Go type names and parser messages, so there only ``ok`` and ``stage`` are compared.
"""

from __future__ import annotations

from typing import Any

from imagegate.core.kube.field_errors import aggregate
from imagegate.core.profile import Profile
from imagegate.documents.image_policy_config import InvalidImagePolicy, load_image_policy
from imagegate.errors import InvalidPolicy
from tests.conformance.config_json import config_to_json
from tests.conformance.context import Context, differences

_COMPARED = ("ok", "stage", "error", "errors", "config")


def run(case: dict[str, Any], context: Context) -> str | None:
    """The text ``yaml`` read in profile ``openshift-4``; null is no text."""
    expected = {key: case[key] for key in _COMPARED if key in case}
    if case.get("stage") == "decode":
        del expected["error"]
    return differences(expected, _answer(case["yaml"] or ""))


def _answer(text: str) -> dict[str, Any]:
    try:
        loaded = load_image_policy(text, "case.yaml", Profile.OPENSHIFT_4)
    except InvalidImagePolicy as error:
        errors = [
            {"type": str(one.type), "field": one.field, "detail": one.detail, "error": str(one)} for one in error.errors
        ]
        answer = {"ok": False, "stage": "validate", "error": aggregate(error.errors), "errors": errors}
        return answer | {"config": config_to_json(error.loaded)}
    except InvalidPolicy:
        return {"ok": False, "stage": "decode"}
    return {"ok": True, "config": config_to_json(loaded)}
