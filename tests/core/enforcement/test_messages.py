"""The message for all denials of one object (docs/spec/enforcement.md 16.1)."""

from __future__ import annotations

import pytest

from imagegate.core.enforcement.messages import DOCUMENTED, status_message


def test_each_sentence_once_in_order_on_lines_of_their_own() -> None:
    assert status_message([("", "b"), ("", "a"), ("", "b")]) == "\nb\na"


def test_every_refused_image_is_named() -> None:
    refused = [("team/app:1", "simple: no"), ("team/proxy:1", "simple: no"), ("x:1", 'Deny "x:1", no entry')]
    assert status_message(refused) == '\n"team/app:1": simple: no\n"team/proxy:1": simple: no\nDeny "x:1", no entry'


@pytest.mark.parametrize("sentence", DOCUMENTED)
def test_the_cise_messages_stand_on_the_api_servers_line(sentence: str) -> None:
    assert status_message([("a:1", f"{sentence}x")]) == f"{sentence}x"
    assert status_message([("a:1", f"{sentence}x")], one_image=False) == f'"a:1": {sentence}x'
    assert status_message([("a:1", f"{sentence}x"), ("", "other")]) == f'\n"a:1": {sentence}x\nother'
