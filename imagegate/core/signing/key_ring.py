"""Key rings: the ``key`` item of a Secret, one or several ASCII-armoured public key blocks.

The armour is removed here (RFC 9580 section 6.2; the checksum of RFC 4880 section 6.1 is verified where
there is one); the verifier reads the content of the blocks. All blocks count, and a block of another
kind, such as a private key, makes the whole item unusable.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from imagegate.core.kube.go_quote import go_quote
from imagegate.errors import InvalidInput

SECRET_ITEM = "key"  # noqa: S105
PUBLIC_KEY_BLOCK = "PGP PUBLIC KEY BLOCK"
KEY_RING_MAX_BYTES = 1024 * 1024  # the maximum size of a Secret
NO_KEYS = "No public keys imported"

_BEGIN, _END, _DASHES = "-----BEGIN ", "-----END ", "-----"
_CRC24_START, _CRC24_POLYNOMIAL = 0xB704CE, 0x1864CFB


class InvalidKeyRing(InvalidInput):
    """A Secret has no usable public keys; the original's message."""


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Public key blocks without their armour, in order. Two rings with the same bytes are the same ring."""

    blocks: tuple[bytes, ...] = field(repr=False)

    @classmethod
    def parse(cls, item: bytes) -> KeyRing:
        """Read one armoured item.

        Raises:
            InvalidKeyRing: empty, not armoured, another kind of block, or damaged.
        """
        if not item:
            raise InvalidKeyRing("Key: empty")
        if len(item) > KEY_RING_MAX_BYTES:
            raise InvalidKeyRing(f"Key: more than {KEY_RING_MAX_BYTES} bytes")
        blocks = []
        for kind, lines in _armour_blocks(item):
            if kind != PUBLIC_KEY_BLOCK:
                raise InvalidKeyRing(f'Expected "{PUBLIC_KEY_BLOCK}" not found: {kind}')
            blocks.append(_dearmour(lines))
        if not blocks:
            raise InvalidKeyRing("Unable to decode key: EOF")
        if not all(blocks):
            raise InvalidKeyRing(NO_KEYS)
        return cls(tuple(blocks))

    @classmethod
    def of_secret(cls, name: str, namespace: str, data: Mapping[str, bytes]) -> KeyRing:
        """Read the item ``key`` of a Secret.

        Raises:
            InvalidKeyRing: the item is missing, or ``parse`` refuses it.
        """
        item = data.get(SECRET_ITEM)
        if item is None:
            raise InvalidKeyRing(
                f"secret {go_quote(name)} in {go_quote(namespace)} does not contain a {go_quote(SECRET_ITEM)} attribute"
            )
        return cls.parse(item)


def _armour_blocks(item: bytes) -> Iterator[tuple[str, list[str]]]:
    """Kind and inner lines of every block; lines between blocks are skipped, an unfinished block is refused."""
    lines = iter(item.decode("latin-1").split("\n"))
    for line in lines:
        line = line.rstrip()
        if not (line.startswith(_BEGIN) and line.endswith(_DASHES)):
            continue
        kind = line[len(_BEGIN) : -len(_DASHES)]
        inner: list[str] = []
        for inside in lines:
            inside = inside.strip()
            if inside == f"{_END}{kind}{_DASHES}":
                break
            inner.append(inside)
        else:
            raise InvalidKeyRing("Unable to decode key: unexpected EOF")
        yield kind, inner


def _dearmour(lines: list[str]) -> bytes:
    """The bytes of one block: after the headers and the empty line base64, at the end perhaps ``=CRC``."""
    body = lines[lines.index("") + 1 :] if "" in lines else lines
    body = [line for line in body if line]
    checksum = body.pop()[1:] if body and len(body[-1]) == 5 and body[-1].startswith("=") else ""
    try:
        data = base64.b64decode("".join(body), validate=True)
        expected = base64.b64decode(checksum, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidKeyRing("Unable to decode key: armor invalid") from error
    if expected and _crc24(data) != int.from_bytes(expected):
        raise InvalidKeyRing("Unable to decode key: armor invalid")
    return data


def _crc24_of_byte(byte: int) -> int:
    crc = byte << 16
    for _ in range(8):
        crc <<= 1
        if crc & 0x1000000:
            crc ^= _CRC24_POLYNOMIAL
    return crc


_CRC24_OF_BYTE = tuple(_crc24_of_byte(byte) for byte in range(256))


def _crc24(data: bytes) -> int:
    crc = _CRC24_START
    for byte in data:
        crc = (crc << 8 & 0xFFFFFF) ^ _CRC24_OF_BYTE[crc >> 16 ^ byte]
    return crc
