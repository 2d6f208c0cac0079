"""``metadata.managedFields`` of written objects, and objects made by server-side apply.

Owners are recorded only for requests to the object itself. The importer, pushes, and tags that are written through
their stream change no entry, as in the original, where only requests pass its field manager.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from imagegate.core.image_api.amounts import values_in
from imagegate.core.image_api.decoding import decoded
from imagegate.core.image_api.resources import ApiResource
from imagegate.core.kube.status import Status, StatusError, bad_request, too_large
from imagegate.core.managed_fields import last_applied
from imagegate.core.managed_fields.checks import conversion_text, errors_text
from imagegate.core.managed_fields.entries import SIZE_MAX, Managed, is_reset, read_entries, size_of, written_entries
from imagegate.core.managed_fields.messages import NO_MANAGED_FIELDS, conflict_status, kind_text, object_text
from imagegate.core.managed_fields.ownership import Applied, Conflicts, Writer, after_apply, after_update
from imagegate.core.managed_fields.path_elements import InvalidFields
from imagegate.core.managed_fields.shapes import NoElement, Shape, shape_of
from imagegate.service.image_api.bodies import BadBody, read_object
from imagegate.service.image_api.request import ApiRequest, JsonObject

PARTS_MAX = 50_000
"""Values in an object whose owners are recorded: computing them for millions would keep a worker busy for a minute."""
_OWNERS = "managedFields"


class Configuration(NamedTuple):
    """The object of an apply request: the fields its client wants to own."""

    value: JsonObject
    force: bool = False
    """Take fields that other managers own, instead of refusing with 409."""


class FieldOwners:
    """The owners of the fields of a resource's objects.

    Args:
        resource: the resource.
        now: the time as Kubernetes writes it.
        defaulted: an object with the defaults that decoding gives it.
        subresource: the path through which it is written.
    """

    def __init__(
        self,
        resource: ApiResource,
        now: Callable[[], str],
        defaulted: Callable[[JsonObject], JsonObject],
        subresource: str = "",
    ) -> None:
        self._resource = resource
        self._now = now
        self._defaulted = defaulted
        self._subresource = subresource

    def created(self, request: ApiRequest, new: JsonObject) -> JsonObject:
        """A new object with its owners."""
        return self._recorded(request, new, None)

    def updated(self, request: ApiRequest, new: JsonObject, old: JsonObject) -> JsonObject:
        """A changed object with its owners.

        Args:
            request: of the change; if it names no manager, the entries stay as they are in ``new``.
            new: the object as it was sent or patched.
            old: the object as it was read.
        """
        return self._recorded(request, new, old)

    def _recorded(self, request: ApiRequest, new: JsonObject, old: JsonObject | None) -> JsonObject:
        if request.manager is None:
            return new
        given = new["metadata"].get(_OWNERS)
        if _is_too_large(new) or _is_too_large(old):
            return _with_entries(new, [])
        try:
            entries = self._entries_after(request.manager, given, new, old)
        except NoElement:
            entries = []  # as in the original: an object with entries that have no key has no owners
        return _with_entries(new, entries if size_of(entries) <= SIZE_MAX else [])

    def _entries_after(self, manager: str, given: object, new: JsonObject, old: JsonObject | None) -> list[JsonObject]:
        managed = self._managed(given, old)
        if not managed and old is not None:
            return []  # nothing is recorded for objects that have no owners until somebody applies
        before = self._empty() if old is None else self._compared_form(old)
        return written_entries(
            after_update(self._shape, before, self._compared_form(new), managed, self._writer(manager))
        )

    def _managed(self, given: object, old: JsonObject | None) -> Managed:
        """The owners before an update: those that are sent if they can be read, else those of the object."""
        stored = (old or {}).get("metadata", {}).get(_OWNERS)
        if self._subresource:
            return _readable(stored)
        return {} if is_reset(given) else _readable(given) or _readable(stored)

    def applied(self, request: ApiRequest, configuration: Configuration, live: JsonObject | None) -> JsonObject:
        """The object that a configuration makes, with its owners.

        Args:
            request: names the manager.
            configuration: as sent.
            live: the object as it is read; None: there is none.

        Raises:
            StatusError: 400 or 500, the configuration is malformed; 409, others own the fields; 413.
        """
        if _is_too_large(configuration.value) or _is_too_large(live):
            raise StatusError(too_large(f"an object with more than {PARTS_MAX} values cannot be applied"))
        self._check(configuration.value)
        writer = self._writer(request.manager or "")
        found = self._empty() if live is None else self._compared_form(live)
        try:
            result = self._merged(configuration, found, (live or {}).get("metadata", {}).get(_OWNERS), writer)
        except NoElement as error:
            raise StatusError(_internal(f"failed to create typed live object: {error}")) from error
        except Conflicts as error:
            raise StatusError(conflict_status(error.found)) from error
        new = result.object
        if writer.name == last_applied.CLIENT:
            new = last_applied.with_last_applied(new, configuration.value)
        return self._checked_result(configuration, new, result.managed)

    def _merged(self, configuration: Configuration, live: JsonObject, entries: object, writer: Writer) -> Applied:
        """The merged object. Conflicts with ``kubectl apply`` of former times are none for ``kubectl``."""
        try:
            managed = read_entries(entries)
        except InvalidFields as error:
            raise StatusError(_internal(f"failed to decode managed fields: {error}")) from error
        try:
            return self._apply(configuration.value, live, managed, writer, force=configuration.force)
        except Conflicts as error:
            left = last_applied.conflicts_left(self._shape, live, error.found)
            if writer.name != last_applied.CLIENT:
                raise
            if left:
                raise Conflicts(left) from error
        return self._apply(configuration.value, live, managed, writer, force=True)

    def _apply(self, value: JsonObject, live: JsonObject, managed: Managed, writer: Writer, *, force: bool) -> Applied:
        return after_apply(self._shape, live, value, managed, writer, force=force, empty=self._empty())

    def _check(self, value: JsonObject) -> None:
        """Check the form of a configuration.

        Raises:
            StatusError: 400 or 500.
        """
        expected = {"apiVersion": self._resource.api_version, "kind": self._resource.kind}
        if kind_text(value) != kind_text(expected):
            raise StatusError(bad_request(f"invalid object type: {kind_text(value)}"))
        metadata = value.get("metadata")
        if isinstance(metadata, dict) and metadata.get(_OWNERS) is not None:
            raise StatusError(bad_request(NO_MANAGED_FIELDS))
        problem = errors_text(self._shape, value)
        if problem:
            raise StatusError(_internal(f"failed to create typed patch object ({object_text(value)}): {problem}"))

    def _checked_result(self, configuration: Configuration, new: JsonObject, managed: Managed) -> JsonObject:
        try:
            read_object(self._resource, new)
        except BadBody as error:
            value = configuration.value
            what = f"unable to convert unstructured object to {kind_text(value)}: {conversion_text(str(error))}"
            why = f"failed to convert new object ({object_text(value)}) to proper version: {what}"
            raise StatusError(_internal(why)) from error
        entries = written_entries(managed)
        if size_of(entries) > SIZE_MAX:
            raise StatusError(too_large(f"metadata.managedFields would have more than {SIZE_MAX} bytes"))
        return _with_entries({**new, "metadata": new.get("metadata") or {}}, entries)

    @property
    def _shape(self) -> Shape:
        return shape_of(self._resource.type)

    def _empty(self) -> JsonObject:
        """An object of the kind without any field set."""
        head = {"kind": self._resource.kind, "apiVersion": self._resource.api_version}
        return decoded(self._resource.type, head)

    def _compared_form(self, found: JsonObject) -> JsonObject:
        """The object as it is compared and merged: as it is decoded, without its owners."""
        metadata = {key: value for key, value in found["metadata"].items() if key != _OWNERS}
        return decoded(self._resource.type, self._defaulted({**found, "metadata": metadata}))

    def _writer(self, name: str) -> Writer:
        return Writer(name, self._resource.api_version, self._now(), self._subresource)


def with_kept_times(new: JsonObject, old: JsonObject) -> JsonObject:
    """The object with the old times of its owners if nothing else is changed: it need not be written.

    Source: k8s.io/apiserver 0.34, ``pkg/endpoints/handlers/fieldmanager/equality.go``.
    """
    entries, before = ((each.get("metadata") or {}).get(_OWNERS) for each in (new, old))
    if not entries or not before or entries == before or _without_times(entries) != _without_times(before):
        return new
    kept = _with_entries(new, before)
    return kept if kept == {**old, "metadata": {**old["metadata"]}} else new


def has_owners(found: JsonObject) -> bool:
    """True if owners are recorded in the object."""
    return bool(found["metadata"].get(_OWNERS))


def without_owners(found: JsonObject) -> JsonObject:
    """The object without its owners."""
    return _with_entries(found, [])


def _without_times(entries: list[JsonObject]) -> list[JsonObject]:
    return [{key: value for key, value in entry.items() if key != "time"} for entry in entries]


def _is_too_large(found: JsonObject | None) -> bool:
    metadata = (found or {}).get("metadata")
    owners = metadata.get(_OWNERS) if isinstance(metadata, dict) else None
    without = {**(found or {}), "metadata": {**metadata, _OWNERS: None}} if isinstance(metadata, dict) else found
    return values_in(without) > PARTS_MAX or values_in(owners) > PARTS_MAX


def _readable(entries: object) -> Managed:
    """The owners in entries; none if these cannot be read."""
    try:
        return read_entries(entries)
    except InvalidFields:
        return {}


def _with_entries(found: JsonObject, entries: list[JsonObject]) -> JsonObject:
    metadata = {key: value for key, value in found["metadata"].items() if key != _OWNERS}
    return {**found, "metadata": {**metadata, **({_OWNERS: entries} if entries else {})}}


def _internal(why: str) -> Status:
    return Status(code=500, reason="", message=why)
