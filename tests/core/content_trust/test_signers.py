"""Signers' Secrets: what can be read, and the texts where it cannot."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from imagegate.core.content_trust.errors import InvalidSigner
from imagegate.core.content_trust.limits import MAX_KEY_BYTES
from imagegate.core.content_trust.signers import Signer, read_signer
from tests.support.samples import SAMPLES
from tests.support.trust_keys import (
    NOW,
    SigningKey,
    certified,
    ecdsa_key,
    ed25519_key,
    issuer,
    public_pem,
    rsa_key,
)

KEY = ecdsa_key()
PEM = public_pem(KEY.private)
CERTIFICATE = certified(KEY.private, "alice")


def read(public_key: bytes | None, name: bytes | None = b"alice") -> Signer:
    return read_signer("alice-key", name, public_key, NOW)


def problem(public_key: bytes | None, name: bytes | None = b"alice") -> str:
    with pytest.raises(InvalidSigner) as caught:
        read(public_key, name)
    return str(caught.value)


@pytest.mark.parametrize(
    "key",
    [KEY, ecdsa_key(ec.SECP384R1()), ecdsa_key(ec.SECP521R1()), rsa_key()],
    ids=["P-256", "P-384", "P-521", "RSA"],
)
def test_public_keys(key: SigningKey) -> None:
    signer = read(public_pem(key.private))
    assert signer == Signer("alice", key.key_id, key.key_id, "alice-key")
    assert signer.role == "targets/alice"
    wrapped = certified(key.private, "alice")
    assert read(wrapped.public) == Signer("alice", wrapped.key_id, key.key_id, "alice-key")


@pytest.mark.parametrize(
    "pem",
    [b"comment\n" + PEM, PEM + b"after", PEM.replace(b"\n", b"\r\n"), PEM + public_pem(rsa_key().private), PEM.strip()],
    ids=["before", "after", "CRLF", "second key", "no line end"],
)
def test_only_the_first_block_counts(pem: bytes) -> None:
    assert read(pem).key_id == KEY.key_id


@pytest.mark.parametrize("name, key", [(None, PEM), (b"", PEM), (b"alice", None), (b"alice", b"")])
def test_missing_items(name: bytes | None, key: bytes | None) -> None:
    assert problem(key, name) == "name or publicKey field in secret alice-key is empty"


@pytest.mark.parametrize("name", [b"a/b", b"..", b".", b"/", b"Alice", b"al ice", b"alice\n", b"\xff", b"a" * 248])
def test_names_that_are_no_component(name: bytes) -> None:
    assert problem(PEM, name).endswith(" in secret alice-key is not the name of a signer")


@pytest.mark.parametrize(
    "pem", [b"x", b"-----BEGIN PUBLIC KEY-----\n", PEM[:-10], b"-----END PUBLIC KEY-----\n" + PEM[30:]]
)
def test_no_block(pem: bytes) -> None:
    assert problem(pem) == "no valid public key found"


def test_other_blocks() -> None:
    private = KEY.private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    assert problem(private) == 'unsupported PEM block type "PRIVATE KEY", expected CERTIFICATE or PUBLIC KEY'


def test_keys_that_cannot_be_used() -> None:
    assert problem(public_pem(ed25519_key().private)) == "unknown public key format"
    too_small = "publicKey is a key of a type or size that verifies nothing"
    assert problem(public_pem(rsa.generate_private_key(65537, 1024))) == too_small
    assert problem(public_pem(ecdsa_key(ec.SECP256K1()).private)) == too_small
    assert problem(certified(ed25519_key().private, "alice").public) == too_small
    broken = b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"
    assert problem(broken).startswith("unable to parse pem encoded public key: ")
    assert problem(PEM + b" " * MAX_KEY_BYTES) == f"publicKey has more than {MAX_KEY_BYTES} bytes"


def test_certificates_that_cannot_be_used() -> None:
    broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    assert problem(broken).startswith("could not parse provided certificate: ")
    past = certified(KEY.private, "alice", after=NOW - timedelta(hours=1)).public
    assert problem(past) == "invalid certificate: certificate with CN alice is expired"
    sha1 = (SAMPLES.parent / "sha1-certificate.pem").read_bytes()
    assert problem(sha1) == "invalid certificate: its signature or key is too weak"


def test_a_ca_may_be_a_signer() -> None:
    """As bob's certificate in the samples; what a certificate may be used for does not matter here."""
    assert read(issuer("alice").pem).canonical_id
