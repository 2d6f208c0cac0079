"""The one wording of the second sentence."""

from __future__ import annotations

import pytest

from imagegate.core.admission.decision import Denial, DenialCode
from imagegate.core.admission.hint import HINT_MAX, decided_hint, nearest_rule_hint, rejected_hint, some, told


def test_a_hint_follows_the_originals_sentence_which_stays_as_it_is() -> None:
    assert told("no rule allows it", "nearest rule: a") == "no rule allows it; nearest rule: a"
    assert told("rejected by policy.", "decided by a") == "rejected by policy. Decided by a."
    assert told("no rule allows it", "") == "no rule allows it"


def test_the_text_of_a_denial() -> None:
    denial = Denial(code=DenialCode.NO_RULE_ALLOWS, image="a", at="spec", rule="", because="no", hint="nearest rule: r")
    assert denial.text == "no; nearest rule: r"
    assert str(denial) == "spec: a denied: no; nearest rule: r [no-rule-allows]"


@pytest.mark.parametrize(
    "hint",
    [
        nearest_rule_hint("r" * 5000, ["u" * 5000] * 50, ["signatures"]),
        rejected_hint(["m" * 5000]),
        decided_hint("r" * 5000, "requires signatures"),
    ],
)
def test_every_hint_is_cut(hint: str) -> None:
    assert len(hint) <= HINT_MAX


def test_a_few_names_stand_for_all() -> None:
    assert some(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
    assert some(["a", "b"]) == "a, b"
