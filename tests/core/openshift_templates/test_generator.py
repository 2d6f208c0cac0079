"""Values that OpenShift generates."""

from __future__ import annotations

import random
import re

import pytest

from imagegate.core.openshift_templates.generator import BadExpression, generate

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
    assert re.fullmatch(form, generate(expression, CHOOSE))


@pytest.mark.parametrize(
    "expression", ["[z-a]{1}", "[9-0]{1}", "[a]{0}", "[a]{256}", "[-]{1}", "[a]{" + "9" * 5000 + "}"]
)
def test_malformed(expression: str) -> None:
    with pytest.raises(BadExpression):
        generate(expression, CHOOSE)
