"""What counts as a permission."""

from __future__ import annotations

import pytest

from imagegate.core.admission.access_review import AccessAnswer, is_granted, refusal
from imagegate.core.admission.lookup import Absent, Found, Lookup, Unknown


@pytest.mark.parametrize(
    "answer,granted,shown",
    [
        (Found(AccessAnswer(True, "because")), True, AccessAnswer(True, "because")),
        (Found(AccessAnswer(False, "no")), False, AccessAnswer(False, "no")),
        (Absent("no such user"), False, AccessAnswer(False, "no such user")),
        (Unknown("timed out"), False, AccessAnswer(False, evaluation_error="timed out")),
        (None, False, AccessAnswer(False, evaluation_error="not looked up")),
    ],
)
def test_only_a_certain_yes_is_one(answer: Lookup[AccessAnswer] | None, granted: bool, shown: AccessAnswer) -> None:
    assert is_granted(answer) is granted
    assert refusal(answer) == shown
