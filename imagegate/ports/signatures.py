"""Stores of simple-signing signatures, and the verification of their OpenPGP part."""

from __future__ import annotations

from typing import Protocol

from imagegate.core.admission.lookup import Lookup
from imagegate.core.signing.key_ring import KeyRing
from imagegate.core.signing.requirements import LookasideStore, Verification


class SignatureStore(Protocol):
    """A lookaside store. Safe for threads. Never raises for errors outside: they are ``Unknown``."""

    def signature(
        self, store: LookasideStore, repository_path: str, digest: str, number: int, *, deadline_s: float
    ) -> Lookup[bytes]:
        """The blob ``signature-NUMBER`` of a manifest, unverified; ``Absent``: there are only the ones before.

        Args:
            repository_path: without the registry's host (``library/busybox``).
            digest: of the manifest, ``sha256:`` and hex.
            number: from 1.
        """


class MessageVerifier(Protocol):
    """Verifies OpenPGP signed messages in process. Uses nothing from outside but the time."""

    def check(self, ring: KeyRing) -> None:
        """Raise unless the ring holds a key that could have signed something.

        Raises:
            InvalidKeyRing: it does not; with the original's message.
        """

    def verify(self, blob: bytes, ring: KeyRing) -> Verification:
        """One signature blob against one ring. Never raises for what a blob holds.

        Raises:
            InvalidKeyRing: as ``check``.
        """
