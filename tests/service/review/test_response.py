"""One response from the decisions of all plug-ins."""

from __future__ import annotations

import base64
import json

from imagegate.core.admission.decision import Decision, PatchOp
from imagegate.core.kube.status import Status
from imagegate.service.policies.policy_set import Mode
from imagegate.service.review.response import (
    WARNING_MAX_CHARACTERS,
    WARNINGS_MAX_CHARACTERS,
    Outcome,
    Verdict,
    capped,
    combine,
)
from tests.service.plugins import denial, invalid, request


def denied(name: str, because: str, status: Status | None = None) -> Decision:
    return Decision(plugin=name, denials=(denial(because),), status=status or invalid(because))


def test_the_status_of_a_single_plugin_stays_as_it_is() -> None:
    assert combine([]) is None
    assert combine([Decision(plugin="a"), denied("b", "hub")]) == invalid("hub")


def test_a_refusal_leads_over_a_server_error_and_both_are_shown() -> None:
    error = Status(code=500, reason="InternalError", message="broken", retry_after_s=3)
    status = combine([denied("a", "no answer", error), denied("b", "hub")])
    assert status is not None
    assert (status.code, status.reason, status.retry_after_s) == (422, "Invalid", 0)
    assert status.message == "Pod \"\" is invalid: ('hub',)\nbroken"
    assert [cause.message for cause in status.causes] == ["Forbidden: hub", "Forbidden: no answer"]


def test_warnings_stay_within_the_limits_of_the_api_server() -> None:
    assert capped(["a\n b", "c"]) == ["a b", "c"]
    (long,) = capped(["x" * 300])
    assert len(long) == WARNING_MAX_CHARACTERS
    assert long.endswith("…")
    many = capped("y" * WARNING_MAX_CHARACTERS for _ in range(20))
    assert sum(map(len, many)) <= WARNINGS_MAX_CHARACTERS
    assert many[-1] == f"{20 - len(many) + 1} more warnings are not shown"


def test_the_review_of_an_allowed_object_has_its_patch() -> None:
    patch = (PatchOp("replace", "/spec/containers/0/image", "x"),)
    verdict = Verdict(Decision(plugin="image-policy", rewrites=patch), Mode.ENFORCE)
    outcome = Outcome(request=request(), verdicts=(verdict,), policy_version="1", allowed=True, patch=patch)
    assert verdict.word == "rewritten"
    response = outcome.to_review()["response"]
    assert (response["uid"], response["allowed"], response["patchType"]) == ("u-1", True, "JSONPatch")
    assert json.loads(base64.b64decode(response["patch"])) == [patch[0].to_json()]


def test_a_denial_in_mode_warn_or_audit_is_only_reported() -> None:
    verdicts = (Verdict(denied("a", "hub"), Mode.WARN), Verdict(denied("b", "tag"), Mode.AUDIT))
    outcome = Outcome(request=request(), verdicts=verdicts, policy_version="1", allowed=True)
    assert [verdict.word for verdict in verdicts] == ["warned", "audited"]
    assert outcome.status is None
    assert outcome.denials == ()
    assert outcome.warnings == ("a would deny: spec.containers[0].image: hub",)
    assert outcome.annotations == {"b-would-deny": "spec.containers[0].image: tag"}
