"""The form of each role, one fault at a time, signed by the right keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from imagegate.core.content_trust import limits
from imagegate.core.content_trust.errors import InvalidMetadata, ThresholdNotMet
from imagegate.core.content_trust.keys import PublicKey
from imagegate.core.content_trust.metadata import is_delegation
from imagegate.core.content_trust.repository import TargetsRole
from imagegate.core.content_trust.signed_file import SignedFile, SigningRole
from tests.core.content_trust.conftest import MANIFEST
from tests.support.trust_collection import Collection, Document, envelope
from tests.support.trust_keys import base64_of, ecdsa_key


def put(*path: Any, value: object) -> Callable[[Document], None]:
    """An edit that sets one member, deep inside."""

    def edit(signed: Document) -> None:
        for name in path[:-1]:
            signed = signed[name]
        signed[path[-1]] = value

    return edit


def drop(*path: Any) -> Callable[[Document], None]:
    def edit(signed: Document) -> None:
        for name in path[:-1]:
            signed = signed[name]
        del signed[path[-1]]

    return edit


def problem(collection: Collection, role: str, edit: Callable[[Document], None]) -> str:
    collection.edits[role] = edit
    if role == "root":
        collection.publish_root()
    error = collection.publish().refusal()
    assert type(error) is InvalidMetadata
    assert error.role == role
    return str(error)


@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets", "targets/releases"])
@pytest.mark.parametrize("other", ["Root", "Timestamp", "Snapshot", "Targets", "", "targets", "Mirror"])
def test_wrong_type(collection: Collection, role: str, other: str) -> None:
    expected = role.partition("/")[0].capitalize()
    if other == expected:
        collection.repository()
    else:
        text = f"{role} type metadata invalid: expected type {expected}, not {other}"
        assert problem(collection, role, put("_type", value=other)) == text


@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets", "targets/releases"])
@pytest.mark.parametrize("version", [0, -1, None])
def test_version_below_one(collection: Collection, role: str, version: int | None) -> None:
    text = f"{role} type metadata invalid: version cannot be less than {'1' if role == 'root' else 'one'}"
    assert problem(collection, role, put("version", value=version)) == text


@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets", "targets/releases"])
@pytest.mark.parametrize(
    "edit, text",
    [
        (put("version", value="1"), "signed.version is not a whole number"),
        (put("version", value=True), "signed.version is not a whole number"),
        (put("expires", value=1), "signed.expires is not a string"),
        (put("expires", value="tomorrow"), "expires 'tomorrow' is not an RFC 3339 time"),
        (drop("expires"), "expires '' is not an RFC 3339 time"),
        (put("_type", value=1), "signed._type is not a string"),
        (put("custom", value=[1.5]), "1.5 is not a whole number"),
    ],
)
def test_header(collection: Collection, role: str, edit: Callable[[Document], None], text: str) -> None:
    assert problem(collection, role, edit) == f"{role} type metadata invalid: {text}"


@pytest.mark.parametrize("name", ["root", "targets", "snapshot", "timestamp"])
def test_root_without_a_role(collection: Collection, name: str) -> None:
    text = f"root type metadata invalid: missing {name} role specification"
    assert problem(collection, "root", drop("roles", name)) == text


@pytest.mark.parametrize("name", ["root", "targets", "snapshot", "timestamp"])
@pytest.mark.parametrize("threshold", [0, -1])
def test_threshold_below_one(collection: Collection, name: str, threshold: int) -> None:
    text = f"root type metadata invalid: invalid threshold specified for {name}: {threshold} "
    assert problem(collection, "root", put("roles", name, "threshold", value=threshold)) == text


def test_role_with_a_key_that_is_not_there(collection: Collection) -> None:
    text = "root type metadata invalid: key ID abc specified in targets without corresponding key"
    assert problem(collection, "root", put("roles", "targets", "keyids", value=["abc"])) == text


def test_huge_key(collection: Collection) -> None:
    key = {"keytype": "rsa", "keyval": {"public": base64_of(bytes(limits.MAX_KEY_BYTES + 1))}}
    text = "root type metadata invalid: signed.keys.x.keyval.public is not a key of at most 65536 bytes"
    assert problem(collection, "root", put("keys", "x", value=key)) == text


@pytest.mark.parametrize(
    "role, edit, text",
    [
        ("timestamp", drop("meta", "snapshot"), "missing snapshot sha256 checksum information"),
        ("timestamp", drop("meta"), "missing snapshot sha256 checksum information"),
        ("snapshot", drop("meta", "root"), "missing root sha256 checksum information"),
        ("snapshot", drop("meta", "targets"), "missing targets sha256 checksum information"),
        (
            "snapshot",
            put("meta", "targets", "hashes", "sha256", value="AAAA"),
            "invalid targets checksum information, sha256 checksum invalid",
        ),
        (
            "snapshot",
            put("meta", "targets/alice", "hashes", "sha512", value="AAAA"),
            "invalid targets/alice checksum information, sha512 checksum invalid",
        ),
        ("snapshot", put("meta", "targets", "length", value=-1), "signed.meta.targets.length is not a length"),
        ("snapshot", put("meta", "targets", value=[]), "signed.meta.targets is not an object"),
        (
            "targets",
            put("targets", "v1", value={"hashes": {"sha256": "?"}}),
            "signed.targets.v1.hashes.sha256 is not base64",
        ),
        ("targets", put("targets", value=[]), "signed.targets is not an object"),
        ("targets", put("delegations", "roles", value={}), "signed.delegations.roles is not a list"),
        (
            "targets",
            put("delegations", "roles", 0, "threshold", value=0),
            "invalid threshold specified for targets/releases: 0 ",
        ),
        (
            "targets",
            put("delegations", "roles", 0, "keyids", value=["abc"]),
            "key ID abc specified in targets/releases without corresponding key",
        ),
        (
            "targets",
            put("delegations", "roles", 1, "name", value="targets/releases"),
            "delegation role targets/releases invalid",
        ),
    ],
)
def test_listings_and_targets(collection: Collection, role: str, edit: Callable[[Document], None], text: str) -> None:
    assert problem(collection, role, edit) == f"{role} type metadata invalid: {text}"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "targets",
        "root",
        "targets/",
        "targets/a/b",
        "targets/A",
        "targets/a b",
        "targets/../x",
        "other/a",
        "targets/.",
    ],
)
def test_delegation_that_is_no_direct_child(collection: Collection, name: str) -> None:
    edit = put("delegations", "roles", 0, "name", value=name)
    assert problem(collection, "targets", edit) == f"targets type metadata invalid: delegation role {name} invalid"


@pytest.mark.parametrize(
    "name, is_one",
    [
        ("targets/a", True),
        ("targets/a-b_9/c", True),
        ("targets/" + "a" * 247, True),
        ("targets/" + "a" * 248, False),
        ("targets", False),
        ("targets/a/", False),
        ("targets//a", False),
        ("targets/a.b", False),
        ("targets/ä", False),
        ("targets/a\n", False),
        ("xtargets/a", False),
    ],
)
def test_names_of_delegations(name: str, is_one: bool) -> None:
    assert is_delegation(name) is is_one


def test_unknown_members_are_ignored(collection: Collection) -> None:
    collection.edits["targets"] = put("new", value={"member": 1})
    collection.edits["snapshot"] = put("meta", "mirrors", value={"length": 3})
    collection.publish().repository()


def targets(collection: Collection) -> TargetsRole:
    return collection.publish().repository().targets_roles[0]


def test_nulls_of_go(collection: Collection) -> None:
    collection.delegations.clear()
    collection.edits["targets"] = put("delegations", value=None)
    assert targets(collection).delegates_to == ()
    collection.edits["targets"] = put("targets", value=None)
    assert targets(collection).targets == {}


def test_target_without_usable_hashes_spoils_no_other(collection: Collection) -> None:
    collection.edits["targets"] = put("targets", "odd", value={"length": 1, "hashes": {"md5": "AAAA"}})
    role = targets(collection)
    odd, base = role.target("odd"), role.target("base")
    assert odd is not None
    assert base is not None
    assert odd.hashes == {}
    assert base.length == len(MANIFEST)
    assert base.hashes.keys() == {"sha256", "sha512"}


# The envelope.


def parse_problem(content: bytes) -> str:
    with pytest.raises(InvalidMetadata) as caught:
        SignedFile.parse("targets", content)
    return str(caught.value)


@pytest.mark.parametrize(
    "content, text",
    [
        (b"", "Expecting value at character 0"),
        (b"{", "Expecting property name enclosed in double quotes at character 1"),
        (b"\xff", "not UTF-8: invalid start byte at byte 0"),
        (b"[]", "file is not an object"),
        (b"null", None),
        (b"{}", None),
        (b'{"signed": null}', None),
        (b'{"signed": []}', "signed is not an object"),
        (b'{"signed": {}, "signed": {}}', "file has member 'signed' twice"),
        (b'{"signed": {"a": 1, "a": 1}}', "signed has member 'a' twice"),
        (b'{"signed": {"a": {"b": 1, "b": 1}}}', "member 'b' is repeated"),
        (b'{"signed": {"a": 1.5}}', "1.5 is not a whole number"),
        (b'{"signed": {}, "signatures": {}}', "signatures is not a list"),
        (b'{"signed": {}, "signatures": [1]}', "signatures[0] is not an object"),
        (b'{"signed": {}, "signatures": [{"sig": "?"}]}', "signatures[0].sig is not base64"),
        (b'{"signed": {}, "signatures": [{"keyid": 1}]}', "signatures[0].keyid is not a string"),
        (b'{"signed": {}}{}', "Extra data at character 14"),
        (b'{"signed":' + b"[" * 500 + b"]" * 500 + b"}", "nested more than 400 levels deep"),
        (b"[" * 100_000, "nested more than 400 levels deep"),
    ],
)
def test_envelopes(content: bytes, text: str | None) -> None:
    problem = parse_problem(content)
    expected = f"targets type metadata invalid: {text}" if text else "targets file contained an empty payload"
    assert problem.endswith(expected)


def test_version_in_messages() -> None:
    """As far as it can be read."""
    assert SignedFile.parse("targets", b'{"signed": {"version": 7}}').version == 7
    assert SignedFile.parse("targets", b'{"signed": {"version": "7"}}').version is None


def test_methods_are_read_in_lower_case(collection: Collection) -> None:
    collection.tampering["timestamp"] = lambda content: content.replace(b'"ecdsa"', b'"ECDSA"')
    collection.publish().repository()


def test_members_in_any_order_and_with_white_space(collection: Collection) -> None:
    """The signature is over the canonical form, whatever the file looks like."""

    def spread(content: bytes) -> bytes:
        return content.replace(b'{"_type":', b'{ "_type" :\n', 1).replace(b'"signatures"', b'"signat\\u0075res"')

    collection.tampering["targets"] = spread
    collection.publish().repository()


def test_threshold_below_one_is_met_by_nothing() -> None:
    """Readers refuse it already."""
    key = ecdsa_key()
    file = SignedFile.parse("targets", envelope({"version": 1}, [key]))
    listed = {key.key_id: PublicKey(key.key_type, key.public)}
    assert file.verify(SigningRole("targets", listed, 1)) == (key.key_id,)
    with pytest.raises(ThresholdNotMet, match="valid signatures did not meet threshold"):
        file.verify(SigningRole("targets", listed, 0))
