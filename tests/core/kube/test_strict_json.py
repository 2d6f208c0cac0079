"""JSON of signed texts."""

from __future__ import annotations

import pytest

from imagegate.core.kube.strict_json import MAX_DEPTH, InvalidJson, Members, parse
from tests.support.counting import lines_run


def test_keeps_repeated_members_in_order() -> None:
    value = parse('{"a":1,"b":[{"c":null}],"a":true}')
    assert isinstance(value, Members)
    assert [name for name, _ in value] == ["a", "b", "a"]
    assert value.first_repeated() == "a"
    assert Members((("a", None), ("b", None))).first_repeated() is None


def test_names_that_only_escape_differently_are_the_same() -> None:
    value = parse(r'{"a":1,"a":2}')
    assert isinstance(value, Members)
    assert value.first_repeated() == "a"


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "{",
        "{}x",
        "{}{}",
        "{'a':1}",
        "[1,]",
        "01",
        ".5",
        "+1",
        "NaN",
        "Infinity",
        "-Infinity",
        "tru",
        "\ufeff{}",
    ],
)
def test_refuses_what_is_no_json(text: str) -> None:
    with pytest.raises(InvalidJson):
        parse(text)


@pytest.mark.parametrize("text", ["1e400", "-1e400", "9" * 400])
def test_refuses_numbers_out_of_range(text: str) -> None:
    with pytest.raises(InvalidJson, match="out of range"):
        parse(f"[{text}]")
    assert parse("[1e300]") == [1e300]


def test_refuses_bytes_that_are_not_utf8() -> None:
    with pytest.raises(InvalidJson, match="not UTF-8"):
        parse(b'"\xff"')
    assert parse('"\u00e9"'.encode()) == "\u00e9"


def test_control_characters_must_be_escaped() -> None:
    with pytest.raises(InvalidJson):
        parse('"a\nb"')
    assert parse('"a\\nb"') == "a\nb"


@pytest.mark.parametrize("text", ['"\\ud800"', '["\\ud800"]', '{"\\ud800":"\\udfff"}'])
def test_lone_surrogates_become_the_replacement_character(text: str) -> None:
    assert "\ufffd" in str(parse(text))
    assert parse('"\\ud83d\\ude00"') == "\U0001f600"


@pytest.mark.parametrize("opened, closed", [("[", "]"), ('{"a":', "}")])
def test_depth_is_limited(opened: str, closed: str) -> None:
    def nested(depth: int) -> str:
        return opened * depth + "1" + closed * depth

    parse(nested(MAX_DEPTH))
    for depth in (MAX_DEPTH + 1, 100_000):
        with pytest.raises(InvalidJson, match="nested"):
            parse(nested(depth))


def test_depth_is_counted_where_it_is() -> None:
    def after_many(depth: int) -> str:
        return "[" + "[],{}," * 1000 + "[" * (depth - 1) + "]" * depth

    parse(after_many(MAX_DEPTH))
    with pytest.raises(InvalidJson, match="nested more than 400 levels"):
        parse(after_many(MAX_DEPTH + 1))


def test_brackets_in_texts_and_beside_each_other_do_not_count() -> None:
    assert parse('"' + "[" * 1000 + '\\"["') == "[" * 1000 + '"['
    assert parse("[" + ",".join(["[]"] * 1000) + "]") == [[]] * 1000


@pytest.mark.parametrize("unit", ['\\"', '"', "[", "\\", '"[', "]"])
def test_counting_depth_is_linear(unit: str) -> None:
    def work(size: int) -> int:
        text = "[" * MAX_DEPTH + '"' + unit * size

        def call() -> None:
            with pytest.raises(InvalidJson):
                parse(text)

        return lines_run(call)

    assert work(20_000) <= 10 * work(2_000) + 1000


def test_a_text_without_an_end_is_read_once() -> None:
    """Megabytes of escaped quotes: looking for the end from each of them would take days."""
    with pytest.raises(InvalidJson):
        parse("[" * MAX_DEPTH + '["' + '\\"' * 2_000_000)
    with pytest.raises(InvalidJson, match="nested"):
        parse("[" * (MAX_DEPTH + 1) + '"' + '\\"' * 2_000_000)
