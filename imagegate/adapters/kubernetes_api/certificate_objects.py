"""Secrets with certificates, webhook configurations and APIServices, through the API server."""

from __future__ import annotations

import base64
import binascii
import contextlib
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from imagegate.adapters.kubernetes_api.connection import ApiError, Connection, InvalidAccess, JsonObject
from imagegate.adapters.kubernetes_api.own_account import owner_references
from imagegate.ports.certificates import (
    CertificateObjects,
    ObjectsUnavailable,
    Overtaken,
    StoredSecret,
    Trust,
    TrustingObject,
)

DEADLINE_S = 10.0
_CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1"
_API_SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
_KINDS = {
    "mutatingwebhookconfigurations": "MutatingWebhookConfiguration",
    "validatingwebhookconfigurations": "ValidatingWebhookConfiguration",
}
_NOT_FOUND, _CONFLICT = 404, 409
_LABELS = {"app.kubernetes.io/name": "imagegate", "app.kubernetes.io/managed-by": "imagegate"}


class ClusterCertificateObjects:
    """``ports.certificates.CertificateObjects``.

    Args:
        namespace: of the Secrets.
        webhook_configurations: names, each looked up in both kinds.
        api_services: names.
    """

    def __init__(
        self,
        connection: Callable[[], Connection],
        namespace: str,
        webhook_configurations: tuple[str, ...] = (),
        api_services: tuple[str, ...] = (),
    ) -> None:
        self._connection = connection
        self._namespace = namespace
        self._secrets = f"/api/v1/namespaces/{_quoted(namespace)}/secrets"
        self._paths = {
            f"{_CONFIGURATIONS}/{plural}/{_quoted(name)}": f"{kind} {name}"
            for plural, kind in _KINDS.items()
            for name in webhook_configurations
        } | {f"{_API_SERVICES}/{_quoted(name)}": f"APIService {name}" for name in api_services}

    def secret(self, name: str) -> StoredSecret | None:
        """See ``ports.certificates.CertificateObjects``."""
        found = self._found(f"{self._secrets}/{_quoted(name)}", f"Secret {self._namespace}/{name}")
        return None if found is None else _secret(found)

    def put_secret(self, name: str, secret: StoredSecret) -> StoredSecret:
        """See ``ports.certificates.CertificateObjects``."""
        data = {key: base64.b64encode(value).decode() for key, value in secret.data.items()}
        annotations = dict(secret.annotations)
        with _told(f"Secret {self._namespace}/{name} cannot be written"):
            if not secret.version:
                metadata: JsonObject = {"name": name, "namespace": self._namespace, "labels": _LABELS}
                metadata["annotations"] = annotations
                metadata["ownerReferences"] = owner_references(self._connection(), self._namespace)
                kind = {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls"}
                body = {**kind, "metadata": metadata, "data": data}
                return _secret(self._connection().post(self._secrets, body, deadline_s=DEADLINE_S))
            changes = _changes(secret.version, {"/data": data, "/metadata/annotations": annotations})
            path = f"{self._secrets}/{_quoted(name)}"
            return _secret(self._connection().patch(path, changes, deadline_s=DEADLINE_S))

    def annotate_secret(self, name: str, annotations: Mapping[str, str]) -> None:
        """See ``ports.certificates.CertificateObjects``."""
        body = {"metadata": {"annotations": dict(annotations)}}
        with _told(f"Secret {self._namespace}/{name} cannot be annotated"):
            self._connection().patch(f"{self._secrets}/{_quoted(name)}", body, deadline_s=DEADLINE_S)

    def trusting(self) -> list[TrustingObject]:
        """See ``ports.certificates.CertificateObjects``."""
        found = ((path, name, self._found(path, name)) for path, name in self._paths.items())
        return [_trusting(path, name, each) for path, name, each in found if each is not None]

    def set_bundle(self, trusting: TrustingObject, pointers: tuple[str, ...], bundle: bytes) -> None:
        """See ``ports.certificates.CertificateObjects``."""
        encoded = base64.b64encode(bundle).decode()
        changes = _changes(trusting.version, dict.fromkeys(pointers, encoded))
        with _told(f"the caBundle of {trusting.name} cannot be written"):
            self._connection().patch(trusting.path, changes, deadline_s=DEADLINE_S)

    def _found(self, path: str, what: str) -> JsonObject | None:
        with _told(f"{what} cannot be read"):
            try:
                return self._connection().get(path, deadline_s=DEADLINE_S)
            except ApiError as error:
                if error.status != _NOT_FOUND:
                    raise
        return None


def _changes(version: str, values: Mapping[str, object]) -> list[JsonObject]:
    """A JSON Patch of one version: of another one the API server says 409, and what is not named stays as it is."""
    changes: list[JsonObject] = [{"op": "replace", "path": "/metadata/resourceVersion", "value": version}]
    changes += [{"op": "add", "path": pointer, "value": value} for pointer, value in values.items()]  # or replace
    return changes


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    """Turn errors of the API into those of the port."""
    try:
        yield
    except ApiError as error:
        kind = Overtaken if error.status == _CONFLICT else ObjectsUnavailable
        raise kind(f"{what}: {error}") from error
    except InvalidAccess as error:
        raise ObjectsUnavailable(f"{what}: {error}") from error


def _secret(found: JsonObject) -> StoredSecret:
    metadata = _mapping(found.get("metadata"))
    data = {}
    for key, value in _mapping(found.get("data")).items():
        with contextlib.suppress(binascii.Error, ValueError, TypeError):
            data[key] = base64.b64decode(value, validate=True)
    return StoredSecret(data, _annotations(metadata), str(metadata.get("resourceVersion") or ""))


def _trusting(path: str, name: str, found: JsonObject) -> TrustingObject:
    metadata = _mapping(found.get("metadata"))
    if path.startswith(_API_SERVICES):
        spec = _mapping(found.get("spec"))
        places = [("/spec/caBundle", spec)]
    else:
        listed = found.get("webhooks")
        clients = [_mapping(_mapping(each).get("clientConfig")) for each in listed] if isinstance(listed, list) else []
        places = [(f"/webhooks/{index}/clientConfig/caBundle", each) for index, each in enumerate(clients)]
    trusts = tuple(Trust(pointer, _host(each), _bundle(each)) for pointer, each in places)
    return TrustingObject(path, name, str(metadata.get("resourceVersion") or ""), _annotations(metadata), trusts)


def _host(client: Mapping[str, Any]) -> str:
    service = _mapping(client.get("service"))
    if service:
        return f"{service.get('name')}.{service.get('namespace')}.svc"
    url = client.get("url")
    try:
        return urllib.parse.urlsplit(url).hostname or "" if isinstance(url, str) else ""
    except ValueError:
        return ""


def _bundle(client: Mapping[str, Any]) -> bytes:
    try:
        return base64.b64decode(client.get("caBundle") or "")
    except (binascii.Error, ValueError, TypeError):
        return b""


def _annotations(metadata: Mapping[str, Any]) -> dict[str, str]:
    found = _mapping(metadata.get("annotations"))
    return {key: value for key, value in found.items() if isinstance(value, str)}


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _quoted(name: str) -> str:
    return urllib.parse.quote(name, safe="")


if TYPE_CHECKING:  # mypy checks each adapter against its port
    _: type[CertificateObjects] = ClusterCertificateObjects
