"""OpenPGP verification with keys and signatures made by GnuPG, and the stored odd ones."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.adapters.signing.openpgp import OpenPgpVerifier
from imagegate.core.signing.key_ring import InvalidKeyRing, KeyRing
from imagegate.core.signing.requirements import Verification
from tests.support.gpg import GpgHome, Key
from tests.support.programs import program, run
from tests.support.samples import SAMPLES

FOLDER = SAMPLES / "simple-signing"
EXPIRED = "1AE19874950FBA48BBA2E7E90A8E27255C86E3B1"
PAYLOAD = b'{"critical":{},"optional":{}}'


def sample_key(name: str) -> bytes:
    return (FOLDER / "keys" / f"{name}.asc").read_bytes()


def interactive(home: GpgHome, *arguments: str, answers: str) -> str:
    """``gpg ARGUMENTS`` where it insists on asking; without a terminal all the same."""
    command = [program("gpg"), "--no-tty", "--quiet", "--yes", "--command-fd", "0", "--pinentry-mode", "loopback"]
    return run([*command, *arguments], env=home.env, text_in=answers).stdout


def check(blob: bytes, *armored: bytes, now: datetime | None = None) -> Verification:
    verifier = OpenPgpVerifier() if now is None else OpenPgpVerifier(lambda: now)
    return verifier.verify(blob, KeyRing.parse(b"".join(armored)))


@pytest.fixture(scope="module")
def one(gpg_home: GpgHome) -> Key:
    return gpg_home.generate("one@openpgp.test.invalid")


@pytest.fixture(scope="module")
def two(gpg_home: GpgHome) -> Key:
    return gpg_home.generate("two@openpgp.test.invalid")


@pytest.fixture(scope="module")
def subkey(gpg_home: GpgHome) -> Key:
    return gpg_home.generate("subkey@openpgp.test.invalid", form="subkey")


@pytest.mark.parametrize("form", ["ed25519", "rsa", "subkey"])
def test_content_and_primary_fingerprint(gpg_home: GpgHome, form: str) -> None:
    key = gpg_home.generate(f"{form}@forms.test.invalid", form=form)
    assert check(gpg_home.sign(key, PAYLOAD), key.armored) == Verification(PAYLOAD, key.fingerprint)


@pytest.mark.parametrize("compression", ["none", "zip", "zlib", "bzip2"])
def test_every_compression(gpg_home: GpgHome, one: Key, compression: str) -> None:
    blob = gpg_home.sign(one, PAYLOAD, "--compress-algo", compression)
    assert check(blob, one.armored).payload == PAYLOAD


@pytest.mark.parametrize("curve", ["nistp256", "nistp384", "nistp521", "dsa2048"])
def test_other_key_algorithms(gpg_home: GpgHome, curve: str) -> None:
    email = f"{curve}@curves.test.invalid"
    gpg_home.gpg("--pinentry-mode", "loopback", "--passphrase", "", "--quick-gen-key", email, curve, "sign", "0")
    armored = gpg_home.gpg("--armor", "--export", email).stdout.encode()
    fingerprint = gpg_home.gpg("--list-keys", "--with-colons", email).stdout.split("fpr:")[1].strip(":").split(":")[0]
    blob = gpg_home.sign(Key(email, fingerprint, armored), PAYLOAD)
    assert check(blob, armored) == Verification(PAYLOAD, fingerprint)


def test_short_keys_are_refused(gpg_home: GpgHome) -> None:
    email = "short@openpgp.test.invalid"
    gpg_home.gpg("--pinentry-mode", "loopback", "--passphrase", "", "--quick-gen-key", email, "rsa1024", "sign", "0")
    armored = gpg_home.gpg("--armor", "--export", email).stdout.encode()
    fingerprint = gpg_home.gpg("--list-keys", "--with-colons", email).stdout.split("fpr:")[1].strip(":").split(":")[0]
    blob = gpg_home.sign(Key(email, fingerprint, armored), PAYLOAD)
    with pytest.raises(InvalidKeyRing, match="No public keys imported"):
        check(blob, armored)
    longer = gpg_home.generate("longer@openpgp.test.invalid")
    assert check(gpg_home.sign(longer, PAYLOAD), armored, longer.armored).fingerprint == longer.fingerprint


def test_any_key_of_any_block_of_the_ring(gpg_home: GpgHome, one: Key, two: Key, subkey: Key) -> None:
    together = gpg_home.gpg("--armor", "--export", one.fingerprint, two.fingerprint).stdout.encode()
    for key in (one, two):
        assert check(gpg_home.sign(key, PAYLOAD), together).fingerprint == key.fingerprint
        assert (
            check(gpg_home.sign(key, PAYLOAD), subkey.armored, one.armored, two.armored).fingerprint == key.fingerprint
        )


def test_another_key_is_not_found(gpg_home: GpgHome, one: Key, two: Key) -> None:
    verification = check(gpg_home.sign(two, PAYLOAD), one.armored)
    key_id = two.fingerprint[-16:].lower().lstrip("0")
    assert verification == Verification(error=f"Key not found for key ID {key_id} in signature")


def test_every_changed_byte_of_the_message_is_refused(gpg_home: GpgHome, one: Key) -> None:
    blob = gpg_home.sign(one, b"{}", "--compress-algo", "none")
    ring = KeyRing.parse(one.armored)
    verifier = OpenPgpVerifier()
    assert verifier.verify(blob, ring).payload == b"{}"
    accepted = []
    for at in range(len(blob)):
        changed = blob[:at] + bytes((blob[at] ^ 1,)) + blob[at + 1 :]
        verification = verifier.verify(changed, ring)
        if not verification.error:
            accepted.append(verification)
    # what no signature covers (dates of the literal packet, unhashed hints) may change; what was signed may not
    assert {(one_of.payload, one_of.fingerprint) for one_of in accepted} <= {(b"{}", one.fingerprint)}
    assert len(accepted) < len(blob) / 4


def test_cut_off_messages_are_refused(gpg_home: GpgHome, one: Key) -> None:
    blob = gpg_home.sign(one, PAYLOAD)
    ring = KeyRing.parse(one.armored)
    verifier = OpenPgpVerifier()
    assert all(verifier.verify(blob[:size], ring).error for size in range(len(blob)))


def test_a_signature_over_another_text_is_refused(gpg_home: GpgHome, one: Key) -> None:
    blob = gpg_home.sign(one, b"text one", "--compress-algo", "none")
    assert check(blob, one.armored).payload == b"text one"
    assert check(blob.replace(b"text one", b"text two"), one.armored).error == (
        "signature error: Signature verification failed: no valid signatures found."
    )


def test_expired_key(gpg_home: GpgHome) -> None:
    key = gpg_home.generate("expired@openpgp.test.invalid", expires="30d", at="20250101T000000")
    blob = gpg_home.sign(key, PAYLOAD, at="20250105T000000")
    reason = f"signature by key {key.fingerprint} is not accepted: the key expired on 2025-01-31 00:00:00 +0000 UTC"
    assert check(blob, key.armored) == Verification(error=reason)
    end = datetime(2025, 1, 31, tzinfo=UTC)
    before = check(blob, key.armored, now=end - timedelta(seconds=1))
    assert before == Verification(PAYLOAD, key.fingerprint, valid_until=end)
    assert check(blob, key.armored, now=end).error == reason


def test_expired_signing_subkey(gpg_home: GpgHome) -> None:
    key = gpg_home.generate("oldsub@openpgp.test.invalid", form="subkey", at="20250101T000000")
    gpg_home.gpg("--quick-set-expire", key.fingerprint, "30d", "*", at="20250101T000000")
    armored = gpg_home.gpg("--armor", "--export", key.fingerprint).stdout.encode()
    blob = gpg_home.sign(key, PAYLOAD, at="20250105T000000")
    verification = check(blob, armored)
    assert verification.error.startswith(
        f"signature by key {key.fingerprint} is not accepted: the key expired on 2025-01"
    )
    assert check(blob, key.armored).fingerprint == key.fingerprint  # its twin, exported before it was given an end


def test_revoked_signing_subkey(gpg_home: GpgHome) -> None:
    key = gpg_home.generate("revsub@openpgp.test.invalid", form="subkey")
    blob = gpg_home.sign(key, PAYLOAD)
    assert not check(blob, key.armored).error
    interactive(gpg_home, "--edit-key", key.fingerprint, answers="key 1\nrevkey\ny\n3\nretired\n\ny\nsave\n")
    armored = gpg_home.gpg("--armor", "--export", key.fingerprint).stdout.encode()
    assert armored != key.armored
    verification = check(blob, armored)
    assert verification.error == f"signature by key {key.fingerprint} is not accepted: the signing subkey is revoked"


@pytest.mark.parametrize("code", ["0", "1", "2", "3"])
def test_revoked_key_whatever_the_reason(gpg_home: GpgHome, code: str) -> None:
    """0 none given, 1 compromised, 2 superseded, 3 no longer used: what was signed before counts no more either."""
    key = gpg_home.generate(f"revoked{code}@openpgp.test.invalid")
    blob = gpg_home.sign(key, PAYLOAD)
    assert not check(blob, key.armored).error
    certificate = interactive(gpg_home, "--armor", "--gen-revoke", key.fingerprint, answers=f"y\n{code}\n\ny\n")
    gpg_home.gpg("--import", text_in=certificate)
    armored = gpg_home.gpg("--armor", "--export", key.fingerprint).stdout.encode()
    reason = f"signature by key {key.fingerprint} is not accepted: the key is revoked"
    assert check(blob, armored).error == reason
    assert check(blob, armored, key.armored).error == reason  # an older copy beside it does not help


def test_signature_past_its_lifetime(gpg_home: GpgHome) -> None:
    key = gpg_home.generate("lifetime@openpgp.test.invalid", at="20250101T000000")
    blob = gpg_home.sign(key, PAYLOAD, "--default-sig-expire", "10d", at="20250105T000000")
    assert check(blob, key.armored).error  # refused by Sequoia as well, whatever the words
    lasting = gpg_home.sign(key, PAYLOAD, "--default-sig-expire", "20000d")
    verification = check(lasting, key.armored)
    assert verification.payload == PAYLOAD
    assert verification.valid_until is not None
    late = check(lasting, key.armored, now=verification.valid_until)
    assert late.error.startswith("Signature expired on 2081-")


@pytest.mark.parametrize(
    "name, error",
    [
        ("armored", "unrecognized signature format, starting with binary 0x2d"),
        ("clearsigned", "unrecognized signature format, starting with binary 0x2d"),
        ("detached", "not signed"),
        ("sha1", "signature error: hash algorithm SHA1 is not accepted"),
        ("two-signers", "Unexpected GPG signature count 2"),
        ("unsigned-literal", "not signed"),
        ("trailing-junk", "signature error: trailing data after the signed message"),
        ("payload-8MiB", "signature error: signed message of more than 262144 bytes"),
        (
            "expired-key",
            f"signature by key {EXPIRED} is not accepted: the key expired on 2025-01-31 00:00:00 +0000 UTC",
        ),
        (
            "revoked-key",
            "signature by key B473D9AC0ECA3EA5E6B5FDFCDDF6953FD8D4FCD2 is not accepted: the key is revoked",
        ),
    ],
)
def test_odd_samples_are_refused(name: str, error: str) -> None:
    keys = [sample_key(key) for key in ("signer1", "signer2", "expired", "revoked")]
    assert check((FOLDER / "odd" / f"{name}.sig").read_bytes(), *keys) == Verification(error=error)


def test_good_samples_are_accepted() -> None:
    keys = [sample_key("signer1"), sample_key("signer2")]
    (app,) = (FOLDER / "lookaside" / "signed").glob("app@*")
    for number, fingerprint in (
        (1, "3BDE78061719C722CECF151193E6F39ADE1C1166"),
        (2, "47D928E7D9109AFA7851E9E6EFFB9DE1B189E676"),
    ):
        blob = (app / f"signature-{number}").read_bytes()
        payload = (FOLDER / f"payload-{number}.json").read_bytes()
        assert check(blob, *keys) == Verification(payload, fingerprint)


def test_unusable_rings() -> None:
    verifier = OpenPgpVerifier()
    verifier.check(KeyRing.parse(sample_key("signer1")))
    for blocks in ((), (b"junk",), (b"\x99\x00\x00",)):
        with pytest.raises(InvalidKeyRing, match="No public keys imported"):
            verifier.check(KeyRing(blocks))
        with pytest.raises(InvalidKeyRing, match="No public keys imported"):
            verifier.verify(b"x", KeyRing(blocks))


def test_a_broken_block_does_not_spoil_the_others(gpg_home: GpgHome, one: Key) -> None:
    ring = KeyRing((b"junk", *KeyRing.parse(one.armored).blocks))
    assert OpenPgpVerifier().verify(gpg_home.sign(one, PAYLOAD), ring).fingerprint == one.fingerprint


def test_packets_still_to_be_invented_are_passed_over(gpg_home: GpgHome, one: Key, subkey: Key) -> None:
    for key in (one, subkey):
        (block,) = KeyRing.parse(key.armored).blocks
        ring = KeyRing((block + bytes((0xC0 | 41, 3)) + b"new",))
        assert OpenPgpVerifier().verify(gpg_home.sign(key, PAYLOAD), ring).fingerprint == key.fingerprint


@given(st.data())
def test_damaged_rings_are_unusable_or_read(data: st.DataObject) -> None:
    """Nothing but ``InvalidKeyRing`` leaves the verifier, whatever a Secret holds."""
    (block,) = KeyRing.parse(sample_key(data.draw(st.sampled_from(["signer1", "signer2", "revoked"])))).blocks
    damaged = bytearray(block)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(block) - 1))] = data.draw(st.integers(0, 255))
    verifier = OpenPgpVerifier()
    with contextlib.suppress(InvalidKeyRing):
        verifier.check(KeyRing((bytes(damaged),)))


def test_threads_share_a_verifier(gpg_home: GpgHome, one: Key, two: Key) -> None:
    verifier = OpenPgpVerifier()
    ring = KeyRing.parse(one.armored + two.armored)
    blobs = [gpg_home.sign(key, PAYLOAD) for key in (one, two)] * 50
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda blob: verifier.verify(blob, ring).fingerprint, blobs))
    assert answers == [one.fingerprint, two.fingerprint] * 50
