from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from imagegate.cli.check.manifests import Manifest, NoManifest, read_manifests, split_documents
from imagegate.documents.yaml.rules import DEPTH_MAX
from tests.cli.commands import pod


def read(text: str, file: str = "f.yaml", *, first_line: int = 1) -> list[Manifest]:
    """The objects, of which each document is one."""
    found = list(read_manifests(text, file, first_line=first_line))
    objects = [each for each in found if isinstance(each, Manifest)]
    assert objects == found
    return objects


def refused(text: str, file: str = "f.yaml") -> list[str]:
    """What is said of documents that are none."""
    return [str(each) for each in read_manifests(text, file) if isinstance(each, NoManifest)]


def value(text: str) -> Any:
    (manifest,) = read(f"apiVersion: v1\nkind: X\nvalue: {text}\n")
    return manifest.object["value"]


def test_objects_know_where_they_were_written() -> None:
    first, second = read(f"# a comment\n---\n{pod('a')}---\n\n{pod('b')}---\n---\n")
    assert (first.line, second.line) == (3, 13)
    assert first.line_of("spec.containers[0].image") == 10
    assert second.line_of("spec.containers[0].image") == 20
    assert second.line_of("spec.containers[7].image") == 19
    assert second.line_of("status.nothing") == 13
    assert second.line_of("") == 13


@pytest.mark.parametrize(
    "text, expected",
    [
        ("yes", True),
        ("off", False),
        ("y", True),
        ("~", None),
        ("010", 8),
        ("0x1F", 31),
        ("1.5", 1.5),
        ("2024-01-02", "2024-01-02"),
        ("'yes'", "yes"),
        ('"1"', "1"),
        ("!!str 1", "1"),
        ("!!int '7'", 7),
        ("|\n  text\n", "text\n"),
        ("[1, {a: b}]", [1, {"a": "b"}]),
    ],
)
def test_scalars_mean_what_they_mean_to_kubernetes(text: str, expected: object) -> None:
    assert value(text) == expected
    assert type(value(text)) is type(expected)


def test_lists_are_flattened_with_the_lines_of_their_items() -> None:
    items = "".join("- " + pod(name).replace("\n", "\n  ").rstrip(" ") for name in ("a", "b"))
    first, second = read(f"apiVersion: v1\nkind: List\nitems:\n{items}")
    assert [each.object["spec"]["containers"][0]["image"] for each in (first, second)] == ["a", "b"]
    assert (first.line, second.line) == (4, 12)
    assert second.line_of("spec.containers[0].image") == 19


def test_items_of_a_typed_list_get_its_type() -> None:
    (item,) = read("apiVersion: v1\nkind: PodList\nitems:\n- metadata: {name: a}\n")
    assert (item.object["apiVersion"], item.object["kind"]) == ("v1", "Pod")


def test_json_is_read() -> None:
    document = {"apiVersion": "v1", "kind": "List", "items": [yaml.safe_load(pod("a"))]}
    (manifest,) = read(json.dumps(document))
    assert manifest.object == document["items"][0]
    (flow,) = read("{apiVersion: v1, kind: Pod}")
    assert flow.object == {"apiVersion": "v1", "kind": "Pod"}


@pytest.mark.parametrize("merge", ["*bad", "[*other, *bad]"])
def test_a_merge_key_that_would_overwrite_is_refused(merge: str) -> None:
    """kubectl 1.36 sends ``image: bad``; YAML 1.1 says ``good``."""
    text = "apiVersion: v1\nkind: X\nbad: &bad {image: bad}\nother: &other {a: 1}\n"
    (said,) = refused(f"{text}data: {{image: good, <<: {merge}}}\n")
    assert said.startswith('f.yaml:5: "<<" also sets "image", which is written before it')
    assert read(f"{text}data: {{<<: {merge}, image: good}}\n")


def test_anchors_aliases_and_merge_keys_are_read() -> None:
    text = "apiVersion: v1\nkind: X\nbase: &base {a: 1, b: 2}\nvalue: {<<: *base, b: 3}\nlist: {<<: [*base, {c: 4}]}\n"
    (manifest,) = read(text)
    assert manifest.object["value"] == {"a": 1, "b": 3}
    assert manifest.object["list"] == {"a": 1, "b": 2, "c": 4}


@pytest.mark.parametrize(
    "text, why",
    [
        ("kind: Pod\napiVersion: v1\nkind: Pod\n", 'f.yaml:3: "kind" is repeated (first in line 1)'),
        ("a: [\n", "f.yaml:2: not YAML"),
        ("- 1\n- 2\n", "f.yaml:1: expected an object, got list"),
        ("text\n", "f.yaml:1: expected an object, got str"),
        ("\n\nkind: Pod\n", "f.yaml:3: not a Kubernetes object: apiVersion and kind are required"),
        ("apiVersion: v1\nkind: [Pod]\n", "f.yaml:1: not a Kubernetes object"),
        ("apiVersion: v1\nkind: X\n[1, 2]: x\n", "f.yaml:3: a key must be a string, not a list or mapping"),
        ("apiVersion: v1\nkind: X\n~: x\n", "f.yaml:3: a key must not be null"),
        ("apiVersion: v1\nkind: X\n<<: 1\n", 'f.yaml:3: "<<" takes a mapping or a list of mappings'),
        ("apiVersion: v1\nkind: X\na: !!int x\n", "f.yaml:3: 'x' is not a int"),
        ("apiVersion: v1\nkind: X\na: &a [*a]\n", "an alias refers to a node that contains it"),
        ("apiVersion: v1\nkind: X\na: *nothing\n", "f.yaml:3: an alias names no anchor"),
        ("[" * 50_000 + "]" * 50_000, f"f.yaml:1: nested deeper than {DEPTH_MAX} levels"),
        ("{a: " * 50_000 + "}" * 50_000, f"f.yaml:1: nested deeper than {DEPTH_MAX} levels"),
        ("- " * 50_000 + "1", f"f.yaml:1: nested deeper than {DEPTH_MAX} levels"),
        ("".join(" " * n + "a:\n" for n in range(300)), f"nested deeper than {DEPTH_MAX} levels"),
    ],
)
def test_what_is_no_manifest_is_refused_with_its_place(text: str, why: str) -> None:
    (said,) = refused(text)
    assert why in said
    assert said.startswith("f.yaml:")


def test_nesting_that_is_deep_but_bounded_is_read() -> None:
    assert value("[" * 100 + "]" * 100) is not None


def test_aliases_that_unfold_without_end_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    (said,) = refused("apiVersion: v1\nkind: X\n" + "\n".join(lines))
    assert "aliases refer to more than 100000 values" in said
    assert read("apiVersion: v1\nkind: X\n" + "\n".join(lines[:3]))


def test_a_large_document_without_many_aliases_is_read() -> None:
    entries = "\n".join(f"- {n}" for n in range(150_000))
    (manifest,) = read(f"apiVersion: v1\nkind: X\na: &a 1\nb: *a\nlist:\n{entries}\n")
    assert len(manifest.object["list"]) == 150_000


@given(count=st.integers(1, 40), pieces=st.integers(1, 8), data=st.data())
def test_cutting_a_text_changes_nothing(count: int, pieces: int, data: st.DataObject) -> None:
    gaps = data.draw(
        st.lists(st.sampled_from(["---\n", "--- \n", "---\n---\n", "---\n# x\n"]), min_size=count, max_size=count)
    )
    text = "".join(f"{gap}{pod(f'i{n}')}" for n, gap in enumerate(gaps))
    whole = [(each.line, each.line_of("spec.containers[0].image"), each.object) for each in read(text)]
    cut = [
        (each.line, each.line_of("spec.containers[0].image"), each.object)
        for part, line in split_documents(text, pieces)
        for each in read(part, first_line=line)
    ]
    assert cut == whole
    assert len(split_documents(text, pieces)) <= pieces


def test_a_text_with_directives_is_not_cut() -> None:
    text = f"%YAML 1.1\n---\n{pod('a')}...\n%YAML 1.1\n---\n{pod('b')}"
    assert split_documents(text, 4) == [(text, 1)]
    assert len(read(text)) == 2


@pytest.mark.parametrize(
    "text, line, key",
    [
        ('{"apiVersion": "v1", "kind": "Pod",\n"kind": "ConfigMap"}', 2, "kind"),
        ('{"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [\n\n{"image": "a", "image": "a"}]}}', 3, "image"),
        ('[{"apiVersion": "v1", "kind": "Pod", "a": 1, "\\u0061": 2}]', 1, "a"),
    ],
)
def test_a_repeated_key_of_json_is_an_error_like_that_of_yaml(text: str, line: int, key: str) -> None:
    (said,) = refused(text, "f.json")
    assert re.match(rf'f\.json:{line}: "{key}" is repeated \(first in line [0-9]+\)', said)


def test_the_same_key_in_two_objects_of_json_is_none() -> None:
    text = '{"apiVersion": "v1", "kind": "Pod", "spec": {"a": [{"b": 1}, {"b": 2}]}, "a": {"a": 1}}'
    (found,) = read(text, "f.json")
    assert found.object == json.loads(text)


@pytest.mark.parametrize("deep", [DEPTH_MAX, 900])
@pytest.mark.parametrize("begin, end", [("[", "]"), ('{"a":', "}")])
def test_json_is_nested_as_deeply_as_yaml_and_no_more(deep: int, begin: str, end: str) -> None:
    def written(levels: int) -> str:
        return f'{{"apiVersion": "v1", "kind": "K", "a": {begin * levels}1{end * levels}}}'

    (found,) = read(written(DEPTH_MAX - 1), "f.json")
    assert found.object["kind"] == "K"
    (said,) = refused(written(deep), "f.json")
    assert f"nested deeper than {DEPTH_MAX} levels" in said


def test_brackets_in_texts_are_no_nesting() -> None:
    text = json.dumps({"apiVersion": "v1", "kind": "K", "a": "[" * 1000, "b": [[]] * 500})
    (found,) = read(text, "f.json")
    assert len(found.object["b"]) == 500


class TestJsonPlaces:
    """JSON objects know their lines, alone, in a row and in lists."""

    POD = (
        '{\n  "apiVersion": "v1",\n  "kind": "Pod",\n'
        '  "metadata": {"name": "%s"},\n  "spec": {\n    "image": "x"\n  }\n}'
    )

    def test_in_a_row(self) -> None:
        text = f"\n{self.POD % 'a'}\n\n{self.POD % 'b'} {self.POD % 'c'}\n"
        found = read(text, "f.json", first_line=10)
        assert [(each.object["metadata"]["name"], each.line) for each in found] == [("a", 11), ("b", 20), ("c", 27)]
        assert [each.line_of("spec.image") for each in found] == [16, 25, 32]
        assert [each.line_of("spec.none.image") for each in found] == [15, 24, 31]

    def test_in_a_list(self) -> None:
        items = f"[\n{self.POD % 'a'},\n{self.POD % 'b'}]"
        text = f'{{"kind": "List", "apiVersion": "v1", "note": {{"items": [1]}},\n"items": {items}}}'
        found = read(text, "f.json")
        assert [(each.line, each.line_of("spec.image")) for each in found] == [(3, 8), (11, 16)]

    @pytest.mark.parametrize(
        "items",
        [
            "[null, %s]",
            '[{"kind": "List", "apiVersion": "v1", "items": [%s]}]',
            '[%s, {"a": 1, "kind": "K", "apiVersion": "v1"}]',
        ],
    )
    def test_lists_of_other_things(self, items: str) -> None:
        text = '{"kind": "List", "apiVersion": "v1", "items": ' + items % self.POD % "a" + "}"
        assert "a" in [each.object.get("metadata", {}).get("name") for each in read(text, "f.json")]

    def test_an_object_that_only_has_items_is_one_object(self) -> None:
        text = '{"kind": "Menu", "apiVersion": "v1", "items": [\n{"kind": "Dish"}]}'
        (found,) = read(text, "f.json")
        assert found.line == 1

    @pytest.mark.parametrize("rest", ["{", '{"a" 1}', "x", "---\nkind: Pod\n"])
    def test_what_is_not_json_after_all_is_read_as_yaml(self, rest: str) -> None:
        (said,) = refused(f"{self.POD % 'a'}\n{rest}", "f.json")
        assert re.match(r"f.json:\d+: ", said)

    def test_a_repeated_key_is_found_in_every_one(self) -> None:
        text = '{"apiVersion": "v1", "kind": "Pod"}\n{"apiVersion": "v1", "kind": "Pod",\n"kind": "Pod"}'
        (said,) = refused(text, "f.json")
        assert said.startswith('f.json:3: "kind" is repeated')


@pytest.mark.parametrize(
    "text",
    [
        "kind: Pod\nmetadata:\n  {{- include 'labels' . }}\n",
        "{{ if .Values.x }}\nkind: Pod\n{{ end }}\n",
        "apiVersion: v1\nkind: {{ .Values.kind }}\n",
        "replicas: {{ .Values.replicas }}\n",
    ],
)
def test_a_template_that_was_not_rendered_is_called_one(text: str) -> None:
    (said,) = refused(text)
    assert re.match(r"f.yaml:\d+: .*; a template that was not rendered\? .* helm template", said)
