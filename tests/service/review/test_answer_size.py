"""Answers stay small, whatever is sent: listed places, texts, warnings, annotations."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest

from imagegate.core.admission.decision import Decision, Denial, DenialCode, PatchOp
from imagegate.core.admission.request import Phase
from imagegate.core.admission.workload import IMAGES_MAX
from imagegate.core.kube.status import Cause, Status
from imagegate.service.policies.policy_set import ConfiguredPlugin, Mode, Modes
from imagegate.service.review.answer_size import (
    ANNOTATION_MAX_BYTES,
    CAUSE_MAX_BYTES,
    CAUSES_MAX,
    MESSAGE_MAX_BYTES,
    PLACES_MAX,
    bounded_status,
    cut,
)
from tests.service.plugins import Told, review, reviewer

ANSWER_MAX_BYTES = 200 * 1024


def places(count: int, text: str = "no rule allows {}") -> tuple[Cause, ...]:
    """``count`` causes, each at a place of its own."""
    return tuple(
        Cause("FieldValueForbidden", f"Forbidden: {text.format(n)}", f"spec.containers[{n}].image")
        for n in range(count)
    )


def status(causes: tuple[Cause, ...], message: str = "no") -> Status:
    return Status(code=422, reason="Invalid", message=message, kind="Pod", causes=causes)


@pytest.mark.parametrize("count", [1, 2, PLACES_MAX + 1, CAUSES_MAX])
def test_what_fits_is_answered_as_it_is(count: int) -> None:
    given = status(places(count, "the same"), "x" * (MESSAGE_MAX_BYTES // 4))
    assert bounded_status(given, count) is given


def test_one_place_more_is_counted() -> None:
    shown = bounded_status(status(places(CAUSES_MAX + 1)), CAUSES_MAX + 1).causes
    assert shown[:-1] == places(CAUSES_MAX - 1)
    assert shown[-1] == Cause("FieldValueForbidden", "Forbidden: and 2 more", "spec")


def test_the_last_cause_says_how_many_more() -> None:
    shown = bounded_status(status(places(40_000)), 40_000).causes
    assert len(shown) == CAUSES_MAX
    assert shown[-1].message == "Forbidden: and 39,951 more"


def test_identical_texts_do_not_hide_another() -> None:
    another = Cause("FieldValueForbidden", "Forbidden: rejected by rule", "spec.containers[39999].image")
    shown = bounded_status(status((*places(39_999, "the same"), another)), 40_000).causes
    assert shown[:PLACES_MAX] == places(PLACES_MAX, "the same")
    assert shown[PLACES_MAX:] == (another, Cause("FieldValueForbidden", "Forbidden: and 39,989 more", "spec"))


def test_texts_are_cut_at_whole_characters() -> None:
    long = status((Cause("x", "é" * CAUSE_MAX_BYTES, "spec"),), "€" * MESSAGE_MAX_BYTES)
    shown = bounded_status(long, 7)
    assert len(shown.message.encode()) <= MESSAGE_MAX_BYTES
    assert shown.message.endswith("€… (7 denials in all)")
    assert len(shown.causes[0].message.encode()) <= CAUSE_MAX_BYTES
    assert shown.causes[0].message.endswith("é…")


@pytest.mark.parametrize("text", ["a" * 100, "é" * 50, "\U0001f600" * 25])
def test_a_text_that_fits_exactly_is_not_cut(text: str) -> None:
    assert cut(text, 100) == text
    assert len(cut(text + "a", 100).encode()) <= 100


def plugin(count: int, text: str) -> Told:
    """A plug-in that denies at ``count`` places, warns as often and says as much to the audit log."""
    denials = tuple(
        Denial(code=DenialCode.NO_RULE_ALLOWS, image=text, at=f"spec.containers[{n}].image", rule="", because=text)
        for n in range(count)
    )
    decision = Decision(
        plugin="image-policy",
        denials=denials,
        status=status(tuple(Cause("FieldValueForbidden", text, each.at) for each in denials), text * count),
        warnings=tuple(f"{n} {text}" for n in range(count)),
        annotations={"skipped": text},
    )
    return Told("image-policy", lambda _request, _answers: decision)


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("count, text", [(IMAGES_MAX, "a text"), (100, "é" * 100_000), (3, "\x01" * 1_000_000)])
def test_no_answer_is_large(mode: Mode, count: int, text: str) -> None:
    told = ConfiguredPlugin(plugin(count, text), Modes(mode))
    answer = reviewer(told).review(review(), Phase.VALIDATE)
    assert len(orjson.dumps(answer)) < ANSWER_MAX_BYTES
    for value in answer["response"].get("auditAnnotations", {}).values():
        assert len(value.encode()) <= ANNOTATION_MAX_BYTES
    if mode is Mode.AUDIT and count == IMAGES_MAX:
        said = answer["response"]["auditAnnotations"]["image-policy-would-deny"]
        assert said.endswith(f"… ({IMAGES_MAX:,} in all)")


def test_a_patch_is_never_cut() -> None:
    operations = tuple(PatchOp("add", f"/spec/x{n}", "Always") for n in range(1000))
    told = Told("always-pull", lambda _request, _answers: Decision(plugin="always-pull", rewrites=operations))
    outcome: Any = reviewer(told).review(review(), Phase.MUTATE)
    assert "patch" in json.dumps(outcome)
    assert len(outcome["response"]["patch"]) > 30_000
