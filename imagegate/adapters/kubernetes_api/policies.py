"""ClusterImagePolicy and ImagePolicy objects of both groups, watched."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from imagegate.adapters.kubernetes_api.connection import Connection, JsonObject
from imagegate.adapters.kubernetes_api.watched import Watched
from imagegate.core.enforcement.policy import CLUSTER_IMAGE_POLICY, IMAGE_POLICY, PolicyGroup
from imagegate.documents.stored_policies import StoredPolicy, read_stored_policy
from imagegate.ports.policy_objects import PolicyObjects, PolicyObjectsNow

RESOURCES = {IMAGE_POLICY: "imagepolicies", CLUSTER_IMAGE_POLICY: "clusterimagepolicies"}

_log = logging.getLogger(__name__)


class ClusterPolicies:
    """``ports.policy_objects.PolicyObjects``. A group that is not installed has no objects.

    Args:
        groups: the groups that count.
        cluster_domain: replacement for ``<<CLUSTER DOMAIN>>``.
    """

    def __init__(
        self, connection: Callable[[], Connection], groups: Iterable[PolicyGroup], *, cluster_domain: str = ""
    ) -> None:
        self._changed: Callable[[], None] = lambda: None
        self.watches = tuple(
            Watched(
                connection,
                f"/apis/{group.value}/{resource}",
                partial(_read, group, kind, cluster_domain),
                changed=self._note_change,
                optional=True,
            )
            for group in groups
            for kind, resource in RESOURCES.items()
        )
        self._making = threading.Lock()
        self._made: tuple[tuple[object, ...], PolicyObjectsNow] = ((), PolicyObjectsNow())

    def listen(self, changed: Callable[[], None]) -> None:
        """Call ``changed`` after every change, in the thread of a watch. It must not wait."""
        self._changed = changed

    def now(self) -> PolicyObjectsNow:
        """See ``ports.policy_objects``. As long as one of the kinds was never listed, the objects are not known."""
        with self._making:
            stamp = self._stamp()
            if stamp != self._made[0]:
                # Objects that change while they are collected have another stamp, and are collected again.
                objects = sorted((each for watch in self.watches for each in watch.all()), key=lambda each: each.key)
                self._made = (stamp, PolicyObjectsNow(tuple(objects), self._unavailable()))
            return self._made[1]

    def broken(self) -> Iterator[str]:
        """Objects that cannot be read, a sentence for each."""
        return (each.broken for each in self.now().objects if each.broken)

    def _note_change(self) -> None:
        self._changed()

    def _stamp(self) -> tuple[object, ...]:
        """Another value after every change."""
        return (*(watch.snapshot for watch in self.watches), self._unavailable())

    def _unavailable(self) -> str:
        missing = [(watch.path, watch.state) for watch in self.watches if not watch.state.synced]
        if not missing:
            return ""
        path, state = missing[0]
        return f"the policies of the cluster are not known yet: {path}: {state.failure or 'being listed'}"


def _read(group: PolicyGroup, kind: str, cluster_domain: str, found: JsonObject) -> StoredPolicy:
    policy = read_stored_policy(found, group, kind, cluster_domain=cluster_domain)
    if policy.broken:
        _log.error("%s; images that it would decide are denied", policy.broken)
    return policy


if TYPE_CHECKING:  # mypy checks each adapter against its port
    _: type[PolicyObjects] = ClusterPolicies
