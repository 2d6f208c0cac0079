"""Moves the objects of one store into another: what is missing is copied, and everything is compared afterwards.

Uids and times stay; versions are the new store's. Nothing is deleted. Streams come last, so that a copy which ends in
the middle has no stream that names a missing Image; the next one goes on where it ended.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import orjson

from imagegate.core.image_api.resources import NAMESPACES, STREAMS
from imagegate.errors import ImagegateError
from imagegate.ports.content_trust import ListedTrustStates, RememberedTrust
from imagegate.ports.image_store import Collection, ImageStore, ObjectKey
from imagegate.service.image_api.request import JsonObject

AT_ONCE = 50
AGAIN = "stop imagegate and run it again"
Kind = tuple[str, str]
Place = tuple[str, str]
_FIRST, _LAST = (NAMESPACES.group, NAMESPACES.name), (STREAMS.group, STREAMS.name)


class MigrationIncomplete(ImagegateError):
    """The stores differ after the copy. ``str()`` says where."""


@dataclass(slots=True)
class KindPlan:
    """The steps for the objects of one resource."""

    kind: Kind
    missing: list[Place] = field(default_factory=list)
    """Namespace and name of objects to copy."""
    different: list[Place] = field(default_factory=list)
    """Objects that are other ones in the target, where somebody may have changed them since."""
    same: int = 0
    others: int = 0
    """Objects of the target that the source does not have."""

    @property
    def name(self) -> str:
        """``RESOURCE`` or ``RESOURCE.GROUP``."""
        group, resource = self.kind
        return f"{resource}.{group}" if group else resource


@dataclass(slots=True)
class Plan:
    """The steps of a migration."""

    kinds: list[KindPlan]
    trust_missing: list[RememberedTrust]
    trust_different: list[RememberedTrust]
    trust_same: int

    @property
    def differs(self) -> bool:
        """True if something in the target would be overwritten."""
        return bool(self.trust_different) or any(each.different for each in self.kinds)


class Migration:
    """From one store to another; nobody else should write to either meanwhile.

    Every method raises ``StoreError`` or ``TrustStoreError`` if a store cannot serve.

    Args:
        source, target: the stores; without a target, everything is missing there.
        source_trust, target_trust: what was trusted, in each.
        writers: number of objects that are written at a time.
    """

    def __init__(
        self,
        source: ImageStore,
        source_trust: ListedTrustStates,
        target: ImageStore | None,
        target_trust: ListedTrustStates | None,
        *,
        writers: int = 1,
    ) -> None:
        self._source = source
        self._source_trust = source_trust
        self._target = target
        self._target_trust = target_trust
        self._writers = writers

    def plan(self) -> Plan:
        """Compare the stores."""
        kinds = [self._compared(kind) for kind in _in_order(self._source.kinds())]
        there = {each[:2]: each for each in self._target_trust.every()} if self._target_trust is not None else {}
        plan = Plan(kinds, [], [], 0)
        for each in self._source_trust.every():
            found = there.get(each[:2])
            if found is None:
                plan.trust_missing.append(each)
            elif found != each:
                plan.trust_different.append(each)
            else:
                plan.trust_same += 1
        return plan

    def run(self, plan: Plan) -> None:
        """Copy what is missing, overwrite what is different, and compare everything.

        Raises:
            MigrationIncomplete: an object was changed meanwhile, or the stores differ afterwards.
        """
        target, target_trust = self._target, self._target_trust
        if target is None or target_trust is None:
            raise ValueError("there is no target")
        for each in plan.kinds:
            self._copy(each, target)
        for state in (*plan.trust_missing, *plan.trust_different):
            before = target_trust.get(state.server, state.gun)
            if not target_trust.replace(state.server, state.gun, before=before, after=state.state):
                raise MigrationIncomplete(f"trust data of {state.gun} is being changed; {AGAIN}")
        self._check()

    def _compared(self, kind: Kind) -> KindPlan:
        plan = KindPlan(kind)
        there = {} if self._target is None else dict(_digests(self._target, kind))
        for place, digest in _digests(self._source, kind):
            found = there.pop(place, None)
            if found is None:
                plan.missing.append(place)
            elif found == digest:
                plan.same += 1
            else:
                plan.different.append(place)
        plan.others = len(there)
        return plan

    def _copy(self, plan: KindPlan, target: ImageStore) -> None:
        def create(places: list[Place]) -> None:
            target.create_missing((_key(plan.kind, place), self._read(plan.kind, place)) for place in places)

        chunks = [plan.missing[first : first + AT_ONCE] for first in range(0, len(plan.missing), AT_ONCE)]
        with ThreadPoolExecutor(self._writers) as pool:
            for _ in pool.map(create, chunks):
                pass
        for place in plan.different:
            key = _key(plan.kind, place)
            found = target.get(key)
            if found is None:
                raise MigrationIncomplete(f"{plan.name} {key.name} was deleted meanwhile; {AGAIN}")
            target.update(key, self._read(plan.kind, place), version=found["metadata"]["resourceVersion"])

    def _read(self, kind: Kind, place: Place) -> JsonObject:
        found = self._source.get(_key(kind, place))
        if found is None:
            raise MigrationIncomplete(f"{kind[1]} {place[1]} was deleted meanwhile; {AGAIN}")
        return found

    def _check(self) -> None:
        after = self.plan()
        missing = [(each.name, *place) for each in after.kinds for place in (*each.missing, *each.different)]
        missing += [("trust data", "", each.gun) for each in (*after.trust_missing, *after.trust_different)]
        if missing:
            name, namespace, of = missing[0]
            where = f" of namespace {namespace}" if namespace else ""
            raise MigrationIncomplete(
                f"{len(missing)} objects differ after the copy, the first is {name} {of}{where}: somebody writes to "
                f"one of the stores; {AGAIN}"
            )


def _in_order(kinds: list[Kind]) -> list[Kind]:
    """Namespaces before what is in them, streams after the Images that they name."""
    return sorted(kinds, key=lambda kind: (kind == _LAST, kind != _FIRST, kind))


def _key(kind: Kind, place: Place) -> ObjectKey:
    return ObjectKey(*kind, *place)


def _digests(store: ImageStore, kind: Kind) -> Iterator[tuple[Place, bytes]]:
    """Namespace and name of every object of a kind, and a digest of the object without its version."""
    after: Place | None = None
    while True:
        page = store.list_objects(Collection(*kind), limit=AT_ONCE, after=after)
        for found in page.items:
            metadata = {name: value for name, value in found["metadata"].items() if name != "resourceVersion"}
            text = orjson.dumps({**found, "metadata": metadata}, option=orjson.OPT_SORT_KEYS)
            yield (metadata.get("namespace") or "", metadata["name"]), hashlib.sha256(text).digest()
        after = page.after
        if after is None:
            return
