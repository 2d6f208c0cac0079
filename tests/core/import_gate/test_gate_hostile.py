"""Image-stream objects with parts missing, exchanged or of the wrong type: an answer every time, never an exception."""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path
from typing import Any

import pytest

from imagegate.core.admission.access_review import AccessAnswer
from imagegate.core.admission.lookup import Absent, Found, Lookup, Unknown
from imagegate.core.admission.plugin import KnownAnswers
from imagegate.core.import_gate.behaviour import DOCUMENTED, OPENSHIFT_4, GateBehaviour
from tests.support.import_gate_setup import KINDS, MANUAL, NOW, ImportSetup, request_of

VECTORS = Path(__file__).parents[2] / "vectors" / "upstream" / "import_streams.jsonl"
JUNK: list[Any] = [
    None, 0, -1, 1.5, True, "", [], {}, "x:y:z", "\ud800", "a" * 5000, [None], {"a": None}, "*", "@", ":", "docker.io",
]  # fmt: skip
KEYS = ("from", "tags", "items", "generateName", "image", "to", "repository", "images", "generation")
REQUESTS = 1500


@pytest.fixture(scope="module")
def cases() -> list[dict[str, Any]]:
    return [json.loads(line) for line in VECTORS.read_text(encoding="utf-8").splitlines()]


def spoiled(document: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """A copy with a few places taken away or replaced."""
    document = copy.deepcopy(document)
    for _ in range(chance.randint(1, 4)):
        at: Any = document
        while isinstance(at, (dict, list)) and at:
            key = chance.choice(list(at)) if isinstance(at, dict) else chance.randrange(len(at))
            inside = at[key]
            if isinstance(inside, (dict, list)) and inside and chance.random() > 0.3:
                at = inside
                continue
            if chance.random() < 0.2:
                at.pop(key)
            elif isinstance(at, dict) and chance.random() < 0.2:
                at[chance.choice(KEYS)] = chance.choice(JUNK)
            else:
                at[key] = chance.choice(JUNK)
            break
    return document


@pytest.mark.parametrize("behaviour", [DOCUMENTED, OPENSHIFT_4])
def test_every_request_gets_an_answer(cases: list[dict[str, Any]], behaviour: GateBehaviour) -> None:
    chance = random.Random(1)
    plugin = ImportSetup(MANUAL, integrated="registry:5000", behaviour=behaviour).plugin
    resources = {kind.lower(): resource for resource, kind in KINDS.items()}
    verdicts = set()
    for _ in range(REQUESTS):
        case = chance.choice(cases)
        kind, _, operation = case["operation"].partition(".")
        stored = spoiled(chance.choice(cases)["object"], chance)
        request = request_of(
            resources[kind],
            spoiled(case["object"], chance),
            spoiled(case["oldObject"], chance) if "oldObject" in case else None,
            sub_resource="status" if operation == "statusUpdate" else "",
        )
        known: tuple[Lookup[Any], ...] = (Absent("none"), Unknown("down"), Found(stored), Found(AccessAnswer(True)))
        answers = KnownAnswers()
        for _ in range(2):
            for question in plugin.questions(request, answers):
                fits = known[:3] if type(question).__name__ != "Access" else (known[1], known[3])
                answers.setdefault(question, chance.choice(fits))
        decision = plugin.decide(request, answers, now=NOW)
        assert decision.allowed or decision.status is not None
        json.dumps(decision.status.to_json() if decision.status is not None else {})
        verdicts.add(decision.status.code if decision.status is not None else 0)
    assert verdicts == {0, 400, 422, 500}
