"""``scale``: the replicas of a workload as an object of its own.

Source: kubernetes, ``pkg/registry/apps/deployment/storage/storage.go``. As there, admission does not review the
workload again: a cluster's webhooks for workloads are not called for their scale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from imagegate.core.image_api.resources import SCALE, ApiResource
from imagegate.core.image_api.table_cells import labels_text, selector_text
from imagegate.core.kube.field_errors import invalid as invalid_field
from imagegate.core.kube.status import StatusError, conflict, invalid
from imagegate.ports.image_store import ImageStore
from imagegate.service.image_api.bodies import checked_body
from imagegate.service.image_api.cluster import WorkloadRules
from imagegate.service.image_api.request import ApiRequest, Change, JsonObject
from imagegate.service.image_api.stored import StoredObjects

_METADATA = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


class Scales:
    """The scale of the workloads of some resources.

    Args:
        store: has the workloads.
        resources: have a scale.
        now: the clock.
    """

    def __init__(self, store: ImageStore, resources: Iterable[ApiResource], now: Callable[[], str]) -> None:
        self._workloads = {
            each: StoredObjects(store, each, WorkloadRules(each, _unreviewed), now=now, subresource="scale")
            for each in resources
        }

    def get(self, request: ApiRequest, resource: ApiResource, name: str) -> JsonObject:
        """The scale of a workload.

        Raises:
            StatusError: 404.
        """
        return _scale_of(self._workloads[resource].get(request, name))

    def update(self, request: ApiRequest, resource: ApiResource, name: str, change: Change) -> JsonObject:
        """Change the replicas of a workload; returns its scale.

        Raises:
            StatusError: 400 or 422, it is no scale; 404; 409, the workload has another version or uid.
        """

        def scaled(found: JsonObject) -> JsonObject:
            scale = checked_body(SCALE, request, change(_scale_of(found)), name)
            _check(resource, scale, found)
            metadata = {**found["metadata"], "resourceVersion": scale["metadata"].get("resourceVersion") or ""}
            return {**found, "metadata": metadata, "spec": {**found["spec"], "replicas": _replicas(scale)}}

        return _scale_of(self._workloads[resource].update(request, name, scaled, is_patch=True))


def _unreviewed(
    request: ApiRequest,  # noqa: ARG001
    operation: str,  # noqa: ARG001
    resource: ApiResource,  # noqa: ARG001
    new: JsonObject,
    old: JsonObject | None,  # noqa: ARG001
) -> JsonObject:
    return new


def _replicas(found: JsonObject) -> int:
    return int((found.get("spec") or {}).get("replicas") or 0)


def _check(resource: ApiResource, scale: JsonObject, found: JsonObject) -> None:
    """Check the new scale of a workload.

    Raises:
        StatusError: 409 or 422.
    """
    replicas, name = _replicas(scale), found["metadata"]["name"]
    if replicas < 0:
        errors = [invalid_field("spec.replicas", replicas, "must be greater than or equal to 0")]
        raise StatusError(invalid(SCALE.kind, name, errors, group=SCALE.group))
    uid, own = scale["metadata"].get("uid"), found["metadata"].get("uid")
    if uid and uid != own:
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {own}"
        raise StatusError(conflict(f"{resource.name}/scale", name, why, group=resource.group))


def _scale_of(found: JsonObject) -> JsonObject:
    """The scale of a workload."""
    selector = (found.get("spec") or {}).get("selector") or {}
    is_of_labels = "matchLabels" in selector or "matchExpressions" in selector
    text = selector_text(selector) if is_of_labels else labels_text(selector)
    replicas = _replicas(found)
    status = {"replicas": (found.get("status") or {}).get("replicas") or 0}
    return {
        "kind": SCALE.kind,
        "apiVersion": SCALE.api_version,
        "metadata": {name: found["metadata"][name] for name in _METADATA if name in found["metadata"]},
        "spec": {"replicas": replicas} if replicas else {},
        "status": {**status, "selector": text} if selector else status,
    }
