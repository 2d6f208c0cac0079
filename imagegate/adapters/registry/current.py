"""A registry client that is replaced while others use it, for instance because what it trusts has changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from imagegate.core.admission.lookup import Lookup
from imagegate.core.kube.printable import printable
from imagegate.core.references.openshift import ImageReference
from imagegate.core.registry.manifest import Manifest
from imagegate.errors import EvidenceError
from imagegate.ports.registry import ANONYMOUS, Registry, RegistryAccess, RegistryErrorKind, RegistryUnknown

T = TypeVar("T")


class CurrentRegistry:
    """The ``Registry`` port, served by the client that is current at the time of the call.

    Args:
        current: returns that client; raises ``EvidenceError`` while there is none, which becomes ``RegistryUnknown``.
    """

    def __init__(self, current: Callable[[], Registry]) -> None:
        self._current = current

    def manifest(
        self, image: ImageReference, *, access: RegistryAccess = ANONYMOUS, deadline_s: float
    ) -> Lookup[Manifest]:
        """See ``ports.registry``."""
        return self._ask(lambda client: client.manifest(image, access=access, deadline_s=deadline_s))

    def config(
        self, image: ImageReference, manifest: Manifest, *, access: RegistryAccess = ANONYMOUS, deadline_s: float
    ) -> Lookup[bytes]:
        """See ``ports.registry``."""
        return self._ask(lambda client: client.config(image, manifest, access=access, deadline_s=deadline_s))

    def tags(
        self, repository: ImageReference, *, access: RegistryAccess = ANONYMOUS, deadline_s: float
    ) -> Lookup[tuple[str, ...]]:
        """See ``ports.registry``."""
        return self._ask(lambda client: client.tags(repository, access=access, deadline_s=deadline_s))

    def signatures(
        self, image: ImageReference, digest: str, *, access: RegistryAccess = ANONYMOUS, deadline_s: float
    ) -> Lookup[tuple[bytes, ...]]:
        """See ``ports.registry``."""
        return self._ask(lambda client: client.signatures(image, digest, access=access, deadline_s=deadline_s))

    def _ask(self, question: Callable[[Registry], Lookup[T]]) -> Lookup[T]:
        try:
            client = self._current()
        except EvidenceError as error:
            return RegistryUnknown(printable(str(error)), retryable=True, error_kind=RegistryErrorKind.UNREACHABLE)
        return question(client)


if TYPE_CHECKING:  # mypy checks each adapter against its port
    _: type[Registry] = CurrentRegistry
