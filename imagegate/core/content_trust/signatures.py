"""One signature over the canonical bytes of a role, by the method it names.

SHA-256 for every curve and RSA size. PKCS#1 v1.5 is accepted because the original accepts it.
Source: docs/spec/enforcement.md 12.7; notary, ``tuf/signed/verifiers.go``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from imagegate.core.content_trust.keys import MIN_RSA_BITS, PublicKey

_SHA256 = hashes.SHA256()
_ECDSA = ec.ECDSA(_SHA256)
_PSS = padding.PSS(padding.MGF1(_SHA256), salt_length=_SHA256.digest_size)
_RSA_PADDINGS = {"rsapss": _PSS, "rsapkcs1v15": padding.PKCS1v15()}
_PYCRYPTO = "pycrypto-pkcs#1 pss"
_PEM = b"-----BEGIN"


@dataclass(frozen=True, slots=True)
class Signature:
    """One entry of ``signatures``; ``method`` in lower case."""

    key_id: str
    method: str
    value: bytes = field(repr=False)


def is_valid(signature: Signature, key: PublicKey, message: bytes) -> bool:
    """True if ``key`` has signed ``message``; false for an unknown method and one that does not fit the key."""
    material = key.material
    try:
        if isinstance(material, ec.EllipticCurvePublicKey):
            _verify_ecdsa(signature, material, message)
        elif isinstance(material, rsa.RSAPublicKey):
            _verify_rsa(signature, key, material, message)
        elif isinstance(material, ed25519.Ed25519PublicKey) and signature.method == "eddsa":
            material.verify(signature.value, message)
        else:
            return False
    except InvalidSignature:
        return False
    return True


def _verify_ecdsa(signature: Signature, key: ec.EllipticCurvePublicKey, message: bytes) -> None:
    """``value`` is r and s side by side, each as long as the curve's field. DER has another length."""
    size = (key.key_size + 7) // 8
    value = signature.value
    if signature.method != "ecdsa" or len(value) != 2 * size:
        raise InvalidSignature
    r, s = int.from_bytes(value[:size]), int.from_bytes(value[size:])
    key.verify(encode_dss_signature(r, s), message, _ECDSA)


def _verify_rsa(signature: Signature, listed: PublicKey, key: rsa.RSAPublicKey, message: bytes) -> None:
    """A key in PEM without a certificate works with one method, and only such a key does."""
    is_pem = listed.key_type == "rsa" and listed.public.startswith(_PEM)
    method = "rsapss" if is_pem and signature.method == _PYCRYPTO else signature.method
    if method not in _RSA_PADDINGS or is_pem != (signature.method == _PYCRYPTO):
        raise InvalidSignature
    if len(signature.value) < MIN_RSA_BITS // 8:
        raise InvalidSignature
    key.verify(signature.value, message, _RSA_PADDINGS[method], _SHA256)
