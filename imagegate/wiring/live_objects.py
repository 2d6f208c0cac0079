"""The objects of a cluster that run images, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from imagegate.adapters.kubernetes_api.connection import ApiError, Connection, Credentials
from imagegate.adapters.kubernetes_api.listing import list_all, resource_is_absent, text_of
from imagegate.errors import InvalidInput
from imagegate.settings.load import Settings

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind that runs images, or makes objects that do."""

    api_version: str
    kind: str
    resource: str

    def path(self, namespace: str) -> str:
        """The path of its objects, in one namespace or in all (empty)."""
        base = f"/api/{self.api_version}" if "/" not in self.api_version else f"/apis/{self.api_version}"
        within = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
        return f"{base}{within}/{self.resource}"


PODS = Kind("v1", "Pod", "pods")
KINDS = (
    PODS,
    Kind("v1", "ReplicationController", "replicationcontrollers"),
    Kind("apps/v1", "Deployment", "deployments"),
    Kind("apps/v1", "StatefulSet", "statefulsets"),
    Kind("apps/v1", "DaemonSet", "daemonsets"),
    Kind("apps/v1", "ReplicaSet", "replicasets"),
    Kind("batch/v1", "Job", "jobs"),
    Kind("batch/v1", "CronJob", "cronjobs"),
)
OPTIONAL_KINDS = (Kind("apps.openshift.io/v1", "DeploymentConfig", "deploymentconfigs"),)
"""Of OpenShift alone."""
_ENDED = ("Succeeded", "Failed")


def each_live_object(settings: Settings, namespaces: Sequence[str], take: Callable[[Document], None]) -> None:
    """Hand every object that runs images, or may, to ``take``; none is kept in memory.

    Left out: Pods and Jobs that have ended, and ReplicaSets without replicas: they run nothing.

    Args:
        settings: their ``cluster`` block says which cluster.
        namespaces: empty: all.

    Raises:
        InvalidInput: a list is missing or damaged. A part of a cluster is never a result.
    """
    chosen = settings.cluster
    if chosen is None:
        raise InvalidInput(
            "no cluster to scan: name one with a cluster block in the settings, or name files with objects"
        )
    connection = Connection(Credentials(chosen.kubeconfig, chosen.context))
    for kind in (*KINDS, *OPTIONAL_KINDS):
        try:
            if kind in OPTIONAL_KINDS and resource_is_absent(connection, kind.path("")):
                continue
            for namespace in namespaces or ("",):
                _list(connection, kind, namespace, take)
        except ApiError as error:
            raise InvalidInput(f"{kind.resource} could not be listed: {error}") from error


def _list(connection: Connection, kind: Kind, namespace: str, take: Callable[[Document], None]) -> None:
    def slimmed(found: Document) -> None:
        if _runs(kind, found):
            take({**found, "apiVersion": kind.api_version, "kind": kind.kind})

    list_all(connection, kind.path(namespace), slimmed, {}, lambda: None)


def _runs(kind: Kind, found: Document) -> bool:
    status, spec = found.get("status"), found.get("spec")
    match kind.kind:
        case "Pod":
            return text_of(status, "phase") not in _ENDED
        case "ReplicaSet" | "ReplicationController":
            return not isinstance(spec, dict) or spec.get("replicas") != 0
        case "Job":
            return not (isinstance(status, dict) and status.get("completionTime"))
    return True
