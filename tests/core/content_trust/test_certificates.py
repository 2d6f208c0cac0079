"""Certificates around keys: names, times, strength and chains."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from imagegate.core.content_trust.certificates import Certificate, CertificateBundle, InvalidCertificate, chains_to
from imagegate.core.content_trust.limits import MAX_KEY_BYTES
from tests.support.samples import SAMPLES
from tests.support.trust_keys import NOW, certificate, issuer, pem, root_key, rsa_key

GUN = "registry.example.com/app"
_DER = serialization.Encoding.DER
KEY = ec.generate_private_key(ec.SECP256R1())


def certificate_of(*names: str, **changes: object) -> Certificate:
    return Certificate.of(certificate(KEY, names, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name, is_for",
    [
        (GUN, True),
        ("registry.example.com/*", True),
        ("registry.example.com/a*", True),
        ("registry.example.com/app*", True),
        ("registry.example.com/ap**", True),
        ("*", True),
        ("registry.example.com/apps", False),
        ("registry.example.com/ap", False),
        ("registry.example.com/apps*", False),
        ("*/app", False),
        ("REGISTRY.example.com/app", False),
    ],
)
def test_common_name_and_gun(name: str, is_for: bool) -> None:
    assert certificate_of(name).is_for(GUN) is is_for


def test_subject_with_no_or_several_common_names_is_for_nothing() -> None:
    assert certificate_of().common_name is None
    assert not certificate_of().is_for("")
    assert not certificate_of(GUN, GUN).is_for(GUN)


def test_times() -> None:
    one = certificate_of(GUN, before=NOW, after=NOW + timedelta(days=2))
    assert one.is_acceptable(NOW)
    assert one.is_acceptable(NOW - timedelta(days=1))
    assert not one.is_acceptable(NOW - timedelta(days=1, seconds=1))
    assert one.is_acceptable(NOW + timedelta(days=2))
    assert not one.is_acceptable(NOW + timedelta(days=2, seconds=1))
    assert one.is_acceptable(None)


def test_weak_certificates() -> None:
    short = rsa.generate_private_key(65537, 1024)
    assert not Certificate.of(certificate(short, [GUN])).is_acceptable(None)
    assert Certificate.of(certificate(rsa_key().private, [GUN])).is_acceptable(None)
    sha1 = (SAMPLES.parent / "sha1-certificate.pem").read_bytes()
    assert not CertificateBundle.parse(sha1).first.is_acceptable(None)


def test_leaf_is_the_only_one_that_is_no_ca_and_comes_first() -> None:
    above = issuer("CA")
    leaf, other = pem(certificate(KEY, [GUN])), pem(certificate(KEY, ["other"]))
    assert CertificateBundle.parse(leaf).leaf is not None
    assert CertificateBundle.parse(leaf + above.pem).leaf is not None
    assert CertificateBundle.parse(above.pem + leaf).leaf is None
    assert CertificateBundle.parse(leaf + other).leaf is None
    assert CertificateBundle.parse(above.pem).leaf is None
    assert CertificateBundle.parse(pem(certificate(KEY, [GUN], ca=None))).leaf is not None


def test_intermediates() -> None:
    good, past = issuer("good"), issuer("past", after=NOW - timedelta(hours=1))
    bundle = CertificateBundle.parse(pem(certificate(KEY, [GUN])) + good.pem + past.pem)
    assert [one.common_name for one in bundle.intermediates(NOW)] == ["good"]
    assert [one.common_name for one in bundle.intermediates(None)] == ["good", "past"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nothing",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\n",
        pem(certificate(KEY, [GUN])).replace(b"CERTIFICATE", b"PUBLIC KEY"),
        pem(certificate(KEY, [GUN])) + b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        pem(certificate(KEY, [GUN])) + b" " * MAX_KEY_BYTES,
    ],
    ids=["empty", "no PEM", "no DER", "cut off", "other block", "another block", "huge"],
)
def test_no_bundle(content: bytes) -> None:
    with pytest.raises(InvalidCertificate):
        CertificateBundle.parse(content)


def test_certificate_with_unreadable_parts() -> None:
    """Basic constraints that are no sequence, and a key on a curve that nothing here knows."""
    broken = x509.UnrecognizedExtension(x509.BasicConstraints.oid, b"\x04\x00")
    name = certificate(KEY, [GUN]).subject
    builder = x509.CertificateBuilder(name, name, KEY.public_key(), 1, NOW, NOW + timedelta(days=1))
    with pytest.raises(InvalidCertificate, match="certificate cannot be read"):
        CertificateBundle.parse(pem(builder.add_extension(broken, critical=True).sign(KEY, hashes.SHA256())))
    p256, unknown = bytes.fromhex("06082a8648ce3d030107"), bytes.fromhex("06082a8648ce3d03017f")
    der = certificate(KEY, [GUN]).public_bytes(encoding=_DER).replace(p256, unknown)
    with pytest.raises(InvalidCertificate):
        CertificateBundle.parse(pem(x509.load_der_x509_certificate(der)))


def test_chains() -> None:
    top = issuer("top")
    middle = issuer("middle", top)
    stranger = issuer("top")
    direct, below = root_key(GUN, top), root_key(GUN, middle)

    def chained(key: bytes, *anchors: bytes, above: bytes = b"") -> bool:
        bundle = CertificateBundle.parse(key + above)
        trusted = tuple(CertificateBundle.parse(anchor).first for anchor in anchors)
        return chains_to(bundle.first, bundle.intermediates(NOW), trusted, NOW)

    assert chained(direct.public, top.pem)
    assert chained(below.public, top.pem)
    assert chained(below.public, middle.pem)
    assert chained(below.public, stranger.pem, top.pem)
    assert not chained(direct.public, stranger.pem)
    assert not chained(direct.public, middle.pem)
    leaf_alone = pem(certificate(KEY, [GUN], issuer=middle))
    assert not chained(leaf_alone, top.pem)
    assert chained(leaf_alone, top.pem, above=middle.pem)
