"""The objects of a cluster, in memory; with versions, and with what goes wrong as told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from imagegate.ports.certificates import (
    CertificateObjects,
    ObjectsUnavailable,
    Overtaken,
    StoredSecret,
    Trust,
    TrustingObject,
)
from imagegate.service.certificates.keeper import Keeper, SecretNames
from imagegate.service.certificates.plan import Wishes

NAMES = ("imagegate.here.svc", "imagegate.here.svc.cluster.local")
SERVING, CA = "serving", "ca"
WISHES = Wishes(namespace="here", names=NAMES)
START = datetime(2030, 1, 1, tzinfo=UTC)


def configuration(name: str, *hosts: str, **annotations: str) -> TrustingObject:
    trusts = tuple(Trust(f"/webhooks/{index}/clientConfig/caBundle", host, b"") for index, host in enumerate(hosts))
    return TrustingObject(f"/{name}", name, "1", annotations, trusts)


class Crash(Exception):
    """The process ends in the middle."""


class Cluster:
    """``ports.certificates.CertificateObjects``, and a clock."""

    def __init__(self, *trusting: TrustingObject) -> None:
        self.now = START
        self.secrets: dict[str, StoredSecret] = {}
        self.objects = {each.path: each for each in trusting}
        self.broken: set[str] = set()
        """Names of objects that cannot be read or written."""
        self.writes: list[str] = []
        self.writes_left: int | None = None
        """The process crashes before the next write; None: it does not."""
        self._version = 0

    def clock(self) -> datetime:
        return self.now

    def passes(self, **time: float) -> None:
        self.now += timedelta(**time)

    def keeper(self, wishes: Wishes = WISHES) -> Keeper:
        return Keeper(self, SecretNames(SERVING, CA), wishes, clock=self.clock)

    def secret(self, name: str) -> StoredSecret | None:
        self._check(name)
        return self.secrets.get(name)

    def put_secret(self, name: str, secret: StoredSecret) -> StoredSecret:
        self._check(name)
        found = self.secrets.get(name)
        if secret.version != (found.version if found is not None else ""):
            raise Overtaken(f"{name} is another version")
        self._note(name)
        self.secrets[name] = replace(secret, version=self._next())
        return self.secrets[name]

    def annotate_secret(self, name: str, annotations: Mapping[str, str]) -> None:
        self._check(name)
        found = self.secrets[name]
        self.secrets[name] = replace(found, annotations={**found.annotations, **annotations}, version=self._next())

    def damage(self, name: str, **entries: bytes) -> None:
        found = self.secrets[name]
        data = {**found.data, **{key.replace("_", "."): value for key, value in entries.items()}}
        self.secrets[name] = replace(found, data=data, version=self._next())

    def trusting(self) -> list[TrustingObject]:
        for path in self.objects:
            self._check(path)
        return list(self.objects.values())

    def set_bundle(self, trusting: TrustingObject, pointers: tuple[str, ...], bundle: bytes) -> None:
        if f"write {trusting.path}" in self.broken:
            raise ObjectsUnavailable(f"the caBundle of {trusting.name} cannot be written: forbidden")
        if self.objects[trusting.path].version != trusting.version:
            raise Overtaken(trusting.name)
        self._note(trusting.name)
        trusts = tuple(replace(each, bundle=bundle) if each.pointer in pointers else each for each in trusting.trusts)
        self.objects[trusting.path] = replace(trusting, trusts=trusts, version=self._next())

    def bundles(self) -> set[bytes]:
        return {each.bundle for found in self.objects.values() for each in found.trusts}

    def _check(self, name: str) -> None:
        if name in self.broken:
            raise ObjectsUnavailable(f"{name} cannot be read")

    def _note(self, name: str) -> None:
        if self.writes_left is not None:
            if self.writes_left == 0:
                raise Crash
            self.writes_left -= 1
        self.writes.append(name)

    def _next(self) -> str:
        self._version += 1
        return str(self._version)


if TYPE_CHECKING:  # mypy checks it against its port
    _: type[CertificateObjects] = Cluster
