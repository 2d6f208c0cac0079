"""What listed keys decode to, and their ids."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519

from imagegate.core.content_trust.keys import PublicKey, bare_key
from tests.support import trust_keys
from tests.support.samples import SAMPLES
from tests.support.trust_keys import SigningKey, certified, ecdsa_key, ed25519_key, rsa_key


def listed(key: SigningKey) -> PublicKey:
    return PublicKey(key.key_type, key.public)


def test_id_of_the_specification() -> None:
    key = PublicKey("ed25519", bytes(range(32)))
    assert key.key_id == "bf416ca3d4d6da197ee588c688e0ec920f4a582009215a8d90c8b48a2b058e12"
    assert key.canonical_id == key.key_id
    assert key.subject is None


@pytest.mark.parametrize("key", [ecdsa_key(), ecdsa_key(ec.SECP384R1()), ecdsa_key(ec.SECP521R1()), rsa_key()])
def test_a_certificate_has_an_id_of_its_own_and_the_canonical_id_of_its_key(key: SigningKey) -> None:
    wrapped = listed(certified(key.private, "alice"))
    assert listed(key).key_id == key.key_id
    assert wrapped.key_id != key.key_id
    assert wrapped.canonical_id == listed(key).canonical_id == key.key_id
    assert wrapped.subject == "alice"
    assert wrapped.certificates is not None


def test_other_encodings_of_a_key_are_the_same_key() -> None:
    key = ecdsa_key()
    public = key.private.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    point = public.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)
    compressed = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200") + point
    other = PublicKey("ecdsa", compressed)
    assert other.material is not None
    assert other.key_id != key.key_id
    assert other.canonical_id == key.key_id


def test_key_in_pem() -> None:
    key = rsa_key()
    assert PublicKey("rsa", trust_keys.public_pem(key.private)).canonical_id == key.key_id
    assert PublicKey("ecdsa", trust_keys.public_pem(ecdsa_key().private)).material is None


@pytest.mark.parametrize(
    "key",
    [
        PublicKey("ecdsa", b""),
        PublicKey("ecdsa", b"\x30\x00"),
        PublicKey("ecdsa", rsa_key().public),
        PublicKey("rsa", ecdsa_key().public),
        PublicKey("rsa", b"-----BEGIN nothing"),
        PublicKey(
            "rsa",
            rsa.generate_private_key(65537, 1024)
            .public_key()
            .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo),
        ),
        PublicKey("ecdsa", ecdsa_key(ec.SECP256K1()).public),
        PublicKey("ecdsa", ecdsa_key(ec.SECP224R1()).public),
        PublicKey("ecdsa-x509", ecdsa_key().public),
        PublicKey("ecdsa-x509", certified(rsa_key().private, "bob").public),
        PublicKey("rsa-x509", certified(ecdsa_key().private, "bob").public),
        PublicKey("ed25519-x509", certified(ed25519_key().private, "bob").public),
        PublicKey("ed25519", ed25519_key().public[:31]),
        PublicKey("ed25519", ed25519_key().public + b"\0"),
        PublicKey("ecdsa", trust_keys.spki(ed25519_key().private)),
        PublicKey(
            "ecdsa",
            base64.b64decode("MCowBQYDK2VuAyEA") + x25519.X25519PrivateKey.generate().public_key().public_bytes_raw(),
        ),
        PublicKey("dsa", b"anything"),
        PublicKey("rsa-x509", (SAMPLES.parent / "sha1-certificate.pem").read_bytes()),
        PublicKey("", b""),
    ],
    ids=range(19),
)
def test_unusable_keys_have_an_id_and_nothing_else(key: PublicKey) -> None:
    assert key.material is None
    assert key.canonical_id == key.key_id


def test_bare_keys() -> None:
    for key in (ecdsa_key(), rsa_key(), ed25519_key()):
        material = listed(key).material
        assert material is not None
        assert bare_key(material) == listed(key)


def test_subject_of_an_unreadable_certificate() -> None:
    assert PublicKey("ecdsa-x509", b"no certificate").subject is None
