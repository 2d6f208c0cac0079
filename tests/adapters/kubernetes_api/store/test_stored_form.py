"""Objects as custom resources: what is written is read again, and nothing else is believed."""

from __future__ import annotations

import base64
import copy
import random
import zlib
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.adapters.kubernetes_api.store.stored_form import (
    BODY_MAX_BYTES,
    STORED_MAX_BYTES,
    Entry,
    Unreadable,
    document_of,
    name_of,
    read,
)
from imagegate.core.image_streams.terms import terms_of
from imagegate.ports.image_store import ObjectKey, ObjectTooLarge
from tests.support.image_objects import DIGEST_1

KEY = ObjectKey("image.openshift.io", "imagestreams", "shop", "app")
BODY: dict[str, Any] = {"metadata": {"name": "app", "namespace": "shop", "labels": {"a": "b"}}, "spec": {}}


def stored(key: ObjectKey = KEY, body: dict[str, Any] = BODY) -> dict[str, Any]:
    found = document_of(key, body, "imagegate")
    found["metadata"] |= {"resourceVersion": "17", "uid": "u"}
    return copy.deepcopy(found)


def unreadable(found: dict[str, Any]) -> Unreadable:
    known = read(found, terms_of)
    assert isinstance(known, Unreadable)
    return known


def entry(found: dict[str, Any]) -> Entry:
    known = read(found, terms_of)
    assert isinstance(known, Entry), known
    return known


@pytest.mark.parametrize("padding", [0, 10_000])
def test_a_body_comes_back(padding: int) -> None:
    body = {**BODY, "spec": {"text": "é" * padding}}
    known = entry(stored(body=body))
    assert known.compressed is bool(padding)
    assert known.body() == {**body, "metadata": {**body["metadata"], "resourceVersion": "17"}}
    assert (known.key, known.version, known.uid, known.labels()) == (KEY, 17, "u", {"a": "b"})


names = st.text(min_size=1, max_size=40)


@given(st.tuples(names, names, names, names), st.tuples(names, names, names, names))
def test_keys_have_names_of_their_own(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    same = name_of(ObjectKey(*one)).partition("-")[2] == name_of(ObjectKey(*other)).partition("-")[2]
    assert same is (one == other)


def test_neighbours_in_a_key_do_not_flow_together() -> None:
    assert name_of(ObjectKey("a", "b", "c", "d")) != name_of(ObjectKey("a", "b", "cd", ""))
    assert name_of(ObjectKey("", "images", "", "sha256:ab")).startswith("images-")


def test_the_order_of_fields_does_not_matter() -> None:
    turned = dict(reversed(list(BODY.items())))
    assert document_of(KEY, turned, "n") == document_of(KEY, {**BODY, "metadata": BODY["metadata"]}, "n")


@pytest.mark.parametrize(
    "change, why",
    [
        ({"name": "other"}, "its name is not that of the key"),
        ({"namespace": "other"}, "its name is not that of the key"),
        ({"name": ""}, "no group, resource, namespace and name"),
        ({"resource": 7}, "no group, resource, namespace and name"),
        ({"encoding": "gzip"}, "spec.encoding is 'gzip'"),
        ({"encoding": "zlib"}, "not base64"),
        ({"encoding": "zlib", "body": "AAAA"}, "not compressed with zlib"),
        ({"body": 3}, "not a string"),
        ({"body": "{"}, "not JSON"),
        ({"body": "[]"}, "not those of its key"),
        ({"body": "{}"}, "not those of its key"),
        ({"body": '{"metadata": {"name": "other", "namespace": "shop"}}'}, "not those of its key"),
        ({"body": '{"metadata": {"name": "app"}}'}, "not those of its key"),
        ({"body": '{"metadata": {"name": "app", "namespace": "shop"}, "spec": 3}'}, "form of imagestreams"),
        ({"body": '{"metadata": {"name": "app", "namespace": "shop"}, "status": {"tags": [3]}}'}, "form of"),
        ({"body": "\ud800"}, "not JSON"),
    ],
)
def test_what_somebody_wrote_by_hand_is_not_believed(change: dict[str, Any], why: str) -> None:
    found = stored()
    found["spec"] |= change
    assert why in unreadable(found).why
    assert "delete it with kubectl" in str(unreadable(found))


@pytest.mark.parametrize("spec", [None, [], "x", {}])
def test_a_spec_that_is_none(spec: Any) -> None:
    assert not unreadable({**stored(), "spec": spec}).key.name


def test_a_version_must_be_a_number() -> None:
    found = stored()
    found["metadata"]["resourceVersion"] = "abc"
    assert "not a number" in unreadable(found).why


def test_a_compressed_body_that_is_cut_off_or_a_bomb() -> None:
    found = stored(body={**BODY, "spec": {"text": "x" * 10_000}})
    content = base64.b64decode(found["spec"]["body"])
    for wrong in (content[:-1], content + b"x", zlib.compress(b" " * (BODY_MAX_BYTES + 1))):
        found["spec"]["body"] = base64.b64encode(wrong).decode()
        assert "cut off" in unreadable(found).why


def test_what_etcd_would_refuse_is_refused_before() -> None:
    noise = base64.b64encode(random.Random(1).randbytes(STORED_MAX_BYTES)).decode()
    with pytest.raises(ObjectTooLarge, match="imagestreams app has"):
        document_of(KEY, {**BODY, "spec": {"text": noise}}, "n")
    document_of(KEY, {**BODY, "spec": {"text": "x" * 10 * STORED_MAX_BYTES}}, "n")


def test_terms_are_those_of_the_stream() -> None:
    item = {"image": DIGEST_1, "dockerImageReference": f"quay.io/org/app@{DIGEST_1}"}
    body = {**BODY, "status": {"tags": [{"tag": "x", "items": [item]}]}}
    assert set(entry(stored(body=body)).terms) == {f"image {DIGEST_1}", "repository quay.io/org/app"}


def test_a_plain_body_is_readable_for_people() -> None:
    assert orjson.loads(stored()["spec"]["body"]) == BODY
