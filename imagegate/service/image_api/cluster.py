"""The dry cluster: enough of Kubernetes to create workloads under the policies, with nothing that runs them.

Every write passes the admission plug-ins exactly like a webhook's review. Admitted objects are stored, listed
and deleted; nothing is scheduled, pulled or run, and every answer to a creation says so.
"""

from __future__ import annotations

import base64
import re
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import orjson

from imagegate.core.admission.decision import PatchOp
from imagegate.core.admission.patch import apply_patch
from imagegate.core.admission.request import API_VERSIONS, Phase, User
from imagegate.core.cluster_kinds.defaults import with_defaults
from imagegate.core.cluster_kinds.new_objects import before_admission, before_storage
from imagegate.core.cluster_kinds.validation import object_errors
from imagegate.core.image_api.decoding import decoded
from imagegate.core.image_api.resources import NAMESPACES, RESOURCES, ApiResource
from imagegate.core.image_api.workloads import as_served, with_stored_generation
from imagegate.core.image_streams.limits import limits_images_only
from imagegate.core.image_streams.metadata_validation import (
    namespace_name_errors,
    path_segment_errors,
    validate_metadata,
    validate_metadata_update,
)
from imagegate.core.kube.deletion import BACKGROUND, finalizers_of, marked_for_deletion
from imagegate.core.kube.field_errors import FieldError
from imagegate.core.kube.status import Cause, Status, StatusError, bad_request, forbidden, invalid
from imagegate.errors import InvalidInput
from imagegate.ports.image_store import Collection, ObjectChanged, ObjectKey, ObjectMissing
from imagegate.service.image_api.namespaces import NAMESPACES_AT_START, create_accounts
from imagegate.service.image_api.request import ApiRequest, JsonObject
from imagegate.service.image_api.stored import StoredObjects
from imagegate.service.image_api.streams import metadata_of
from imagegate.service.review.reviewer import Reviewer

DRY_CLUSTER = "imagegate is a dry cluster: objects are checked and stored, nothing is scheduled or run"
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    f"'{_SUBDOMAIN.pattern}')"
)
_NAME_MAX_LENGTH = 253
Admit = Callable[[ApiRequest, str, ApiResource, JsonObject, JsonObject | None], JsonObject]
"""(request, operation, resource, object, old object) -> the object as the plug-ins leave it; raises ``StatusError``."""


def subdomain_errors(name: str, prefix: bool = False) -> list[str]:
    """Errors of ``name`` as a DNS subdomain, which most objects' names must be."""
    checked = f"{name.rstrip('-')}x" if prefix else name
    errors = []
    if len(name) > _NAME_MAX_LENGTH:
        errors.append(f"must be no more than {_NAME_MAX_LENGTH} characters")
    if _SUBDOMAIN.fullmatch(checked) is None:
        errors.append(_SUBDOMAIN_TEXT)
    return errors


class Admission:
    """Both passes of admission for a write, through the service's own reviewer."""

    def __init__(self, reviewer: Reviewer) -> None:
        self._reviewer = reviewer

    def __call__(
        self, request: ApiRequest, operation: str, resource: ApiResource, new: JsonObject, old: JsonObject | None
    ) -> JsonObject:
        """The object after the mutating pass, if the validating pass allows it.

        Raises:
            StatusError: the plug-ins' denial.
        """
        review = _admission_review(request, operation, resource, new, old)
        for phase in (Phase.MUTATE, Phase.VALIDATE):
            review["request"]["object"] = new
            response = self._reviewer.review(review, phase)["response"]
            request.warnings.extend(response.get("warnings") or ())
            if not response["allowed"]:
                raise StatusError(_denial_status(response.get("status") or {}))
            if response.get("patch"):
                operations = orjson.loads(base64.b64decode(response["patch"]))
                new = apply_patch(new, [PatchOp(each["op"], each["path"], each.get("value")) for each in operations])
        return new


def _admission_review(
    request: ApiRequest, operation: str, resource: ApiResource, new: JsonObject, old: JsonObject | None
) -> dict[str, Any]:
    user: User = request.user
    metadata = new.get("metadata") or {}
    review: dict[str, Any] = {
        "uid": str(uuid.uuid4()),
        "kind": {"group": resource.group, "version": resource.version, "kind": resource.kind},
        "resource": {"group": resource.group, "version": resource.version, "resource": resource.name},
        "name": metadata.get("name") or "",
        "namespace": metadata.get("name") or "" if resource.name == NAMESPACES.name else request.namespace,
        "operation": operation,
        "userInfo": {"username": user.name, "uid": user.uid, "groups": list(user.groups)},
        "object": new,
        "oldObject": old,
        "dryRun": request.dry_run,
    }
    return {"kind": "AdmissionReview", "apiVersion": API_VERSIONS[0], "request": review}


def _denial_status(given: dict[str, Any]) -> Status:
    """A review's status as the response to the request itself. A webhook's denial without a code is a 403."""
    details = given.get("details") or {}
    return Status(
        code=given.get("code") or 403,
        reason=given.get("reason") or "Forbidden",
        message=given.get("message") or "",
        group=details.get("group", ""),
        kind=details.get("kind", ""),
        name=details.get("name", ""),
        causes=tuple(
            Cause(cause.get("reason", ""), cause.get("message", ""), cause.get("field", ""))
            for cause in details.get("causes") or ()
        ),
        retry_after_s=details.get("retryAfterSeconds", 0),
    )


class ClusterRules:
    """Rules for writing an object of the dry cluster: names, admission, and a warning that nothing runs."""

    unconditional_updates = True
    named_late = True

    def __init__(self, resource: ApiResource, admit: Admit) -> None:
        self._resource = resource
        self._admit = admit

    def shown(self, found: JsonObject) -> JsonObject:
        """The object as it is stored."""
        return found

    def defaulted(self, found: JsonObject) -> JsonObject:
        """The object with its kind's defaults."""
        return with_defaults(self._resource.type, decoded(self._resource.type, found))

    def created(self, request: ApiRequest, new: JsonObject) -> JsonObject:
        """Admission first, as in an API server; then the name."""
        new = self._admitted(request, "CREATE", before_admission(self._resource.kind, new), None)
        namespaced = self._resource.namespaced
        metadata = metadata_of(new)
        if not metadata.name and metadata.raw.get("generateName"):
            metadata = replace(metadata, name=f"{metadata.raw['generateName']}x")  # the name comes next
        errors = validate_metadata(metadata, self.name_errors, namespaced=namespaced, path="metadata")
        self._refuse(new, [*errors, *object_errors(self._resource.kind, new)])
        return self.begun(request, before_storage(self._resource.kind, new, str(uuid.uuid4())))

    def begun(self, request: ApiRequest, new: JsonObject) -> JsonObject:  # noqa: ARG002
        """The object with the initial state of its kind."""
        return new

    def updated(self, request: ApiRequest, new: JsonObject, old: JsonObject) -> JsonObject:
        """Admission, then checks of immutable fields."""
        new = self._admitted(request, "UPDATE", new, old)
        errors = validate_metadata_update(metadata_of(new), metadata_of(old))
        self._refuse(new, [*errors, *object_errors(self._resource.kind, new, old)])
        return new

    def _admitted(self, request: ApiRequest, operation: str, new: JsonObject, old: JsonObject | None) -> JsonObject:
        """The object as admission leaves it, with defaults for what a plug-in has added."""
        return with_defaults(self._resource.type, self._admit(request, operation, self._resource, new, old))

    def deleted(self, request: ApiRequest, old: JsonObject) -> None:
        """Nothing depends on it."""

    def name_errors(self, name: str, prefix: bool) -> list[str]:
        """Errors of ``name`` as the name of such an object."""
        return subdomain_errors(name, prefix)

    def _refuse(self, new: JsonObject, errors: Sequence[FieldError]) -> None:
        if errors:
            name = (new.get("metadata") or {}).get("name") or ""
            raise StatusError(invalid(self._resource.kind, name, errors, group=self._resource.group))


class WorkloadRules(ClusterRules):
    """Pods and everything that has pods or builds in it."""

    def begun(self, request: ApiRequest, new: JsonObject) -> JsonObject:
        """Pods stay pending for ever."""
        request.warnings.append(DRY_CLUSTER)
        return as_served(new, None, DRY_CLUSTER)

    def updated(self, request: ApiRequest, new: JsonObject, old: JsonObject) -> JsonObject:
        """The changed object; its status is not the sender's."""
        return as_served(super().updated(request, with_stored_generation(new, old), old), old, DRY_CLUSTER)


class NamespaceRules(ClusterRules):
    """Namespaces."""

    def __init__(self, admit: Admit) -> None:
        super().__init__(NAMESPACES, admit)

    def name_errors(self, name: str, prefix: bool) -> list[str]:
        """A DNS label."""
        return namespace_name_errors(f"{name.rstrip('-')}x" if prefix else name)

    def begun(self, request: ApiRequest, new: JsonObject) -> JsonObject:  # noqa: ARG002
        """A namespace has a label with its name, as in any cluster."""
        metadata = new["metadata"]
        labels = {**(metadata.get("labels") or {}), "kubernetes.io/metadata.name": metadata.get("name") or ""}
        return {**new, "metadata": {**metadata, "labels": labels}, "status": {"phase": "Active"}}

    def deleted(self, request: ApiRequest, old: JsonObject) -> None:  # noqa: ARG002
        """Refuse to delete a namespace that is always there."""
        name = old["metadata"]["name"]
        if name in NAMESPACES_AT_START:
            raise StatusError(forbidden(NAMESPACES.name, name, "this namespace may not be deleted", group=""))


class NamespaceObjects(StoredObjects):
    """Namespaces. Deleting one deletes the objects in it; it stays while any of them is held."""

    def create(self, request: ApiRequest, body: JsonObject) -> JsonObject:
        """Store a new namespace, with the service accounts of every namespace."""
        found = super().create(request, body)
        if not request.dry_run:
            create_accounts(self._store, (found["metadata"]["name"],))
        return found

    def has_contents(self, found: JsonObject) -> bool:
        """True if the namespace has objects."""
        name = found["metadata"]["name"]
        return any(
            self._store.list_objects(Collection(resource.group, resource.name, name), limit=1).items
            for resource in _namespaced_resources()
        )

    def remove(self, key: ObjectKey, old: JsonObject, propagation: str, *, dry_run: bool = False) -> JsonObject | None:
        """Refuse new objects in the namespace, delete the objects in it, then the namespace.

        If the process is killed meanwhile, the namespace stays marked, and the collector continues.
        """
        if dry_run:
            return super().remove(key, old, propagation, dry_run=True)
        marked = marked_for_deletion(old, propagation, self._now())
        status = old.get("status")
        marked["status"] = {**(status if isinstance(status, dict) else {}), "phase": "Terminating"}
        kept = self._store.update(key, marked, version=old["metadata"]["resourceVersion"])
        self._remove_contents(key.name)
        if finalizers_of(kept) or self.has_contents(kept):
            return kept
        self._store.delete(key, version=kept["metadata"]["resourceVersion"])
        return None

    def _remove_contents(self, namespace: str) -> None:
        for resource in _namespaced_resources():
            inside = StoredObjects(self._store, resource, self.rules, now=self._now)
            for item in self._store.list_objects(Collection(resource.group, resource.name, namespace)).items:
                key = ObjectKey(resource.group, resource.name, namespace, item["metadata"]["name"])
                # changed meanwhile: the remaining objects are listed again
                with suppress(ObjectMissing, ObjectChanged):
                    inside.remove(key, item, BACKGROUND)


def _namespaced_resources() -> list[ApiResource]:
    return [resource for resource in RESOURCES if resource.namespaced and "watch" in resource.verbs]


class PlainRules(ClusterRules):
    """Config maps, secrets, events and the like: admitted and stored without a warning."""

    def name_errors(self, name: str, prefix: bool) -> list[str]:
        """Any name that a path can contain."""
        return path_segment_errors(name, prefix)


class LimitRules(ClusterRules):
    """Limit ranges and quotas: stored, with a warning that they limit nothing but images and streams."""

    def begun(self, request: ApiRequest, new: JsonObject) -> JsonObject:
        """The object as it was sent.

        Raises:
            StatusError: 400, a limit for images is no quantity.
        """
        try:
            limits_others = not limits_images_only(new)
        except InvalidInput as error:
            kind = self._resource.kind
            what = f'{kind} in version "v1" cannot be handled as a {kind}: {error}'
            raise StatusError(bad_request(what)) from error
        if limits_others:
            request.warnings.append(f"{self._resource.kind} limits nothing: {DRY_CLUSTER}")
        return new

    def updated(self, request: ApiRequest, new: JsonObject, old: JsonObject) -> JsonObject:
        """The changed object."""
        return self.begun(request, super().updated(request, new, old))
