"""The message for all denials of one object (docs/spec/enforcement.md 16.1)."""

from __future__ import annotations

import pytest

from imagegate.core.enforcement.messages import DOCUMENTED, Sentence, status_message


def test_each_sentence_once_in_order_on_lines_of_their_own() -> None:
    assert status_message([Sentence("", "b"), Sentence("", "a"), Sentence("", "b")]) == "\nb\na"


def test_every_refused_image_is_named() -> None:
    refused = [
        Sentence("team/app:1", "simple: no"),
        Sentence("team/proxy:1", "simple: no"),
        Sentence("x:1", 'Deny "x:1", no entry'),
    ]
    assert status_message(refused) == '\n"team/app:1": simple: no\n"team/proxy:1": simple: no\nDeny "x:1", no entry'


@pytest.mark.parametrize("sentence", DOCUMENTED)
def test_the_cise_messages_stand_on_the_api_servers_line(sentence: str) -> None:
    assert status_message([Sentence("a:1", f"{sentence}x")]) == f"{sentence}x"
    assert status_message([Sentence("a:1", f"{sentence}x")], one_image=False) == f'"a:1": {sentence}x'
    assert status_message([Sentence("a:1", f"{sentence}x"), Sentence("", "other")]) == f'\n"a:1": {sentence}x\nother'


def test_a_hint_follows_its_sentence_and_its_image_does_not_count_as_the_sentences() -> None:
    refused = [Sentence("a:1", "simple: no", "decided by entry a:1"), Sentence("b:1", 'Deny "b:1"', "nearest rule: b")]
    assert status_message(refused) == '\n"a:1": simple: no; decided by entry a:1\nDeny "b:1"; nearest rule: b'
