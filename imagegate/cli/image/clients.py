"""The two clients of ``imagegate image``: a running service over HTTP, and the store on this machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import quote

import requests

from imagegate.adapters.http.failures import chain
from imagegate.core.admission.request import User
from imagegate.core.image_api.patches import MERGE_PATCH, merge
from imagegate.core.image_api.resources import STREAM_IMPORTS, ApiResource
from imagegate.core.kube.status import Cause, Status, StatusError
from imagegate.errors import InvalidInput, Unreachable
from imagegate.service.image_api.api import Deletes, Gets, ImageApi, Lists
from imagegate.service.image_api.local import ADMINISTRATORS
from imagegate.service.image_api.request import ApiRequest, DeleteOptions, JsonObject, ListOptions
from imagegate.service.image_api.stored import StoredObjects
from imagegate.service.image_api.tags import TagObjects

Progress = Callable[[int, int, str], None]
TIMEOUT_S = (5.0, 330.0)
"""Connecting, and the whole response: an import may take five minutes."""


class ImageClient(Protocol):
    """The requests of the commands; all raise ``StatusError`` if the API refuses."""

    def get(self, resource: ApiResource, namespace: str, name: str) -> JsonObject:
        """One object."""

    def list_objects(self, resource: ApiResource, namespace: str) -> list[JsonObject]:
        """All objects of a namespace; of all namespaces if it is empty."""

    def put(self, resource: ApiResource, namespace: str, name: str, body: JsonObject) -> JsonObject:
        """Create or replace an object."""

    def patch(self, resource: ApiResource, namespace: str, name: str, body: JsonObject) -> JsonObject:
        """Merge ``body`` into an object."""

    def delete(self, resource: ApiResource, namespace: str, name: str) -> JsonObject:
        """Remove an object; returns a Status."""

    def run_import(self, namespace: str, body: JsonObject, progress: Progress) -> JsonObject:
        """Run an ImageStreamImport."""

    @property
    def warnings(self) -> list[str]:
        """Warnings of the API so far."""


class LocalClient:
    """The use cases on this machine's store, as its administrator."""

    def __init__(self, api: ImageApi) -> None:
        self._api = api
        self._warnings: list[str] = []

    @property
    def warnings(self) -> list[str]:
        """See ``ImageClient``."""
        return self._warnings

    def _call(self, namespace: str) -> ApiRequest:
        return ApiRequest(User("system:admin", "", (ADMINISTRATORS,)), namespace, warnings=self._warnings)

    def get(self, resource: ApiResource, namespace: str, name: str) -> JsonObject:
        """See ``ImageClient``."""
        endpoint = self._api.endpoints[resource]
        assert isinstance(endpoint, Gets)  # noqa: S101 - every resource of the commands
        return endpoint.get(self._call(namespace), name)

    def list_objects(self, resource: ApiResource, namespace: str) -> list[JsonObject]:
        """See ``ImageClient``."""
        endpoint = self._api.endpoints[resource]
        assert isinstance(endpoint, Lists)  # noqa: S101
        items: list[JsonObject] = endpoint.list_objects(self._call(namespace), ListOptions())["items"]
        return items

    def put(self, resource: ApiResource, namespace: str, name: str, body: JsonObject) -> JsonObject:
        """See ``ImageClient``."""
        return self._update(resource, namespace, name, lambda _: body, is_patch=False)

    def patch(self, resource: ApiResource, namespace: str, name: str, body: JsonObject) -> JsonObject:
        """See ``ImageClient``."""
        return self._update(resource, namespace, name, lambda found: merge(found, body), is_patch=True)

    def _update(
        self,
        resource: ApiResource,
        namespace: str,
        name: str,
        change: Callable[[JsonObject], JsonObject],
        *,
        is_patch: bool,
    ) -> JsonObject:
        endpoint = self._api.endpoints[resource]
        if isinstance(endpoint, TagObjects):
            return endpoint.update(self._call(namespace), name, change, is_patch=is_patch).object
        assert isinstance(endpoint, StoredObjects)  # noqa: S101
        return endpoint.update(self._call(namespace), name, change, is_patch=is_patch)

    def delete(self, resource: ApiResource, namespace: str, name: str) -> JsonObject:
        """See ``ImageClient``."""
        endpoint = self._api.endpoints[resource]
        assert isinstance(endpoint, Deletes)  # noqa: S101
        return endpoint.delete(self._call(namespace), name, DeleteOptions())

    def run_import(self, namespace: str, body: JsonObject, progress: Progress) -> JsonObject:
        """See ``ImageClient``."""
        return self._api.imports.create(self._call(namespace), body, progress)


class RemoteClient:
    """A running service, or any API server with image.openshift.io.

    Args:
        server: its URL.
        token: a bearer token, where one is needed.
    """

    def __init__(self, server: str, *, token: str = "") -> None:
        if not server.startswith(("http://", "https://")):
            raise InvalidInput(f"--server: expected a URL (http://127.0.0.1:8080), got {server!r}")
        self._server = server.rstrip("/")
        self._session = requests.Session()
        self._session.headers["Accept"] = "application/json"
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"
        self._warnings: list[str] = []

    @property
    def warnings(self) -> list[str]:
        """See ``ImageClient``."""
        return self._warnings

    def get(self, resource: ApiResource, namespace: str, name: str) -> JsonObject:
        """See ``ImageClient``."""
        return self._ask("GET", resource, namespace, name)

    def list_objects(self, resource: ApiResource, namespace: str) -> list[JsonObject]:
        """See ``ImageClient``."""
        items: list[JsonObject] = self._ask("GET", resource, namespace, "")["items"]
        kind = {"kind": resource.kind, "apiVersion": resource.api_version}
        return [{**kind, **item} for item in items]

    def put(self, resource: ApiResource, namespace: str, name: str, body: JsonObject) -> JsonObject:
        """See ``ImageClient``."""
        return self._ask("PUT", resource, namespace, name, body)

    def patch(self, resource: ApiResource, namespace: str, name: str, body: JsonObject) -> JsonObject:
        """See ``ImageClient``."""
        return self._ask("PATCH", resource, namespace, name, body, content_type=MERGE_PATCH)

    def delete(self, resource: ApiResource, namespace: str, name: str) -> JsonObject:
        """See ``ImageClient``."""
        return self._ask("DELETE", resource, namespace, name)

    def run_import(self, namespace: str, body: JsonObject, progress: Progress) -> JsonObject:  # noqa: ARG002
        """See ``ImageClient``. The service does not report progress."""
        return self._ask("POST", STREAM_IMPORTS, namespace, "", body)

    def _ask(
        self,
        method: str,
        resource: ApiResource,
        namespace: str,
        name: str,
        body: JsonObject | None = None,
        *,
        content_type: str = "application/json",
    ) -> JsonObject:
        place = f"/namespaces/{quote(namespace, safe='')}" if resource.namespaced and namespace else ""
        last = f"/{quote(name, safe=':@')}" if name else ""
        url = f"{self._server}/apis/{resource.api_version}{place}/{resource.name}{last}"
        headers = {"Content-Type": content_type} if body is not None else {}
        try:
            answer = self._session.request(method, url, json=body, headers=headers, timeout=TIMEOUT_S)
            found = answer.json()
        except requests.exceptions.JSONDecodeError as error:
            raise Unreachable(f"{self._server}: the response is not JSON; is it an API server?") from error
        except requests.RequestException as error:
            *_, cause = chain(error)
            raise Unreachable(f"{self._server}: cannot be reached: {cause}; is imagegate serving there?") from error
        warning = answer.headers.get("Warning", "")
        if warning:
            self._warnings.append(warning.partition('"')[2].rstrip('"'))
        if not isinstance(found, dict):
            raise Unreachable(f"{self._server}: the response is not a JSON object; is it an API server?")
        if answer.status_code >= 400:
            raise StatusError(_status(answer.status_code, found))
        return found


def _status(code: int, found: dict[str, Any]) -> Status:
    details = found.get("details") or {}
    return Status(
        code=code,
        reason=str(found.get("reason") or ""),
        message=str(found.get("message") or f"HTTP status {code}"),
        kind=str(details.get("kind") or ""),
        name=str(details.get("name") or ""),
        causes=tuple(
            Cause(str(cause.get("reason")), str(cause.get("message")), str(cause.get("field")))
            for cause in details.get("causes") or ()
        ),
    )
