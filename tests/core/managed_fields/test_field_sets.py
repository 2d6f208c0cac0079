"""Sets of fields, their steps, and entries: what generated sequences do not reach."""

from __future__ import annotations

from typing import Any

import pytest

from imagegate.core.managed_fields.entries import Manager, is_reset, read_entries, written_entries
from imagegate.core.managed_fields.field_set import DEPTH_MAX, FieldSet, path_text
from imagegate.core.managed_fields.ownership import UPDATERS_MAX, Writer, after_update
from imagegate.core.managed_fields.path_elements import InvalidFields, read_element
from imagegate.core.managed_fields.shapes import NoElement, shape_of
from imagegate.core.managed_fields.values import reconciled

STREAM = shape_of("com.github.openshift.api.image.v1.ImageStream")
VERSION = "image.openshift.io/v1"


def entry(fields: Any, **fields_of_entry: Any) -> dict[str, Any]:
    named = {"manager": "m", "operation": "Update", "apiVersion": VERSION, "fieldsType": "FieldsV1"}
    return {**named, "fieldsV1": fields, **fields_of_entry}


class TestFieldSets:
    def test_the_canonical_form(self) -> None:
        given: dict[str, Any] = {
            "i:3": {},
            'v:"b"': {},
            "v:2": {},
            'k:{"b":1,"a":"x"}': {"f:z": {}, ".": {}},
            "f:b": {"f:c": {}},
            "f:a": None,
            "v:true": {},
            "v:[1]": {},
        }
        written = FieldSet.from_json(given).to_json()
        assert list(written) == ["f:a", "f:b", 'k:{"a":"x","b":1}', "v:2", 'v:"b"', "v:true", "v:[1]", "i:3"]
        assert written['k:{"a":"x","b":1}'] == {".": {}, "f:z": {}}
        assert FieldSet.from_json(written).to_json() == written

    def test_steps_of_unknown_kinds_are_left_out(self) -> None:
        assert read_element("x:1") is None
        assert FieldSet.from_json({"x:1": {"f:a": {}}, "f:b": {}}).to_json() == {"f:b": {}}

    @pytest.mark.parametrize("text", ["", "f", "fa", "k:", "k:1", "v:", "i:", "i:1.5", "k:{", "v:nul"])
    def test_no_step(self, text: str) -> None:
        with pytest.raises(InvalidFields):
            read_element(text)

    def test_depth(self) -> None:
        deep: dict[str, Any] = {}
        for _ in range(DEPTH_MAX + 2):
            deep = {"f:a": deep}
        with pytest.raises(InvalidFields, match="nested deeper"):
            FieldSet.from_json(deep)

    def test_algebra(self) -> None:
        one = FieldSet.of(("f:a",), ("f:a", "f:b"), ("f:c", "f:d"))
        other = FieldSet.of(("f:a",), ("f:c", "f:d"), ("f:c", "f:e"))
        assert (one | other).to_json() == {"f:a": {".": {}, "f:b": {}}, "f:c": {"f:d": {}, "f:e": {}}}
        assert (one & other).to_json() == {"f:a": {}, "f:c": {"f:d": {}}}
        assert (one - other).to_json() == {"f:a": {"f:b": {}}}
        assert (other - one).to_json() == {"f:c": {"f:e": {}}}
        assert (one - one).is_empty()
        assert one.has(("f:a", "f:b"))
        assert not one.has(())
        assert not one.has(("f:c",))
        one.insert(())
        assert list(one.paths()) == [("f:a",), ("f:a", "f:b"), ("f:c", "f:d")]

    def test_paths_in_messages(self) -> None:
        path = ("f:a", 'k:{"n":"x","p":1}', 'v:"q"', "v:null", "i:2", "v:[1,true]", 'v:{"a":1.5}')
        assert path_text(path) == '.a[n="x",p=1][="q"][=null][2][=[1,true]][=a=1.5]'


class TestShapes:
    @pytest.mark.parametrize("given", [{}, [], None])
    def test_entries_of_a_set_are_plain(self, given: Any) -> None:
        metadata = STREAM.entry("metadata")
        assert metadata is not None
        finalizers = metadata.entry("finalizers")
        assert finalizers is not None
        with pytest.raises(NoElement):
            finalizers.element(given)

    def test_sets_of_an_earlier_table(self) -> None:
        """``from`` of a tag has one owner today."""
        tag: dict[str, Any] = {"f:from": {"f:name": {}, "f:kind": {}}, "f:name": {}}
        given = FieldSet.from_json({"f:spec": {"f:tags": {'k:{"name":"a"}': tag}}})
        found = reconciled(given, STREAM).to_json()
        assert found == {"f:spec": {"f:tags": {'k:{"name":"a"}': {"f:from": {}, "f:name": {}}}}}


class TestEntries:
    def test_order(self) -> None:
        given = [
            entry({"f:a": {}}, manager="z", time="2026-01-01T00:00:00Z"),
            entry({"f:a": {}}, manager="y", time="2026-01-02T00:00:00Z"),
            entry({"f:a": {}}, manager="x", operation="Apply"),
            entry({"f:a": {}}, manager="w"),
        ]
        written = written_entries(read_entries(given))
        assert [each["manager"] for each in written] == ["x", "w", "z", "y"]
        assert list(written[2]) == ["manager", "operation", "apiVersion", "time", "fieldsType", "fieldsV1"]

    def test_an_applier_is_the_same_in_every_version(self) -> None:
        found = read_entries([entry({"f:a": {}}, operation="Apply", apiVersion=each) for each in ("v1", "v2")])
        assert list(found) == [Manager("m", "Apply")]

    @pytest.mark.parametrize("given", [{}, "x", 1, [1], [entry({"f:a": {}}, time="yesterday")], [entry({}, manager=1)]])
    def test_unreadable(self, given: Any) -> None:
        with pytest.raises(InvalidFields):
            read_entries(given)

    def test_resets(self) -> None:
        assert is_reset([])
        assert is_reset([{}])
        assert not is_reset(None)
        assert not is_reset([{}, {}])

    def test_many_updaters_become_one(self) -> None:
        managed = read_entries([])
        found: dict[str, Any] = {"metadata": {"labels": {}}}
        for index in range(UPDATERS_MAX + 4):
            new = {"metadata": {"labels": {**found["metadata"]["labels"], f"l{index:02}": "x"}}}
            writer = Writer(f"m{index:02}", VERSION, f"2026-01-01T00:00:{index:02}Z")
            managed, found = after_update(STREAM, found, new, managed, writer), new
        names = [manager.name for manager in managed]
        assert len(names) == UPDATERS_MAX
        ancient = next(owned for manager, owned in managed.items() if manager.name == "ancient-changes")
        assert ancient.time == "2026-01-01T00:00:04Z"
        labels = ancient.fields.to_json()["f:metadata"]["f:labels"]
        assert [label for label in labels if label != "."] == [f"f:l{index:02}" for index in range(5)]

    def test_owners_of_another_version_are_dropped(self) -> None:
        managed = read_entries([entry({"f:metadata": {"f:labels": {"f:a": {}}}}, apiVersion="image.openshift.io/v0")])
        assert after_update(STREAM, {}, {}, managed, Writer("m", VERSION, "2026-01-01T00:00:00Z")) == {}
