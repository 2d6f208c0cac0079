"""Imports: from an ImageStreamImport to Images and the history of an image stream.

One use case for the API, the command line and scheduled imports. All fetches come first, everything is written
afterwards: an Image before the stream that names it, so that a stream never points to nothing, and a writer that is
killed leaves at most Images without a stream. Source: docs/spec/import-gate.md 6.1, 6.2.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from imagegate.core.admission.lookup import Found, Unknown
from imagegate.core.image_streams.generations import normalized, prepared_for_create, prepared_for_update
from imagegate.core.image_streams.objects import ImportObject, read_import
from imagegate.core.image_streams.stream import RegistryHosts
from imagegate.core.imports.image_object import JsonObject, go_time
from imagegate.core.imports.outcome import (
    CHECK_ANNOTATION,
    Fetch,
    Imported,
    Outcome,
    RepositoryOutcome,
    checked_at,
    image_fetch,
    image_status,
    internal_error,
    new_stream,
    recorded,
    repository_status,
    with_defaults,
)
from imagegate.core.kube.status import IMAGE_GROUP, Status, StatusError, bad_request, conflict, not_found
from imagegate.core.registry.pull_secrets import PullSecret
from imagegate.errors import InvalidInput
from imagegate.ports.image_store import ImageStore, ObjectChanged, ObjectExists, ObjectKey, ObjectMissing
from imagegate.ports.pull_secrets import NamespacePullSecrets
from imagegate.ports.registry import Registry
from imagegate.service.imports.fetcher import ImageFetcher, ImportSettings, Progress
from imagegate.service.writing import CHANGED_MEANWHILE, attempts


class StoredImage(NamedTuple):
    """An Image in the store; ``is_new`` if it was not there before."""

    object: JsonObject
    is_new: bool


class ImportTarget(Protocol):
    """Destination of an import's stream and Images: one stream, written with its user's rights."""

    def stream(self) -> JsonObject | None:
        """The stored stream, or None."""

    def check_stream(self, stream: JsonObject, old: JsonObject | None) -> None:
        """Raise ``StatusError`` if the stream would be refused. Called before any Image is stored."""

    def create_stream(self, stream: JsonObject) -> JsonObject:
        """Store a new stream, status included, and return it as it is read.

        Raises:
            ObjectExists: another writer created it meanwhile.
            StatusError: it is refused, by validation or by the import gate.
        """

    def update_stream(self, stream: JsonObject, old: JsonObject) -> JsonObject:
        """Replace ``old`` by ``stream``, status included, and return it as it is read.

        Raises:
            ObjectChanged, ObjectMissing: another writer changed or removed it meanwhile.
            StatusError: as for ``create_stream``.
        """

    def unchanged_stream(self, stream: JsonObject) -> JsonObject:
        """A stream that does not change, as it is read."""

    def create_image(self, image: JsonObject) -> StoredImage:
        """Store an Image and return the stored one, which is the older one if it exists already."""

    def source_refusal(self, source: Fetch, stream: JsonObject | None) -> Status | None:
        """The Status of a source that must not be fetched, or None. Called before every fetch.

        Args:
            stream: the stored one.
        """


class StreamCheck(Protocol):
    """Validation of a stream before it is written."""

    def __call__(self, stream: JsonObject, old: JsonObject | None) -> None:
        """Raise ``StatusError`` if not. ``old`` is None for a new stream."""


class StoredTarget:
    """An ``ImportTarget`` over the image API's own store.

    Args:
        store: of streams and images.
        namespace: of the stream.
        name: of the stream.
        hosts: of the integrated registry.
        check: validation and import gate, for the user who imports.
    """

    def __init__(
        self,
        store: ImageStore,
        namespace: str,
        name: str,
        *,
        hosts: RegistryHosts | None = None,
        check: StreamCheck | None = None,
    ) -> None:
        self._store = store
        self._key = ObjectKey(IMAGE_GROUP, "imagestreams", namespace, name)
        self._hosts = hosts or RegistryHosts()
        self._check = check

    def stream(self) -> JsonObject | None:
        """See ``ImportTarget``."""
        return self._store.get(self._key)

    def check_stream(self, stream: JsonObject, old: JsonObject | None) -> None:
        """See ``ImportTarget``."""
        self._checked(stream, old)

    def create_stream(self, stream: JsonObject) -> JsonObject:
        """See ``ImportTarget``."""
        return self._store.create(self._key, self._checked(stream, None))

    def update_stream(self, stream: JsonObject, old: JsonObject) -> JsonObject:
        """See ``ImportTarget``."""
        return self._store.update(self._key, self._checked(stream, old), version=old["metadata"]["resourceVersion"])

    def source_refusal(self, source: Fetch, stream: JsonObject | None) -> Status | None:  # noqa: ARG002
        """See ``ImportTarget``. Nothing is refused here: a user's import has passed the gate before."""
        return None

    def _checked(self, stream: JsonObject, old: JsonObject | None) -> JsonObject:
        """The stream as it will be stored."""
        if old is None:
            prepared = prepared_for_create(stream, self._hosts, keep_status=True)
        else:
            prepared = prepared_for_update(stream, old, self._hosts, keep_status=True)
        if self._check is not None:
            self._check(prepared, old)
        return prepared

    def unchanged_stream(self, stream: JsonObject) -> JsonObject:
        """See ``ImportTarget``."""
        return stream

    def create_image(self, image: JsonObject) -> StoredImage:
        """See ``ImportTarget``."""
        key = ObjectKey(IMAGE_GROUP, "images", "", image["metadata"]["name"])
        for _ in attempts():
            kept = self._store.get(key)
            if kept is not None:
                return StoredImage(kept, is_new=False)
            try:
                return StoredImage(self._store.create(key, image), is_new=True)
            except ObjectExists:
                continue
        raise StatusError(conflict("images", key.name, CHANGED_MEANWHILE))


class Importer:
    """Performs ImageStreamImports: fetches the images and records them. Safe for threads.

    Args:
        registry: for manifests, configurations and tags.
        secrets: pull secrets of namespaces.
        settings: see ``ImportSettings``.
        now: the time of events and conditions.
        monotonic: seconds, for rate and deadline.
        sleep: waits for the rate.
    """

    def __init__(
        self,
        registry: Registry,
        secrets: NamespacePullSecrets,
        *,
        settings: ImportSettings | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._registry = registry
        self._secrets = secrets
        self._settings = settings or ImportSettings()
        self._now = now
        self._monotonic = monotonic
        self._sleep = sleep

    def run(
        self,
        document: JsonObject,
        namespace: str,
        target: ImportTarget,
        *,
        deadline_s: float = 300.0,
        progress: Progress | None = None,
        with_secrets: bool = True,
    ) -> JsonObject:
        """Do one ImageStreamImport, which has been validated and passed the import gate.

        With ``spec.import`` false nothing is written. Without ``with_secrets`` the namespace's pull secrets are not
        used: the user has no right to them. Failures of single images are in the answer's status.

        Returns:
            The ImageStreamImport with its status.

        Raises:
            StatusError: 404, 409, or a refusal of ``target``.
            StoreError: the store cannot serve.
        """
        try:
            import_ = read_import(document, import_mode=self._settings.default_import_mode)
        except InvalidInput as error:
            raise StatusError(bad_request(str(error))) from error
        document = with_defaults(document, self._settings.default_import_mode)  # the response repeats it
        stream = _checked(document, target.stream())
        until = self._monotonic() + deadline_s
        fetches = ImageFetcher(
            self._registry,
            self._secrets_of(namespace, deadline_s) if with_secrets else self._settings.node_secrets(),
            settings=self._settings,
            until=until,
            now=self._now(),
            monotonic=self._monotonic,
            sleep=self._sleep,
            progress=progress,
            refusal=lambda source: target.source_refusal(source, stream),
        )
        images, repository = fetches.fetch_all(import_, stream)
        status = _import_status(document, import_, images, repository)
        if import_.does_import:
            status["import"] = self._record_results(document, namespace, import_, images, repository, target, status)
        metadata = {
            **(document.get("metadata") or {}),
            "namespace": namespace,
            "uid": str(uuid.uuid4()),
            "creationTimestamp": self._current_time(),
        }
        head = {"kind": "ImageStreamImport", "apiVersion": "image.openshift.io/v1"}
        return {**head, "metadata": metadata, "spec": document["spec"], "status": status}

    def _current_time(self) -> str:
        return go_time(self._now())

    def _secrets_of(self, namespace: str, deadline_s: float) -> tuple[PullSecret, ...]:
        """Pull secrets of the namespace, then of the node."""
        answer = self._secrets.pull_secrets(namespace, deadline_s=min(deadline_s, self._settings.fetch_deadline_s))
        if isinstance(answer, Unknown):
            raise StatusError(internal_error(answer.why))
        own = answer.value if isinstance(answer, Found) else ()
        return (*own, *self._settings.node_secrets())

    def _record_results(
        self,
        document: JsonObject,
        namespace: str,
        import_: ImportObject,
        images: tuple[Outcome, ...],
        repository: RepositoryOutcome | None,
        target: ImportTarget,
        status: JsonObject,
    ) -> JsonObject:
        """Write Images and stream; after a conflict again, based on the current stream."""
        for attempt in attempts():
            old = _checked(document, target.stream())
            before = new_stream(namespace, import_.metadata.name) if old is None else old
            now = self._current_time()
            after = recorded(before, import_, repository, images, now=now)
            if attempt == 0:
                target.check_stream(after, old)
                _create_images(import_, images, repository, target, status)
            try:
                return _write(after, old, target, now)
            except (ObjectExists, ObjectChanged, ObjectMissing):
                continue
        raise StatusError(conflict("imagestreams", import_.metadata.name, CHANGED_MEANWHILE))


def _write(stream: JsonObject, old: JsonObject | None, target: ImportTarget, now: str) -> JsonObject:
    """Store the stream, unless nothing changed."""
    if old is None:
        return target.create_stream(checked_at(stream, now))
    has_annotation = CHECK_ANNOTATION in (old["metadata"].get("annotations") or {})
    if has_annotation and normalized(stream) == normalized(old):
        return target.unchanged_stream(old)
    return target.update_stream(checked_at(stream, now), old)


def _checked(document: JsonObject, stream: JsonObject | None) -> JsonObject | None:
    """The stream, if it is the one in the request.

    Raises:
        StatusError: 404 or 409.
    """
    metadata = document.get("metadata") or {}
    name, version, uid = (str(metadata.get(key) or "") for key in ("name", "resourceVersion", "uid"))
    if stream is None:
        if version or uid:
            raise StatusError(not_found("imagestreamimports", name))
        return None
    found = stream["metadata"]
    if version and version != found.get("resourceVersion"):
        why = f'the image stream was updated from "{version}" to "{found.get("resourceVersion")}"'
        raise StatusError(conflict("imagestream", name, why))
    if uid and uid != found.get("uid"):
        raise StatusError(not_found("imagestream", name))
    return stream


def _import_status(
    document: JsonObject, import_: ImportObject, images: tuple[Outcome, ...], repository: RepositoryOutcome | None
) -> JsonObject:
    """The status of the ImageStreamImport, still without the stream."""
    spec = document["spec"]
    status: JsonObject = {}
    if repository is not None:
        include = bool((spec.get("repository") or {}).get("includeManifest"))
        status["repository"] = repository_status(repository, include_manifest=include)
    if import_.images:
        status["images"] = [
            image_status(
                fetch if isinstance(fetch, Fetch) else None,
                outcome,
                include_manifest=bool(entry.get("includeManifest")),
            )
            for entry, fetch, outcome in zip(
                spec["images"], (image_fetch(source, None) for source in import_.images), images, strict=True
            )
        ]
    return status


def _create_images(
    import_: ImportObject,
    images: tuple[Outcome, ...],
    repository: RepositoryOutcome | None,
    target: ImportTarget,
    status: JsonObject,
) -> None:
    """Store every Image that a tag will refer to, entries of lists first.

    The status shows Images as they were fetched now. One that was there before may differ: in its reference, and in
    the labels, annotations and signatures that others added. As in the original, only new ones have their texts.
    """
    kept: dict[str, StoredImage] = {}

    def keep(image: JsonObject) -> JsonObject:
        name = image["metadata"]["name"]
        if name not in kept:
            kept[name] = target.create_image(image)
        stored = kept[name]
        return stored.object if stored.is_new else _fetched_again(image, stored.object)

    def as_shown(outcome: Imported, fetched: JsonObject) -> JsonObject:
        name = outcome.image["metadata"]["name"]
        texts = {key: fetched[key] for key in _TEXTS if key in fetched and name not in kept}
        found = keep(outcome.image)
        return {**found, **texts} if kept[name].is_new else found

    def keep_all(outcomes: Iterable[Outcome], shown: Iterable[JsonObject]) -> None:
        for outcome, entry in zip(outcomes, shown, strict=True):
            if isinstance(outcome, Imported):
                if outcome.manifests:
                    entry["manifests"] = [keep(image) for image in outcome.manifests]
                entry["image"] = as_shown(outcome, entry["image"])

    if repository is not None and repository.outcomes:
        keep_all((outcome for _, outcome in repository.outcomes), status["repository"]["images"])
    stored = [
        (outcome, shown)
        for entry, outcome, shown in zip(import_.images, images, status.get("images", ()), strict=True)
        if entry.to
    ]
    keep_all((outcome for outcome, _ in stored), (shown for _, shown in stored))


def _fetched_again(image: JsonObject, stored: JsonObject) -> JsonObject:
    """An Image as it was fetched, with the identity of the stored one."""
    identity = {key: stored["metadata"][key] for key in ("uid", "creationTimestamp") if key in stored["metadata"]}
    return {**image, "metadata": {**image["metadata"], **identity}}


_TEXTS = ("dockerImageManifest", "dockerImageConfig")
