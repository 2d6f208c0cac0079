"""The form of an OpenPGP signed message, read before anything is verified (RFC 9580, RFC 4880).

A signature blob must be one binary inline-signed message: perhaps compressed once, then a one-pass signature,
literal data and one signature, and nothing after it. Verifiers accept more (armour, clear-signed messages,
trailing bytes, data that unpacks without end), so the form is checked here, with every size bounded.
"""

from __future__ import annotations

import bz2
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from imagegate.core.kube.go_quote import go_quote
from imagegate.errors import BadSignature

BLOB_MAX_BYTES = 64 * 1024  # real ones are below 2 KiB
CONTENT_MAX_BYTES = 256 * 1024  # unpacked, with the packets around it
PACKETS_MAX = 8  # a message of the accepted form has three

FORMAT_PREFIX = b"simple-signing\n"

TAG_SIGNATURE, TAG_ONE_PASS, TAG_COMPRESSED, TAG_LITERAL = 2, 4, 8, 11
BINARY_DOCUMENT = 0x00

_CREATED, _LIFETIME, _ISSUER, _ISSUER_FINGERPRINT = 2, 3, 16, 33
_SIGNATURE_OF_ONE_PASS = {3: 4, 6: 6}  # version of the signature that a one-pass packet of a version announces
_FINGERPRINT_BYTES = {4: 20, 6: 32}
_WEAK_HASHES = {1: "MD5", 2: "SHA1", 3: "RIPEMD160"}
_FIRST_BYTES = frozenset({*range(0xA0, 0xA4), 0xC8, *range(0x90, 0x93), 0xC4, *range(0x88, 0x8C), 0xC2})
_DATA_TAGS = frozenset({TAG_COMPRESSED, TAG_LITERAL})


class Packet(NamedTuple):
    """One packet; partial lengths are joined."""

    tag: int
    body: bytes


@dataclass(frozen=True, slots=True)
class SignaturePacket:
    """Fields of a version 4 or 6 signature; except for ``issuers`` only those that it covers itself."""

    version: int
    kind: int
    key_algorithm: int
    hash_algorithm: int
    issuers: tuple[str, ...]
    """Key ids and fingerprints of its maker in lower-case hex, from the hashed and from the unhashed part."""
    created: datetime
    expires: datetime | None
    """Time after which the signature itself is invalid; None: never."""


@dataclass(frozen=True, slots=True)
class SignedMessage:
    """An inline-signed message of the one accepted form, not yet verified."""

    content: bytes
    signer: str
    """Key id in the one-pass packet, 16 lower-case hex digits. No signature covers it: use it only to find a key and
    to word a refusal; the signer is the key that verifies."""
    signature: SignaturePacket
    packets: bytes
    """The same message uncompressed, with definite lengths, for the verifier."""

    @classmethod
    def read(cls, blob: bytes) -> SignedMessage:
        """Read a signature blob as stores deliver it.

        Raises:
            BadSignature: another format, another form, or too large; the message is shown to the user.
        """
        packets = list(read_packets(_decompressed(_openpgp_part(blob))))
        _check_form(packets)
        one_pass, literal, signed = packets
        signature = read_signature(signed.body)
        if signature.kind != BINARY_DOCUMENT:
            raise BadSignature(f"signature error: signature of type {signature.kind:#04x}, expected a binary document")
        weak = _WEAK_HASHES.get(signature.hash_algorithm)
        if weak:
            raise BadSignature(f"signature error: hash algorithm {weak} is not accepted")
        announced = _OnePass.read(one_pass.body)
        announced.check(signature)
        return cls(_literal_content(literal.body), announced.signer, signature, b"".join(map(_serialized, packets)))

    def names_only(self, fingerprint: str, key_id: str) -> bool:
        """True if every field that names the signer names this key (lower-case hex)."""
        return {self.signer, *self.signature.issuers} <= {fingerprint, key_id}


def read_packets(data: bytes, packets_max: int = PACKETS_MAX) -> Iterator[Packet]:
    """The packets of ``data`` one after the other (RFC 9580 section 4.2).

    Raises:
        BadSignature: not packets, cut off, or more than ``packets_max``.
    """
    at = 0
    for _ in range(packets_max):
        if at >= len(data):
            return
        packet, at = _packet_at(data, at)
        yield packet
    if at < len(data):
        raise BadSignature(f"signature error: more than {packets_max} OpenPGP packets")


def read_signature(body: bytes) -> SignaturePacket:
    """Read the body of a signature packet.

    Raises:
        BadSignature: not version 4 or 6, damaged, or without a creation time.
    """
    version = body[0] if body else 0
    if version not in {4, 6}:
        raise BadSignature(f"signature error: signature of version {version} is not accepted")
    size = 2 if version == 4 else 4
    hashed_length = int.from_bytes(_exactly(body, 4, size))
    unhashed_at = 4 + size + hashed_length
    hashed = list(_subpackets(_exactly(body, 4 + size, hashed_length)))
    unhashed_length = int.from_bytes(_exactly(body, unhashed_at, size))
    unhashed = list(_subpackets(_exactly(body, unhashed_at + size, unhashed_length)))
    created = _number(hashed, _CREATED)
    if created is None:
        raise BadSignature("signature error: signature without a creation time")
    lifetime_s = _number(hashed, _LIFETIME)
    since = datetime.fromtimestamp(created, UTC)
    return SignaturePacket(
        version=version,
        kind=body[1],
        key_algorithm=body[2],
        hash_algorithm=body[3],
        issuers=tuple(dict.fromkeys(_issuers([*hashed, *unhashed]))),
        created=since,
        expires=since + timedelta(seconds=lifetime_s) if lifetime_s else None,
    )


def _openpgp_part(blob: bytes) -> bytes:
    """The blob without the format's name, if it has one.

    Source: docs/spec/enforcement.md 13.4; containers/image, internal/signature/signature.go, FromBlob.
    """
    if not blob:
        raise BadSignature("empty signature blob")
    if len(blob) > BLOB_MAX_BYTES:
        raise BadSignature(f"signature error: signature of more than {BLOB_MAX_BYTES} bytes")
    if blob[0] == 0:
        name, newline, rest = blob[1:].partition(b"\n")
        if not newline:
            raise BadSignature("invalid signature format, missing newline")
        if name + newline != FORMAT_PREFIX:
            raise BadSignature(f"unrecognized signature format {go_quote(name.decode(errors='surrogateescape'))}")
        return rest
    if blob[0] not in _FIRST_BYTES:
        raise BadSignature(f"unrecognized signature format, starting with binary {blob[0]:#x}")
    return blob


def _check_form(packets: Sequence[Packet]) -> None:
    """Refuse every form but one-pass signature, literal data, signature."""
    tags = [packet.tag for packet in packets]
    if tags == [TAG_ONE_PASS, TAG_LITERAL, TAG_SIGNATURE]:
        return
    signatures = tags.count(TAG_SIGNATURE)
    if TAG_ONE_PASS not in tags or not signatures:
        raise BadSignature("not signed")
    if signatures > 1:
        raise BadSignature(f"Unexpected GPG signature count {signatures}")
    raise BadSignature("signature error: not a signed message and nothing else")


def _decompressed(data: bytes) -> bytes:
    """The packets inside a compressed packet, else ``data``. One layer only; trailing data is refused."""
    packet, end = _packet_at(data, 0)
    if packet.tag != TAG_COMPRESSED:
        return data
    if end != len(data) or not packet.body:
        raise BadSignature("signature error: trailing data after the signed message")
    return _unpack(packet.body[0], packet.body[1:])


def _unpack(algorithm: int, data: bytes) -> bytes:
    if algorithm == 0:
        return data
    try:
        if algorithm == 3:
            unzipper = bz2.BZ2Decompressor()
            content = unzipper.decompress(data, CONTENT_MAX_BYTES + 1)
            finished, rest = unzipper.eof, unzipper.unused_data
        elif algorithm in {1, 2}:
            inflater = zlib.decompressobj(-zlib.MAX_WBITS if algorithm == 1 else zlib.MAX_WBITS)
            content = inflater.decompress(data, CONTENT_MAX_BYTES + 1)
            finished, rest = inflater.eof, inflater.unused_data
        else:
            raise BadSignature(f"signature error: unknown compression algorithm {algorithm}")
    except (zlib.error, OSError, ValueError) as error:
        raise BadSignature(f"signature error: damaged compressed data: {error}") from error
    if len(content) > CONTENT_MAX_BYTES:
        raise BadSignature(f"signature error: signed message of more than {CONTENT_MAX_BYTES} bytes")
    if not finished:
        raise BadSignature("signature error: unexpected end of compressed data")
    if rest:
        raise BadSignature("signature error: trailing data after the signed message")
    return content


def _packet_at(data: bytes, at: int) -> tuple[Packet, int]:
    """The packet that begins at ``at``, and where the next one begins."""
    header = _exactly(data, at, 1)[0]
    if not header & 0x80:
        raise BadSignature("signature error: trailing data after the signed message" if at else "not signed")
    if header & 0x40:
        return _new_format(data, at + 1, header & 0x3F)
    tag, width = header >> 2 & 0x0F, header & 3
    if width == 3:  # until the end of the data
        if tag not in _DATA_TAGS:
            raise BadSignature(f"signature error: packet of type {tag} without a length")
        return Packet(tag, data[at + 1 :]), len(data)
    size = 1 << width
    start = at + 1 + size
    length = int.from_bytes(_exactly(data, at + 1, size))
    return Packet(tag, _exactly(data, start, length)), start + length


def _new_format(data: bytes, at: int, tag: int) -> tuple[Packet, int]:
    parts = []
    while True:
        first = _exactly(data, at, 1)[0]
        partial = 224 <= first < 255
        if partial:
            length, at = 1 << (first & 0x1F), at + 1
        elif first < 192:
            length, at = first, at + 1
        elif first < 224:
            length, at = (first - 192 << 8) + _exactly(data, at + 1, 1)[0] + 192, at + 2
        else:
            length, at = int.from_bytes(_exactly(data, at + 1, 4)), at + 5
        if partial and tag not in _DATA_TAGS:
            raise BadSignature(f"signature error: partial length in a packet of type {tag}")
        parts.append(_exactly(data, at, length))
        at += length
        if not partial:
            return Packet(tag, b"".join(parts)), at


def _exactly(data: bytes, at: int, length: int) -> bytes:
    taken = data[at : at + length]
    if len(taken) != length:
        raise BadSignature("signature error: unexpected end of data")
    return taken


def _serialized(packet: Packet) -> bytes:
    """A packet with a new-format header and a four-byte length."""
    return bytes((0xC0 | packet.tag, 255)) + len(packet.body).to_bytes(4) + packet.body


def _literal_content(body: bytes) -> bytes:
    name_length = _exactly(body, 1, 1)[0]
    _exactly(body, 2, name_length + 4)
    return body[2 + name_length + 4 :]


@dataclass(frozen=True, slots=True)
class _OnePass:
    """The fields of a one-pass packet. No signature covers them."""

    version: int
    kind: int
    hash_algorithm: int
    key_algorithm: int
    signer: str
    """Key id, 16 lower-case hex digits."""

    @classmethod
    def read(cls, body: bytes) -> _OnePass:
        """Read the packet. Version 6 has a fingerprint, whose first 8 bytes are the key id."""
        version = _exactly(body, 0, 1)[0]
        if version == 3 and len(body) == 13:
            signer = body[4:12]
        elif version == 6 and len(body) > 5 and len(body) == 5 + body[4] + 33:
            signer = body[-33:-1][:8]
        else:
            raise BadSignature(f"signature error: one-pass signature of version {version} is not accepted")
        if body[-1] == 0:
            raise BadSignature("signature error: the one-pass signature announces another one")
        kind, hash_algorithm, key_algorithm = body[1:4]
        return cls(version, kind, hash_algorithm, key_algorithm, signer.hex())

    def check(self, signature: SignaturePacket) -> None:
        """Refuse a packet that announces another signature than the one that follows."""
        announced = (_SIGNATURE_OF_ONE_PASS[self.version], self.kind, self.hash_algorithm, self.key_algorithm)
        if announced != (signature.version, signature.kind, signature.hash_algorithm, signature.key_algorithm):
            raise BadSignature("signature error: the one-pass signature announces another kind of signature")


def _number(subpackets: Sequence[tuple[int, bytes]], kind: int) -> int | None:
    """The four-byte number of a subpacket; None where there is none.

    Two of the same kind are refused, because verifiers could choose differently.
    """
    values = [body for found, body in subpackets if found == kind]
    if len(values) > 1 or any(len(value) != 4 for value in values):
        raise BadSignature(f"signature error: signature subpacket {kind} is damaged or there twice")
    return int.from_bytes(values[0]) if values else None


def _issuers(subpackets: Sequence[tuple[int, bytes]]) -> Iterator[str]:
    for kind, body in subpackets:
        if kind == _ISSUER and len(body) == 8:
            yield body.hex()
        elif kind == _ISSUER_FINGERPRINT and body and len(body) - 1 == _FINGERPRINT_BYTES.get(body[0]):
            yield body[1:].hex()
        elif kind in {_ISSUER, _ISSUER_FINGERPRINT}:
            raise BadSignature("signature error: the issuer of the signature cannot be read")


def _subpackets(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        first = data[at]
        if first < 192:
            length, at = first, at + 1
        elif first < 255:
            length, at = (first - 192 << 8) + _exactly(data, at + 1, 1)[0] + 192, at + 2
        else:
            length, at = int.from_bytes(_exactly(data, at + 1, 4)), at + 5
        body = _exactly(data, at, length)
        if not body:
            raise BadSignature("signature error: empty signature subpacket")
        yield body[0] & 0x7F, body[1:]
        at += length
