"""Installs imagegate in a cluster, and removes it: the same objects in an order in which nothing locks itself out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from imagegate.documents.installation import KEPT, MADE_BY_IMAGEGATE, RECORD_KEY, SELECTOR, Steps
from imagegate.errors import ImagegateError

MANAGER = "imagegate-install"
_LOOK_EVERY_S = 0.5
_PRUNED = (
    ("rbac.authorization.k8s.io/v1", "ClusterRole"),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
    ("rbac.authorization.k8s.io/v1", "Role"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"),
    ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"),
    ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"),
    ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding"),
    ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy"),
    ("apiregistration.k8s.io/v1", "APIService"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("policy/v1", "PodDisruptionBudget"),
    ("apps/v1", "Deployment"),
    ("v1", "ConfigMap"),
    ("v1", "Service"),
    ("v1", "ServiceAccount"),
)
"""Kinds of which an earlier version may have left objects."""


class NotReady(ImagegateError):
    """Something that was applied is not ready in time."""


class ClusterObjects(Protocol):
    """Objects of a cluster. Every method raises ``ImagegateError`` if the API server refuses, or does not answer."""

    def apply(self, document: Mapping[str, Any], *, dry_run: bool = False) -> Mapping[str, Any]:
        """The object as it is stored."""

    def find(self, document: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The stored object with the same kind, namespace and name."""

    def delete(self, document: Mapping[str, Any], *, dry_run: bool = False) -> bool:
        """False if there is none."""

    def labelled(self, api_version: str, kind: str, selector: str) -> Sequence[Mapping[str, Any]]:
        """All objects of a kind with these labels."""

    def forget_kinds(self) -> None:
        """Ask again which kinds there are."""


class Installation(NamedTuple):
    """One installation.

    Args:
        objects: of the cluster.
        tell: called with each sentence about what was done.
        dry_run: the API server checks everything, and stores nothing.
    """

    objects: ClusterObjects
    tell: Callable[[str], object]
    dry_run: bool = False

    def apply(self, steps: Steps, *, wait_s: float) -> None:
        """Apply everything; webhooks only when a replica is ready, and remove what an earlier version has left.

        Args:
            wait_s: how long to wait for the replicas; 0: not at all.

        Raises:
            NotReady: the replicas are not. Webhooks are as they were.
            ImagegateError: an object was refused; what came before it is applied.
        """
        self._apply_all(steps.definitions)
        self._wait_for_definitions(steps.definitions)
        self._apply_all(steps.workload)
        self._apply_all(steps.policies)
        if wait_s and not self.dry_run:
            self._wait_for_replicas(steps.workload, wait_s)
        self._apply_all(steps.webhooks)
        self._prune([*steps.workload, *steps.webhooks])

    def remove(self, steps: Steps, *, everything: bool) -> None:
        """Delete everything, webhooks first, so that nothing waits for a service that is gone.

        Args:
            everything: also the namespace, and the kinds of policies with all policies.

        Raises:
            ImagegateError: an object could not be deleted.
        """
        namespace = next(each["metadata"]["name"] for each in steps.definitions if each["kind"] == "Namespace")
        made = [
            {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace}}
            for version, kind, name in (*MADE_BY_IMAGEGATE, *([RECORD_KEY] if everything else []))
        ]
        self._delete_all(reversed(steps.webhooks))
        self._delete_all(reversed(steps.workload))
        self._delete_all(made)
        if everything:
            self._delete_all(steps.policies)
            self._delete_all(reversed(steps.definitions))
        else:
            kept = " and ".join(sorted({f"{each['kind']}s" for each in steps.definitions if each["kind"] in KEPT}))
            self.tell(f"kept: {kept}, and all policies (--everything deletes them)")

    def _apply_all(self, documents: Iterable[Mapping[str, Any]]) -> None:
        for document in documents:
            before = self.objects.find(document)
            if before is None and self.dry_run and not self._can_be_tried(document):
                self.tell(f"{_name(document)}: would be created")
                continue
            after = self.objects.apply(document, dry_run=self.dry_run)
            self.tell(f"{_name(document)}: {self._change(before, after)}")

    def _can_be_tried(self, document: Mapping[str, Any]) -> bool:
        """Whether the API server can try the object out: it refuses objects of a namespace, or kind, to come."""
        namespace = document["metadata"].get("namespace")
        if document["kind"] in ("ClusterImagePolicy", "ImagePolicy"):
            return False
        named = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        return namespace is None or self.objects.find(named) is not None

    def _change(self, before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> str:
        would = "would be " if self.dry_run else ""
        if before is None:
            return f"{would}created"
        return "unchanged" if _essence(before) == _essence(after) else f"{would}changed"

    def _delete_all(self, documents: Iterable[Mapping[str, Any]]) -> None:
        for document in documents:
            if self.objects.delete(document, dry_run=self.dry_run):
                self.tell(f"{_name(document)}: {'would be ' if self.dry_run else ''}deleted")

    def _wait_for_definitions(self, documents: Iterable[Mapping[str, Any]]) -> None:
        if self.dry_run:
            return
        for document in documents:
            if document["kind"] == "CustomResourceDefinition":
                self._wait(document, lambda found: _condition(found, "Established"), 30, "established")
        self.objects.forget_kinds()

    def _wait_for_replicas(self, documents: Iterable[Mapping[str, Any]], wait_s: float) -> None:
        for document in documents:
            if document["kind"] == "Deployment":
                self.tell(f"{_name(document)}: waiting for its replicas")
                self._wait(document, _rolled_out, wait_s, "ready; kubectl describe its pods")

    def _wait(
        self, document: Mapping[str, Any], done: Callable[[Mapping[str, Any]], bool], wait_s: float, state: str
    ) -> None:
        until = time.monotonic() + wait_s
        while (found := self.objects.find(document)) is None or not done(found):
            if time.monotonic() > until:
                raise NotReady(f"{_name(document)}: after {wait_s:.0f} s not {state}")
            time.sleep(_LOOK_EVERY_S)

    def _prune(self, current: Iterable[Mapping[str, Any]]) -> None:
        """Delete what an earlier version applied, and this one does not have."""
        kept = {_identity(each) for each in current}
        for api_version, kind in _PRUNED:
            for found in self.objects.labelled(api_version, kind, SELECTOR):
                if _identity(found) not in kept and _is_ours(found):
                    self._delete_all([found])


def _identity(document: Mapping[str, Any]) -> tuple[str, str, str]:
    metadata = document["metadata"]
    return document["kind"], metadata.get("namespace") or "", metadata["name"]


def _name(document: Mapping[str, Any]) -> str:
    kind, namespace, name = _identity(document)
    return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"


def _is_ours(found: Mapping[str, Any]) -> bool:
    return any(each.get("manager") == MANAGER for each in found["metadata"].get("managedFields") or ())


def _essence(document: Mapping[str, Any]) -> dict[str, Any]:
    """The object without what changes by itself."""
    metadata = {
        key: value
        for key, value in document["metadata"].items()
        if key not in ("managedFields", "resourceVersion", "generation")
    }
    return {key: value for key, value in document.items() if key not in ("metadata", "status")} | {"metadata": metadata}


def _condition(found: Mapping[str, Any], name: str) -> bool:
    conditions = (found.get("status") or {}).get("conditions") or ()
    return any(each.get("type") == name and each.get("status") == "True" for each in conditions)


def _rolled_out(found: Mapping[str, Any]) -> bool:
    status, wanted = found.get("status") or {}, found["spec"].get("replicas", 1)
    seen = status.get("observedGeneration", 0) >= found["metadata"]["generation"]
    return bool(seen and min(status.get("updatedReplicas", 0), status.get("availableReplicas", 0)) >= wanted)
