"""Signatures as their sender may set them."""

from __future__ import annotations

from typing import Any

import pytest

from imagegate.core.image_api.signatures import (
    MANAGED_SIGNATURE,
    kept_signature,
    new_signature_errors,
    signature_errors,
)

GOOD: dict[str, Any] = {"metadata": {"name": "sha256:1@one"}, "type": "atomic", "content": "YQ=="}


def test_a_sender_cannot_claim_a_verification() -> None:
    claimed = {**GOOD, "conditions": [{"type": "Trusted"}], "imageIdentity": "x", "signedClaims": {"a": "b"}}
    assert kept_signature(claimed) == GOOD
    labelled = {**GOOD, "metadata": {**GOOD["metadata"], "labels": {"a": "b"}}}
    assert kept_signature(labelled) == GOOD


@pytest.mark.parametrize(
    "change,fields",
    [
        ({}, []),
        ({"metadata": {"name": "sha256:1@one", "annotations": {MANAGED_SIGNATURE: "true"}}}, []),
        ({"metadata": {"name": "sha256:1@one", "annotations": {"a": "b"}}}, ["metadata.annotations"]),
        ({"metadata": {"name": "sha256:1@one", "labels": {"a": "b"}}}, ["metadata.labels"]),
        ({"metadata": {"name": "one"}}, ["metadata.name"]),
        ({"metadata": {"name": "a@b@c"}}, ["metadata.name"]),
        ({"metadata": None}, ["metadata.name", "metadata.name"]),
        ({"type": ""}, ["type"]),
        ({"content": None}, ["content"]),
    ],
)
def test_errors_of_a_new_signature(change: dict[str, Any], fields: list[str]) -> None:
    assert [error.field for error in signature_errors({**GOOD, **change})] == fields


def test_stored_signatures_are_not_checked_again() -> None:
    odd = {**GOOD, "metadata": {"name": "odd"}}
    assert not new_signature_errors([odd], [odd])
    assert [error.field for error in new_signature_errors([odd, GOOD], [GOOD])] == ["signatures[0].metadata.name"]


@pytest.mark.parametrize(
    "types, missing",
    [(["Trusted"], "ForImage"), (["ForImage"], "Trusted"), (["Trusted", "ForImage"], ""), (["Odd"], "")],
)
def test_conditions_that_belong_together(types: list[str], missing: str) -> None:
    odd = {**GOOD, "metadata": {"name": "a@new"}, "conditions": [{"type": each, "status": "True"} for each in types]}
    assert [error.detail for error in new_signature_errors([odd], [])] == (
        [f'missing "{missing}" condition type'] if missing else []
    )
