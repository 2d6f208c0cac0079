"""The ``key`` item of a Secret."""

from __future__ import annotations

import pytest

from imagegate.core.signing.key_ring import KEY_RING_MAX_BYTES, InvalidKeyRing, KeyRing
from tests.support.counting import lines_run
from tests.support.samples import SAMPLES

KEYS = SAMPLES / "simple-signing" / "keys"
ONE = (KEYS / "signer1.asc").read_bytes()
TWO = (KEYS / "signer2.asc").read_bytes()


def refused(item: bytes) -> str:
    with pytest.raises(InvalidKeyRing) as raised:
        KeyRing.parse(item)
    return str(raised.value)


def test_reads_every_block() -> None:
    assert KeyRing.parse(ONE).blocks[0][0] & 0x80
    assert KeyRing.parse(ONE + TWO).blocks == KeyRing.parse(ONE).blocks + KeyRing.parse(TWO).blocks
    assert KeyRing.parse(b"a comment\n\n" + ONE + b"another\n" + TWO) == KeyRing.parse(ONE + TWO)


@pytest.mark.parametrize("item", [ONE.replace(b"\n", b"\r\n"), ONE.rstrip(b"\n"), ONE.replace(b"\n", b" \n")])
def test_line_ends_do_not_matter(item: bytes) -> None:
    assert KeyRing.parse(item) == KeyRing.parse(ONE)


def test_headers_are_skipped_and_the_checksum_may_be_missing() -> None:
    lines = ONE.decode().splitlines()
    with_header = [lines[0], "Comment: made for a test", *lines[1:]]
    assert KeyRing.parse("\n".join(with_header).encode()) == KeyRing.parse(ONE)
    without_checksum = [line for line in lines if not line.startswith("=")]
    assert len(without_checksum) == len(lines) - 1
    assert KeyRing.parse("\n".join(without_checksum).encode()) == KeyRing.parse(ONE)


def test_refuses_in_the_originals_words() -> None:
    assert refused(b"") == "Key: empty"
    assert refused(b"not armoured") == "Unable to decode key: EOF"
    assert (
        refused(ONE.replace(b"PUBLIC", b"PRIVATE"))
        == 'Expected "PGP PUBLIC KEY BLOCK" not found: PGP PRIVATE KEY BLOCK'
    )
    assert refused(ONE + TWO.replace(b"PUBLIC", b"PRIVATE")).endswith("PGP PRIVATE KEY BLOCK")
    assert refused(ONE.rstrip()[:-3]) == "Unable to decode key: unexpected EOF"
    assert refused(b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n-----END PGP PUBLIC KEY BLOCK-----\n") == (
        "No public keys imported"
    )


def test_damage_is_found() -> None:
    middle = len(ONE) // 2
    other = b"A" if ONE[middle : middle + 1] != b"A" else b"B"
    assert refused(ONE[:middle] + other + ONE[middle + 1 :]) == "Unable to decode key: armor invalid"
    assert refused(ONE[:middle] + b"!" + ONE[middle + 1 :]) == "Unable to decode key: armor invalid"


def test_damage_is_found_without_a_checksum_too() -> None:
    lines = [line for line in ONE.decode().splitlines() if not line.startswith("=")]
    lines[5] = lines[5].replace(lines[5][7], "!")
    assert refused("\n".join(lines).encode()) == "Unable to decode key: armor invalid"
    wrong = [*lines[:5], *ONE.decode().splitlines()[6:-2], "=!!!!", ONE.decode().splitlines()[-1]]
    assert refused("\n".join(wrong).encode()) == "Unable to decode key: armor invalid"


def test_a_line_that_only_begins_like_armour_is_none() -> None:
    assert refused(b"-----BEGIN PGP PUBLIC KEY BLOCK\n\n" + ONE.split(b"\n", 2)[2]) == "Unable to decode key: EOF"


def test_size_is_limited() -> None:
    assert refused(b"x" * KEY_RING_MAX_BYTES) == "Unable to decode key: EOF"
    assert refused(b"x" * (KEY_RING_MAX_BYTES + 1)) == f"Key: more than {KEY_RING_MAX_BYTES} bytes"


def test_secret() -> None:
    assert KeyRing.of_secret("my-pubkey", "ns", {"key": ONE}) == KeyRing.parse(ONE)
    with pytest.raises(InvalidKeyRing) as raised:
        KeyRing.of_secret("my-pubkey", "ns", {"Key": ONE})
    assert str(raised.value) == 'secret "my-pubkey" in "ns" does not contain a "key" attribute'


def test_keys_are_not_printed() -> None:
    assert repr(KeyRing.parse(ONE)) == "KeyRing()"


def test_work_is_linear() -> None:
    def work(blocks: int) -> int:
        return lines_run(lambda: KeyRing.parse(ONE * blocks))

    assert work(40) <= 11 * work(4)
