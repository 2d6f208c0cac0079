"""The envelope of every role's file: ``signed``, its canonical bytes, and who signed them.

Source: docs/spec/enforcement.md 12.6 and 12.7; notary, ``tuf/signed/verify.go``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from imagegate.core.content_trust.errors import (
    InvalidMetadata,
    KeyIdMismatch,
    MetadataTooLarge,
    NoSignatures,
    ThresholdNotMet,
)
from imagegate.core.content_trust.fields import Fields
from imagegate.core.content_trust.keys import PublicKey
from imagegate.core.content_trust.limits import MAX_SIGNATURES, MAX_VALUES, MAX_VALUES_UNLISTED
from imagegate.core.content_trust.signatures import Signature, is_valid
from imagegate.core.kube import canonical_json, strict_json
from imagegate.core.kube.strict_json import InvalidJson

_UNLISTED = frozenset({"root", "timestamp"})


@dataclass(frozen=True, slots=True)
class SigningRole:
    """The keys that may sign a role, by the id they are listed under, and how many have to."""

    name: str
    keys: Mapping[str, PublicKey]
    threshold: int


@dataclass(frozen=True, slots=True)
class SignedFile:
    """One file as read, not yet verified."""

    role: str
    content: bytes = field(repr=False)
    message: bytes = field(repr=False)
    """The canonical bytes of ``signed``, which signatures are over."""
    signatures: tuple[Signature, ...]
    signed: Fields = field(repr=False)

    @classmethod
    def parse(cls, role: str, content: bytes) -> SignedFile:
        """Read the envelope.

        Raises:
            InvalidMetadata: not JSON, too deep, a repeated member, or ``signed`` has no canonical form.
            MetadataTooLarge: more values than are read, or more signatures than are ever verified.
        """
        _check_count(role, content)
        try:
            document = Fields(strict_json.parse(content), role, "")
            if document.value("signed") is None:
                raise InvalidMetadata(f"{role} file contained an empty payload", role=role)
            signed = document.within("signed")
            message = canonical_json.encode(document.value("signed"))
        except InvalidJson as error:
            raise InvalidMetadata(str(error), role=role) from error
        signatures = tuple(
            Signature(entry.text("keyid"), entry.text("method").lower(), entry.octets("sig"))
            for entry in document.each("signatures")
        )
        if len(signatures) > MAX_SIGNATURES:
            text = f"{role} has {len(signatures)} signatures, at most {MAX_SIGNATURES} are verified"
            raise MetadataTooLarge(text, role=role)
        return cls(role, content, message, signatures, signed)

    @property
    def version(self) -> int | None:
        """The version as far as it can be read, for messages."""
        try:
            return self.signed.integer("version")
        except InvalidMetadata:
            return None

    def verify(self, role: SigningRole) -> tuple[str, ...]:
        """The listed ids of the keys that have signed, each key once, however many ids it has.

        The original counts ids: a key that is listed bare and in a certificate meets a threshold of two alone.

        Raises:
            NoSignatures: the list is empty.
            KeyIdMismatch: a signature names a key whose content has another id.
            ThresholdNotMet: too few distinct keys, or a threshold below one.
        """
        if not self.signatures:
            raise NoSignatures("tuf: data has no signatures", role=self.role, version=self.version)
        if role.threshold < 1:
            raise ThresholdNotMet("valid signatures did not meet threshold", role=self.role, version=self.version)
        signed_by: dict[str, str] = {}
        for signature in self.signatures:
            key = role.keys.get(signature.key_id)
            if key is None:
                continue
            if key.key_id != signature.key_id:
                raise KeyIdMismatch("key ID is not valid for key content", role=self.role, version=self.version)
            if key.canonical_id not in signed_by and is_valid(signature, key, self.message):
                signed_by[key.canonical_id] = signature.key_id
        if len(signed_by) < role.threshold:
            text = f"valid signatures did not meet threshold for {role.name}"
            raise ThresholdNotMet(text, role=self.role, version=self.version)
        return tuple(signed_by.values())


def _check_count(role: str, content: bytes) -> None:
    """Counted before parsing: with the depth bounded, separators and brackets bound the number of values."""
    limit = MAX_VALUES_UNLISTED if role in _UNLISTED else MAX_VALUES
    if content.count(b",") + content.count(b"[") + content.count(b"{") > limit:
        raise MetadataTooLarge(f"{role} has more than {limit} values", role=role)


def canonical_ids(role: SigningRole, key_ids: Sequence[str]) -> tuple[str, ...]:
    """The canonical ids of keys by the ids they are listed under."""
    return tuple(role.keys[key_id].canonical_id for key_id in key_ids)
