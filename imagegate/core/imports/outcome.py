"""Manifests to fetch for an ImageStreamImport, the results, and the image stream after them.

Pure: fetching is ``service.imports.importer``'s business. Objects are plain image.openshift.io/v1 JSON, never changed
in place. Source: docs/spec/import-gate.md 6.1, 6.2. Sources: openshift-apiserver,
pkg/image/apiserver/importer/importer.go and registry/imagestreamimport/rest.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from imagegate.core.image_streams.histories import with_event
from imagegate.core.image_streams.objects import LEGACY, Event, ImportObject, ImportSource, tag_of
from imagegate.core.image_streams.stream import (
    DOCKER_IMAGE,
    IMPORT_SUCCESS,
    latest_event,
    spec_tag,
    status_tag,
    with_spec_tag,
    with_status_tag,
)
from imagegate.core.image_streams.tracking import with_followed_tags
from imagegate.core.imports.image_object import JsonObject
from imagegate.core.kube.field_errors import invalid as invalid_field
from imagegate.core.kube.status import Cause, Status, bad_request, forbidden, invalid, not_found
from imagegate.core.references.openshift import DEFAULT_TAG, ImageReference
from imagegate.core.registry.manifest import Child, Manifest, Platform
from imagegate.errors import InvalidReference

CHECK_ANNOTATION = "openshift.io/image.dockerRepositoryCheck"
PREFER_ARCH = "importer.image.openshift.io/prefer-arch"
PREFER_OS = "importer.image.openshift.io/prefer-os"
SUCCESS: Mapping[str, Any] = {"metadata": {}, "status": "Success"}
UNKNOWN_ERROR = "unknown error prevented import"
ANY_PLATFORM = Platform()
_FALLBACK = Platform("amd64", "linux")


@dataclass(frozen=True, slots=True)
class Fetch:
    """One manifest to fetch; equal ones are fetched once.

    ``image`` is the reference as written; ``prefer`` the first platform to search for in a list, empty if unset.
    """

    image: ImageReference
    mode: str
    insecure: bool
    prefer: Platform = ANY_PLATFORM

    @property
    def tag(self) -> str:
        """The source tag; empty for a digest."""
        return "" if self.image.id else self.image.tag or DEFAULT_TAG

    @property
    def shown(self) -> str:
        """The reference for messages, with Docker's defaults."""
        return self.image.with_docker_defaults().most_specific().exact

    def named(self, digest: str) -> str:
        """The reference as written, with this digest instead of the tag."""
        return replace(self.image, tag="", id=digest).exact


@dataclass(frozen=True, slots=True)
class Imported:
    """A fetched image: its Image, the Images of a list's entries, and manifest and configuration (not stored)."""

    image: JsonObject
    manifests: tuple[JsonObject, ...] = ()
    manifest_text: str = ""
    config_text: str = ""


Outcome: TypeAlias = Imported | Status


@dataclass(frozen=True, slots=True)
class RepositoryOutcome:
    """The result for a repository: results by tag, in order, and the tags left out; or the failure."""

    outcomes: tuple[tuple[str, Outcome], ...] = ()
    additional_tags: tuple[str, ...] = ()
    failure: Status | None = None


# Manifests to fetch


def with_defaults(document: JsonObject, mode: str) -> JsonObject:
    """The ImageStreamImport (types already checked) with ``mode`` and policies where it sets none.

    An entry without a target gets the source's tag.
    """

    def filled(entry: JsonObject) -> JsonObject:
        policy, reference = entry.get("importPolicy") or {}, entry.get("referencePolicy") or {}
        return {
            **entry,
            "importPolicy": {**policy, "importMode": policy.get("importMode") or mode},
            "referencePolicy": {**reference, "type": reference.get("type") or "Source"},
        }

    def with_target(entry: JsonObject) -> JsonObject:
        source = str((entry.get("from") or {}).get("name") or "")
        tag = tag_of(source) if entry.get("to") is None else None
        return {**entry, "to": {"name": tag}} if tag else entry

    spec = dict(document.get("spec") or {})
    if spec.get("repository") is not None:
        spec["repository"] = filled(spec["repository"])
    if spec.get("images"):
        spec["images"] = [with_target(filled(entry or {})) for entry in spec["images"]]
    return {**document, "spec": spec}


def image_fetch(source: ImportSource, stream: Mapping[str, Any] | None) -> Fetch | Status:
    """The manifest that an entry of ``spec.images`` needs; a Status if its name is not an image reference.

    Args:
        source: as ``read_import`` reads it.
        stream: the stream as it is, whose tag annotations may prefer a platform.
    """
    image = _parsed_reference(source)
    if isinstance(image, Status):
        return image
    prefer = ANY_PLATFORM
    if not image.id and stream is not None:
        target = source.to if source.to is not None else image.tag or DEFAULT_TAG
        annotations = (spec_tag(stream, target) or {}).get("annotations") or {}
        prefer = Platform(str(annotations.get(PREFER_ARCH) or ""), str(annotations.get(PREFER_OS) or ""))
    return Fetch(image, source.import_policy.import_mode, source.import_policy.insecure, prefer)


def repository_fetch(source: ImportSource) -> Fetch | Status:
    """The repository of ``spec.repository``, without a tag; a Status if its name is not an image reference."""
    image = _parsed_reference(source)
    if isinstance(image, Status):
        return image
    return Fetch(image.as_repository(), source.import_policy.import_mode, source.import_policy.insecure)


def of_tag(repository: Fetch, tag: str) -> Fetch:
    """One tag of a repository."""
    return replace(repository, image=replace(repository.image, tag=tag, id=""))


def of_digest(fetch: Fetch, digest: str) -> Fetch:
    """An entry of the list that ``fetch`` results in; a list inside a list is reduced to one of its entries."""
    return replace(fetch, image=replace(fetch.image, tag="", id=digest), mode=LEGACY, prefer=ANY_PLATFORM)


def _parsed_reference(source: ImportSource) -> ImageReference | Status:
    name = source.source.name
    try:
        return ImageReference.parse(name)
    except InvalidReference as error:
        return invalid("", "", [invalid_field("from.name", name, f"invalid name: {error}")], group="")


def preferred_child(manifest: Manifest, prefer: Platform, server: Platform) -> Child | None:
    """The entry that represents a list: that of the preferred platform, else linux on amd64, else the first."""
    wanted = (prefer.architecture or server.architecture, prefer.os or server.os)
    for architecture, os in (wanted, (_FALLBACK.architecture, _FALLBACK.os)):
        for child in manifest.children:
            if (child.platform.architecture, child.platform.os) == (architecture, os):
                return child
    return manifest.children[0] if manifest.children else None


# Failures as Statuses


def absent(shown: str) -> Status:
    """404: the image does not exist."""
    return not_found("dockerimage", shown)


def unauthorized(message: str) -> Status:
    """401."""
    return Status(code=401, reason="Unauthorized", message=message)


def http_only(repository_name: str) -> Status:
    """400: plain HTTP needs the flag."""
    return bad_request(f"the repository {repository_name} is HTTP only and requires the insecure flag to import")


def blocked(why: str) -> Status:
    """403: the settings forbid it."""
    return Status(code=403, reason="Forbidden", message=f"forbidden: {why}")


def not_listed(why: str) -> Status:
    """403: the import list does not allow the registry, so no request was sent to it."""
    return Status(code=403, reason="Forbidden", message=f"forbidden: {why}")


def not_v2(host: str) -> Status:
    """403: the registry does not serve API v2."""
    status = forbidden("", "", f'registry "{host}" does not support the v2 Registry API')
    return replace(status, reason="NotV2Registry")


def internal_error(why: str) -> Status:
    """500 with ``why`` as its cause."""
    return Status(
        code=500, reason="InternalError", message=f"Internal error occurred: {why}", causes=(Cause("", why, ""),)
    )


def status_json(status: Status) -> JsonObject:
    """A Status inside another object: without kind and API version; empty members of causes left out."""
    out = {key: value for key, value in status.to_json().items() if key not in {"kind", "apiVersion"}}
    if status.causes:
        causes = [{key: value for key, value in cause._asdict().items() if value} for cause in status.causes]
        out["details"] = {**out["details"], "causes": causes}
    return out


# The status of the import


def image_status(
    fetch: Fetch | None, outcome: Outcome, *, include_manifest: bool, tag: str | None = None
) -> JsonObject:
    """One entry of ``status.images`` or ``status.repository.images``."""
    tag = tag if tag is not None else fetch.tag if fetch is not None else ""
    written: JsonObject = {"status": status_json(outcome) if isinstance(outcome, Status) else dict(SUCCESS)}
    if isinstance(outcome, Imported):
        image = outcome.image
        if include_manifest:
            texts = {"dockerImageManifest": outcome.manifest_text, "dockerImageConfig": outcome.config_text}
            image = {**image, **{key: text for key, text in texts.items() if text}}
        written["image"] = image
    if tag:
        written["tag"] = tag
    if isinstance(outcome, Imported) and outcome.manifests:
        written["manifests"] = list(outcome.manifests)
    return written


def repository_status(result: RepositoryOutcome, *, include_manifest: bool) -> JsonObject:
    """``status.repository``."""
    if result.failure is not None:
        return {"status": status_json(result.failure)}
    failures = sum(isinstance(outcome, Status) for _, outcome in result.outcomes)
    status: JsonObject = dict(SUCCESS)
    if failures:
        count = "one" if failures == 1 else str(failures)
        message = f"{count} of the images from this repository failed to import"
        status = {"metadata": {}, "status": "Failure", "message": message, "reason": "ImportFailed"}
    written: JsonObject = {"status": status}
    if result.outcomes:
        written["images"] = [
            image_status(None, outcome, include_manifest=include_manifest, tag=tag) for tag, outcome in result.outcomes
        ]
    if result.additional_tags:
        written["additionalTags"] = list(result.additional_tags)
    return written


# The stream after the import


def new_stream(namespace: str, name: str) -> JsonObject:
    """A stream that does not exist yet."""
    return {
        "kind": "ImageStream",
        "apiVersion": "image.openshift.io/v1",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {},
        "status": {},
    }


def recorded(
    stream: JsonObject,
    import_: ImportObject,
    repository: RepositoryOutcome | None,
    images: tuple[Outcome, ...],
    *,
    now: str,
) -> JsonObject:
    """The stream after an import: repository results first, then images (docs/spec/import-gate.md 6.2).

    Args:
        stream: as it is, or ``new_stream``; generation 0 or none means new.
        import_: the request.
        repository: the result for ``spec.repository``; None if that is not set.
        images: the results for ``spec.images``, in their order.
        now: RFC 3339 in UTC.
    """
    generation = int((stream.get("metadata") or {}).get("generation") or 0) + 1
    after = stream
    if repository is not None and import_.repository is not None:
        for tag, outcome in repository.outcomes:
            source = _source_of_tag(import_.repository.source.name, tag)
            after = _with_result(after, import_.repository, source, tag, outcome, generation, now, is_image=False)
    for entry, outcome in zip(import_.images, images, strict=True):
        if entry.to:
            after = _with_result(after, entry, entry.source.name, entry.to, outcome, generation, now, is_image=True)
    return with_followed_tags(after, stream)  # docs/spec/import-gate.md 3.2: tags that track them


def _with_result(
    stream: JsonObject,
    entry: ImportSource,
    source: str,
    tag: str,
    outcome: Outcome,
    generation: int,
    now: str,
    *,
    is_image: bool,
) -> JsonObject:
    if isinstance(outcome, Imported):
        return _with_success(stream, entry, source, tag, outcome.image, generation, now)
    stream = _with_failure(stream, tag, outcome, generation, now)
    if is_image and spec_tag(stream, tag) is None:
        stream = with_spec_tag(stream, tag, _spec_tag({}, source, entry))
    return stream


def _source_of_tag(repository: str, tag: str) -> str:
    return replace(ImageReference.parse(repository), tag=tag, id="").exact


def _with_success(
    stream: JsonObject, entry: ImportSource, source: str, tag: str, image: JsonObject, generation: int, now: str
) -> JsonObject:
    digest = image["metadata"]["name"]
    reference = replace(ImageReference.parse(image["dockerImageReference"]), tag="", id=digest).exact
    event = Event(reference, digest, generation, now)
    if _is_changed(stream, tag, event):
        stream = with_spec_tag(stream, tag, _spec_tag(spec_tag(stream, tag) or {}, source, entry))
        stream, _ = with_event(stream, tag, event)
    current = spec_tag(stream, tag) or {}
    stream = with_spec_tag(stream, tag, {**current, "importPolicy": _import_policy(entry)})
    history = {key: value for key, value in (status_tag(stream, tag) or {}).items() if key != "conditions"}
    return with_status_tag(stream, tag, history)


def _is_changed(stream: JsonObject, tag: str, event: Event) -> bool:
    newest, specified = latest_event(stream, tag), spec_tag(stream, tag)
    if newest is None or specified is None or specified.get("generation") is None:
        return True
    if (newest.get("dockerImageReference") or "", newest.get("image") or "") != (event.reference, event.image):
        return True
    return bool(specified["generation"] > (newest.get("generation") or 0))


def _spec_tag(before: Mapping[str, Any], source: str, entry: ImportSource) -> JsonObject:
    """The spec tag that points to ``source``; its annotations stay, and its reference policy if it has one."""
    policy = before.get("referencePolicy") or {}
    return {
        **before,
        "from": {"kind": DOCKER_IMAGE, "name": source},
        "generation": 0,
        "importPolicy": _import_policy(entry),
        "referencePolicy": dict(policy) if policy.get("type") else {"type": entry.reference_policy},
    }


def _import_policy(entry: ImportSource) -> JsonObject:
    policy = entry.import_policy
    flags = {"insecure": policy.insecure, "scheduled": policy.scheduled}
    return {**{key: True for key, flag in flags.items() if flag}, "importMode": policy.import_mode or LEGACY}


def _with_failure(stream: JsonObject, tag: str, status: Status, generation: int, now: str) -> JsonObject:
    condition = {
        "type": IMPORT_SUCCESS,
        "status": "False",
        "reason": status.reason,
        "message": status.message or UNKNOWN_ERROR,
        "generation": generation,
        "lastTransitionTime": now,
    }
    history = status_tag(stream, tag) or {}
    same = ("type", "status", "reason", "message")
    for known in history.get("conditions") or ():
        if all((known.get(key) or "") == condition[key] for key in same):
            return stream
    stream = with_status_tag(stream, tag, {**history, "conditions": [condition]})
    specified = spec_tag(stream, tag)
    return stream if specified is None else with_spec_tag(stream, tag, {**specified, "generation": 0})


def checked_at(stream: JsonObject, now: str) -> JsonObject:
    """The stream with the annotation that holds the time of the last import."""
    metadata = stream.get("metadata") or {}
    annotations = {**(metadata.get("annotations") or {}), CHECK_ANNOTATION: now}
    return {**stream, "metadata": {**metadata, "annotations": annotations}}
