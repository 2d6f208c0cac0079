"""Both readers of YAML take the same documents, give the same values, and refuse the rest in the same words."""

from __future__ import annotations

import pytest

from imagegate.cli.check.manifests import Manifest, read_manifests
from imagegate.documents.yaml.nodes import plain
from imagegate.documents.yaml.rules import mapping_key, plain_scalar, tagged_scalar, too_many_aliased
from imagegate.documents.yaml.scalars import BadYaml
from imagegate.documents.yaml.source import BadSource, read_source

HEAD = "apiVersion: v1\nkind: X\n"


def by_source(text: str) -> object:
    try:
        return plain(read_source(text, "f").documents[0])
    except BadSource as error:
        return str(error)


def by_manifests(text: str) -> object:
    (found,) = read_manifests(text, "f")
    return found.object if isinstance(found, Manifest) else str(found)


@pytest.mark.parametrize(
    "text",
    [
        "a: [yes, 010, 1.5, ~, 2024-01-02, '1', !!str 1, !!int '7', 0x1F, '']\n",
        "on: 1\n1: 2\n2.0: 3\n'<<': 4\n!!str 5: 5\n",
        "b: &b {x: 1}\nc: &c {x: 2, w: 2}\nown: {<<: [*b, *c], z: 1}\n",
        "b: &b {x: 1}\nc: &c {x: 2, w: 2}\nown:\n  <<: *b\n  <<: *c\n",
        "b: &b {x: 1}\nown: {<<: *b, x: 2}\n",
    ],
)
def test_both_readers_give_the_same_values(text: str) -> None:
    read = by_manifests(HEAD + text)
    assert isinstance(read, dict)
    assert by_source(HEAD + text) == read


@pytest.mark.parametrize(
    "text, why",
    [
        ("a: 1\nb: 2\na: 3\n", 'f:5: "a" is repeated (first in line 3)'),
        ("'a': 1\n!!str a: 3\n", 'f:4: "a" is repeated (first in line 3)'),
        ("'<<': 1\n'<<': 3\n", 'f:4: "<<" is repeated (first in line 3)'),
        ("true: 1\nyes: 2\n", 'f:4: "true" is repeated (first in line 3)'),
        ("? [a]\n: b\n", "f:3: a key must be a string, not a list or mapping"),
        ("~: b\n", "f:3: a key must not be null"),
        ("a: .inf\n", "f:3: .inf is not a number in JSON"),
        (".nan: a\n", "f:3: .nan is not a number in JSON"),
        ("a: !!int x\n", "f:3: 'x' is not a int"),
        (
            "base: &b {x: 1, z: 2}\nown:\n  z: 3\n  <<: *b\n",  # kubectl 1.36 reads 2 for z, YAML 1.1 says 3
            'f:6: "<<" also sets "z", which is written before it: write "<<" first',
        ),
        ("<<: 5\n", 'f:3: "<<" takes a mapping or a list of mappings'),
        ("a: " + "[" * 250 + "]" * 250, "f:3: nested deeper than 200 levels"),
    ],
)
def test_both_readers_refuse_in_the_same_words(text: str, why: str) -> None:
    assert by_source(HEAD + text) == why
    assert by_manifests(HEAD + text) == why


def test_a_later_merge_key_counts_before_an_earlier_one() -> None:
    read = by_manifests(HEAD + "b: &b {x: 1}\nc: &c {x: 2, w: 2}\nown:\n  <<: *b\n  <<: *c\n")
    assert isinstance(read, dict)
    assert read["own"] == {"x": 2, "w": 2}


@pytest.mark.parametrize(
    "value, key", [("a", "a"), (True, "true"), (False, "false"), (1, "1"), (1.0, "1"), (1.5, "1.5")]
)
def test_keys_become_the_strings_of_json(value: str | bool | float, key: str) -> None:
    assert mapping_key(value) == key


def test_what_cannot_be_a_key_or_a_number_is_refused() -> None:
    with pytest.raises(BadYaml, match="must not be null"):
        mapping_key(None)
    with pytest.raises(BadYaml, match="not a number in JSON"):
        plain_scalar("-.inf")
    assert tagged_scalar("2024-01-02", "tag:yaml.org,2002:timestamp") == "2024-01-02"


def test_large_documents_may_refer_to_as_many_nodes_as_they_hold() -> None:
    assert not too_many_aliased(100_000, 10)
    assert too_many_aliased(100_001, 10)
    assert not too_many_aliased(100_001, 100_001)
