from __future__ import annotations

from collections.abc import Callable

import pytest

from imagegate.core.content_trust.errors import InvalidMetadata
from imagegate.core.content_trust.fields import Fields
from imagegate.core.kube import strict_json


def fields(text: str) -> Fields:
    return Fields(strict_json.parse(text), "targets", "signed")


def test_zero_values() -> None:
    for empty in (fields("{}"), fields('{"a": null}'), fields("null")):
        assert empty.text("a") == ""
        assert empty.integer("a") == 0
        assert empty.octets("a") == b""
        assert empty.texts("a") == ()
        assert list(empty.each("a")) == []
        assert list(empty.within("a").objects()) == []
        assert empty.value("a") is None


def test_values() -> None:
    read = fields('{"t": "x", "i": 3, "o": "AQI=", "l": ["a", "b"], "e": [{"n": 1}, null], "w": {"a": {"n": 2}}}')
    assert (read.text("t"), read.integer("i"), read.octets("o"), read.texts("l")) == ("x", 3, b"\x01\x02", ("a", "b"))
    assert [entry.integer("n") for entry in read.each("e")] == [1, 0]
    assert [(name, entry.integer("n")) for name, entry in read.within("w").objects()] == [("a", 2)]


@pytest.mark.parametrize(
    "text, read, problem",
    [
        ('{"a": 1}', lambda f: f.text("a"), "signed.a is not a string"),
        ('{"a": "1"}', lambda f: f.integer("a"), "signed.a is not a whole number"),
        ('{"a": true}', lambda f: f.integer("a"), "signed.a is not a whole number"),
        ('{"a": 1.5}', lambda f: f.integer("a"), "signed.a is not a whole number"),
        ('{"a": "?"}', lambda f: f.octets("a"), "signed.a is not base64"),
        ('{"a": "AQI"}', lambda f: f.octets("a"), "signed.a is not base64"),
        ('{"a": "AQ I="}', lambda f: f.octets("a"), "signed.a is not base64"),
        ('{"a": "é"}', lambda f: f.octets("a"), "signed.a is not base64"),
        ('{"a": {}}', lambda f: f.texts("a"), "signed.a is not a list"),
        ('{"a": [1]}', lambda f: f.texts("a"), "signed.a is not a list of strings"),
        ('{"a": "b"}', lambda f: list(f.each("a")), "signed.a is not a list"),
        ('{"a": [1]}', lambda f: list(f.each("a")), "signed.a[0] is not an object"),
        ('{"a": [{"n": ""}]}', lambda f: next(f.each("a")).integer("n"), "signed.a[0].n is not a whole number"),
        ('{"a": []}', lambda f: f.within("a"), "signed.a is not an object"),
        ('{"a": {"b": 1, "b": 1}}', lambda f: f.within("a"), "signed.a has member 'b' twice"),
        ("[]", lambda f: f, "signed is not an object"),
    ],
)
def test_refusals_name_the_place(text: str, read: Callable[[Fields], object], problem: str) -> None:
    with pytest.raises(InvalidMetadata) as caught:
        read(fields(text))
    assert str(caught.value) == f"targets type metadata invalid: {problem}"
    assert caught.value.role == "targets"


def test_the_whole_file() -> None:
    with pytest.raises(InvalidMetadata, match="file is not an object"):
        Fields(strict_json.parse("[]"), "root", "")
    with pytest.raises(InvalidMetadata, match="file has member 'a' twice"):
        Fields(strict_json.parse('{"a": 1, "a": 2}'), "root", "")
