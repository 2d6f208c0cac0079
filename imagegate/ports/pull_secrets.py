"""Pull secrets of namespaces."""

from __future__ import annotations

from typing import Protocol

from imagegate.core.admission.lookup import Lookup
from imagegate.core.registry.pull_secrets import PullSecret


class NamespacePullSecrets(Protocol):
    """The pull secrets of a namespace. Safe for threads; nothing raises for errors outside."""

    def pull_secrets(self, namespace: str, *, deadline_s: float) -> Lookup[tuple[PullSecret, ...]]:
        """All pull secrets of ``namespace`` that imports may use, by name; perhaps none.

        Secrets that cannot be read are left out, as are those annotated ``openshift.io/image.excludeSecret: "true"``.
        """
