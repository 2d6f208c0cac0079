"""Look-ups of image streams and Images over objects that a watch holds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

from imagegate.caching import BoundedCache
from imagegate.core.admission.lookup import Lookup, Unknown
from imagegate.core.admission.plugin import Question
from imagegate.core.image_streams import lookups as answers
from imagegate.core.image_streams.questions import Image, PullSpecHolders, Stream, StreamImage, StreamTag
from imagegate.core.image_streams.stream import JsonObject
from imagegate.errors import ImagegateError

ANSWERS_CACHED = 1_000


class UnknownObject(ImagegateError):
    """An object is there and cannot be read. ``str()`` says which and why."""


class ImageStreamAnswers(ABC):
    """``ports.image_streams.ImageStreams``. Answers are cached until an object changes.

    Args:
        source: where answers come from, for traces.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._made: tuple[object, BoundedCache[Question, Lookup[Any]]] = (None, BoundedCache(1))

    @abstractmethod
    def _missing(self) -> str:
        """Why nothing is known of the objects yet; empty once they were listed."""

    @abstractmethod
    def _present(self) -> object:
        """Another value after every change."""

    @abstractmethod
    def _stream(self, namespace: str, name: str) -> JsonObject | None:
        """The stream, with its computed repositories; raises ``UnknownObject``."""

    @abstractmethod
    def _image(self, digest: str) -> JsonObject | None:
        """The Image; raises ``UnknownObject``."""

    @abstractmethod
    def _candidates(self, pull_spec: str) -> Iterable[JsonObject]:
        """Streams that may hold the pull spec; raises ``UnknownObject``."""

    def snapshot(self) -> object | None:
        """See ``Answers.snapshot``; None before everything was listed."""
        return None if self._missing() else self._cache()

    def stream_tag(self, question: StreamTag, *, deadline_s: float) -> Lookup[JsonObject]:  # noqa: ARG002
        """See the port."""
        return self._answer(
            question,
            lambda: answers.stream_tag(
                question, self._stream(question.namespace, question.stream), self._image, self._source
            ),
        )

    def stream(self, question: Stream, *, deadline_s: float) -> Lookup[JsonObject]:  # noqa: ARG002
        """See the port."""
        return self._answer(
            question, lambda: answers.stream(question, self._stream(question.namespace, question.name), self._source)
        )

    def stream_image(self, question: StreamImage, *, deadline_s: float) -> Lookup[JsonObject]:  # noqa: ARG002
        """See the port."""
        return self._answer(
            question,
            lambda: answers.stream_image(
                question, self._stream(question.namespace, question.stream), self._image, self._source
            ),
        )

    def image(self, question: Image, *, deadline_s: float) -> Lookup[JsonObject]:  # noqa: ARG002
        """See the port."""
        return self._answer(question, lambda: answers.image(question, self._image(question.digest), self._source))

    def pull_spec_holders(self, question: PullSpecHolders, *, deadline_s: float) -> Lookup[frozenset[str]]:  # noqa: ARG002
        """See the port."""
        return self._answer(
            question, lambda: answers.pull_spec_holders(question, self._candidates(question.pull_spec), self._source)
        )

    def _answer(self, question: Question, make: Callable[[], Lookup[Any]]) -> Lookup[Any]:
        """An answer of the objects as they are now; the same object as long as none has changed."""
        missing = self._missing()
        if missing:
            return Unknown(missing)
        cached = self._cache()
        found = cached.get(question)
        if found is None:
            try:
                found = make()
            except UnknownObject as error:
                found = Unknown(str(error), retryable=False)
            cached.put(question, found)
        return found

    def _cache(self) -> BoundedCache[Question, Lookup[Any]]:
        """Answers that are valid now. An answer that a change overtakes goes into the cache of before the change."""
        present, made = self._present(), self._made
        if made[0] != present:
            made = self._made = (present, BoundedCache(ANSWERS_CACHED))
        return made[1]
