"""Typed reads: what they give, and what they say of what is wrong."""

import pytest

from imagegate.documents.yaml.fields import Fields, Remark, Report
from imagegate.documents.yaml.source import read_source
from imagegate.errors import InvalidPolicy, InvalidSettings


def fields(text: str, *, lenient: bool = False) -> Fields:
    return Fields(read_source(text, "f").documents[0], "top", Report("f", lenient=lenient))


def said(read: Fields) -> list[str]:
    return [str(remark) for remark in read.report.errors]


def test_what_is_there_is_read_and_what_is_not_gets_its_default() -> None:
    read = fields("t: x\nb: yes\ni: 3\nf: 1.5\nl: [a]\nm: {k: v}\nnone: ~\nc: one\n")
    assert (read.text("t"), read.text("no", "d"), read.text("none", "d")) == ("x", "d", "d")
    assert (read.flag("b"), read.flag("no", True)) == (True, True)
    assert (read.integer("i", 9), read.integer("no", 9)) == (3, 9)
    assert (read.number("f", 9), read.number("i", 9), read.number("no", 9)) == (1.5, 3.0, 9)
    assert (read.texts("l"), read.texts("no"), read.items("no")) == (("a",), None, None)
    assert read.text_map("m") == {"k": "v"}
    assert read.choice("c", ("one", "two"), "two") == "one"
    assert read.has("t")
    assert not read.has("none")
    read.finish()
    assert said(read) == []


@pytest.mark.parametrize(
    "text, read, message",
    [
        ('a: "true"', lambda f: f.flag("a"), 'expected bool, got "true"'),
        ("a: 1", lambda f: f.flag("a"), "expected bool, got number 1"),
        (
            "a: yes",
            lambda f: f.text("a"),
            "expected string, got bool true; YAML reads y, n, yes, no, on and off as booleans",
        ),
        ("a: [x]", lambda f: f.text("a"), "expected string, got a list"),
        ("a: true", lambda f: f.integer("a", 1), "expected a whole number, got bool true"),
        ("a: 1.5", lambda f: f.integer("a", 1), "expected a whole number, got number 1.5"),
        ("a: x", lambda f: f.number("a", 1), 'expected a number, got "x"'),
        ("a: 0", lambda f: f.integer("a", 1, minimum=1, maximum=5), "0 is not between 1 and 5"),
        ("a: 0", lambda f: f.integer("a", 1, minimum=1), "0 is not at least 1"),
        ("a: 9", lambda f: f.number("a", 1, maximum=5), "9 is not at most 5"),
        ("a: x", lambda f: f.texts("a"), 'expected a list, got "x"'),
        ("a: [1]", lambda f: f.texts("a"), "expected string, got number 1"),
        ("a: [~]", lambda f: f.texts("a"), 'is null, which reads as ""; write "" if that is meant'),
        ("a: x", lambda f: f.child("a"), 'expected a mapping, got "x"'),
        ("a: true 4", lambda f: f.flag("a"), 'expected bool, got "true 4"; 4 looks like a callout number'),
        ("a: enforc", lambda f: f.choice("a", ("enforce", "warn"), "warn"), 'did you mean "enforce"?'),
        ("a: enforc", lambda f: f.choice("a", ("enforce", "warn"), "warn"), 'supported values: "enforce", "warn"'),
        (f"a: {'x' * 300}", lambda f: f.flag("a"), "xxx..."),
    ],
)
def test_what_is_wrong_is_noted_with_its_place(text: str, read, message: str) -> None:  # type: ignore[no-untyped-def]
    found = fields(text)
    read(found)
    assert len(said(found)) == 1
    assert said(found)[0].startswith("f:1: top.a")
    assert message in said(found)[0]


def test_unknown_fields_are_refused_with_the_near_miss_by_name() -> None:
    read = fields("matchregistries: [x]\nreject: true\nsomethingElse: 1\n")
    read.texts("matchRegistries")
    read.flag("reject")
    read.finish()
    assert said(read) == [
        'f:1: top.matchregistries: unknown field; did you mean "matchRegistries"?',
        "f:3: top.somethingElse: unknown field; known here: matchRegistries, reject",
    ]


def test_unknown_fields_are_warnings_for_a_lenient_reader() -> None:
    read = fields("x: 1\n", lenient=True)
    read.finish()
    assert said(read) == []
    assert read.report.warnings == [Remark("f", 1, "top.x", "unknown field")]


def test_lists_of_mappings_carry_their_index() -> None:
    read = fields("a:\n- {name: x}\n- {name: 1}\n- {other: 2}\n- ~\n")
    assert read.each("a", lambda item: item.text("name")) == ("x", "", "", "")
    assert said(read) == [
        "f:3: top.a[1].name: expected string, got number 1; quote it",
        "f:4: top.a[2].other: unknown field; known here: name",
        "f:5: top.a[3]: is null, which reads as an empty mapping",
    ]


def test_all_errors_are_raised_at_once_in_the_order_of_lines() -> None:
    report = Report("f")
    report.check()
    report.error(7, "b", "late")
    report.error(2, "", "early")
    with pytest.raises(InvalidSettings, match=r"^f:2: early\nf:7: b: late$"):
        report.check(InvalidSettings)
    with pytest.raises(InvalidPolicy):
        report.check()


def test_a_document_that_is_no_mapping() -> None:
    read = fields("[a]")
    assert said(read) == ["f:1: top: expected a mapping, got a list"]
    assert read.text("x") == ""
