"""Image streams and Images of the platform's own image API, watched."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import orjson

from imagegate.adapters.kubernetes_api.connection import Connection
from imagegate.adapters.kubernetes_api.image_stream_answers import ImageStreamAnswers
from imagegate.adapters.kubernetes_api.listing import Key
from imagegate.adapters.kubernetes_api.namespaces import ClusterNamespaces
from imagegate.adapters.kubernetes_api.watched import Watched
from imagegate.core.admission.lookup import Lookup
from imagegate.core.image_streams.docker_labels import NoConfig, UndecodableMetadata, docker_labels
from imagegate.core.image_streams.questions import Namespace
from imagegate.core.image_streams.stream import JsonObject, events
from imagegate.core.image_streams.views import repository_of
from imagegate.core.references.openshift import ImageReference
from imagegate.errors import InvalidReference
from imagegate.ports.image_streams import ImageStreams, Namespaces

STREAMS_PATH = "/apis/image.openshift.io/v1/imagestreams"
IMAGES_PATH = "/apis/image.openshift.io/v1/images"
RELIST_S = 3600.0
"""Tens of thousands of Images take hundreds of megabytes to list."""
TOO_DEEP = "nested too deep"
_METADATA = ("name", "namespace", "labels", "annotations", "creationTimestamp", "generation", "uid")
_NOT_OF_IMAGES = (
    "dockerImageLayers",
    "dockerImageManifest",
    "dockerImageConfig",
    "dockerImageSignatures",
    "signatures",
)


class ClusterImageStreams(ImageStreamAnswers):
    """``ports.image_streams`` over watched objects, which are kept as JSON: many are known and few are used.

    Repositories in a stream's status are those that the platform computed.

    Args:
        namespaces: of the same cluster.
    """

    def __init__(self, connection: Callable[[], Connection], namespaces: ClusterNamespaces) -> None:
        super().__init__("cluster")
        self._namespaces = namespaces
        self._streams = Watched(connection, STREAMS_PATH, slimmed_stream, relist_s=RELIST_S)
        self._images = Watched(connection, IMAGES_PATH, slimmed_image, relist_s=RELIST_S)
        self.watches = (self._streams, self._images)
        self._indexing = threading.Lock()
        self._indexed: dict[Key, tuple[bytes, frozenset[str]]] = {}
        self._index: dict[str, set[Key]] = {}
        self._index_of: object = None

    def namespace(self, question: Namespace, *, deadline_s: float) -> Lookup[JsonObject]:
        """See the port."""
        return self._namespaces.namespace(question, deadline_s=deadline_s)

    def _present(self) -> tuple[object, object]:
        return self._streams.snapshot, self._images.snapshot

    def _missing(self) -> str:
        for watch in self.watches:
            state = watch.state
            if not state.synced:
                return f"the cluster's image streams are not known yet: {watch.path}: {state.failure or 'being listed'}"
        return ""

    def _stream(self, namespace: str, name: str) -> JsonObject | None:
        return _unpacked(self._streams.get(namespace, name))

    def _image(self, digest: str) -> JsonObject | None:
        return _unpacked(self._images.get("", digest))

    def _candidates(self, pull_spec: str) -> Iterator[JsonObject]:
        """Streams that may hold the pull spec: its image, or anything of its repository, is in their history."""
        try:
            asked = ImageReference.parse(pull_spec)
        except InvalidReference:
            return
        with self._indexing:
            self._refresh_index()
            keys = sorted(self._index.get(asked.id or asked.as_repository().exact, ()))
        for key in keys:
            stream = self._stream(*key)
            if stream is not None:
                yield stream

    def _refresh_index(self) -> None:
        """Index the streams that have changed since the last time."""
        snapshot = self._streams.snapshot
        if snapshot is self._index_of:
            return
        now = dict(self._streams.items())
        for key in [key for key, (packed, _) in self._indexed.items() if now.get(key) is not packed]:
            for term in self._indexed.pop(key)[1]:
                self._index[term].discard(key)
                if not self._index[term]:
                    del self._index[term]
        for key in now.keys() - self._indexed.keys():
            terms = _terms(orjson.loads(now[key]))
            self._indexed[key] = (now[key], terms)
            for term in terms:
                self._index.setdefault(term, set()).add(key)
        self._index_of = snapshot


def slimmed_stream(stream: JsonObject) -> bytes:
    """A stream without what no decision needs. One that is nested too deep for JSON has no tags."""
    slim = {**_slimmed(stream, "ImageStream"), "spec": stream.get("spec"), "status": stream.get("status")}
    return _packed(slim, {**_named(stream, "ImageStream"), "spec": {}, "status": {}})


def slimmed_image(image: JsonObject) -> bytes:
    """An Image without layers, manifest and signatures; of its configuration only the labels.

    One that is nested too deep for JSON has metadata that cannot be decoded, so that rules about labels deny it.
    """
    unreadable = {**_named(image, "Image"), "dockerImageMetadata": TOO_DEEP}
    rest = {key: value for key, value in image.items() if key not in _NOT_OF_IMAGES}
    slim = {**rest, **_slimmed(image, "Image")}
    try:
        labels = docker_labels(image)
    except (UndecodableMetadata, NoConfig):
        return _packed(slim, unreadable)  # decisions must see what is wrong with it
    if labels is not None:
        slim["dockerImageMetadata"] = {"kind": "DockerImage", "apiVersion": "1.0", "Config": {"Labels": labels}}
    return _packed(slim, unreadable)


def _packed(found: JsonObject, otherwise: JsonObject) -> bytes:
    try:
        return orjson.dumps(found)
    except orjson.JSONEncodeError:
        return orjson.dumps(otherwise)


def _named(found: JsonObject, kind: str) -> JsonObject:
    """Kind, namespace and name."""
    metadata = found["metadata"]
    return {
        "kind": kind,
        "apiVersion": "image.openshift.io/v1",
        "metadata": {key: metadata[key] for key in ("namespace", "name") if key in metadata},
    }


def _slimmed(found: JsonObject, kind: str) -> JsonObject:
    metadata = found["metadata"]
    return {
        "kind": kind,
        "apiVersion": "image.openshift.io/v1",
        "metadata": {key: metadata[key] for key in _METADATA if key in metadata},
    }


def _unpacked(packed: bytes | None) -> JsonObject | None:
    return None if packed is None else orjson.loads(packed)


def _terms(stream: JsonObject) -> frozenset[str]:
    terms = {repository_of((stream.get("status") or {}).get("dockerImageRepository") or "")}
    for _, event in events(stream):
        terms |= {event.get("image") or "", repository_of(event.get("dockerImageReference") or "")}
    return frozenset(terms - {""})


if TYPE_CHECKING:  # mypy checks each adapter against its port
    _: tuple[type[ImageStreams], type[Namespaces]] = (ClusterImageStreams, ClusterImageStreams)
