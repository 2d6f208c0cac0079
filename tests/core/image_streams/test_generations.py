"""What the server sets on a write: docs/spec/import-gate.md 6.2.2."""

from __future__ import annotations

from typing import Any

from imagegate.core.image_streams.generations import (
    normalized,
    prepared_for_create,
    prepared_for_status_update,
    prepared_for_update,
)
from imagegate.core.image_streams.stream import RegistryHosts, spec_tags, status_tags
from tests.support.image_objects import DIGEST_1, DIGEST_2, event, spec_tag, stream

HOSTS = RegistryHosts("reg:5000")


def stored() -> dict[str, Any]:
    written = stream(spec_tags=[spec_tag("b", "q/b:1"), spec_tag("a", "q/a:1")])
    return prepared_for_create(written, HOSTS)


def generations(found: dict[str, Any]) -> tuple[int, dict[str, int]]:
    return found["metadata"]["generation"], {name: tag["generation"] for name, tag in spec_tags(found).items()}


def test_create_empties_status_and_starts_at_one() -> None:
    written = stream(tags={"a": [event(DIGEST_1, "forged")]}, spec_tags=[spec_tag("a", "q/a:1", generation=9)])
    found = prepared_for_create(written, HOSTS)
    assert generations(found) == (1, {"a": 1})
    assert found["status"] == {"dockerImageRepository": "reg:5000/test/app"}
    kept = prepared_for_create(written, HOSTS, keep_status=True)
    assert status_tags(kept)["a"]["items"][0]["dockerImageReference"] == "forged"


def test_normalized_is_sorted_and_defaulted() -> None:
    found = stored()
    assert [tag["name"] for tag in found["spec"]["tags"]] == ["a", "b"]
    assert found["spec"]["tags"][0] == {
        "name": "a",
        "annotations": None,
        "from": {"kind": "DockerImage", "name": "q/a:1"},
        "generation": 1,
        "importPolicy": {"importMode": "Legacy"},
        "referencePolicy": {"type": "Source"},
    }
    assert normalized(found) == normalized(normalized(found))


def test_of_two_tags_of_one_name_the_last_counts() -> None:
    found = normalized(stream(spec_tags=[spec_tag("a", "first"), spec_tag("a", "second")]))
    assert [tag["from"]["name"] for tag in found["spec"]["tags"]] == ["second"]


def test_an_update_that_changes_nothing_keeps_generations() -> None:
    old = stored()
    found = prepared_for_update({**old, "metadata": {**old["metadata"], "labels": {"a": "b"}}}, old, HOSTS)
    assert generations(found) == (1, {"a": 1, "b": 1})
    assert found["metadata"]["labels"] == {"a": "b"}


def test_an_update_of_one_tag_raises_its_generation() -> None:
    old = stored()
    changed = {**old, "spec": {**old["spec"], "tags": [spec_tag("a", "q/a:2", generation=77), old["spec"]["tags"][1]]}}
    assert generations(prepared_for_update(changed, old, HOSTS)) == (2, {"a": 2, "b": 1})


def test_generation_zero_asks_for_an_import() -> None:
    old = stored()
    again = {**old["spec"]["tags"][0], "generation": 0}
    changed = {**old, "spec": {**old["spec"], "tags": [again, old["spec"]["tags"][1]]}}
    assert generations(prepared_for_update(changed, old, HOSTS)) == (2, {"a": 2, "b": 1})


def test_any_other_generation_of_a_user_is_ignored() -> None:
    old = stored()
    forged = {**old["spec"]["tags"][0], "generation": 5}
    changed = {**old, "spec": {**old["spec"], "tags": [forged, old["spec"]["tags"][1]]}}
    assert generations(prepared_for_update(changed, old, HOSTS)) == (1, {"a": 1, "b": 1})


def test_a_user_cannot_write_status_with_an_update() -> None:
    old = stored()
    forged = {**old, "status": {"tags": [{"tag": "a", "items": [event(DIGEST_1, "forged")]}]}}
    assert status_tags(prepared_for_update(forged, old, HOSTS)) == {}
    kept = prepared_for_update(forged, old, HOSTS, keep_status=True)
    assert status_tags(kept)["a"]["items"][0]["dockerImageReference"] == "forged"


def test_status_update_keeps_spec_tags_and_gives_events_a_generation() -> None:
    old = stored()
    spec = {"tags": [], "dockerImageRepository": "q/x", "lookupPolicy": {"local": True}}
    new = {**old, "spec": spec, "status": {"tags": [{"tag": "a", "items": [event(DIGEST_1, "q/a@1", 0)]}]}}
    found = prepared_for_status_update(new, old)
    assert spec_tags(found) == spec_tags(old)
    assert "dockerImageRepository" not in found["spec"]
    assert found["metadata"]["generation"] == 1
    assert status_tags(found)["a"]["items"][0]["generation"] == 1


def test_status_update_keeps_the_repository_and_an_unchanged_event() -> None:
    old = stored()
    old = {**old, "spec": {**old["spec"], "dockerImageRepository": "q/own"}}
    old = {**old, "status": {"tags": [{"tag": "a", "items": [event(DIGEST_1, "q/a@1", 0)]}]}}
    new = {**old, "spec": {"dockerImageRepository": "q/other"}}
    found = prepared_for_status_update(new, old)
    assert found["spec"]["dockerImageRepository"] == "q/own"
    assert status_tags(found)["a"]["items"][0]["generation"] == 1
    older = {**old, "status": {"tags": [{"tag": "a", "items": [event(DIGEST_1, "q/a@1", 3)]}]}}
    assert status_tags(prepared_for_status_update(old, older))["a"]["items"][0]["generation"] == 1


def test_conditions_and_tags_without_a_source_are_kept() -> None:
    failed = {"type": "ImportSuccess", "status": "False"}
    written = stream(spec_tags=[{"name": "t"}])
    written["status"]["tags"] = [{"tag": "t", "items": None, "conditions": [failed]}]
    found = normalized(written)
    assert "from" not in found["spec"]["tags"][0]
    assert found["status"]["tags"] == [{"tag": "t", "items": None, "conditions": [failed]}]


def test_a_changed_event_answers_the_spec_generation() -> None:
    old = stored()
    old = {**old, "metadata": {**old["metadata"], "generation": 4}}
    old = {**old, "status": {"tags": [{"tag": "a", "items": [event(DIGEST_1, "q/a@1", 1)]}]}}
    new = {**old, "status": {"tags": [{"tag": "a", "items": [event(DIGEST_2, "q/a@2", 0)]}]}}
    assert status_tags(prepared_for_status_update(new, old))["a"]["items"][0]["generation"] == 1
    pushed = {**old, "status": {"tags": [{"tag": "c", "items": [event(DIGEST_2, "q/a@2", 0)]}]}}
    assert status_tags(prepared_for_status_update(pushed, old))["c"]["items"][0]["generation"] == 4
