"""Signatures by every method, and every confusion of methods, keys and encodings."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from imagegate.core.content_trust.keys import PublicKey
from imagegate.core.content_trust.signatures import Signature, is_valid
from tests.support.trust_keys import PSS, SigningKey, bare, certified, ecdsa_key, ed25519_key, public_pem, rsa_key

MESSAGE = b'{"_type":"Targets"}'
SHA256 = hashes.SHA256()


class Case(NamedTuple):
    key: SigningKey
    size: int


P256, P384, P521 = ecdsa_key(), ecdsa_key(ec.SECP384R1()), ecdsa_key(ec.SECP521R1())
CASES = {
    "P-256": Case(P256, 64),
    "P-384": Case(P384, 96),
    "P-521": Case(P521, 132),
    "P-256 in a certificate": Case(certified(P256.private, "a"), 64),
    "P-521 in a certificate": Case(certified(P521.private, "a"), 132),
    "RSA": Case(rsa_key(), 256),
    "RSA in a certificate": Case(certified(rsa_key().private, "a"), 256),
    "Ed25519": Case(ed25519_key(), 64),
}


def listed(key: SigningKey) -> PublicKey:
    return PublicKey(key.key_type, key.public)


def verified(key: SigningKey, method: str, value: bytes, message: bytes = MESSAGE) -> bool:
    return is_valid(Signature(key.key_id, method, value), listed(key), message)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_each_method(case: Case) -> None:
    method, value = case.key.raw_signature(MESSAGE)
    assert len(value) == case.size
    assert verified(case.key, method, value)
    assert not verified(case.key, method, value, MESSAGE + b" ")
    assert not verified(case.key, method, value[:-1] + bytes([value[-1] ^ 1]))
    assert not verified(case.key, method, value[:-1])
    assert not verified(case.key, method, value + b"\0")
    assert not verified(case.key, method, b"")
    assert not verified(case.key, method, bytes(case.size))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_no_other_method_verifies(case: Case) -> None:
    own, value = case.key.raw_signature(MESSAGE)
    others = {"ecdsa", "rsapss", "rsapkcs1v15", "eddsa", "pycrypto-pkcs#1 pss", "", "none", "ECDSA"} - {own}
    assert not any(verified(case.key, method, value) for method in others)


@pytest.mark.parametrize("key", [P256, P384, P521], ids=["P-256", "P-384", "P-521"])
def test_ecdsa_signature_in_der_is_refused(key: SigningKey) -> None:
    assert isinstance(key.private, ec.EllipticCurvePrivateKey)
    der = key.private.sign(MESSAGE, ec.ECDSA(SHA256))
    key.private.public_key().verify(der, MESSAGE, ec.ECDSA(SHA256))
    size = 2 * ((key.private.key_size + 7) // 8)
    assert not verified(key, "ecdsa", der)
    assert not verified(key, "ecdsa", der[:size])
    assert not verified(key, "ecdsa", der.rjust(size, b"\0")[-size:])


def test_der_of_exactly_the_raw_length_is_read_as_raw() -> None:
    """A DER signature of 64 bytes exists where r and s are short; it is no signature either."""
    der = encode_dss_signature(2**225 - 1, 2**225 - 1)
    assert len(der) == 64
    assert not verified(P256, "ecdsa", der)


def test_leading_zeros_are_written() -> None:
    """The same r and s in fewer or more bytes are the same numbers, and no signature."""
    value = next(value for _, value in (P256.raw_signature(MESSAGE) for _ in range(20_000)) if value[32] == 0)
    assert verified(P256, "ecdsa", value)
    assert not verified(P256, "ecdsa", value[:32] + value[33:])
    assert not verified(P256, "ecdsa", value[:32] + b"\0" + value[32:])


def test_r_and_s_outside_their_range() -> None:
    _, value = P256.raw_signature(MESSAGE)
    r, s = value[:32], value[32:]
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    for changed in (bytes(32) + s, r + bytes(32), order.to_bytes(32) + s, r + order.to_bytes(32), b"\xff" * 64):
        assert not verified(P256, "ecdsa", changed)
    assert verified(P256, "ecdsa", r + (order - int.from_bytes(s)).to_bytes(32))  # ECDSA has two signatures, as in Go


@pytest.mark.parametrize("algorithm", [hashes.SHA384(), hashes.SHA512()], ids=["sha384", "sha512"])
def test_larger_curves_sign_sha256_too(algorithm: hashes.SHA384 | hashes.SHA512) -> None:
    assert isinstance(P384.private, ec.EllipticCurvePrivateKey)
    r, s = decode_dss_signature(P384.private.sign(MESSAGE, ec.ECDSA(algorithm)))
    assert not verified(P384, "ecdsa", r.to_bytes(48) + s.to_bytes(48))


def test_signature_by_a_key_of_another_curve() -> None:
    method, value = P384.raw_signature(MESSAGE)
    assert not verified(P256, method, value)
    assert not verified(P521, method, value.rjust(132, b"\0"))


def rsa_private(key: SigningKey) -> rsa.RSAPrivateKey:
    assert isinstance(key.private, rsa.RSAPrivateKey)
    return key.private


def test_rsa_pkcs1_v15_as_the_original() -> None:
    value = rsa_private(rsa_key()).sign(MESSAGE, padding.PKCS1v15(), SHA256)
    assert verified(rsa_key(), "rsapkcs1v15", value)
    assert not verified(rsa_key(), "rsapss", value)
    assert not verified(rsa_key(), "rsapkcs1v15", value, b"other")


@pytest.mark.parametrize("salt", [0, 20, 31, 33])
def test_pss_with_another_salt(salt: int) -> None:
    value = rsa_private(rsa_key()).sign(MESSAGE, padding.PSS(padding.MGF1(SHA256), salt), SHA256)
    assert not verified(rsa_key(), "rsapss", value)


def test_pss_with_other_hashes() -> None:
    private = rsa_private(rsa_key())
    assert not verified(
        rsa_key(), "rsapss", private.sign(MESSAGE, padding.PSS(padding.MGF1(hashes.SHA1()), 32), SHA256)
    )
    assert not verified(rsa_key(), "rsapss", private.sign(MESSAGE, PSS, hashes.SHA512()))


def test_short_rsa_keys_sign_nothing() -> None:
    private = rsa.generate_private_key(65537, 1024)
    value = private.sign(MESSAGE, PSS, SHA256)
    private.public_key().verify(value, MESSAGE, PSS, SHA256)
    assert not verified(bare(private), "rsapss", value)


def test_pem_key_works_with_one_method_alone() -> None:
    key = SigningKey(rsa_key().private, "rsa", public_pem(rsa_key().private))
    _, value = rsa_key().raw_signature(MESSAGE)
    assert verified(key, "pycrypto-pkcs#1 pss", value)
    assert not verified(key, "rsapss", value)
    assert not verified(key, "pycrypto-pkcs#1 pss", value, b"other")


def test_unusable_key() -> None:
    assert not is_valid(Signature("id", "ecdsa", bytes(64)), PublicKey("dsa", b"?"), MESSAGE)
