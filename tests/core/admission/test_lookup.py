"""The kinds of results that plug-ins tell apart."""

from __future__ import annotations

import pytest

from imagegate.core.admission.lookup import Absent, Ambiguous, DeadlineExceeded, Found, Impossible, Unknown, Unlisted


@pytest.mark.parametrize("kind", [DeadlineExceeded, Ambiguous, Unlisted])
def test_whoever_handles_unknown_handles_its_kinds(kind: type[Unknown]) -> None:
    assert isinstance(kind("why"), Unknown)
    assert kind("why") != Unknown("why"), "the kind counts"


@pytest.mark.parametrize("certain", [Absent("why"), Impossible("why"), Found(1)])
def test_what_is_certain_is_not_unknown(certain: object) -> None:
    assert not isinstance(certain, Unknown)


def test_unknown_may_be_tried_again_unless_it_says_otherwise() -> None:
    assert Unknown("timed out").retryable
    assert not Unknown("the store is damaged", retryable=False).retryable


def test_absent_says_what_is_missing() -> None:
    assert Absent("none", "imagestreamtags") != Absent("none", "imagestreams")
