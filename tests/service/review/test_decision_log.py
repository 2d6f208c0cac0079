from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import jsonschema
import pytest

from imagegate.core.admission.decision import Decision, PatchOp, Softened
from imagegate.core.admission.request import Phase
from imagegate.service.policies.policy_set import ConfiguredPlugin, Mode, Modes
from imagegate.service.review.decided import LISTED_MAX, PLACES_MAX_BYTES
from imagegate.service.review.decision_log import DecisionLog
from imagegate.service.review.recording import Recording
from tests.service.plugins import NOW, allowing, denial, denying, review, reviewer, rewriting
from tests.support.service import ROOT

SECRET = "hunter2"
SCHEMA = json.loads((ROOT / "docs/schemas/decision-log.schema.json").read_text(encoding="utf-8"))


class Kept:
    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []

    def append(self, lines: Sequence[bytes]) -> None:
        found = [json.loads(line) for line in lines]
        for record in found:
            jsonschema.validate(record, SCHEMA)
        self.records += found


def logging_to(kept: Kept) -> Recording:
    return Recording(NOW.timestamp, DecisionLog(kept))


def record_of(*plugins: Any, modes: Modes | None = None, **more: Any) -> dict[str, Any]:
    kept = Kept()
    service = reviewer(*plugins, recorders=(logging_to(kept),), modes=modes)
    document = review(**more)
    document["request"]["object"]["spec"]["containers"][0]["env"] = [{"name": "PASSWORD", "value": SECRET}]
    service.review(document, Phase.MUTATE)
    (record,) = kept.records
    return record


def test_a_record_says_who_asked_for_what_and_what_spoke() -> None:
    record = record_of(denying("image-policy", "no"), allowing("cise"), dryRun=True, name="web")
    milliseconds = record.pop("milliseconds")
    assert milliseconds >= 0
    assert record == {
        "time": "2026-01-02T03:04:05.000+00:00",
        "level": "info",
        "logger": "imagegate.decision",
        "message": "denied",
        "uid": "u-1",
        "phase": "mutate",
        "operation": "CREATE",
        "resource": "pods",
        "namespace": "default",
        "name": "web",
        "user": "alice",
        "dryRun": True,
        "allowed": False,
        "decisions": [
            {
                "plugin": "image-policy",
                "verdict": "denied",
                "mode": "enforce",
                "codes": ["rejected-by-rule"],
                "images": ["nginx"],
                "denials": [
                    {
                        "at": "spec.containers[0].image",
                        "image": "nginx",
                        "code": "rejected-by-rule",
                        "because": "no",
                    }
                ],
            },
            {"plugin": "cise", "verdict": "allowed", "mode": "enforce"},
        ],
        "policyVersion": "0123456789ab",
    }


def test_a_record_lists_as_many_denials_as_fit_into_a_line() -> None:
    (part,) = record_of(denying("image-policy", *(f"{number} {'x' * 400}" for number in range(30))))["decisions"]
    assert [each["because"][:2] for each in part["denials"]] == ["0 ", "1 ", "2 ", "3 "]
    assert len(json.dumps(part["denials"])) < PLACES_MAX_BYTES


def test_a_record_names_the_digests_and_never_the_object() -> None:
    digest = "sha256:" + "0" * 64
    record = record_of(rewriting("image-policy", PatchOp("replace", "/spec/containers/0/image", f"nginx@{digest}")))
    assert record["digests"] == [digest]
    assert record["decisions"][0]["rewrites"] == [{"at": "spec.containers[0].image", "to": f"nginx@{digest}"}]
    assert SECRET not in json.dumps(record)


def test_what_is_written_beside_an_image_is_no_digest() -> None:
    digest = "sha256:" + "0" * 64
    image = PatchOp("replace", "/spec/containers/0/image", f"nginx@{digest}")
    annotations = {
        "/spec/a": '{"to":"nginx@sha256:00","mac":"x"}',
        "/spec/b": "me@test",
    }
    beside = [PatchOp("add", path, text) for path, text in annotations.items()]
    assert record_of(rewriting("cise", image, *beside))["digests"] == [digest]
    assert "digests" not in record_of(rewriting("cise", *beside))


def test_a_denial_that_does_not_count_is_recorded_as_such() -> None:
    record = record_of(denying("image-policy", "no"), modes=Modes(Mode.AUDIT))
    assert record["allowed"] is True
    assert record["decisions"][0]["verdict"] == "audited"


def test_a_record_stays_short() -> None:
    digests = [f"sha256:{n:064x}" for n in range(1000)]
    ops = [PatchOp("add", f"/spec/{n}", f"x@{digest}") for n, digest in enumerate(digests)]
    assert record_of(rewriting("image-policy", *ops))["digests"] == digests[:LISTED_MAX]


class Softening:
    """A plug-in that allows, with two rules that would have denied."""

    name = "image-policy"

    def covers(self, request: Any) -> bool:
        return True

    def questions(self, request: Any, answers: Any) -> tuple[()]:
        return ()

    def decide(self, request: Any, answers: Any, *, now: Any, trace: Any = None) -> Decision:
        soft = [Softened(mode, f"rule-{mode}", denial(f"no, says {mode}")) for mode in ("warn", "audit")]
        return Decision(plugin=self.name, warnings=(soft[0].text,), softened=tuple(soft))


@pytest.mark.parametrize(
    "mode, warnings, noted",
    [
        (Mode.ENFORCE, ["spec.containers[0].image: no, says warn"], "spec.containers[0].image: no, says audit"),
        (Mode.WARN, ["spec.containers[0].image: no, says warn"], "spec.containers[0].image: no, says audit"),
        (
            Mode.AUDIT,
            None,
            "spec.containers[0].image: no, says warn; spec.containers[0].image: no, says audit",
        ),
    ],
)
def test_a_rule_that_only_warns_or_is_noted(mode: Mode, warnings: list[str] | None, noted: str) -> None:
    """The weaker of the plug-in's mode and the rule's decides who is told; the log tells in any case."""
    kept = Kept()
    service = reviewer(ConfiguredPlugin(Softening(), Modes(mode)), recorders=(logging_to(kept),))
    response = service.review(review(), Phase.MUTATE)["response"]
    assert response["allowed"]
    assert response.get("warnings") == warnings
    assert response["auditAnnotations"] == {"image-policy-would-deny": noted}
    assert kept.records[0]["decisions"][0]["softened"] == [
        "rule-warn (warn): nginx",
        "rule-audit (audit): nginx",
    ]
