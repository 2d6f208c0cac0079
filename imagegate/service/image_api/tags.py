"""ImageStreamTags and ImageTags: two views of the tags in a stream, written through the stream.

Rule: docs/spec/import-gate.md 6.3 and 7. Source: openshift-apiserver, registry/imagestreamtag and registry/imagetag.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from imagegate.core.image_api.amounts import TooLarge
from imagegate.core.image_api.patches import check_result
from imagegate.core.image_api.resources import IMAGE_TAGS, STREAM_TAGS, ApiResource
from imagegate.core.image_api.stored_forms import tolerant
from imagegate.core.image_streams.metadata_validation import (
    path_segment_errors,
    validate_metadata,
    validate_metadata_update,
)
from imagegate.core.image_streams.objects import read_image_tag, read_stream_tag
from imagegate.core.image_streams.shown_images import nested
from imagegate.core.image_streams.stream import (
    spec_tag,
    split_stream_tag,
    status_tag,
    with_spec_tag,
    with_status_tag,
)
from imagegate.core.image_streams.views import image_stream_tag, image_stream_tags, image_tag, image_tags
from imagegate.core.import_gate.findings import Finding, without_refusal
from imagegate.core.import_gate.validation import (
    validate_image_tag,
    validate_image_tag_update,
    validate_stream_tag,
    validate_stream_tag_update,
)
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.kube.status import (
    Status,
    StatusError,
    already_exists,
    bad_request,
    conflict,
    not_found,
    server_timeout,
    too_large,
)
from imagegate.core.references.openshift import DEFAULT_TAG
from imagegate.errors import InvalidInput
from imagegate.ports.image_store import Collection, ObjectChanged, ObjectMissing
from imagegate.service.image_api.bodies import checked_body
from imagegate.service.image_api.field_owners import Configuration, FieldOwners
from imagegate.service.image_api.host_cluster import check_namespace
from imagegate.service.image_api.request import (
    ApiRequest,
    Change,
    DeleteOptions,
    JsonObject,
    ListOptions,
    Written,
    list_of,
    success,
)
from imagegate.service.image_api.stored import StoredObjects
from imagegate.service.image_api.streams import ImageObjects, metadata_of
from imagegate.service.writing import attempts


class TagObjects(ABC):
    """The verbs that both views share."""

    resource: ApiResource
    already_exists_as: str
    """The original's name of the resource in "already exists" errors."""

    def __init__(self, objects: ImageObjects, streams: StoredObjects) -> None:
        self._objects = objects
        self._streams = streams
        self.owners = FieldOwners(self.resource, objects.now, lambda found: found)

    @abstractmethod
    def view(self, stream: JsonObject, tag: str, *, allow_empty: bool) -> JsonObject:
        """One tag of a stream as this resource."""

    @abstractmethod
    def views(self, stream: JsonObject) -> list[JsonObject]:
        """All tags of a stream as this resource's list shows them."""

    @abstractmethod
    def with_tag(self, request: ApiRequest, stream: JsonObject, tag: str, body: JsonObject) -> JsonObject:
        """The stream with its spec tag as ``body`` sets it."""

    @abstractmethod
    def prepared(self, body: JsonObject, old: JsonObject | None) -> JsonObject:
        """The object as it is validated; ``old`` is None on creation."""

    @abstractmethod
    def findings(self, request: ApiRequest, new: JsonObject, old: JsonObject | None) -> list[Finding]:
        """Errors of a new or changed tag."""

    def get(self, request: ApiRequest, name: str) -> JsonObject:
        """One tag."""
        stream, tag = self._split(name)
        found = self._objects.required_stream(request.namespace, stream, asked=self.resource.name)
        return self.view(found, tag, allow_empty=False)

    def exists(self, namespace: str, name: str) -> bool:
        """True if the tag exists, so that an update does not create it."""
        stream_name, tag = self._split(name)
        stream = self._objects.stream(namespace, stream_name)
        return stream is not None and (spec_tag(stream, tag) is not None or status_tag(stream, tag) is not None)

    def _split(self, name: str) -> tuple[str, str]:
        try:
            return split_stream_tag(name)
        except InvalidInput as error:
            why = f"{self.resource.kind}s must be retrieved with <name>:<tag>"
            raise StatusError(bad_request(why)) from error

    def list_objects(self, request: ApiRequest, options: ListOptions) -> JsonObject:
        """Tags of all streams, by namespace and name; labels are those of the stream.

        As in the original, the options are those of the streams first: ``limit`` counts streams and there is no token
        for the rest, and a name that is selected must be that of stream and tag, which none is.
        """
        page = self._objects.store.list_objects(
            Collection(self.resource.group, "imagestreams", request.namespace or None),
            limit=options.limit,
            after=options.after,
            matches=None if options.selects_all else options.matches,
        )
        views = [view for stream in page.items for view in tolerant(self._views, "ImageStream", stream)]
        found = sorted((view for view in views if options.matches(view)), key=_sort_key)
        shown = list_of(self.resource.kind, self.resource.api_version, found, page.version)
        return {**shown, "metadata": {}}  # as in the original: the list is made of many objects, and has no version

    def _views(self, stream: JsonObject) -> list[JsonObject]:
        return self.views(self._streams.rules.shown(stream))

    def create(self, request: ApiRequest, body: JsonObject) -> JsonObject:
        """Create a spec tag, and the stream if it does not exist."""
        new = self.prepared(checked_body(self.resource, request, body), None)
        name = new["metadata"].get("name") or ""
        self._objects.refuse_findings(request, self.resource.kind, name, self.findings(request, new, None))
        stream_name, colon, tag = name.partition(":")
        if not colon:
            what = f"{go_quote(name)} must be of the form <stream_name>:<tag>"
            raise StatusError(Status(code=500, reason="", message=what))
        if not stream_name:
            raise StatusError(bad_request("Name parameter required."))
        tag = tag or DEFAULT_TAG
        for _ in attempts():
            stored = self._objects.stream(request.namespace, stream_name)
            stream = stored or _new_stream(request.namespace, stream_name)
            if spec_tag(stream, tag) is not None:
                raise StatusError(already_exists(self.already_exists_as, name))
            try:
                written = self._write(request, self.with_created_tag(stream, tag, new), stored)
            except ObjectChanged:
                continue
            return self.view(written, tag, allow_empty=True)
        raise StatusError(server_timeout(self.resource.name, "create"))

    @abstractmethod
    def with_created_tag(self, stream: JsonObject, tag: str, body: JsonObject) -> JsonObject:
        """The stream with the spec tag of a new object, if it has one."""

    def update(self, request: ApiRequest, name: str, change: Change, *, is_patch: bool = False) -> Written:
        """Change a spec tag; without a version in any version of the stream, which is created if it does not exist."""
        stream_name, tag = self._split(name)
        for _ in attempts():
            stored = self._objects.stream(request.namespace, stream_name)
            stream = stored or _new_stream(request.namespace, stream_name)
            old = self.view(stream, tag, allow_empty=True)
            given = checked_body(self.resource, request, change(old), name, keeps_owners=True)
            given = self.owners.updated(request, given, old)
            if stored is None:
                check_namespace(self._objects.cluster, self.resource, request.namespace, name)
            can_retry = is_patch or not given["metadata"].get("resourceVersion")
            new = self.prepared(
                self._with_missing_metadata(given, old, stored, name), old if stored is not None else None
            )
            findings = self.findings(request, new, old if stored is not None else None)
            if stored is not None:
                findings = [*_server_findings(new, old), *findings]
            self._objects.refuse_findings(request, self.resource.kind, name, findings)
            is_new = spec_tag(stream, tag) is None
            try:
                written = self._write(request, self.with_tag(request, stream, tag, new), stored)
            except ObjectChanged as error:
                if can_retry:
                    continue
                raise StatusError(conflict(self.resource.name, name, str(error))) from error
            return Written(self.view(written, tag, allow_empty=True), is_new)
        raise StatusError(server_timeout(self.resource.name, "update"))

    def apply(self, request: ApiRequest, name: str, configuration: Configuration) -> Written:
        """Merge a configuration into a tag.

        As in the original only a tag that makes its stream can be applied: any other gets owners by it, which are
        metadata, and metadata of a tag cannot be changed.
        """
        return self.update(
            request.unrecorded(),
            name,
            lambda live: self.owners.applied(request, configuration, live),
            is_patch=True,
        )

    def _with_missing_metadata(
        self, given: JsonObject, old: JsonObject, stored: JsonObject | None, name: str
    ) -> JsonObject:
        """The object with missing metadata taken from the stream.

        Raises:
            StatusError: 404 or 409 if it is based on another version of the stream.
        """
        metadata, before = dict(given["metadata"]), old["metadata"]
        version = metadata.get("resourceVersion")
        if version and stored is None:
            raise StatusError(not_found(self.resource.name, name))
        if version and version != before.get("resourceVersion"):
            why = f"another caller has updated the resource version to {before.get('resourceVersion')}"
            raise StatusError(conflict(self.resource.name, name, why))
        for key in ("resourceVersion", "uid", "creationTimestamp", "labels"):
            if not metadata.get(key) and before.get(key):
                metadata[key] = before[key]
        if before.get("generation"):
            metadata["generation"] = before["generation"]
        return {**given, "metadata": metadata}

    def delete(self, request: ApiRequest, name: str, options: DeleteOptions) -> JsonObject:
        """Remove spec and status tag. The Image stays.

        As in the original, only the uid counts as a precondition: the tag has the version of the whole stream.
        """
        stream_name, tag = self._split(name)
        for _ in attempts():
            stream = self._objects.required_stream(request.namespace, stream_name, asked=self.resource.name)
            if options.uid is not None and options.uid != stream["metadata"].get("uid"):
                raise StatusError(conflict(self.resource.name, name, "the UID precondition was not met"))
            if spec_tag(stream, tag) is None and status_tag(stream, tag) is None:
                raise StatusError(not_found(self.resource.name, name))
            without = with_status_tag(with_spec_tag(stream, tag, None), tag, None)
            try:
                self._write(request, without, stream, removed=tag)
            except ObjectChanged:
                continue
            except ObjectMissing as error:
                raise StatusError(not_found("imagestreams", stream_name)) from error
            return success()
        raise StatusError(server_timeout(self.resource.name, "delete"))

    def _write(
        self, request: ApiRequest, stream: JsonObject, stored: JsonObject | None, *, removed: str | None = None
    ) -> JsonObject:
        """Create or replace the stream.

        Raises:
            ObjectChanged: another writer changed the stream meanwhile.
            StatusError: the stream is not valid, or larger than objects may be: 413.
        """
        _check_size(stream, stored)
        if stored is None:
            try:
                return self._streams.create(request.unrecorded(), stream)
            except StatusError as error:
                if error.status.reason == "AlreadyExists":
                    raise ObjectChanged(str(error)) from error
                raise
        if removed is not None:  # a user's update keeps the old status, so the tag is removed there first
            stored = with_status_tag(stored, removed, None)
        return self._streams.rules.shown(self._streams.replace(request, stream, stored, self._streams.rules))


class StreamTags(TagObjects):
    """ImageStreamTags."""

    resource = STREAM_TAGS
    already_exists_as = "imagestreamtag"

    def view(self, stream: JsonObject, tag: str, *, allow_empty: bool) -> JsonObject:
        """With the image, its annotations under those of the spec tag."""
        found = image_stream_tag(stream, tag, self._objects.image, allow_empty=allow_empty)
        return {**found, "image": nested(found["image"])}

    def views(self, stream: JsonObject) -> list[JsonObject]:
        """One for each status tag with an image, of which only the name is shown."""
        return [{**found, "image": nested(found["image"])} for found in image_stream_tags(stream)]

    def prepared(self, body: JsonObject, old: JsonObject | None) -> JsonObject:
        """Clients cannot set ``image`` and ``conditions``; the spec tag's name and annotations follow the object."""
        tag = body.get("tag")
        if tag is not None and old is None and not tag.get("name"):
            tag = {**tag, "name": _tag_name(body)}
        if tag is not None and old is not None:
            tag = {**tag, "annotations": body["metadata"].get("annotations")}
        kept = {key: value for key, value in body.items() if key not in ("image", "conditions")}
        shown: JsonObject = {key: old[key] for key in ("image", "conditions") if key in old} if old is not None else {}
        return {**kept, **shown, "tag": tag}

    def findings(self, request: ApiRequest, new: JsonObject, old: JsonObject | None) -> list[Finding]:
        """The tag's own errors and the gate's for its source."""
        gate = self._objects.gate(request.namespace).gate
        if old is None:
            return validate_stream_tag(gate, read_stream_tag(new))
        return validate_stream_tag_update(gate, read_stream_tag(new), read_stream_tag(old))

    def with_created_tag(self, stream: JsonObject, tag: str, body: JsonObject) -> JsonObject:
        """``tag`` may be null: then only the stream is created."""
        return stream if body.get("tag") is None else with_spec_tag(stream, tag, body["tag"])

    def with_tag(self, request: ApiRequest, stream: JsonObject, tag: str, body: JsonObject) -> JsonObject:
        """The spec tag is ``tag``, or stays; its annotations are those of the object.

        Raises:
            StatusError: 400, neither exists.
        """
        reference = spec_tag(stream, tag)
        if reference is None and body.get("tag") is None:
            name = stream["metadata"]["name"]
            what = (
                f"imagestreamtag {tag} is not a spec tag in imagestream {request.namespace}/{name}, cannot be updated"
            )
            raise StatusError(bad_request(what))
        if body.get("tag") is not None:
            reference = body["tag"]
        annotations = body["metadata"].get("annotations")
        return with_spec_tag(stream, tag, {**(reference or {}), "name": tag, "annotations": annotations})


class ImageTags(TagObjects):
    """ImageTags."""

    resource = IMAGE_TAGS
    already_exists_as = "imagetags"

    def view(self, stream: JsonObject, tag: str, *, allow_empty: bool) -> JsonObject:
        """Spec and status tag side by side."""
        found = image_tag(stream, tag, self._objects.image, allow_empty=allow_empty)
        return found if found["image"] is None else {**found, "image": nested(found["image"])}

    def views(self, stream: JsonObject) -> list[JsonObject]:
        """One for each spec or status tag."""
        return image_tags(stream)

    def prepared(self, body: JsonObject, old: JsonObject | None) -> JsonObject:
        """Clients cannot set ``image`` and, on creation, ``status``."""
        spec = body.get("spec")
        if old is not None:
            return {**body, "image": old.get("image")}
        if spec is not None and not spec.get("name"):
            spec = {**spec, "name": _tag_name(body)}
        return {**body, "spec": spec, "status": None, "image": None}

    def findings(self, request: ApiRequest, new: JsonObject, old: JsonObject | None) -> list[Finding]:
        """The tag's own errors and the gate's for its source."""
        gate = self._objects.gate(request.namespace).gate
        if old is None:
            return validate_image_tag(gate, read_image_tag(new))
        return validate_image_tag_update(gate, read_image_tag(new), read_image_tag(old))

    def with_created_tag(self, stream: JsonObject, tag: str, body: JsonObject) -> JsonObject:
        """A new spec tag."""
        return with_spec_tag(stream, tag, body["spec"])

    def with_tag(self, request: ApiRequest, stream: JsonObject, tag: str, body: JsonObject) -> JsonObject:  # noqa: ARG002
        """The spec tag is ``spec``; null removes it."""
        spec = body.get("spec")
        return with_spec_tag(stream, tag, None if spec is None else {**spec, "name": tag})


def _server_findings(new: JsonObject, old: JsonObject) -> list[Finding]:
    """Errors that an API server finds in an update's metadata, before the tag's own rules find them once more."""
    metadata = metadata_of(new)
    errors = validate_metadata(metadata, path_segment_errors, namespaced=True, path="metadata")
    return without_refusal([*errors, *validate_metadata_update(metadata, metadata_of(old))])


def _check_size(stream: JsonObject, stored: JsonObject | None) -> None:
    """Check the stream with the tag: many requests with one tag each could make one of any size.

    Raises:
        StatusError: 413.
    """
    try:
        check_result(stream, stored or {})
    except TooLarge as error:
        raise StatusError(too_large(f"image stream {stream['metadata']['name']}: {error}")) from error


def _new_stream(namespace: str, name: str) -> JsonObject:
    return {
        "kind": "ImageStream",
        "apiVersion": "image.openshift.io/v1",
        "metadata": {"name": name, "namespace": namespace},
    }


def _tag_name(body: JsonObject) -> str:
    return (body["metadata"].get("name") or "").partition(":")[2] or DEFAULT_TAG


def _sort_key(view: JsonObject) -> tuple[str, str]:
    return view["metadata"].get("namespace") or "", view["metadata"]["name"]
