"""The cluster in which the image API's objects live: its namespaces, and the Secrets that imports pull with."""

from __future__ import annotations

from typing import Any, Protocol

from imagegate.core.admission.lookup import Lookup


class HostCluster(Protocol):
    """Safe for threads; never raises for errors outside. ``deadline_s`` is a number of seconds from now."""

    def namespace(self, name: str, *, deadline_s: float) -> Lookup[dict[str, Any]]:
        """The core/v1 Namespace with at least its metadata. ``Absent`` only if there certainly is none."""

    def secrets(
        self, namespace: str, types: tuple[str, ...], *, deadline_s: float
    ) -> Lookup[tuple[dict[str, Any], ...]]:
        """All Secrets of these types in the namespace, by name; perhaps none. ``Unknown`` if some are missing."""

    def limit_ranges(self, namespace: str, *, deadline_s: float) -> Lookup[tuple[dict[str, Any], ...]]:
        """The LimitRanges of a namespace."""
