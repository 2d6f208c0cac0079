"""Records of rewrites: their MAC, their place, and what is not believed (docs/spec/enforcement.md 15.2)."""

from __future__ import annotations

from typing import Any

import pytest

from imagegate.core.admission.workload import DOCKER_IMAGE, ImageUse
from imagegate.core.enforcement.rewrite_record import (
    ANNOTATION,
    ANNOTATION_MAX_LENGTH,
    Rewrite,
    RewriteRecords,
    record_place,
)
from tests.support.enforcement_setup import KEY, SIGNED_DIGEST, SIGNED_IMAGE

REWRITTEN = f"127.0.0.1:5000/signed/app@{SIGNED_DIGEST}"
PATHS = (("metadata",),)


def test_it_counts_in_its_namespace_only_and_with_its_key_only() -> None:
    rewrite_records = RewriteRecords(KEY)
    record = Rewrite(SIGNED_IMAGE, REWRITTEN)
    (operation,) = rewrite_records.patch({"metadata": {}}, (("metadata",),), {"containers/a": record}, "one")
    document = {"metadata": {"annotations": operation.value}}
    assert rewrite_records.resolved(document, "one") == {REWRITTEN: record}
    assert rewrite_records.resolved(document, "two") == {}
    assert RewriteRecords(b"another key").resolved(document, "one") == {}
    assert RewriteRecords(b"").resolved(document, "one") == {}


def test_where_it_is_put() -> None:
    records = {"containers/a": Rewrite(SIGNED_IMAGE, REWRITTEN)}

    def patch(document: dict[str, Any]) -> list[tuple[str, str]]:
        return [(op.op, op.path) for op in RewriteRecords(KEY).patch(document, (("metadata",),), records, "one")]

    assert patch({}) == [("add", "/metadata")]
    assert patch({"metadata": {}}) == [("add", "/metadata/annotations")]
    assert patch({"metadata": {"annotations": None}}) == [("add", "/metadata/annotations")]
    assert patch({"metadata": {"annotations": {"a": "b"}}}) == [
        ("add", "/metadata/annotations/imagegate~1resolved-images")
    ]
    assert RewriteRecords(b"").patch({}, (("metadata",),), records, "one") == []


def test_the_mac_covers_namespace_and_both_images() -> None:
    macs = {
        Rewrite(original, rewritten).mac(key, namespace)
        for original in ("a", "b")
        for rewritten in ("c", "d")
        for key in (b"k", b"l")
        for namespace in ("one", "two")
    }
    assert len(macs) == 16


def test_writing_what_is_there_changes_nothing() -> None:
    records = {"containers/a": Rewrite(SIGNED_IMAGE, REWRITTEN)}
    (operation,) = RewriteRecords(KEY).patch({"metadata": {}}, PATHS, records, "one")
    document = {"metadata": {"annotations": operation.value}}
    assert RewriteRecords(KEY).patch(document, PATHS, records, "one") == []
    assert RewriteRecords(KEY).patch(document, PATHS, {}, "one") == []


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"a": {"from": 1}}', " " * (ANNOTATION_MAX_LENGTH + 1), "[" * 100_000]
)
def test_what_is_not_a_record_is_left_out(text: str) -> None:
    assert RewriteRecords(KEY).resolved({"metadata": {"annotations": {ANNOTATION: text}}}, "one") == {}


@pytest.mark.parametrize("document", [{}, {"metadata": []}, {"metadata": {"annotations": "a"}}])
def test_objects_without_annotations_have_no_records(document: dict[str, Any]) -> None:
    assert RewriteRecords(KEY).resolved(document, "one") == {}


def test_the_key_of_a_record_is_list_and_container() -> None:
    use = ImageUse(DOCKER_IMAGE, "", "a", "spec.template.spec.initContainers[3].image", "setup")
    assert record_place(use) == "initContainers/setup"
