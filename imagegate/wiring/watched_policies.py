"""Policies of files together with the policy objects of a cluster, as they change."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from imagegate.service.policies.policy_set import PolicySet
from imagegate.wiring.plugins import with_objects

if TYPE_CHECKING:
    from imagegate.documents.image_policies import LoadedPolicies
    from imagegate.ports.policy_objects import PolicyObjects, PolicyObjectsNow

WARNINGS_MAX = 20
"""About objects of the cluster, at a time: whoever may write objects chooses their number."""


class Renewal:
    """``PolicySet.renewal`` for one reading of the files.

    The documents are not read again, and what was made of entries that have not changed is used on. Objects of an API
    are always whole, so that a weaker policy does not wait as changed files do.
    """

    def __init__(self, files: LoadedPolicies, cluster: PolicyObjects) -> None:
        self._files = files
        self._cluster = cluster
        self._plain = PolicySet()

    def first(self, found: PolicySet) -> PolicySet:
        """Policies of files that were just read, with the objects of the cluster."""
        self._plain = found
        return self(replace(found, renewal=self))

    def __call__(self, before: PolicySet) -> PolicySet:
        """See ``PolicySet.renewal``."""
        objects = self._cluster.now()
        if objects is before.objects:
            return before
        return replace(
            before,
            plugins=with_objects(before.plugins, self._files, objects),
            version=_version(self._plain.version, objects),
            warnings=(*self._plain.warnings, *self._warnings(objects)),
            objects=objects,
        )

    def _warnings(self, objects: PolicyObjectsNow) -> Iterator[str]:
        written = {(key[0].value, *key[1:]) for key in self._files.objects}
        found = [
            *(each.broken for each in objects.objects if each.broken),
            *(
                f"{_label(each.key)} of the cluster is not in force: a file holds it, too"
                for each in objects.objects
                if each.key in written
            ),
            *(warning for each in objects.objects for warning in each.warnings),
        ]
        yield from found[:WARNINGS_MAX]
        if len(found) > WARNINGS_MAX:
            yield f"{len(found) - WARNINGS_MAX} more warnings about policies of the cluster"


def _label(key: tuple[str, str, str, str]) -> str:
    group, kind, namespace, name = key
    return f"{kind} {namespace}/{name} ({group})" if namespace else f"{kind} {name} ({group})"


def _version(files: str, objects: PolicyObjectsNow) -> str:
    """SHA-256 over the files and all objects; the same in every replica that has the same ones."""
    digest = hashlib.sha256(files.encode())
    digest.update((objects.unavailable and b"unavailable") or b"")
    for each in objects.objects:
        digest.update(each.sha256)
    return digest.hexdigest()
