"""Objects of any kind, by their API version and kind: applied, looked for, deleted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from imagegate.adapters.kubernetes_api.connection import ApiError, Connection, JsonObject, api_root

DEADLINE_S = 30.0


class UnknownKind(ApiError):
    """The API server does not serve a kind."""


class _Served(NamedTuple):
    plural: str
    namespaced: bool


class Objects:
    """Objects of one cluster. Which kinds there are is asked once for each API version.

    Args:
        connection: to its API server.
        manager: owner of the fields that are applied.
    """

    def __init__(self, connection: Connection, manager: str) -> None:
        self._connection = connection
        self._manager = manager
        self._served: dict[str, Mapping[str, _Served]] = {}

    def apply(self, document: Mapping[str, Any], *, dry_run: bool = False) -> JsonObject:
        """The object as it is stored after a server-side apply; fields of other managers are taken over.

        Raises:
            ApiError: it was refused; ``UnknownKind``: its kind is not served.
        """
        path = self._path(document)
        body = dict(document)
        return self._connection.apply(path, body, manager=self._manager, dry_run=dry_run, deadline_s=DEADLINE_S)

    def find(self, document: Mapping[str, Any]) -> JsonObject | None:
        """The stored object with the kind, namespace and name of ``document``; None if there is none.

        Raises:
            ApiError: it could not be asked for.
        """
        try:
            return self._connection.get(self._path(document), deadline_s=DEADLINE_S)
        except UnknownKind:
            return None
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def delete(self, document: Mapping[str, Any], *, dry_run: bool = False) -> bool:
        """Delete the object; False if there is none.

        Raises:
            ApiError: it could not be deleted.
        """
        try:
            self._connection.delete(self._path(document), deadline_s=DEADLINE_S, dry_run=dry_run)
        except UnknownKind:
            return False
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        return True

    def labelled(self, api_version: str, kind: str, selector: str) -> list[JsonObject]:
        """All objects of a kind with these labels, in all namespaces; none if the kind is not served.

        Raises:
            ApiError: they could not be listed.
        """
        served = self._kinds(api_version).get(kind)
        if served is None:
            return []
        path = f"{api_root(api_version)}/{served.plural}"
        found = self._connection.get(path, deadline_s=DEADLINE_S, query={"labelSelector": selector})
        return [{"apiVersion": api_version, "kind": kind, **each} for each in found.get("items") or ()]

    def forget_kinds(self) -> None:
        """Ask again which kinds there are: custom resource definitions were applied."""
        self._served.clear()

    def _path(self, document: Mapping[str, Any]) -> str:
        api_version, kind, metadata = document["apiVersion"], document["kind"], document["metadata"]
        served = self._kinds(api_version).get(kind)
        if served is None:
            raise UnknownKind(f"the API server does not serve {kind} of {api_version}", status=404)
        namespace = f"/namespaces/{quote(metadata['namespace'], safe='')}" if served.namespaced else ""
        return f"{api_root(api_version)}{namespace}/{served.plural}/{quote(metadata['name'], safe='')}"

    def _kinds(self, api_version: str) -> Mapping[str, _Served]:
        known = self._served.get(api_version)
        if known is None:
            try:
                found = self._connection.get(api_root(api_version), deadline_s=DEADLINE_S)
            except ApiError as error:
                if error.status != 404:
                    raise
                return {}
            known = self._served[api_version] = {
                each["kind"]: _Served(each["name"], bool(each["namespaced"]))
                for each in found.get("resources") or ()
                if "/" not in each["name"]
            }
        return known
