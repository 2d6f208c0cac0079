"""What is remembered, and its form in a store."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from imagegate.core.content_trust import limits
from imagegate.core.content_trust.errors import InvalidTrustState, RolledBack
from imagegate.core.content_trust.state import SeenVersion, TrustState, newer
from tests.support.trust_collection import Collection
from tests.support.trust_keys import ecdsa_key


def test_encoded_and_decoded(collection: Collection) -> None:
    collection.tag("targets", "ünï<&>€😀\u2028", b"x")
    state = collection.publish().state()
    assert TrustState.decode(state.encode()) == state
    assert set(state.versions) == {"root", "timestamp", "snapshot", "targets", "targets/releases", "targets/alice"}
    assert set(state.files) == set(state.versions) - {"root"}


def test_roles_that_are_gone_are_forgotten(collection: Collection) -> None:
    state = collection.state()
    del collection.delegations["targets/alice"]
    state = collection.publish("targets", "snapshot", "timestamp").state(state)
    assert "targets/alice" not in state.files
    assert "targets/alice" not in state.versions
    assert "targets/releases" in state.versions


def test_roles_that_are_skipped_are_not_forgotten(collection: Collection) -> None:
    """Nor those below them: else whoever keeps a file from the snapshot for a day could roll it back."""
    collection.delegate("targets/alice/below", ecdsa_key())
    collection.versions["targets/alice"] = collection.versions["targets/alice/below"] = 5
    state = collection.publish().state()
    collection.unlisted = {"targets/alice"}
    state = collection.publish("snapshot", "timestamp").state(state)
    assert state.versions["targets/alice"].version == state.versions["targets/alice/below"].version == 5
    collection.unlisted = set()
    collection.versions["targets/alice/below"] = 4
    assert type(collection.publish("snapshot", "timestamp").refusal(state)) is RolledBack


def changed(*path: str, value: object) -> Callable[[Any], None]:
    def edit(document: Any) -> None:
        for name in path[:-1]:
            document = document[name]
        document[path[-1]] = value

    return edit


@pytest.mark.parametrize(
    "edit",
    [
        changed("format", value=2),
        changed("gun", value=None),
        changed("root", value=1),
        changed("anchor", value=[]),
        changed("anchor", "kind", value="other"),
        changed("anchor", "at", value="yesterday"),
        changed("anchor", "at", value="2026-11-22T12:00:00"),
        changed("anchor", "at", value=5),
        changed("anchor", "keyIds", value="abc"),
        changed("anchor", "keyIds", value=[1]),
        changed("anchor", "rootVersion", value=True),
        changed("versions", value=[]),
        changed("versions", "root", value={"version": 1.5, "signedBy": []}),
        changed("versions", "root", value={"version": 1}),
        changed("files", "targets", value=None),
        changed("files", value=None),
    ],
)
def test_damaged_state_is_never_a_first_use(collection: Collection, edit: Callable[[Any], None]) -> None:
    document = json.loads(collection.state().encode())
    edit(document)
    with pytest.raises(InvalidTrustState, match="stored trust state cannot be read"):
        TrustState.decode(json.dumps(document).encode())


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"format": 1}'])
def test_other_content(content: bytes) -> None:
    with pytest.raises(InvalidTrustState):
        TrustState.decode(content)


def test_cut_off_state(collection: Collection) -> None:
    stored = collection.state().encode()
    for length in (1, len(stored) // 2, len(stored) - 1):
        with pytest.raises(InvalidTrustState):
            TrustState.decode(stored[:length])


def test_huge_state() -> None:
    with pytest.raises(InvalidTrustState, match="more than"):
        TrustState.decode(b" " * (limits.MAX_STATE_BYTES + 1))


def test_of_two_states_the_one_that_rolls_nothing_back(collection: Collection) -> None:
    old = collection.state()
    timestamp = collection.publish("timestamp").state(old)
    collection.versions["root"] += 1
    collection.publish_root()
    root = collection.publish("snapshot").state(old)
    assert newer(old, timestamp) == newer(timestamp, old) == timestamp
    assert newer(timestamp, root) == newer(root, timestamp) == root
    assert newer(replace(old, versions={}), old) == old
    assert newer(old, replace(old, versions={"root": SeenVersion(1, ())})) == old
