"""Look-ups are dictionary keys: equal ones are made once, and no kind equals another."""

from __future__ import annotations

import dataclasses

import pytest

from imagegate.core.admission.plugin import Question
from imagegate.core.image_streams.questions import Image, Namespace, PullSpecHolders, Stream, StreamImage, StreamTag


def test_equal_look_ups_are_one_key() -> None:
    assert len({Stream("a", "b"), Stream("a", "b"), Stream("b", "a")}) == 2
    assert StreamTag("a", "b", "c") == StreamTag("a", "b", "c")


def test_kinds_with_the_same_fields_differ() -> None:
    questions: list[Question] = [Image("x"), PullSpecHolders("x"), Namespace("x")]
    assert len(set(questions)) == 3
    same_fields: list[Question] = [StreamTag("a", "b", "c"), StreamImage("a", "b", "c")]
    assert len(set(same_fields)) == 2


def test_look_ups_cannot_change() -> None:
    question = Image("x")
    with pytest.raises(dataclasses.FrozenInstanceError):
        question.digest = "y"  # type: ignore[misc]
