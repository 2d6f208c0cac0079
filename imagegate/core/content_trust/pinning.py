"""Which roots are trusted by configuration: certificates by id, or a CA; else the first root that is seen.

Source: docs/spec/enforcement.md 12.8; notary, ``trustpinning/trustpin.go``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from imagegate.core.content_trust.certificates import Certificate, CertificateBundle, InvalidCertificate, chains_to
from imagegate.core.content_trust.errors import InvalidPinning


@dataclass(frozen=True, slots=True)
class PinnedKeys:
    """Ids of root keys, as listed in root.json or canonical."""

    key_ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class PinnedAuthority:
    """A PEM bundle of CAs; a root key's certificate has to chain to one of them."""

    pem: bytes = field(repr=False)

    def anchors(self, now: datetime) -> tuple[Certificate, ...]:
        """The certificates that may be used at ``now``.

        Raises:
            InvalidPinning: the bundle cannot be read, or none of its certificates is usable.
        """
        try:
            certificates = CertificateBundle.parse(self.pem).certificates
        except InvalidCertificate as error:
            raise InvalidPinning("could not load root cert from CA path") from error
        usable = tuple(certificate for certificate in certificates if certificate.is_acceptable(now))
        if not usable:
            raise InvalidPinning("invalid CA certs provided")
        return usable

    def vouches_for(self, leaf: Certificate, intermediates: tuple[Certificate, ...], now: datetime) -> bool:
        """True if the CA has certified the leaf.

        Raises:
            InvalidPinning: the bundle is not usable.
        """
        return chains_to(leaf, intermediates, self.anchors(now), now)


Pin: TypeAlias = PinnedKeys | PinnedAuthority


@dataclass(frozen=True, slots=True)
class Pinning:
    """Settings ``cise.trust.pinning``; one pin applies to a GUN: an exact one, then the longest prefix, then a CA."""

    certs: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """A GUN, or a prefix that ends in ``*``, and the ids of root keys that are accepted for it."""
    ca: tuple[tuple[str, bytes], ...] = field(default=(), repr=False)
    """A prefix of GUNs and a PEM bundle."""
    tofu: bool = True
    """Trust the first root that is seen of a GUN without a pin."""

    def pin(self, gun: str) -> Pin | None:
        """The pin of a GUN; None: it has none."""
        key_ids = dict(self.certs).get(gun)
        if key_ids is None:
            wild = [(name[:-1], ids) for name, ids in self.certs if name.endswith("*") and gun.startswith(name[:-1])]
            key_ids = max(wild, key=lambda item: len(item[0]))[1] if wild else None
        if key_ids is not None:
            return PinnedKeys(frozenset(key_ids))
        authorities = [(prefix, pem) for prefix, pem in self.ca if gun.startswith(prefix)]
        if authorities:
            return PinnedAuthority(max(authorities, key=lambda item: len(item[0]))[1])
        return None

    def check(self, now: datetime) -> None:
        """Read every CA bundle.

        Raises:
            InvalidPinning: one is not usable.
        """
        for _, pem in self.ca:
            PinnedAuthority(pem).anchors(now)
