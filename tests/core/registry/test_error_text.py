"""Sentences of servers in error answers."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.core.registry.error_text import SENTENCE_MAX_LENGTH, error_sentence, secrets_of
from tests.support.hostile import ANY_TEXTS

JSON = "application/json"


@pytest.mark.parametrize(
    "content_type, body, sentence",
    [
        (JSON, '{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}', "TOOMANYREQUESTS: slow down"),
        (JSON, '{"errors":[{"code":"A"},{"message":"b"},{},7,{"code":"C","detail":"d"}]}', "A; b"),
        ("text/plain", '{"errors":[{"code":"DENIED"}]}', "DENIED"),
        (JSON, '{"error":"invalid_grant","error_description":"expired"}', "invalid_grant: expired"),
        (JSON, '{"details":"incorrect username or password"}', "incorrect username or password"),
        (JSON, '{"errors":{"a":1}}', ""),
        (JSON, "[]", ""),
        (JSON, "{", ""),
        (JSON, "[" * 5000, ""),
        (
            "text/html",
            "<html><head><title> 503 Service\n Unavailable </title>",
            'a web page titled "503 Service Unavailable"',
        ),
        ("text/html", "<p>no title</p>", "a web page"),
        ("", "<!DOCTYPE html><h1>Gateway &lt;down&gt;</h1>", 'a web page titled "Gateway <down>"'),
        ("text/plain", "too\r\nmany \x1b[2J", "too many \\x1b[2J"),
        ("application/octet-stream", "abc", ""),
        ("", "", ""),
        ("text/plain", "a\x00b", ""),
    ],
)
def test_sentences(content_type: str, body: str, sentence: str) -> None:
    assert error_sentence(content_type, body.encode()) == sentence


def test_what_was_sent_does_not_come_back() -> None:
    basic = base64.b64encode(b"alice:correct horse").decode()
    echo = f"bad credentials correct horse ({basic})".encode()
    sent = secrets_of(f"Basic {basic}")
    assert error_sentence("text/plain", echo, secrets=sent) == "bad credentials [hidden] ([hidden])"
    assert error_sentence("text/plain", b"token abcdef", secrets=secrets_of("Bearer abcdef")) == "token [hidden]"
    form = secrets_of("", {"password": "horse", "refresh_token": "horse battery", "scope": "pull"})
    assert error_sentence("text/plain", b"horse battery, horse, pull", secrets=form) == "[hidden], [hidden], pull"
    assert secrets_of("Basic !", {"password": ""}) == ()


@given(ANY_TEXTS, st.sampled_from(["text/html", "text/plain", JSON, ""]))
def test_any_text_is_one_short_line(text: str, content_type: str) -> None:
    said = error_sentence(content_type, text.encode("utf-8", "surrogatepass"))
    assert len(said) <= SENTENCE_MAX_LENGTH
    assert said.isprintable() or not {"\n", "\r", "\x1b"} & set(said)
