"""Values that OpenShift generates."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

import pytest

from imagegate.core.openshift_templates.generator import CHARACTERS_MAX, BadExpression, ValueGenerator

CHOOSE = random.Random(1).choice


@pytest.mark.parametrize(
    "expression, form",
    [
        ("[a-z]{8}", "[a-z]{8}"),
        ("user-[A-Z0-9]{3}-[a]{2}", "user-[A-Z0-9]{3}-aa"),
        (r"[\w]{50}", "[a-zA-Z0-9_]{50}"),
        (r"[\d]{5}", "[0-9]{5}"),
        (r"[\a]{50}", "[a-zA-Z0-9]{50}"),
        (r"[\A]{50}", "[^a-zA-Z0-9]{50}"),
        ("[a-zA-Z]{255}", "[a-zA-Z]{255}"),
        ("plain", "plain"),
        ("", ""),
        ("[a-z]", r"\[a-z\]"),
    ],
)
def test_generated(expression: str, form: str) -> None:
    assert re.fullmatch(form, ValueGenerator(CHOOSE).value(expression))


@pytest.mark.parametrize(
    "expression", ["[z-a]{1}", "[9-0]{1}", "[a]{0}", "[a]{256}", "[-]{1}", "[a]{" + "9" * 5000 + "}"]
)
def test_malformed(expression: str) -> None:
    with pytest.raises(BadExpression):
        ValueGenerator(CHOOSE).value(expression)


def test_one_template_generates_a_bounded_number_of_characters() -> None:
    chosen = 0

    def choose(letters: Sequence[str]) -> str:
        nonlocal chosen
        chosen += 1
        return letters[0]

    generator = ValueGenerator(choose)
    assert len(generator.value("[a-z]{200}" * 100)) == 20_000
    with pytest.raises(BadExpression, match="more than 100,000 characters"):
        generator.value("[a-z]{200}" * 200_000)
    assert chosen <= CHARACTERS_MAX


def test_short_values_count_with_their_expressions() -> None:
    with pytest.raises(BadExpression, match="more than 100,000 characters"):
        ValueGenerator(CHOOSE).value("[a-z]{1}" * 20_000)
