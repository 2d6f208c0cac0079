"""Images, ImageStreamImages, signatures, and mappings (an image that was pushed).

Rule: docs/spec/import-gate.md 6.2.3, 6.3 and 7. Source: openshift-apiserver, registry/image, imagestreamimage,
imagesignature and imagestreammapping.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from imagegate.core.admission.access_review import Access
from imagegate.core.image_api.resources import IMAGES, SIGNATURES, STREAM_IMAGES, STREAM_MAPPINGS, STREAMS
from imagegate.core.image_api.signatures import kept_signature, new_signature_errors, signature_errors
from imagegate.core.image_streams.docker_metadata import NotDockerMetadata, with_docker_metadata
from imagegate.core.image_streams.histories import with_event
from imagegate.core.image_streams.metadata_validation import (
    path_segment_errors,
    validate_metadata,
    validate_metadata_update,
)
from imagegate.core.image_streams.objects import Event, read_mapping
from imagegate.core.image_streams.shown_images import nested, with_shown_metadata, without_shown_metadata
from imagegate.core.image_streams.stream import latest_event, split_stream_image
from imagegate.core.image_streams.tracking import with_tracking_tags
from imagegate.core.image_streams.views import image_stream_image
from imagegate.core.import_gate.validation import validate_mapping
from imagegate.core.imports.image_content import CONFIG, MANIFEST, holds_manifest, with_metadata, without_metadata
from imagegate.core.imports.outcome import internal_error
from imagegate.core.kube.field_errors import FieldError, required
from imagegate.core.kube.field_errors import invalid as invalid_field
from imagegate.core.kube.status import (
    StatusError,
    already_exists,
    bad_request,
    conflict,
    invalid,
    not_found,
)
from imagegate.core.references.openshift import DEFAULT_TAG, ImageReference
from imagegate.errors import InvalidInput, InvalidReference, Malformed, TooLarge
from imagegate.service.image_api.bodies import checked_body
from imagegate.service.image_api.local import authorise
from imagegate.service.image_api.request import ApiRequest, DeleteOptions, JsonObject, success
from imagegate.service.image_api.stored import StoredObjects
from imagegate.service.image_api.streams import ImageObjects, metadata_of
from imagegate.service.writing import CHANGED_MEANWHILE

BLOB_STORED = "image.openshift.io/manifestBlobStored"
MANAGED = "openshift.io/image.managed"
MARK = "mark"
"""The verb that allows to change marks; it stands in roles beside ``update`` and ``patch``."""
OWNERS = "ownerReferences"
_DIGEST = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9A-Fa-f]{32,}", re.ASCII)
_MEDIA_TYPE = re.compile(r" *[A-Za-z0-9][A-Za-z0-9!#$&^_-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126} *", re.ASCII)
_SIGNATURES = "imageSignatures"
"""The original's name of the resource in messages."""
_FREE = ("kind", "apiVersion", "metadata", "signatures", "dockerImageReference")
"""Fields of an Image that an update may change; the others stay as they were imported."""


class ImageRules:
    """Rules for writing an Image.

    Marks (``core.image_policy.marks``) need the verb ``mark`` beside that of the request, since they decide what runs.

    Args:
        objects: clock, marks and access reviews.
        trusts_signatures: uid and time of signatures were set by this server, and are kept.
    """

    unconditional_updates = False
    named_late = False

    def __init__(self, objects: ImageObjects, *, trusts_signatures: bool = False) -> None:
        self._objects = objects
        self._now = objects.now
        self._trusts_signatures = trusts_signatures

    def shown(self, found: JsonObject) -> JsonObject:
        """The Image as it is stored, with empty metadata if it has none."""
        return with_shown_metadata(found)

    def defaulted(self, found: JsonObject) -> JsonObject:
        """The Image itself."""
        return found

    def created(self, request: ApiRequest, new: JsonObject) -> JsonObject:
        """A new Image with metadata from its manifest, and without the manifest if the registry stores it."""
        try:
            new = without_shown_metadata(with_docker_metadata(new))
        except NotDockerMetadata as error:
            raise StatusError(bad_request(str(error))) from error
        errors = validate_metadata(metadata_of(new), path_segment_errors, namespaced=False, path="metadata")
        signatures = new_signature_errors(new.get("signatures") or (), ())
        _refuse_errors(new, [*errors, *_reference_errors(new), *signatures, *_manifest_errors(new)])
        self._authorise_marks(request, new, self._objects.marks().changed({}, new["metadata"]))
        return _stored_form(self._with_own_metadata(request, new), ())

    def updated(self, request: ApiRequest, new: JsonObject, old: JsonObject) -> JsonObject:
        """Labels, annotations and signatures may change; manifest and configuration only if their digests match."""
        kept = {key: value for key, value in old.items() if key not in _FREE}
        changed = {**kept, **{key: new[key] for key in _FREE if key in new}}
        changed["metadata"] = _with_generation_of(old["metadata"], changed["metadata"])
        signatures = new_signature_errors(changed.get("signatures") or (), old.get("signatures") or ())
        errors = [
            *validate_metadata_update(metadata_of(changed), metadata_of(old)),
            *validate_metadata(metadata_of(changed), path_segment_errors, namespaced=False, path="metadata"),
        ] * 2  # checked twice in the original
        _refuse_errors(changed, [*errors, *_reference_errors(changed), *signatures, *_manifest_errors(new)])
        self._authorise_marks(request, old, self._changed_marks(old["metadata"], changed["metadata"]))
        filled = self._with_own_metadata(request, self._with_contents(request, changed, new, old))
        return _stored_form(
            filled, filled.get("signatures") or () if self._trusts_signatures else old.get("signatures") or ()
        )

    def deleted(self, request: ApiRequest, old: JsonObject) -> None:
        """Check that the caller may remove its marks: the image could be imported anew without them.

        Streams may still refer to it; reads of their tags then return 404 of images.
        """
        marks = self._objects.marks().changed(old["metadata"], {})
        self._authorise_marks(request, old, marks)
        if marks:
            request.warnings.append(
                f"image {old['metadata'].get('name') or ''} has marks ({', '.join(marks)}): without its Image they are "
                "lost, and an image that is imported again has none"
            )

    def _changed_marks(self, old: JsonObject, new: JsonObject) -> list[str]:
        """The changed marks; of a marked Image also its owners, since it is deleted with them."""
        marks = self._objects.marks()
        changed = marks.changed(old, new)
        if old.get(OWNERS) != new.get(OWNERS) and marks.changed({}, old):
            changed.append(f"{OWNERS} of a marked image")
        return changed

    def _authorise_marks(self, request: ApiRequest, image: JsonObject, changed: list[str]) -> None:
        """Refuse a change of marks by a user who may not mark Images.

        Raises:
            StatusError: 403; 503 if it cannot be found out.
        """
        if changed:
            name = image["metadata"].get("name") or ""
            asked = Access(request.user, MARK, IMAGES.group, IMAGES.name, name=name)
            authorise(self._objects, asked, needed_for=", ".join(changed))

    def _with_own_metadata(self, request: ApiRequest, image: JsonObject) -> JsonObject:
        """The Image with metadata from its manifest and configuration; without any if these cannot be read."""
        if not holds_manifest(image):
            return image
        try:
            return with_metadata(image, now=datetime.fromisoformat(self._now()))
        except (Malformed, TooLarge) as error:
            request.warnings.append(
                f"image {image['metadata'].get('name') or ''} has no metadata, so rules take its docker labels for "
                f"unreadable: {error}"
            )
            return without_metadata(image)

    def _with_contents(self, request: ApiRequest, changed: JsonObject, new: JsonObject, old: JsonObject) -> JsonObject:
        """The Image with the sent manifest and configuration if they are its own; else with the stored ones."""
        given = {key: new[key] for key in (MANIFEST, CONFIG) if new.get(key) and new[key] != old.get(key)}
        if not given:
            return changed
        try:
            return with_metadata({**changed, **given}, now=datetime.fromisoformat(self._now()))
        except KeyError:
            request.warnings.append(f"{' and '.join(given)} not changed: the image has no manifest that names it")
            return changed
        except (Malformed, TooLarge) as error:
            request.warnings.append(f"{' and '.join(given)} not changed: {error}")
            return changed


def _stored_form(image: JsonObject, old_signatures: Sequence[JsonObject]) -> JsonObject:
    """The Image as it is stored: signatures as their sender may set them, and no manifest that the registry stores."""
    if image.get("signatures"):
        kept = [kept_signature(each, old_signatures) for each in image["signatures"]]
        image = {**image, "signatures": kept}
    if (image["metadata"].get("annotations") or {}).get(BLOB_STORED) != "true":
        return image
    return {key: value for key, value in image.items() if key not in (MANIFEST, CONFIG)}


def _with_generation_of(old: JsonObject, new: JsonObject) -> JsonObject:
    """The metadata with the old generation, which an update cannot set."""
    kept = {key: value for key, value in new.items() if key != "generation"}
    return {**kept, **({"generation": old["generation"]} if old.get("generation") else {})}


def _manifest_errors(image: Mapping[str, Any]) -> list[FieldError]:
    """Errors of ``dockerImageManifests``. Source: openshift-apiserver, apis/image/validation."""
    errors = []
    listed = image.get("dockerImageManifests") or ()
    for index, manifest in enumerate(listed):
        at = f"dockerImageManifests[{index}]"
        digest, media_type = manifest.get("digest") or "", manifest.get("mediaType") or ""
        if _DIGEST.search(digest) is None:
            errors.append(invalid_field(f"{at}.digest", digest, "digest does not conform with OCI image specification"))
        if _MEDIA_TYPE.fullmatch(media_type) is None:
            errors.append(invalid_field(f"{at}.mediaType", media_type, "media type does not conform to RFC6838"))
        errors += [required(f"{at}.{key}") for key in ("architecture", "os") if not manifest.get(key)]
        size = manifest.get("manifestSize") or 0
        if size < 0:
            errors.append(invalid_field(f"{at}.size", size, "manifest size cannot be negative"))
    return errors


def _reference_errors(image: Mapping[str, Any]) -> list[FieldError]:
    text = image.get("dockerImageReference") or ""
    if not text:
        return [required("dockerImageReference")]
    try:
        ImageReference.parse(text)
    except InvalidReference as error:
        return [invalid_field("dockerImageReference", text, str(error))]
    return []


def _refuse_errors(image: JsonObject, errors: list[FieldError]) -> None:
    if errors:
        raise StatusError(invalid("Image", image["metadata"].get("name") or "", errors))


class StreamImages:
    """ImageStreamImages: images by ``STREAM@ID``."""

    resource = STREAM_IMAGES

    def __init__(self, objects: ImageObjects) -> None:
        self._objects = objects

    def get(self, request: ApiRequest, name: str) -> JsonObject:
        """One image of a stream, by its digest or a prefix of it."""
        try:
            stream, asked = split_stream_image(name)
        except InvalidInput as error:
            raise StatusError(bad_request(str(error))) from error
        found = self._objects.required_stream(request.namespace, stream, asked=self.resource.name)
        shown = image_stream_image(found, asked, self._objects.image)
        return {**shown, "image": nested(shown["image"])}


class Signatures:
    """ImageSignatures: entries of an Image's ``signatures``, named ``IMAGE@SIGNATURE``."""

    resource = SIGNATURES

    def __init__(self, images: StoredObjects, now: Callable[[], str]) -> None:
        self._images = images
        self._now = now

    def create(self, request: ApiRequest, body: JsonObject) -> JsonObject:
        """Add a signature to its Image."""
        new = checked_body(self.resource, request, body)
        name = new["metadata"].get("name") or ""
        image = name.partition("@")[0]
        if not name and new["metadata"].get("generateName"):
            raise StatusError(internal_error("metadata.name was not generated"))
        new = {**new, "metadata": {**new["metadata"], "name": name}}
        errors = signature_errors(new)
        if errors:
            raise StatusError(invalid("ImageSignature", name, errors))
        made = {"uid": str(uuid.uuid4()), "creationTimestamp": self._now()}
        new = {**kept_signature(new), "metadata": {"name": name, **made}}

        def add(found: JsonObject) -> JsonObject:
            if any(_is_same(each, new) for each in found.get("signatures") or ()):
                raise StatusError(already_exists(_SIGNATURES, name))
            return {**found, "signatures": [*(found.get("signatures") or ()), new]}

        self._images.update(request.unrecorded(), image, add, is_patch=True)
        return new

    def delete(self, request: ApiRequest, name: str, options: DeleteOptions) -> JsonObject:  # noqa: ARG002
        """Remove a signature from its Image."""
        image, _, own = name.partition("@")
        if not image or not own or "@" in own:
            raise StatusError(bad_request("ImageSignatures must be accessed with <imageName>@<signatureName>"))

        def remove(found: JsonObject) -> JsonObject:
            before = found.get("signatures") or []
            kept = [each for each in before if (each.get("metadata") or {}).get("name") != name]
            if len(kept) == len(before):
                raise StatusError(not_found(_SIGNATURES, name))
            return {**found, "signatures": kept}

        self._images.update(request.unrecorded(), image, remove, is_patch=True)
        return success()


def _is_same(one: JsonObject, other: JsonObject) -> bool:
    """True if two signatures have the same name or the same content."""
    names = [(each.get("metadata") or {}).get("name") for each in (one, other)]
    contents = [(each.get("type"), each.get("content")) for each in (one, other)]
    return names[0] == names[1] or contents[0] == contents[1]


class Mappings:
    """ImageStreamMappings: an image was pushed to the integrated registry and becomes a tag's newest event."""

    resource = STREAM_MAPPINGS

    def __init__(
        self,
        objects: ImageObjects,
        images: StoredObjects,
        streams: StoredObjects,
        update_status: Callable[[ApiRequest, str, Callable[[JsonObject], JsonObject]], JsonObject],
    ) -> None:
        self._objects = objects
        self._images = images
        self._streams = streams
        self._update_status = update_status

    def create(self, request: ApiRequest, body: JsonObject) -> JsonObject:
        """Create the Image, unless it is there, and put it into the tag's history.

        The gate decides first, so that a refused push leaves no Image behind.
        """
        new = self._prepared(request, checked_body(self.resource, request, body))
        self._check_size(request, new)
        self._objects.refuse_findings(
            request, self.resource.kind, new["metadata"].get("name") or "", validate_mapping(read_mapping(new))
        )
        stream = self._stream(request, new)
        image, tag = new["image"], new.get("tag") or DEFAULT_TAG
        stored = self._objects.image(image["metadata"]["name"])
        reference = self._reference(stream, image, is_known=stored is not None)
        event = Event(reference, image["metadata"]["name"], created=self._objects.now())
        trial = ApiRequest(request.user, request.namespace, True, request.warnings)
        self._put_event(trial, stream["metadata"]["name"], tag, event)
        if stored is None:
            self._create_image(request, image)
        self._put_event(request, stream["metadata"]["name"], tag, event)
        return {**success(), "code": 201}

    def _check_size(self, request: ApiRequest, new: JsonObject) -> None:
        """Check the image's size against the limits of the namespace.

        Raises:
            StatusError: 403, it is larger; 503, the limits cannot be looked up.
        """
        image, name = new["image"], new["metadata"].get("name") or ""
        if holds_manifest(image):
            with suppress(Malformed, TooLarge):  # its manifest is not its own: only the size that was sent is known
                image = with_metadata(image, now=datetime.fromisoformat(self._objects.now()))
        self._objects.check_image_limits(self.resource.name, request, name, image)

    def _create_image(self, request: ApiRequest, image: JsonObject) -> None:
        try:
            self._images.create(request.unrecorded(), image)
        except StatusError as error:
            if error.status.reason != "AlreadyExists":
                raise

    def _prepared(self, request: ApiRequest, new: JsonObject) -> JsonObject:
        """The mapping with the image's reference filled in: the stream's repository, by digest."""
        image = {**(new.get("image") or {})}
        metadata = image.get("metadata") or {}
        name, stream = metadata.get("name") or "", new["metadata"].get("name") or ""
        if not image.get("dockerImageReference") and stream:
            host = self._objects.hosts().internal
            if host:
                image["dockerImageReference"] = ImageReference(host, request.namespace, stream, "", name).exact
        return {**new, "image": {**image, "metadata": metadata}}

    def _stream(self, request: ApiRequest, new: JsonObject) -> JsonObject:
        name = new["metadata"].get("name") or ""
        if not name:
            raise StatusError(not_found("imagestream", ""))
        return self._objects.required_stream(request.namespace, name, asked=self.resource.name)

    def _reference(self, stream: JsonObject, image: JsonObject, *, is_known: bool) -> str:
        own: str = image.get("dockerImageReference") or ""
        if not is_known or (image["metadata"].get("annotations") or {}).get(MANAGED) != "true":
            return own
        repository = stream["status"].get("dockerImageRepository") or ""
        try:
            parsed = ImageReference.parse(repository)
        except InvalidReference:
            return own
        return ImageReference(parsed.registry, parsed.namespace, parsed.name, "", image["metadata"]["name"]).exact

    def _put_event(self, request: ApiRequest, name: str, tag: str, event: Event) -> None:
        """Add the event by a status update; retried after a conflict if the tag still has the same image."""
        newest = latest_event(self._objects.required_stream(request.namespace, name), tag)

        def add(found: JsonObject) -> JsonObject:
            if _is_other(latest_event(found, tag), newest):
                raise StatusError(conflict(STREAMS.name, name, CHANGED_MEANWHILE))
            dated = event._replace(generation=found["metadata"].get("generation") or 0)
            changed, is_changed = with_event(found, tag, dated)
            return with_tracking_tags(changed, tag, dated) if is_changed else found

        self._update_status(request.unrecorded(), name, add)


def _is_other(now: JsonObject | None, before: JsonObject | None) -> bool:
    """True if a tag has another image than before; time and generation do not matter."""
    keys = ("image", "dockerImageReference")
    return before is not None and any((now or {}).get(key) != before.get(key) for key in keys)
