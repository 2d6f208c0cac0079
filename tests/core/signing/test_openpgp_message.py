"""The form of a signed message. Signatures are verified in ``tests/adapters/signing/test_openpgp.py``."""

from __future__ import annotations

import bz2
import zlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.core.signing.openpgp_message import (
    BLOB_MAX_BYTES,
    CONTENT_MAX_BYTES,
    Packet,
    SignedMessage,
    read_packets,
    read_signature,
)
from imagegate.errors import BadSignature
from tests.support.samples import SAMPLES

FOLDER = SAMPLES / "simple-signing"
APP = FOLDER / "lookaside" / "signed" / "app@sha256=0d4c6b3d5d3fb55fd4e0637bb6f973f608cb94836e75fc9b81d2c87e933b141a"
BLOB = (APP / "signature-1").read_bytes()
MESSAGE = SignedMessage.read(BLOB)
ONE_PASS, LITERAL, SIGNATURE = read_packets(MESSAGE.packets)


def refused(blob: bytes) -> str:
    with pytest.raises(BadSignature) as raised:
        SignedMessage.read(blob)
    return str(raised.value)


def written(*packets: tuple[int, bytes]) -> bytes:
    """Packets with new-format headers."""
    return b"".join(bytes((0xC0 | tag, 255)) + len(body).to_bytes(4) + body for tag, body in packets)


def compressed(algorithm: int, data: bytes) -> bytes:
    """A compressed packet of the old format, length indeterminate, as gpg writes it."""
    if algorithm == 1:
        packer = zlib.compressobj(wbits=-15)
        data = packer.compress(data) + packer.flush()
    elif algorithm == 2:
        data = zlib.compress(data)
    elif algorithm == 3:
        data = bz2.compress(data)
    return bytes((0xA3, algorithm)) + data


def test_reads_what_skopeo_wrote() -> None:
    assert MESSAGE.content == (FOLDER / "payload-1.json").read_bytes()
    assert MESSAGE.signer == "93e6f39ade1c1166"
    assert MESSAGE.signature.kind == 0
    assert MESSAGE.signature.created == datetime(2026, 11, 21, 0, 59, 12, tzinfo=UTC)
    assert MESSAGE.signature.expires is None


@pytest.mark.parametrize("algorithm", [0, 1, 2, 3])
def test_every_compression_reads_the_same(algorithm: int) -> None:
    assert SignedMessage.read(compressed(algorithm, MESSAGE.packets)) == MESSAGE


def test_uncompressed_and_named_formats_read_the_same() -> None:
    assert SignedMessage.read(MESSAGE.packets) == MESSAGE
    assert SignedMessage.read(b"\0simple-signing\n" + BLOB) == MESSAGE


@pytest.mark.parametrize(
    "name, reason",
    [
        ("armored", "unrecognized signature format, starting with binary 0x2d"),
        ("clearsigned", "unrecognized signature format, starting with binary 0x2d"),
        ("detached", "not signed"),
        ("sha1", "signature error: hash algorithm SHA1 is not accepted"),
        ("two-signers", "Unexpected GPG signature count 2"),
        ("unsigned-literal", "not signed"),
        ("trailing-junk", "signature error: trailing data after the signed message"),
        ("payload-8MiB", f"signature error: signed message of more than {CONTENT_MAX_BYTES} bytes"),
    ],
)
def test_odd_messages_are_refused(name: str, reason: str) -> None:
    assert refused((FOLDER / "odd" / f"{name}.sig").read_bytes()) == reason


@pytest.mark.parametrize(
    "name",
    [
        "expired-key",
        "revoked-key",
        "payload-cosign-type",
        "payload-duplicate-key",
        "payload-no-optional",
        "payload-not-json",
        "payload-other-digest",
        "payload-other-reference",
        "payload-unknown-critical",
        "payload-unknown-optional",
    ],
)
def test_the_other_odd_ones_have_the_right_form(name: str) -> None:
    assert SignedMessage.read((FOLDER / "odd" / f"{name}.sig").read_bytes()).content


def test_formats() -> None:
    assert refused(b"") == "empty signature blob"
    assert refused(b"\0other-format\nx") == 'unrecognized signature format "other-format"'
    assert refused(b"\0simple-signing") == "invalid signature format, missing newline"
    assert refused(b"\0simple-signing\n") == "signature error: unexpected end of data"
    assert refused(b"{}") == "unrecognized signature format, starting with binary 0x7b"
    assert refused(b"\xff") == "unrecognized signature format, starting with binary 0xff"
    assert refused(b"\xa3" * (BLOB_MAX_BYTES + 1)) == f"signature error: signature of more than {BLOB_MAX_BYTES} bytes"


def test_first_bytes() -> None:
    """Those that docs/spec/enforcement.md 13.4 lists, and zero for a named format."""
    openpgp = {0xA0, 0xA1, 0xA2, 0xA3, 0xC8, 0x90, 0x91, 0x92, 0xC4, 0x88, 0x89, 0x8A, 0x8B, 0xC2}
    unrecognized = {
        first for first in range(1, 256) if refused(bytes((first, 0))).startswith("unrecognized signature format")
    }
    assert unrecognized == set(range(1, 256)) - openpgp


def message_of(size: int) -> bytes:
    """A message of exactly ``size`` bytes, uncompressed; the signature fits no longer."""
    rest = size - len(MESSAGE.packets)
    return written(ONE_PASS, (11, LITERAL.body + b" " * rest), SIGNATURE)


def test_the_limits_are_what_they_say() -> None:
    assert len(message_of(BLOB_MAX_BYTES)) == BLOB_MAX_BYTES == 65_536
    assert SignedMessage.read(message_of(BLOB_MAX_BYTES)).content
    assert "more than 65536 bytes" in refused(message_of(BLOB_MAX_BYTES + 1))
    for algorithm in (1, 2, 3):
        assert SignedMessage.read(compressed(algorithm, message_of(CONTENT_MAX_BYTES))).content
        assert "more than 262144 bytes" in refused(compressed(algorithm, message_of(CONTENT_MAX_BYTES + 1)))


def test_nothing_may_follow() -> None:
    reason = "signature error: trailing data after the signed message"
    assert refused(BLOB + b"\n") == reason
    assert refused(MESSAGE.packets + b"\n") == reason
    assert refused(b"\xc8" + bytes((4,)) + b"\0\0\0\0" + b"x") == reason
    assert refused(MESSAGE.packets + written((13, b"user"))) == "signature error: not a signed message and nothing else"


def test_other_orders_are_refused() -> None:
    assert refused(written(SIGNATURE, LITERAL)) == "not signed"
    assert refused(written(SIGNATURE)) == "not signed"
    assert refused(written(ONE_PASS, LITERAL)) == "not signed"
    assert refused(written(ONE_PASS, SIGNATURE, LITERAL)) == "signature error: not a signed message and nothing else"
    assert refused(written(ONE_PASS, LITERAL, SIGNATURE, SIGNATURE)) == "Unexpected GPG signature count 2"
    assert refused(compressed(1, compressed(1, MESSAGE.packets))) == "not signed"
    many = written(*[ONE_PASS] * 9)
    assert refused(many) == "signature error: more than 8 OpenPGP packets"


def test_damaged_compression() -> None:
    assert refused(BLOB[:-20]) == "signature error: unexpected end of compressed data"
    assert refused(b"\xa3\x01\xff\xff").startswith("signature error: damaged compressed data")
    assert refused(b"\xa3\x02xx").startswith("signature error: damaged compressed data")
    assert refused(b"\xa3\x03xx").startswith("signature error: damaged compressed data")
    assert refused(b"\xa3\x09xx") == "signature error: unknown compression algorithm 9"
    assert refused(b"\xa3") == "signature error: trailing data after the signed message"


def test_unpacking_stops_at_the_limit() -> None:
    bomb = compressed(3, bytes(100 * CONTENT_MAX_BYTES))
    assert len(bomb) < BLOB_MAX_BYTES
    assert refused(bomb) == f"signature error: signed message of more than {CONTENT_MAX_BYTES} bytes"


def test_signatures_of_other_kinds() -> None:
    text_signature = b"\x04\x01" + SIGNATURE.body[2:]
    assert refused(written(ONE_PASS, LITERAL, (2, text_signature))) == (
        "signature error: signature of type 0x01, expected a binary document"
    )
    assert refused(written(ONE_PASS, LITERAL, (2, b"\x03" + SIGNATURE.body[1:]))) == (
        "signature error: signature of version 3 is not accepted"
    )
    assert refused(written(ONE_PASS, LITERAL, (2, b""))) == "signature error: signature of version 0 is not accepted"
    for code, name in ((1, "MD5"), (2, "SHA1"), (3, "RIPEMD160")):
        weak = SIGNATURE.body[:3] + bytes((code,)) + SIGNATURE.body[4:]
        assert (
            refused(written(ONE_PASS, LITERAL, (2, weak))) == f"signature error: hash algorithm {name} is not accepted"
        )


def signature(hashed: bytes, version: int = 4) -> bytes:
    """The start of a signature packet with these hashed subpackets."""
    return bytes((version, 0, 1, 8)) + len(hashed).to_bytes(2 if version == 4 else 4) + hashed + bytes(4)


def test_lifetimes() -> None:
    created = b"\x05\x02" + (1_700_000_000).to_bytes(4)
    day = b"\x05\x83" + (86_400).to_bytes(4)  # critical
    never = b"\x05\x03" + bytes(4)
    assert read_signature(signature(created)).expires is None
    assert read_signature(signature(created + never)).expires is None
    expected = datetime.fromtimestamp(1_700_086_400, UTC)
    assert read_signature(signature(created + day)).expires == expected
    assert read_signature(signature(created + day, version=6)).expires == expected
    long_form = b"\xff" + (5).to_bytes(4) + day[1:]
    filler = b"\xc0\x00" + b"\x14" + bytes(191)  # 192 bytes, two-byte length
    assert read_signature(signature(filler + created + long_form)).expires == expected
    with pytest.raises(BadSignature, match="without a creation time"):
        read_signature(signature(day))
    with pytest.raises(BadSignature, match="empty signature subpacket"):
        read_signature(signature(b"\0"))
    with pytest.raises(BadSignature, match="unexpected end"):
        read_signature(signature(b"\x09\x02"))


def test_packet_lengths() -> None:
    short, middle, long = bytes(3), bytes(1000), bytes(9000)
    old = b"\x88\x03" + short + b"\x89" + (1000).to_bytes(2) + middle + b"\x8a" + (9000).to_bytes(4) + long
    assert list(read_packets(old)) == [Packet(2, short), Packet(2, middle), Packet(2, long)]
    new = b"\xc2\x03" + short + b"\xc2\xc3\x28" + middle + b"\xc2\xff" + (9000).to_bytes(4) + long
    assert list(read_packets(new)) == list(read_packets(old))
    longest = b"\xc2\xdf\xff" + bytes(8383)  # of the two-byte lengths; the next first byte means a partial one
    assert list(read_packets(longest)) == [Packet(2, bytes(8383))]
    assert list(read_packets(b"\xcb\xe0a\x00")) == [Packet(11, b"a")]
    partial = b"\xcb\xe1ab\xe0c\x02de"
    assert list(read_packets(partial)) == [Packet(11, b"abcde")]
    assert len(list(read_packets(b"\xc2\x00" * 8))) == 8
    with pytest.raises(BadSignature, match="partial length in a packet of type 2"):
        list(read_packets(b"\xc2\xe1ab\x00"))
    with pytest.raises(BadSignature, match="unexpected end"):
        list(read_packets(partial[:-1]))


def test_one_pass_signatures_name_their_signer() -> None:
    assert refused(written((4, ONE_PASS.body[:-1]), LITERAL, SIGNATURE)) == (
        "signature error: one-pass signature of version 3 is not accepted"
    )
    fingerprint = bytes(range(32))
    six = bytes((6, 0, 8, 27, 16)) + bytes(16) + fingerprint + b"\x01"
    created = b"\x05\x02" + (1_700_000_000).to_bytes(4)
    of_six = signature(created, version=6)
    made = SignedMessage.read(written((4, six), LITERAL, (2, of_six[:2] + b"\x1b" + of_six[3:])))
    assert made.signer == fingerprint[:8].hex()
    assert refused(written((4, six), LITERAL, SIGNATURE)) == (
        "signature error: the one-pass signature announces another kind of signature"
    )
    assert refused(written((4, six[:-1]), LITERAL, SIGNATURE)) == (
        "signature error: one-pass signature of version 6 is not accepted"
    )


def test_literal_data_must_be_complete() -> None:
    assert refused(written(ONE_PASS, (11, b"b"), SIGNATURE)) == "signature error: unexpected end of data"
    assert refused(written(ONE_PASS, (11, b"b\x05name"), SIGNATURE)) == "signature error: unexpected end of data"


@given(st.binary(max_size=300), st.booleans())
def test_nothing_else_leaves_the_reader(data: bytes, signed: bool) -> None:
    blob = written(ONE_PASS, (11, data), (2, data)) if signed else b"\xa3" + data
    try:
        SignedMessage.read(blob)
    except BadSignature:
        return


@given(st.integers(0, len(MESSAGE.packets) - 1), st.integers(0, 255))
def test_a_changed_byte_never_breaks_the_reader(at: int, byte: int) -> None:
    blob = bytearray(MESSAGE.packets)
    blob[at] = byte
    try:
        SignedMessage.read(bytes(blob))
    except BadSignature:
        return
