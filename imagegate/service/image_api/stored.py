"""The verbs that all stored objects share: names, versions, conflicts, dry runs, lists and watches."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

from imagegate.core.image_api.resources import IMAGES, ApiResource
from imagegate.core.image_api.stored_forms import repaired, tolerant
from imagegate.core.kube.deletion import (
    BACKGROUND,
    finalizers_after_delete,
    finalizers_of,
    is_being_deleted,
    kept_deletion,
    marked_for_deletion,
    new_finalizer_errors,
)
from imagegate.core.kube.field_errors import invalid as invalid_field
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.kube.status import (
    Status,
    StatusError,
    already_exists,
    conflict,
    invalid,
    not_found,
)
from imagegate.ports.host_cluster import HostCluster
from imagegate.ports.image_store import (
    Collection,
    ImageStore,
    ObjectChanged,
    ObjectExists,
    ObjectKey,
    ObjectMissing,
    ObjectTooLarge,
    StoreFull,
)
from imagegate.service.image_api.bodies import checked_body
from imagegate.service.image_api.field_owners import FieldOwners, has_owners, with_kept_times, without_owners
from imagegate.service.image_api.host_cluster import StoredCluster, check_namespace
from imagegate.service.image_api.request import (
    ApiRequest,
    Change,
    DeleteOptions,
    JsonObject,
    ListOptions,
    continue_token,
    list_of,
    success,
)
from imagegate.service.image_api.watched import WatchedObjects
from imagegate.service.writing import CHANGED_MEANWHILE, attempts

_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_SUFFIX_LENGTH = 5
_GENERATED_NAME_MAX_LENGTH = 63
_WITHOUT_DEPENDENTS = (IMAGES,)
"""Resources of which nobody collects dependents, so their deletes wait for none."""
_SET_BY_SERVER = frozenset(
    {"uid", "creationTimestamp", "resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds"}
)


def not_a_number(text: str) -> str:
    """Go's message for a string that is no unsigned number."""
    return f"strconv.ParseUint: parsing {go_quote(text)}: invalid syntax"


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Rules(Protocol):
    """Rules of a kind for its objects. Methods raise ``StatusError`` to refuse."""

    unconditional_updates: bool
    """True if an update without a resourceVersion replaces any version."""
    named_late: bool
    """True if ``created`` gets objects with ``generateName`` before they have a name, as admission does."""

    def shown(self, found: JsonObject) -> JsonObject:
        """The object as it is read."""

    def defaulted(self, found: JsonObject) -> JsonObject:
        """The object with the defaults that it gets before anything is compared. It may be malformed."""

    def created(self, request: ApiRequest, new: JsonObject) -> JsonObject:
        """A new object as it is stored. Its name may still be missing (``generateName``)."""

    def updated(self, request: ApiRequest, new: JsonObject, old: JsonObject) -> JsonObject:
        """A changed object as it is stored."""

    def deleted(self, request: ApiRequest, old: JsonObject) -> None:
        """Called before an object is deleted."""


class StoredObjects:
    """The verbs of a resource whose objects are stored as they are."""

    def __init__(
        self,
        store: ImageStore,
        resource: ApiResource,
        rules: Rules,
        *,
        now: Callable[[], str] | None = None,
        cluster: HostCluster | None = None,
        subresource: str = "",
    ) -> None:
        self._cluster = cluster or StoredCluster(store)
        self._now = now or _now
        self.owners = FieldOwners(resource, self._now, rules.defaulted, subresource)
        self.resource = resource
        self.rules = rules
        self._store = store
        self._random = random.SystemRandom()

    def get(self, request: ApiRequest, name: str) -> JsonObject:
        """The object as it is read."""
        return self.rules.shown(self.stored(request, name))

    def stored(self, request: ApiRequest, name: str) -> JsonObject:
        """The object as it is stored.

        Raises:
            StatusError: 404.
        """
        found = self._store.get(self.key(request, name))
        if found is None:
            raise StatusError(not_found(self.resource.name, name, group=self.resource.group))
        return repaired(self.resource.kind, found)

    def exists(self, request: ApiRequest, name: str) -> bool:
        """True if there is such an object."""
        return self._store.get(self.key(request, name)) is not None

    def shown(self, found: JsonObject) -> JsonObject:
        """The object as it is read, even if its stored form is not valid."""
        return tolerant(self.rules.shown, self.resource.kind, found)

    def key(self, request: ApiRequest, name: str) -> ObjectKey:
        """The object's key in the store."""
        return ObjectKey(self.resource.group, self.resource.name, self._namespace(request), name)

    def collection(self, request: ApiRequest) -> Collection:
        """All objects of the request's namespace, or of all namespaces if it has none."""
        return Collection(self.resource.group, self.resource.name, self._namespace(request) or None)

    def _namespace(self, request: ApiRequest) -> str:
        return request.namespace if self.resource.namespaced else ""

    def list_objects(self, request: ApiRequest, options: ListOptions) -> JsonObject:
        """A list, or a part of one."""
        page = self._store.list_objects(
            self.collection(request),
            limit=options.limit,
            after=options.after,
            matches=None if options.selects_all else options.matches,
        )
        items = [self.shown(item) for item in page.items]
        version = options.version or page.version
        more: JsonObject = {}
        if page.after is not None:
            more["continue"] = continue_token(version, page.after)
            if options.selects_all:
                more["remainingItemCount"] = self._store.count_after(self.collection(request), page.after)
        return list_of(self.resource.kind, self.resource.api_version, items, version, **more)

    def watched(self, request: ApiRequest, options: ListOptions) -> WatchedObjects:
        """The objects that a watch is about."""
        return WatchedObjects(self._store, self.collection(request), options, self.shown)

    def create(self, request: ApiRequest, body: JsonObject) -> JsonObject:
        """Store a new object."""
        new = self.owners.created(request, checked_body(self.resource, request, body, keeps_owners=True))
        if self.resource.namespaced:
            check_namespace(self._cluster, self.resource, request.namespace, new["metadata"].get("name") or "")
        given = new["metadata"].get("resourceVersion") or ""
        if given.isdecimal() and int(given):  # what is no version is passed over, as in the original
            what = "resourceVersion should not be set on objects to be created"
            raise StatusError(Status(code=500, reason="", message=what))
        metadata = {key: value for key, value in new["metadata"].items() if key not in _SET_BY_SERVER}
        new = {**new, "metadata": metadata}
        if self.rules.named_late:
            new = self.rules.created(request, new)
        for _ in attempts():
            named = self._named(new)
            if not self.rules.named_late:
                named = self.rules.created(request, named)
            key = self.key(request, named["metadata"]["name"])
            try:
                return self.rules.shown(self._write_new(request, key, named))
            except ObjectExists as error:
                if new["metadata"].get("name"):
                    raise StatusError(self._name_is_taken(key)) from error
        raise StatusError(
            already_exists(self.resource.name, new["metadata"]["generateName"], group=self.resource.group)
        )

    def _name_is_taken(self, key: ObjectKey) -> Status:
        status = already_exists(self.resource.name, key.name, group=self.resource.group)
        found = self._store.get(key)
        if found is None or not is_being_deleted(found):
            return status
        return replace(status, message=f"object is being deleted: {status.message}")

    def _write_new(self, request: ApiRequest, key: ObjectKey, new: JsonObject) -> JsonObject:
        if not request.dry_run:
            return self._store.create(key, new)
        if self._store.get(key) is not None:
            raise ObjectExists(key.name)
        given = {"uid": str(uuid.uuid4()), "creationTimestamp": self._now()}
        return {**new, "metadata": {**given, **new["metadata"]}}

    def _named(self, new: JsonObject) -> JsonObject:
        metadata = new["metadata"]
        prefix = metadata.get("generateName") or ""
        if metadata.get("name") or not prefix:
            return new
        suffix = "".join(self._random.choices(_SUFFIX_LETTERS, k=_SUFFIX_LENGTH))
        name = f"{prefix[: _GENERATED_NAME_MAX_LENGTH - _SUFFIX_LENGTH]}{suffix}"
        return {**new, "metadata": {**metadata, "name": name}}

    def update(self, request: ApiRequest, name: str, change: Change, *, is_patch: bool = False) -> JsonObject:
        """Change an object. A patch, or an update without a version, is retried after a conflict."""
        for _ in attempts():
            old = self.stored(request, name)
            shown = self.rules.shown(old)
            given = change(shown) if is_patch else change(old)
            new = checked_body(self.resource, request, given, name, keeps_owners=True, is_patch=is_patch)
            new = self.owners.updated(request, new, shown)
            if not is_patch:
                self._check_uid(new["metadata"], old)
            try:
                return self.rules.shown(self.replace(request, new, old, self.rules))
            except ObjectChanged:
                if given.get("metadata", {}).get("resourceVersion") and not is_patch:
                    break
            except ObjectMissing as error:
                raise StatusError(not_found(self.resource.name, name, group=self.resource.group)) from error
        raise StatusError(conflict(self.resource.name, name, CHANGED_MEANWHILE, group=self.resource.group))

    def replace(self, request: ApiRequest, new: JsonObject, old: JsonObject, rules: Rules) -> JsonObject:
        """Replace ``old`` by ``new``; without owners of fields if there is no room for them, as in the original.

        Raises:
            StatusError: 409 if the new object is based on another version, 422 from the rules.
            ObjectChanged: another writer changed it meanwhile.
        """
        metadata, before = dict(new["metadata"]), old["metadata"]
        version, name = before["resourceVersion"], before["name"]
        given = metadata.get("resourceVersion") or ""
        if not given and rules.unconditional_updates:
            given = metadata["resourceVersion"] = version
        self._check_version(given, version, name)
        if before.get("creationTimestamp"):
            metadata["creationTimestamp"] = before["creationTimestamp"]
        if not metadata.get("uid") and before.get("uid"):
            metadata["uid"] = before["uid"]
        new = {**new, "metadata": kept_deletion(metadata, before)}
        errors = new_finalizer_errors(new, old)
        if errors:
            raise StatusError(invalid(self.resource.kind, name, errors * 2, group=self.resource.group))
        kept = with_kept_times(rules.updated(request, new, old), old)
        shown = {**kept, "metadata": {**kept["metadata"], "resourceVersion": version}}
        if request.dry_run:
            return shown
        if is_being_deleted(kept) and not finalizers_of(kept) and not self.has_contents(kept):
            self._store.delete(self.key(request, name), version=version)
            return shown
        try:
            return self._store.update(self.key(request, name), kept, version=version)
        except (ObjectTooLarge, StoreFull):
            if request.manager is None or not has_owners(kept):
                raise
            return self._store.update(self.key(request, name), without_owners(kept), version=version)

    def _check_version(self, given: str, version: str, name: str) -> None:
        """Check the version that an update is based on.

        Raises:
            StatusError: 409, another; 422, none; 500, it is no version.
        """
        if not given.strip("0"):
            errors = [invalid_field("metadata.resourceVersion", 0, "must be specified for an update")]
            raise StatusError(invalid(self.resource.name, name, errors, group=self.resource.group))
        if not given.isdecimal():
            raise StatusError(Status(code=500, reason="", message=not_a_number(given)))
        if given != version:
            raise StatusError(conflict(self.resource.name, name, CHANGED_MEANWHILE, group=self.resource.group))

    def _check_uid(self, metadata: JsonObject, old: JsonObject) -> None:
        """Check that an update is meant for this object, and not for one of the same name that is gone."""
        uid, own = metadata.get("uid"), old["metadata"].get("uid")
        if not uid or uid == own:
            return
        name, namespace = old["metadata"]["name"], old["metadata"].get("namespace") or ""
        path = "/".join(filter(None, ("", "openshift.io", self.resource.name, namespace, name)))
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {own}"
        raise StatusError(
            conflict(
                self.resource.name,
                name,
                f"StorageError: invalid object, Code: 4, Key: /{path}, ResourceVersion: 0, AdditionalErrorMsg: {why}",
                group=self.resource.group,
            )
        )

    def has_contents(self, found: JsonObject) -> bool:  # noqa: ARG002 - namespaces have
        """True if objects in this one must be deleted before it."""
        return False

    def delete(self, request: ApiRequest, name: str, options: DeleteOptions) -> JsonObject:
        """Remove an object, or mark it for removal if something holds it.

        Returns:
            A Status, or the object that is held.

        Raises:
            StatusError: 404; 409 if it does not meet the preconditions; a refusal of the rules.
        """
        for _ in attempts():
            old = self.stored(request, name)
            self._check_preconditions(old, options)
            self.rules.deleted(request, old)
            try:
                held = self.remove(self.key(request, name), old, options.propagation, dry_run=request.dry_run)
            except ObjectMissing as error:
                raise StatusError(not_found(self.resource.name, name, group=self.resource.group)) from error
            except ObjectChanged:
                continue
            if held is not None:
                return self.shown(held)
            uid = old["metadata"].get("uid", "")
            return success(name=name, group=self.resource.group, kind=self.resource.name, uid=uid)
        raise StatusError(conflict(self.resource.name, name, CHANGED_MEANWHILE, group=self.resource.group))

    def remove(self, key: ObjectKey, old: JsonObject, propagation: str, *, dry_run: bool = False) -> JsonObject | None:
        """Remove an object in this version; returns the stored object if something holds it.

        Raises:
            ObjectChanged: another writer changed it meanwhile.
            ObjectMissing: another writer removed it meanwhile.
        """
        version = old["metadata"]["resourceVersion"]
        if self.resource in _WITHOUT_DEPENDENTS:
            propagation = BACKGROUND
        if not finalizers_after_delete(finalizers_of(old), propagation):
            if not dry_run:
                self._store.delete(key, version=version)
            return None
        held = marked_for_deletion(old, propagation, self._now())
        return held if dry_run else self._store.update(key, held, version=version)

    def _check_preconditions(self, found: JsonObject, options: DeleteOptions) -> None:
        metadata = found["metadata"]
        why = ""
        if options.uid is not None and options.uid != metadata.get("uid"):
            why = (
                f"the UID in the precondition ({options.uid}) does not match the UID in record"
                f" ({metadata.get('uid')}). The object might have been deleted and then recreated"
            )
        elif options.version is not None and options.version != metadata["resourceVersion"]:
            why = (
                f"the ResourceVersion in the precondition ({options.version}) does not match the ResourceVersion in"
                f" record ({metadata['resourceVersion']}). The object might have been modified"
            )
        if why:
            raise StatusError(conflict(self.resource.kind, metadata["name"], why, group=self.resource.group))

    def delete_collection(self, request: ApiRequest, selected: ListOptions, options: DeleteOptions) -> JsonObject:
        """Remove every selected object, or mark it for removal; returns the list of them as they were.

        Raises:
            StatusError: see ``delete``; the objects before it are removed already.
        """
        found = self.list_objects(request, selected)
        for item in found["items"]:
            metadata: dict[str, Any] = item["metadata"]
            inside = ApiRequest(request.user, metadata.get("namespace") or "", request.dry_run, request.warnings)
            same = replace(options, uid=metadata.get("uid") if options.uid is None else options.uid)
            try:
                self.delete(inside, metadata["name"], same)
            except StatusError as error:
                if error.status.code != 404:
                    raise
        return found
