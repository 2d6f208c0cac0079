"""Lock files of policy tests: what is written is read, and everything else is refused with file, line and field."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from imagegate.documents.policy_tests.lock import (
    AdvisorKey,
    Lock,
    LockedSignatures,
    LockedStatus,
    LockedTrust,
    SignaturesKey,
    TrustKey,
    lock_document,
    read_lock,
)
from imagegate.documents.policy_tests.read import InvalidSuite
from imagegate.errors import ConfigError

DIGEST, OTHER, THIRD = ("sha256:" + digit * 64 for digit in "345")
HEAD = "apiVersion: imagegate.dev/v1alpha1\nkind: PolicyTestLock\n"
AT = datetime(2026, 11, 28, 4, 0, tzinfo=UTC)


def filled() -> Lock:
    lock = Lock("l", {"b": DIGEST, "a": DIGEST})
    lock.signatures[SignaturesKey(f"docker.io/a/b@{DIGEST}", "https://store.example")] = LockedSignatures((b"one", b""))
    lock.signatures[SignaturesKey(f"docker.io/a/b@{DIGEST}", "")] = LockedSignatures(())
    lock.trust[TrustKey("https://notary.example", "docker.io/a/b")] = LockedTrust(
        AT, {"root": b"{}", "targets/a": b"x"}
    )
    lock.trust[TrustKey("https://notary.example", "docker.io/c/d")] = LockedTrust(AT, {})
    lock.advisor[AdvisorKey("icr.io/a/b:1", "me")] = LockedStatus("OK")
    return lock


def test_what_is_written_is_read() -> None:
    lock = filled()
    document = lock_document(lock)
    assert list(document["images"]) == ["a", "b"]  # type: ignore[call-overload]
    found = read_lock(yaml.safe_dump(document), "l")
    assert lock_document(found) == document
    assert {key: each.blobs for key, each in found.signatures.items()} == {
        key: each.blobs for key, each in lock.signatures.items()
    }
    assert {key: (each.at, each.files) for key, each in found.trust.items()} == {
        key: (each.at, each.files) for key, each in lock.trust.items()
    }


def test_a_lock_of_digests_alone_has_no_other_sections() -> None:
    assert lock_document(Lock("l", {"a": DIGEST})) == {
        "apiVersion": "imagegate.dev/v1alpha1",
        "kind": "PolicyTestLock",
        "images": {"a": DIGEST},
    }


@pytest.mark.parametrize(
    "change", [{"kind": "Lock"}, {"images": {"a": "sha256:1"}}, {"images": []}, {"digests": {}}, {"images": {"a": 1}}]
)
def test_anything_else_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidSuite, match=r"l:\d+: "):
        read_lock(yaml.safe_dump(lock_document(Lock()) | change), "l")


def test_an_empty_file_is_refused() -> None:
    with pytest.raises(InvalidSuite):
        read_lock("", "l")


SIGNED = f"signatures:\n- image: a/b@{DIGEST}\n  store: https://s.example\n  blobs: "
TRUSTED = "trust:\n- server: https://n.example\n  gun: a/b\n  at: '2026-11-28T04:00:00Z'\n  files: "


@pytest.mark.parametrize(
    "text, expected",
    [
        (f"{SIGNED}[AAAA, '%%%']\n", "l:6: signatures[0].blobs[1]: not base64"),
        (f"{SIGNED}['é']\n", "l:6: signatures[0].blobs[0]: not base64"),
        (f"{SIGNED}[1]\n", "l:6: signatures[0].blobs[0]: expected string"),
        (f"{SIGNED}~\n", "l:6: signatures[0].blobs: required"),
        (f"{SIGNED}[{', '.join(['AAAA'] * 128)}]\n", "l:6: signatures[0].blobs: more than 128 signatures"),
        (SIGNED.replace(DIGEST, "sha256:1") + "[]\n", "l:4: signatures[0].image: sha256:1: invalid"),
        ("signatures:\n- image: a/b:1\n  blobs: []\n", "l:4: signatures[0].image: "),
        (f"{SIGNED}[]\n" + SIGNED.removeprefix("signatures:\n") + "[]\n", "l:7: signatures[1]: the same as that in"),
        (f"{TRUSTED}{{root: '%'}}\n", "l:7: trust[0].files.root: not base64"),
        (f"{TRUSTED}~\n", "l:7: trust[0].files: required"),
        (f"{TRUSTED}{{}}\n  more: 1\n", "l:8: trust[0].more: unknown field"),
        (TRUSTED.replace("'2026-11-28T04:00:00Z'", "yesterday") + "{}\n", "l:6: trust[0].at: parsing time"),
        (TRUSTED.replace("  at: '2026-11-28T04:00:00Z'\n", "") + "{}\n", "trust[0].at: required"),
        (TRUSTED.replace("https://n.example", "''") + "{}\n", "l:4: trust[0].server: required"),
        ("advisor:\n- image: a/b:1\n", "l:4: advisor[0].status: required"),
        ("trust: [&a {server: *a}]\n", "l:3: "),
        ("images: {a: &a [*a]}\n", "l:3: "),
        ("images: " + "[" * 500 + "]" * 500 + "\n", "l:"),
    ],
)  # fmt: skip
def test_errors_name_file_line_and_field(text: str, expected: str) -> None:
    with pytest.raises(ConfigError) as error:
        read_lock(HEAD + text, "l")
    assert any(line.startswith(expected) or f": {expected}" in line for line in error.value.lines), error.value.lines
    assert all(line.startswith("l:") for line in error.value.lines)


def test_trust_data_has_the_bound_of_an_update() -> None:
    content = base64.b64encode(b"x" * (5 * 1024 * 1024)).decode()
    with pytest.raises(ConfigError, match="larger"):
        read_lock(f"{HEAD}{TRUSTED}{{{', '.join(f'f{number}: {content}' for number in range(5))}}}\n", "l")


def test_entries_about_a_digest_that_a_tag_had_are_dropped() -> None:
    lock = Lock("l", {"a/b:1": DIGEST, f"a/b@{DIGEST}": DIGEST, f"c/d@{THIRD}": THIRD})
    goes, stays = SignaturesKey(f"a/b@{DIGEST}", ""), SignaturesKey(f"c/d@{THIRD}", "")
    lock.signatures = {stays: LockedSignatures(()), goes: LockedSignatures(())}
    lock.add(Lock("l", {"a/b:1": OTHER}))
    assert lock.images == {"a/b:1": OTHER, f"c/d@{THIRD}": THIRD}
    assert list(lock.signatures) == [stays]
