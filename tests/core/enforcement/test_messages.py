"""The message for all denials of one object (docs/spec/enforcement.md 16.1)."""

from __future__ import annotations

import pytest

from imagegate.core.enforcement.messages import DOCUMENTED, status_message


def test_each_sentence_once_in_order_on_lines_of_their_own() -> None:
    assert status_message(["b", "a", "b"]) == "\nb\na"


@pytest.mark.parametrize("sentence", DOCUMENTED)
def test_the_cise_messages_stand_on_the_api_servers_line(sentence: str) -> None:
    assert status_message([f"{sentence}x"]) == f"{sentence}x"
    assert status_message([f"{sentence}x", "other"]) == f"\n{sentence}x\nother"
