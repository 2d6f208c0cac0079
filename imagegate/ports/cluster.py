"""Look-ups in a cluster besides images: Secrets, service accounts, owners of objects.

Values are plain JSON objects as the API gives them, to be treated as read-only. Safe for threads; nothing raises
for errors outside. ``deadline_s`` is a number of seconds from now. ``Absent.why`` is the API's 404 text.
"""

from __future__ import annotations

from typing import Any, Protocol

from imagegate.core.admission.lookup import Lookup
from imagegate.core.admission.owners import Owner
from imagegate.core.enforcement.questions import Secret, ServiceAccount


class Secrets(Protocol):
    """Pull secrets, keys and store credentials."""

    def secret(self, question: Secret, *, deadline_s: float) -> Lookup[dict[str, Any]]:
        """The core/v1 Secret, with ``data`` in base64 (or ``stringData``, which only files have)."""


class ServiceAccounts(Protocol):
    """Service accounts, for their pull secrets."""

    def service_account(self, question: ServiceAccount, *, deadline_s: float) -> Lookup[dict[str, Any]]:
        """The core/v1 ServiceAccount."""


class Owners(Protocol):
    """Objects that other objects name as their owner."""

    def owner(self, question: Owner, *, deadline_s: float) -> Lookup[dict[str, Any]]:
        """The object with exactly that API version, kind, namespace and name, with ``apiVersion`` and ``kind``."""
