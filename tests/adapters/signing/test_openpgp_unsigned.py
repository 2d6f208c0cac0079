"""Bytes of signatures and key rings that nobody signed: none of them makes a refused signature good.

Keys, signatures, bindings and revocations are GnuPG's and Sequoia's own; only what no signature covers is rewritten.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from pysequoia import Profile, SignatureMode, Tsk
from pysequoia import sign as sequoia_sign

from imagegate.adapters.signing.openpgp import OpenPgpVerifier
from imagegate.core.signing.key_ring import InvalidKeyRing, KeyRing
from imagegate.core.signing.openpgp_message import Packet, SignedMessage, read_packets
from imagegate.core.signing.requirements import Verification
from tests.adapters.signing.test_openpgp import PAYLOAD, check, interactive
from tests.support.gpg import GpgHome, Key

ONE_PASS, LITERAL, SIGNATURE = 0, 1, 2
OTHER_KEY = bytes.fromhex("0123456789abcdef")
SUBKEY_BINDING = 0x18
LONGEST = bytes.fromhex("7fffffff")
LATER = int(datetime(2026, 9, 1, tzinfo=UTC).timestamp()).to_bytes(4)


def written(packets: Sequence[Packet]) -> bytes:
    """Packets with new-format headers and four-byte lengths."""
    return b"".join(bytes((0xC0 | tag, 255)) + len(body).to_bytes(4) + body for tag, body in packets)


def packets_of(blob: bytes) -> list[Packet]:
    return list(read_packets(SignedMessage.read(blob).packets))


def changed(blob: bytes, at: int, change: Callable[[bytes], bytes]) -> bytes:
    """The message with the body of one of its three packets changed."""
    packets = packets_of(blob)
    packets[at] = Packet(packets[at].tag, change(packets[at].body))
    return written(packets)


def naming(key_id: str) -> Callable[[bytes], bytes]:
    """A one-pass packet that names another key."""
    return lambda body: body[:4] + bytes.fromhex(key_id) + body[12:]


def with_unhashed(subpackets: bytes) -> Callable[[bytes], bytes]:
    """A version 4 signature with this unhashed part."""

    def change(body: bytes) -> bytes:
        hashed_end = 6 + int.from_bytes(body[4:6])
        after = hashed_end + 2 + int.from_bytes(body[hashed_end : hashed_end + 2])
        return body[:hashed_end] + len(subpackets).to_bytes(2) + subpackets + body[after:]

    return change


def subpacket(kind: int, body: bytes) -> bytes:
    return bytes((len(body) + 1, kind)) + body


def issuer(key_id: str) -> bytes:
    return subpacket(16, bytes.fromhex(key_id))


def key_ids(home: GpgHome, key: Key) -> list[str]:
    """Of the primary key and of each subkey, lower-case hex."""
    lines = home.gpg("--list-keys", "--with-colons", key.fingerprint).stdout.splitlines()
    return [line.split(":")[4].lower() for line in lines if line.startswith(("pub:", "sub:"))]


def export(home: GpgHome, key: Key) -> bytes:
    return home.gpg("--armor", "--export", key.fingerprint).stdout.encode()


def with_subkey(home: GpgHome, email: str, *, lifetime: str = "0") -> Key:
    """A primary key that signs, and a subkey that signs, both of January 2025."""
    key = home.generate(email, at="20250101T000000")
    quiet = ("--pinentry-mode", "loopback", "--passphrase", "")
    home.gpg(*quiet, "--quick-add-key", key.fingerprint, "ed25519", "sign", lifetime, at="20250101T000100")
    return Key(email, key.fingerprint, export(home, key))


def signed_by_subkey(home: GpgHome, key: Key, payload: bytes = PAYLOAD) -> bytes:
    """As ``gpg -u SUBKEY!`` signs, dated 10 January 2025."""
    only = Key(key.email, f"{key_ids(home, key)[1]}!", key.armored)
    return home.sign(only, payload, at="20250110T000000")


def ring_packets(armored: bytes) -> list[Packet]:
    (block,) = KeyRing.parse(armored).blocks
    return list(read_packets(block, packets_max=64))


def check_ring(blob: bytes, packets: Sequence[Packet]) -> Verification:
    return OpenPgpVerifier().verify(blob, KeyRing((written(packets),)))


@pytest.fixture(scope="module")
def good(gpg_home: GpgHome) -> Key:
    return with_subkey(gpg_home, "good@unsigned.test.invalid")


@pytest.fixture(scope="module")
def expired(gpg_home: GpgHome) -> Key:
    return with_subkey(gpg_home, "expired@unsigned.test.invalid", lifetime="30d")


def test_the_twins_are_accepted(gpg_home: GpgHome, good: Key) -> None:
    for blob in (signed_by_subkey(gpg_home, good), gpg_home.sign(good, PAYLOAD)):
        assert check(blob, good.armored) == Verification(PAYLOAD, good.fingerprint)
        assert check(written(packets_of(blob)), good.armored) == Verification(PAYLOAD, good.fingerprint)


def test_an_expired_subkey_behind_the_primary_keys_name(gpg_home: GpgHome, expired: Key) -> None:
    blob = signed_by_subkey(gpg_home, expired)
    primary, _ = key_ids(gpg_home, expired)
    reason = check(blob, expired.armored).error
    assert reason.startswith(f"signature by key {expired.fingerprint} is not accepted: the key expired on 2025-01-31 ")
    assert check(changed(blob, ONE_PASS, naming(primary)), expired.armored).error == reason


@pytest.mark.parametrize("code", ["0", "1", "2", "3"])
def test_a_revoked_subkey_behind_the_primary_keys_name(gpg_home: GpgHome, code: str) -> None:
    """0 none given, 1 compromised, 2 superseded, 3 no longer used; the signature is dated before the revocation."""
    key = with_subkey(gpg_home, f"revoked{code}@unsigned.test.invalid")
    blob = signed_by_subkey(gpg_home, key)
    assert not check(blob, key.armored).error
    primary, _ = key_ids(gpg_home, key)
    interactive(gpg_home, "--edit-key", key.fingerprint, answers=f"key 1\nrevkey\ny\n{code}\n\ny\nsave\n")
    armored = export(gpg_home, key)
    reason = f"signature by key {key.fingerprint} is not accepted: the signing subkey is revoked"
    assert check(blob, armored).error == reason
    assert check(changed(blob, ONE_PASS, naming(primary)), armored).error
    both = changed(changed(blob, ONE_PASS, naming(primary)), SIGNATURE, with_unhashed(issuer(primary)))
    assert check(both, armored).error
    by_primary = gpg_home.sign(Key(key.email, f"{primary}!", armored), PAYLOAD)
    assert check(by_primary, armored) == Verification(PAYLOAD, key.fingerprint)


def test_a_key_that_lost_the_right_to_sign(gpg_home: GpgHome) -> None:
    """Sequoia asks what the key might do when the signature says it was made; its holder can write any date."""
    key = gpg_home.generate("usage@unsigned.test.invalid", form="rsa", at="20250101T000000")
    blob = gpg_home.sign(key, PAYLOAD, at="20250110T000000")
    assert not check(blob, key.armored).error
    interactive(gpg_home, "--edit-key", key.fingerprint, answers="change-usage\nS\nQ\nsave\n")
    reason = f"signature by key {key.fingerprint} is not accepted: the key is not for signing"
    assert check(blob, export(gpg_home, key)).error == reason


def test_the_message_names_nobody_but_its_maker(gpg_home: GpgHome, good: Key, expired: Key) -> None:
    blob = signed_by_subkey(gpg_home, good)
    primary, sub = key_ids(gpg_home, good)
    other = key_ids(gpg_home, expired)[0]
    rings = (good.armored, expired.armored)
    assert not check(blob, *rings).error
    # the one-pass packet: another key of the certificate, of the ring, of nobody
    named = "but the message names another"
    assert check(changed(blob, ONE_PASS, naming(primary)), *rings).error.endswith(named)
    assert check(changed(blob, ONE_PASS, naming(other)), *rings).error
    assert check(changed(blob, ONE_PASS, naming("0123456789abcdef")), *rings).error == (
        "Key not found for key ID 123456789abcdef in signature"
    )
    # issuer subpackets that nothing covers
    for wrong in (
        issuer(primary),
        issuer(sub) + issuer(other),
        subpacket(33, b"\x04" + bytes.fromhex(expired.fingerprint)),
        issuer(sub) + subpacket(33, b"\x04" + bytes.fromhex(good.fingerprint)),
    ):
        assert check(changed(blob, SIGNATURE, with_unhashed(wrong)), *rings).error.endswith(named)
    for unreadable in (subpacket(16, b"short"), subpacket(33, b"\x05" + bytes(20)), subpacket(33, b"")):
        error = check(changed(blob, SIGNATURE, with_unhashed(unreadable)), *rings).error
        assert error == "signature error: the issuer of the signature cannot be read"
    for right in (b"", issuer(sub), issuer(sub) * 2):
        assert check(changed(blob, SIGNATURE, with_unhashed(right)), *rings).payload == PAYLOAD


def test_covered_issuers_cannot_be_changed(gpg_home: GpgHome, good: Key) -> None:
    blob = signed_by_subkey(gpg_home, good)
    body = packets_of(blob)[SIGNATURE].body
    at = body.index(b"\x21\x04", 6) + 2  # the hashed issuer fingerprint
    assert check(changed(blob, SIGNATURE, lambda body: body[:at] + bytes(20) + body[at + 20 :]), good.armored).error


@pytest.mark.parametrize(
    "at, byte, error",
    [
        (0, 6, "one-pass signature of version 6 is not accepted"),
        (1, 1, "announces another kind of signature"),
        (2, 9, "announces another kind of signature"),
        (3, 1, "announces another kind of signature"),
        (12, 0, "announces another one"),
    ],
)
def test_the_one_pass_packet_announces_what_follows(
    gpg_home: GpgHome, good: Key, at: int, byte: int, error: str
) -> None:
    def change(body: bytes) -> bytes:
        return body[:at] + bytes((byte,)) + body[at + 1 :]

    assert error in check(changed(gpg_home.sign(good, PAYLOAD), ONE_PASS, change), good.armored).error


def test_unhashed_hints_decide_nothing(gpg_home: GpgHome, good: Key, expired: Key) -> None:
    """Dates, lifetimes, rights and whole signatures that nothing covers."""
    created, lifetime = subpacket(2, LATER), subpacket(3, b"\0\0\0\1")
    key_lifetime, flags, text = subpacket(9, LONGEST), subpacket(27, b"\xff"), subpacket(20, bytes(8))
    embedded = subpacket(32, packets_of(gpg_home.sign(good, PAYLOAD))[SIGNATURE].body)
    hints = created + lifetime + key_lifetime + flags + text + embedded
    blob = changed(gpg_home.sign(good, PAYLOAD), SIGNATURE, with_unhashed(hints))
    assert check(blob, good.armored) == Verification(PAYLOAD, good.fingerprint)
    old = changed(signed_by_subkey(gpg_home, expired), SIGNATURE, with_unhashed(hints))
    assert "the key expired on 2025-01-31" in check(old, expired.armored).error


def test_the_literal_packets_own_words_decide_nothing(gpg_home: GpgHome, good: Key) -> None:
    """Format, file name and date stand outside of what a version 4 signature covers."""
    blob = gpg_home.sign(good, PAYLOAD)

    def literal(form: bytes, name: bytes, date: bytes) -> Callable[[bytes], bytes]:
        return lambda _: form + bytes((len(name),)) + name + date + PAYLOAD

    for form in (b"b", b"t", b"u", b"m", b"\0"):
        for name in (b"", b"_CONSOLE", b"../../etc/passwd", b"\x1b[2J" * 60):
            for date in (bytes(4), LATER, b"\xff" * 4):
                verification = check(changed(blob, LITERAL, literal(form, name, date)), good.armored)
                assert verification.error or verification == Verification(PAYLOAD, good.fingerprint)
    assert check(changed(blob, LITERAL, literal(b"b", b"x", LATER)), good.armored).payload == PAYLOAD


@pytest.mark.parametrize(
    "tag, body",
    [
        (10, b"PGP"),
        (21, bytes(8)),
        (12, b"\0\0"),
        (13, b"user"),
        (20, b"\2" + bytes(20)),
        (40, b"x"),
        (60, b"x"),
        (63, b""),
    ],
    ids=["marker", "padding", "trust", "user-id", "aead", "unassigned", "private", "private-empty"],
)
def test_no_other_packet_stands_anywhere(gpg_home: GpgHome, good: Key, tag: int, body: bytes) -> None:
    packets = packets_of(gpg_home.sign(good, PAYLOAD))
    for at in range(len(packets) + 1):
        with_other = [*packets[:at], Packet(tag, body), *packets[at:]]
        verification = check(written(with_other), good.armored)
        assert verification.error
        assert not verification.payload


def test_two_one_pass_packets_or_two_texts(gpg_home: GpgHome, good: Key) -> None:
    one_pass, literal, signature = packets_of(gpg_home.sign(good, PAYLOAD))
    for packets in (
        [one_pass, one_pass, literal, signature],
        [one_pass, one_pass, literal, signature, signature],
        [one_pass, literal, literal, signature],
        [one_pass, literal, signature, one_pass, literal, signature],
        [literal, one_pass, literal, signature],
    ):
        assert check(written(packets), good.armored).error


def test_lengths_decide_nothing(gpg_home: GpgHome, good: Key) -> None:
    one_pass, literal, signature = packets_of(gpg_home.sign(good, PAYLOAD * 40))
    first = literal.body[:512]
    rest = literal.body[512:]
    parts = bytes((0xC0 | 11, 224 + 9)) + first + b"\xff" + len(rest).to_bytes(4) + rest
    cut = written([one_pass]) + parts + written([signature])
    assert check(cut, good.armored).payload == PAYLOAD * 40
    endless = bytes((0x80 | signature.tag << 2 | 3,)) + signature.body
    assert "without a length" in check(written([one_pass, literal]) + endless, good.armored).error


def test_a_signature_from_the_future(gpg_home: GpgHome, good: Key) -> None:
    later = (datetime.now(UTC) + timedelta(days=30)).strftime("%Y%m%dT%H%M%S")
    assert check(gpg_home.sign(good, PAYLOAD, at=later), good.armored).error


def test_a_date_or_lifetime_that_is_there_twice(gpg_home: GpgHome, good: Key) -> None:
    """A reader may take the first, the last or neither."""
    blob = gpg_home.sign(good, PAYLOAD)

    def twice(kind: int) -> Callable[[bytes], bytes]:
        def change(body: bytes) -> bytes:
            end = 6 + int.from_bytes(body[4:6])
            hashed = body[6:end] + 2 * subpacket(kind, LATER)
            return body[:4] + len(hashed).to_bytes(2) + hashed + body[end:]

        return change

    for kind in (2, 3):
        error = check(changed(blob, SIGNATURE, twice(kind)), good.armored).error
        assert error == f"signature error: signature subpacket {kind} is damaged or there twice"


@pytest.mark.parametrize("version", [0, 2, 3, 5, 6, 7, 255])
def test_other_versions(gpg_home: GpgHome, good: Key, version: int) -> None:
    """Of the signature, of the one-pass packet and of keys: 3 and 5 have other rules for what is covered."""

    def change(body: bytes) -> bytes:
        return bytes((version,)) + body[1:]

    blob = gpg_home.sign(good, PAYLOAD)
    assert check(changed(blob, SIGNATURE, change), good.armored).error.startswith("signature error: ")
    if version != 3:  # the one-pass packets of version 4 signatures have it
        assert check(changed(blob, ONE_PASS, change), good.armored).error.startswith("signature error: ")
    others = [Packet(tag, change(body) if tag in {6, 14} else body) for tag, body in ring_packets(good.armored)]
    with pytest.raises(InvalidKeyRing, match="No public keys imported"):
        check_ring(blob, others)
    ring = KeyRing((written(others), *KeyRing.parse(good.armored).blocks))  # and they spoil no other block
    assert OpenPgpVerifier().verify(blob, ring).payload == PAYLOAD


def test_version_6(gpg_home: GpgHome) -> None:
    """Keys of RFC 9580, made by Sequoia: the one-pass packet names a whole fingerprint."""
    secret = Tsk.generate("six@unsigned.test.invalid", profile=Profile.RFC9580)
    cert = secret.extract_certificate()
    armored = str(cert).encode()
    blob = dearmoured(sequoia_sign(secret.signer(), PAYLOAD, mode=SignatureMode.INLINE))
    verification = check(blob, armored)
    assert verification == Verification(PAYLOAD, cert.fingerprint.upper(), valid_until=verification.valid_until)
    assert packets_of(blob)[ONE_PASS].body[0] == 6

    def naming_primary(body: bytes) -> bytes:
        return body[:-33] + bytes.fromhex(cert.fingerprint) + body[-1:]

    assert check(changed(blob, ONE_PASS, naming_primary), armored).error
    assert check(changed(blob, ONE_PASS, lambda body: body[:5] + bytes(4) + body[9:]), armored).error


def dearmoured(text: bytes) -> bytes:
    (block,) = KeyRing.parse(text.replace(b"PGP MESSAGE", b"PGP PUBLIC KEY BLOCK")).blocks
    return block


# Key rings: what a key server or a colleague adds to a public key without having its secret


def forged_binding(packets: Sequence[Packet], lifetime: bytes = LONGEST) -> Packet:
    """The last binding with a later date and a long life, its digest's first bytes right, its signature wrong."""
    primary = packets[0].body
    subkey = next(packet.body for packet in reversed(packets) if packet.tag == 14)
    body = bytearray(packets[-1].body)
    assert body[1] == SUBKEY_BINDING
    for kind, value in ((2, LATER), (9, lifetime)):
        at = body.index(bytes((5, kind)), 6)
        body[at + 2 : at + 6] = value
    end = 6 + int.from_bytes(body[4:6])
    digest = hashlib.new({8: "sha256", 10: "sha512"}[body[3]])
    for key in (primary, subkey):
        digest.update(b"\x99" + len(key).to_bytes(2) + key)
    digest.update(bytes(body[:end]) + b"\x04\xff" + end.to_bytes(4))
    prefix = end + 2 + int.from_bytes(body[end : end + 2])
    body[prefix : prefix + 2] = digest.digest()[:2]
    return Packet(2, bytes(body))


def test_a_binding_that_nobody_signed_gives_no_time(gpg_home: GpgHome, expired: Key) -> None:
    blob = signed_by_subkey(gpg_home, expired)
    packets = ring_packets(expired.armored)
    reason = check_ring(blob, packets).error
    assert "the key expired on 2025-01-31" in reason
    forged = forged_binding(packets)
    assert check_ring(blob, [*packets, forged]).error == reason
    assert check_ring(blob, [*packets[:-1], forged, packets[-1]]).error == reason
    unhashed = with_unhashed(subpacket(9, LONGEST) + subpacket(2, LATER) + subpacket(27, b"\xff"))
    assert check_ring(blob, [*packets[:-1], Packet(2, unhashed(packets[-1].body))]).error


def test_a_longer_life_that_the_primary_key_did_sign(gpg_home: GpgHome) -> None:
    key = with_subkey(gpg_home, "longer@unsigned.test.invalid", lifetime="30d")
    blob = signed_by_subkey(gpg_home, key)
    gpg_home.gpg("--quick-set-expire", key.fingerprint, "20y", "*", at="20250102T000100")
    verification = check(blob, export(gpg_home, key))
    assert verification.payload == PAYLOAD
    assert verification.valid_until is not None
    assert verification.valid_until > datetime(2044, 12, 1, tzinfo=UTC)


def test_a_binding_that_nobody_signed_takes_no_time_either(gpg_home: GpgHome) -> None:
    key = with_subkey(gpg_home, "shorter@unsigned.test.invalid", lifetime="20y")
    packets = ring_packets(key.armored)
    forged = forged_binding(packets, lifetime=(86_400).to_bytes(4))
    assert check_ring(signed_by_subkey(gpg_home, key), [*packets, forged]).payload == PAYLOAD


def test_a_subkey_without_its_own_consent(gpg_home: GpgHome, good: Key) -> None:
    """The back-signature shows that the subkey's holder agreed; without it anybody could adopt a subkey."""
    blob = signed_by_subkey(gpg_home, good)
    packets = ring_packets(good.armored)
    assert check_ring(blob, packets).payload == PAYLOAD
    bare = Packet(2, with_unhashed(b"")(packets[-1].body))
    assert bare.body != packets[-1].body
    assert check_ring(blob, [*packets[:-1], bare]).error


def test_a_revocation_by_whomever_counts(gpg_home: GpgHome, good: Key) -> None:
    """Who else may revoke cannot be told here, so that a revocation is never passed over."""
    other = with_subkey(gpg_home, "revoker@unsigned.test.invalid")
    certificate = interactive(gpg_home, "--armor", "--gen-revoke", other.fingerprint, answers="y\n3\n\ny\n")
    (foreign,) = ring_packets(certificate.encode())
    packets = ring_packets(good.armored)
    blob = gpg_home.sign(good, PAYLOAD)
    assert check_ring(blob, packets).payload == PAYLOAD
    for at in (1, len(packets)):
        error = check_ring(blob, [*packets[:at], foreign, *packets[at:]]).error
        assert error == f"signature by key {good.fingerprint} is not accepted: the key is revoked"
