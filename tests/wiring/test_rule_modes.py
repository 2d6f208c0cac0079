"""``mode`` of a single reject rule, from the file to what an API server, an operator and a user see."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from imagegate.core.admission.request import Phase
from imagegate.service.review.decision_log import DecisionLog
from imagegate.web.metrics import Metrics
from imagegate.wiring.choices import StartupOptions
from imagegate.wiring.runtime import build
from tests.bypass.reviewer_setup import review_of

TEXT = "spec.containers[0].image: image evil.example.com/x:1 would be rejected by rule 'bad'"


class Kept:
    """Keeps records."""

    def __init__(self) -> None:
        self.records: list[Any] = []

    def append(self, lines: Sequence[bytes]) -> None:
        """See ``ports.audit.Audit``."""
        self.records += map(json.loads, lines)


@pytest.mark.parametrize(
    "mode, allowed, warnings, annotations, verdict",
    [
        ("enforce", False, None, None, ""),
        ("warn", True, [TEXT], None, "warned"),
        ("audit", True, None, {"image-policy-would-deny": TEXT}, "audited"),
    ],
)
def test_mode_of_a_reject_rule(
    tmp_path: Path,
    mode: str,
    allowed: bool,
    warnings: list[str] | None,
    annotations: dict[str, str] | None,
    verdict: str,
) -> None:
    rules = [{"name": "bad", "reject": True, "mode": mode, "matchRegistries": ["evil.example.com"]}]
    config = {"kind": "ImagePolicyConfig", "apiVersion": "image.openshift.io/v1", "executionRules": rules}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    (tmp_path / "imagegate.yaml").write_text("config: config.yaml\n", encoding="utf-8")
    metrics, kept = Metrics(), Kept()
    chosen = StartupOptions(settings_file=tmp_path / "imagegate.yaml", environ={})
    reviewer = build(chosen, sinks=(metrics, DecisionLog(kept))).reviewer
    for phase in Phase:
        response = reviewer.review(review_of({"image": "evil.example.com/x:1"}), phase)["response"]
        assert response["allowed"] is allowed
        assert response.get("warnings") == warnings
        assert response.get("auditAnnotations") == annotations
    softened = [record["decisions"][0].get("softened") for record in kept.records]
    assert softened == [[f"bad ({mode}): evil.example.com/x:1"] if verdict else None] * 2
    counted = f'imagegate_decisions_total{{plugin="image-policy",rule="bad",verdict="{verdict}"}} 2.0'
    assert (counted in metrics.text().decode()) is bool(verdict)
    other = reviewer.review(review_of({"image": "good.example.com/x:1"}), Phase.VALIDATE)["response"]
    assert other == {"uid": other["uid"], "allowed": True}
