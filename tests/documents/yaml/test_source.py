"""YAML and JSON to nodes: lines, limits, duplicate keys, aliases, repairs and hints."""

from typing import Any

import pytest
import yaml

from imagegate.documents.yaml.nodes import Node, kind_of, plain
from imagegate.documents.yaml.rules import ALIASED_NODES_MAX, DEPTH_MAX, parser_problem
from imagegate.documents.yaml.source import DOCUMENT_MAX_BYTES, BadSource, decode_utf8, read_source


def document(text: str, **options: Any) -> Node:
    return read_source(text, "f.yaml", **options).documents[0]


def refusal(text: str, **options: Any) -> str:
    with pytest.raises(BadSource) as caught:
        read_source(text, "f.yaml", **options)
    return str(caught.value)


@pytest.mark.parametrize("text", ["a: 1\nb:\n- x\n- c: 2\n", '{"a": 1,\n "b": [\n"x",\n{"c": 2}]}'])
def test_yaml_and_json_read_the_same_and_know_lines(text: str) -> None:
    node = document(text)
    assert plain(node) == {"a": 1, "b": ["x", {"c": 2}]}
    assert isinstance(node.value, dict)
    assert isinstance(node.value["b"].value, list)
    assert [item.line for item in node.value["b"].value] == [3, 4]
    assert node.value["a"].line == 1


def test_a_key_without_value_has_the_line_of_the_key() -> None:
    node = document("a:\n\n\nb: 1\n")
    assert isinstance(node.value, dict)
    assert node.value["a"].line == 1


def test_kinds_of_values() -> None:
    node = document("[{}, [], yes, x, ~, 1, 1.5]")
    assert isinstance(node.value, list)
    assert [kind_of(item) for item in node.value] == ["mapping", "list", "bool", "string", "null", "number", "number"]


def test_several_documents_and_none() -> None:
    assert [plain(node) for node in read_source("a: 1\n---\nb: 2\n", "f").documents] == [{"a": 1}, {"b": 2}]
    assert [plain(node) for node in read_source("a: 1\n---\n[\n", "f", first_document_only=True).documents] == [
        {"a": 1}
    ]
    assert [plain(node) for node in read_source("# nothing\n", "f").documents] == [None]


@pytest.mark.parametrize("text", ["a: 1\nb: 2\na: 3\n", '{"a": 1,\n"b": 2,\n"a": 3}'])
def test_repeated_keys_are_refused_or_the_last_counts(text: str) -> None:
    assert refusal(text) == 'f.yaml:3: "a" is repeated (first in line 1)'
    assert plain(document(text, last_key_wins=True)) == {"a": 3, "b": 2}


@pytest.mark.parametrize("opening, closing", [("[", "]"), ("{a: ", "}"), ("- ", "")])
def test_depth_is_bounded(opening: str, closing: str) -> None:
    fits = opening * (DEPTH_MAX - 1) + "x" + closing * (DEPTH_MAX - 1)
    assert kind_of(document(fits)) in ("list", "mapping")
    assert "nested deeper than 200 levels" in refusal(opening * 100_000 + "x" + closing * 100_000)


def test_depth_has_one_sentence_whoever_bounds_it() -> None:
    bounded_by_the_parser = yaml.MarkedYAMLError(problem="exceeded maximum nesting depth")
    assert parser_problem(bounded_by_the_parser) == "nested deeper than 200 levels"
    assert parser_problem(yaml.MarkedYAMLError(problem="found a tab")) == "not YAML: found a tab"


def test_depth_of_json_is_bounded() -> None:
    assert "nested deeper than 200 levels" in refusal('{"a":' * 100_000 + "1" + "}" * 100_000)
    assert kind_of(document('{"a":' * DEPTH_MAX + "1" + "}" * DEPTH_MAX)) == "mapping"


def test_aliases_stand_for_a_bounded_number_of_values() -> None:
    laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 9)
    )
    assert f"aliases refer to more than {ALIASED_NODES_MAX} values" in refusal(laughs)
    assert plain(document("a: &x [1]\nb: *x\n")) == {"a": [1], "b": [1]}


def test_an_alias_inside_what_it_names_is_refused() -> None:
    assert refusal("a: &x\n- *x\n") == 'f.yaml:2: alias "*x" refers to a node that contains it'


def test_an_alias_without_an_anchor_is_refused() -> None:
    assert 'alias "*x" names no anchor' in refusal("a: *x\n")
    assert 'alias "*x" names no anchor' in refusal("a: &x 1\n---\nb: *x\n")


def test_merge_keys() -> None:
    text = "base: &b {x: 1, z: 2}\nown:\n  z: 3\n  <<: *b\n"
    assert refusal(text) == 'f.yaml:4: "<<" also sets "z", which is written before it: write "<<" first'
    first = "base: &b {x: 1, z: 2}\nown:\n  <<: *b\n  z: 3\n"
    assert plain(document(first)) == {"base": {"x": 1, "z": 2}, "own": {"z": 3, "x": 1}}
    as_original = plain(document(text, last_key_wins=True))
    assert as_original == {"base": {"x": 1, "z": 2}, "own": {"z": 2, "x": 1}}
    assert plain(document("a: &a {x: 1}\nb: &b {x: 2, z: 2}\nc: {<<: [*a, *b]}\n"))["c"] == {"x": 1, "z": 2}  # type: ignore[index]
    assert '"<<" takes a mapping' in refusal("<<: 5\n")
    assert plain(document('"<<": 5\n')) == {"<<": 5}


@pytest.mark.parametrize(
    "text, words",
    [
        ("? [a]\n: b\n", "a key must be a string"),
        ("? {a: b}\n: b\n", "a key must be a string"),
        ("~: b\n", "a key must not be null"),
        ("a: !ruby x\n", "unknown tag '!ruby'"),
        ("a: !!int x\n", "'x' is not a int"),
        ("a: .inf\n", ".inf is not a number in JSON"),
        ("a: \x01\n", "not YAML"),
        ("a: [\n", "not YAML"),
        ("a:\n\t- b\n", "indent with spaces, not tabs"),
        ("a: *.b\n", 'a string that begins with "*" must be quoted'),
        ("%YAML 3.0\n--- a\n", "not YAML"),
        ("a: \ud800\n", "not valid Unicode"),
    ],
)
def test_what_is_no_document(text: str, words: str) -> None:
    assert words in refusal(text)


@pytest.mark.parametrize(
    "text, value",
    [
        ("a: !!str 5\n", "5"),
        ("a: !!int '5'\n", 5),
        ("a: !!bool 'yes'\n", True),
        ("a: !!float 5\n", 5.0),
        ("a: !!null ''\n", None),
        ("a: ! 5\n", "5"),
        ("a: 2001-01-01\n", "2001-01-01"),
        ("a: '5'\n", "5"),
        ("a: |\n  5\n", "5\n"),
    ],
)
def test_scalars_with_tags_and_quotes(text: str, value: object) -> None:
    read = plain(document(text))
    assert read == {"a": value}


def test_keys_that_are_no_texts_become_texts() -> None:
    assert plain(document("1: a\nyes: b\n1.5: c\n")) == {"1": "a", "true": "b", "1.5": "c"}


def test_unknown_tags_leave_the_text_for_the_original() -> None:
    assert plain(document("a: !ruby x\n", last_key_wins=True)) == {"a": "x"}


@pytest.mark.parametrize(
    "text, words",
    [
        ('{"a": 1,', "not JSON"),
        ('{"a": 1} x', "text after the end"),
        ('{"a": NaN}', "expected a value"),
        ('{"a": 01}', 'expected "," or "}"'),
        ('{"a": "\x01"}', "Invalid control character"),
        ("{a: 1}", "expected a key in double quotes"),
        ('{"a": ' + "9" * 500 + "}", "too many digits"),
        ('{"a" 1}', 'expected ":"'),
        ('{"a": [1 2]}', 'expected "," or "]"'),
    ],
)
def test_what_is_no_json(text: str, words: str) -> None:
    assert words in refusal(text, json_by_prefix=True)


def test_flow_yaml_is_read_where_the_original_wants_json() -> None:
    assert plain(document("{a: 1}")) == {"a": 1}
    assert plain(document("{}")) == {}
    assert plain(document('{"a": []}')) == {"a": []}
    assert plain(document(' {"a": [true, false, null, -1.5e3, "\\ud800x"]}')) == {
        "a": [True, False, None, -1500.0, "\ufffdx"]
    }


def test_bytes_are_bounded_and_must_be_utf_8() -> None:
    assert decode_utf8("\ufeffa: é\n".encode(), "f") == "a: é\n"
    with pytest.raises(BadSource, match=r"^f:2: not UTF-8 \(byte 4\)$"):
        decode_utf8(b"a: 1\xff"[:3] + b"\n\xff", "f")
    with pytest.raises(BadSource, match="larger than"):
        decode_utf8(b" " * (DOCUMENT_MAX_BYTES + 1), "f")
    assert "larger than" in refusal("é" * (DOCUMENT_MAX_BYTES // 2 + 1))


@pytest.mark.parametrize(
    "line, pattern",
    [
        ("domainName: *.mydomain.com", "*.mydomain.com"),
        ("- domainName:   *.mydomain.com   # all of it", "*.mydomain.com"),
        ("{domainName: *:*, insecure: true}", "*:*"),
        ('"domainName": *', "*"),
        ("domainName: *mydomain.com", "*mydomain.com"),
        ("domainName: *.mydomain.com 1", "*.mydomain.com 1"),
    ],
)
def test_unquoted_patterns_are_repaired_with_a_sentence(line: str, pattern: str) -> None:
    source = read_source(f"# domainName: *.old\n{line}\n", "f", repair_patterns=True)
    assert source.repairs == [
        (2, f'domainName: {pattern} is not YAML, since "*" begins an alias; read as "{pattern}": quote it')
    ]
    value = plain(source.documents[0])
    read = value[0] if isinstance(value, list) else value
    assert isinstance(read, dict)
    assert read["domainName"] == pattern


def test_nothing_is_repaired_where_nothing_is_broken_or_nobody_asked() -> None:
    assert "begins with" in refusal("domainName: *.mydomain.com\n")
    valid = read_source("a: &x q.io\nb:\n- domainName: *x\n", "f", repair_patterns=True)
    assert valid.repairs == []
    assert plain(valid.documents[0]) == {"a": "q.io", "b": [{"domainName": "q.io"}]}
    with pytest.raises(BadSource, match="f:3: not YAML"):
        read_source("domainName: *.x\nb: [\n", "f", repair_patterns=True)


def test_a_misindented_key_is_told_where_it_belongs() -> None:
    text = (
        "- name: a\n  onResources:\n    - resource: pods\n    # why\n    - resource: builds\n"
        "    matchRegistries:\n    - docker.io\n"
    )
    assert refusal(text).endswith(
        "f.yaml:6: not YAML: did not find expected '-' indicator; dedent matchRegistries to the level of onResources"
    )


def test_a_callout_digit_after_a_key_is_recognised() -> None:
    assert 'line 1: "2" after executionRules looks like a callout number of the manual' in refusal(
        "executionRules: 2\n- name: a\n"
    )
    assert "callout" not in refusal("a: b\n- name: a\n")


@pytest.mark.parametrize("entry", ['"{0}"', "{{? {0} : 1}}", "{{k: {0}}}"])
def test_aliases_of_long_strings_weigh_what_they_hold(entry: str) -> None:
    """The characters that aliases stand for are bounded too: 7 million."""
    text = "x" * 100_000
    bomb = f"a: &a {entry.format(text)}\nb: [{', '.join(['*a'] * 100)}]\n"
    assert f"aliases refer to more than {ALIASED_NODES_MAX} values" in refusal(bomb)
    few = f"a: &a {entry.format(text)}\nb: [{', '.join(['*a'] * 10)}]\n"
    assert kind_of(document(few)) == "mapping"


@pytest.mark.parametrize("text", ["[a, b, c, d]", '{"a": [1, 2, 3]}'])
def test_values_can_be_bounded(text: str) -> None:
    assert read_source(text, "f.yaml", values_max=5).documents
    with pytest.raises(BadSource, match=r"f.yaml:1: more than 2 values"):
        read_source(text, "f.yaml", values_max=2)
