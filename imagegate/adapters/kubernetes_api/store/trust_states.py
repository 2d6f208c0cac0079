"""The trusted state of each repository, in the store that all replicas share: one object for each."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import orjson

from imagegate.adapters.kubernetes_api.connection import JsonObject
from imagegate.adapters.kubernetes_api.store.objects import KubernetesStore
from imagegate.adapters.kubernetes_api.store.stored_form import GROUP
from imagegate.ports.content_trust import ListedTrustStates, RememberedTrust, TrustStoreError
from imagegate.ports.image_store import Collection, ObjectChanged, ObjectExists, ObjectKey, ObjectMissing, StoreError

RESOURCE = "truststates"


class StoredTrustStates:
    """The ``ListedTrustStates`` port. Reads ask the API server: what another replica trusts counts."""

    def __init__(self, store: KubernetesStore) -> None:
        self._store = store

    def get(self, server: str, gun: str) -> bytes | None:
        """See ``TrustStates``."""
        found = self._found(server, gun)
        return None if found is None else _state(found, server, gun)

    def every(self) -> Iterator[RememberedTrust]:
        """See ``ListedTrustStates``."""
        try:
            found = self._store.list_objects(Collection(GROUP, RESOURCE)).items
        except StoreError as error:
            raise TrustStoreError(str(error)) from error
        by_place = {(str(each.get("server")), str(each.get("gun"))): each for each in found}
        return (RememberedTrust(*place, _state(each, *place)) for place, each in sorted(by_place.items()))

    def replace(self, server: str, gun: str, *, before: bytes | None, after: bytes) -> bool:
        """See ``TrustStates``."""
        try:
            return self._replaced(server, gun, before, after)
        except (ObjectExists, ObjectChanged, ObjectMissing):
            return False
        except StoreError as error:
            raise TrustStoreError(str(error)) from error

    def _replaced(self, server: str, gun: str, before: bytes | None, after: bytes) -> bool:
        key = _key(server, gun)
        content = {"server": server, "gun": gun, "state": base64.b64encode(after).decode()}
        found = self._found(server, gun)
        if found is None:
            if before is None:
                self._store.create(key, {"metadata": {"name": key.name}, **content})
            return before is None
        if before is None or _state(found, server, gun) != before:
            return False
        self._store.update(key, {**found, **content}, version=found["metadata"]["resourceVersion"])
        return True

    def _found(self, server: str, gun: str) -> JsonObject | None:
        try:
            return self._store.get(_key(server, gun))
        except StoreError as error:
            raise TrustStoreError(str(error)) from error


def _key(server: str, gun: str) -> ObjectKey:
    return ObjectKey(GROUP, RESOURCE, "", hashlib.sha256(orjson.dumps([server, gun])).hexdigest())


def _state(found: JsonObject, server: str, gun: str) -> bytes:
    state = found.get("state")
    if (found.get("server"), found.get("gun")) != (server, gun) or not isinstance(state, str):
        raise TrustStoreError(f"what is stored for {gun} at {server} is something else")
    try:
        return base64.b64decode(state, validate=True)
    except (binascii.Error, ValueError) as error:
        raise TrustStoreError(f"what is stored for {gun} at {server} is not base64") from error


if TYPE_CHECKING:  # mypy checks each adapter against its port
    _: type[ListedTrustStates] = StoredTrustStates
