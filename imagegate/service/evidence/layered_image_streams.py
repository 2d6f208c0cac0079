"""Image streams of two layers: the store, which changes, over files, which an operator wrote.

The store has precedence. An Image or a namespace in both layers has the labels and annotations of both, the store's
where they differ, so that an annotation set in either place is seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from imagegate.core.admission.lookup import Absent, Found, Impossible, Lookup, Unknown
from imagegate.core.image_streams.questions import Image, Namespace, PullSpecHolders, Stream, StreamImage, StreamTag
from imagegate.ports.image_streams import ImageStreams, Namespaces
from imagegate.service.evidence.joint_snapshot import JointSnapshot

JsonObject = dict[str, Any]


class Layer(ImageStreams, Namespaces, Protocol):
    """An adapter of both ports with a snapshot token."""

    def snapshot(self) -> object | None:
        """See ``Answers.snapshot``."""


class LayeredImageStreams:
    """See ``ports.image_streams``."""

    def __init__(self, store: Layer, files: Layer) -> None:
        self._store = store
        self._files = files
        self.snapshot = JointSnapshot(store.snapshot, files.snapshot)

    def stream_tag(self, question: StreamTag, *, deadline_s: float) -> Lookup[JsonObject]:
        """From the files only if the store has no such stream."""
        answer = self._store.stream_tag(question, deadline_s=deadline_s)
        if _lacks(answer, "imagestreams"):
            return self._files.stream_tag(question, deadline_s=deadline_s)
        return self._with_annotations(answer, deadline_s)

    def stream(self, question: Stream, *, deadline_s: float) -> Lookup[JsonObject]:
        """From the files only if the store has no such stream."""
        answer = self._store.stream(question, deadline_s=deadline_s)
        if _lacks(answer, "imagestreams"):
            return self._files.stream(question, deadline_s=deadline_s)
        return answer

    def stream_image(self, question: StreamImage, *, deadline_s: float) -> Lookup[JsonObject]:
        """From the files only if the store has no such stream."""
        answer = self._store.stream_image(question, deadline_s=deadline_s)
        if _lacks(answer, "imagestreams"):
            return self._files.stream_image(question, deadline_s=deadline_s)
        return self._with_annotations(answer, deadline_s)

    def image(self, question: Image, *, deadline_s: float) -> Lookup[JsonObject]:
        """From both layers, merged."""
        answer = self._store.image(question, deadline_s=deadline_s)
        return _merged(answer, self._files.image(question, deadline_s=deadline_s))

    def namespace(self, question: Namespace, *, deadline_s: float) -> Lookup[JsonObject]:
        """From both layers, merged."""
        answer = self._store.namespace(question, deadline_s=deadline_s)
        return _merged(answer, self._files.namespace(question, deadline_s=deadline_s))

    def pull_spec_holders(self, question: PullSpecHolders, *, deadline_s: float) -> Lookup[frozenset[str]]:
        """Namespaces of both layers."""
        answers = [layer.pull_spec_holders(question, deadline_s=deadline_s) for layer in (self._store, self._files)]
        unknown = next((answer for answer in answers if not isinstance(answer, Found)), None)
        if unknown is not None:
            return unknown
        found = (answer.value for answer in answers if isinstance(answer, Found))
        return Found(frozenset().union(*found), "store, files")

    def _with_annotations(self, answer: Lookup[JsonObject], deadline_s: float) -> Lookup[JsonObject]:
        """A tag or stream image, with the annotations that its Image has in the files."""
        if not isinstance(answer, Found):
            return answer
        image = answer.value.get("image") or {}
        written = self._files.image(Image(image["metadata"]["name"]), deadline_s=deadline_s)
        merged = _merged(Found(image), written)
        if isinstance(merged, Unknown):
            return merged
        if not isinstance(merged, Found) or merged.value is image:
            return answer
        return Found({**answer.value, "image": merged.value}, answer.source)


def _lacks(answer: Lookup[Any], kind: str) -> bool:
    return isinstance(answer, Absent) and answer.kind == kind


def _merged(own: Lookup[JsonObject], written: Lookup[JsonObject]) -> Lookup[JsonObject]:
    if isinstance(own, (Unknown, Impossible)) or isinstance(written, (Absent, Impossible)):
        return own
    if isinstance(own, Absent) or isinstance(written, Unknown):
        return written
    metadata, other = own.value.get("metadata") or {}, written.value.get("metadata") or {}
    merged = {
        key: {**(other.get(key) or {}), **(metadata.get(key) or {})}
        for key in ("labels", "annotations")
        if other.get(key)
    }
    if not merged:
        return own
    return Found({**own.value, "metadata": {**metadata, **merged}}, own.source)


if TYPE_CHECKING:  # mypy checks each adapter against its port
    _: tuple[type[ImageStreams], type[Namespaces]] = (LayeredImageStreams, LayeredImageStreams)
