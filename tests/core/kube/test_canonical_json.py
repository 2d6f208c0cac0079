"""Canonical JSON of Notary; the vectors of ``cise_canonical`` are run beside this."""

from __future__ import annotations

import pytest

from imagegate.core.kube.canonical_json import canonical, canonical_key, key_id
from imagegate.core.kube.strict_json import InvalidJson


def test_example_of_the_specification() -> None:
    assert canonical('{"b":1,"a":[true,null,"x\\n\\"\\\\<é"]}') == '{"a":[true,null,"x\n\\"\\\\<é"],"b":1}'.encode()


def test_check_value_of_a_key() -> None:
    public = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    assert canonical_key("ed25519", public) == (
        b'{"keytype":"ed25519","keyval":{"private":null,"public":"' + public.encode() + b'"}}'
    )
    assert key_id("ed25519", public) == "bf416ca3d4d6da197ee588c688e0ec920f4a582009215a8d90c8b48a2b058e12"


@pytest.mark.parametrize(
    "text, printed",
    [("1e3", b"1000"), ("-0", b"0"), ("1.0", b"1"), ("9007199254740992", b"9007199254740992"), ("false", b"false")],
)
def test_numbers(text: str, printed: bytes) -> None:
    assert canonical(text) == printed


@pytest.mark.parametrize(
    "text", ["1.5", "9007199254740994", "-9007199254740994", "1e30", '{"a":1,"a":1}', '[{"a":1,"a":1}]']
)
def test_refuses_what_would_change(text: str) -> None:
    with pytest.raises(InvalidJson):
        canonical(text)


def test_members_are_sorted_by_their_bytes() -> None:
    assert canonical('{"\\ud83d\\ude00":1,"\\uffff":2,"z":3}').decode() == '{"z":3,"\uffff":2,"\U0001f600":1}'


def test_printing_twice_changes_nothing() -> None:
    once = canonical('{"b":[1,{"d":"x/y","c":null}],"a":true}')
    assert canonical(once) == once
