"""The image cache of profile openshift-4: 128 Images for 60 seconds, filled by every look-up.

The original keeps it for speed; what it answers is part of that profile's behaviour (docs/spec/image-policy.md 5.3):
a digest answered from it does not count as coming from the integrated registry, and it knows images that are
not in the cluster's list. No other profile uses it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from imagegate.core.admission.lookup import Found, Lookup
from imagegate.core.image_streams.questions import Image, StreamImage, StreamTag
from imagegate.ports.image_streams import ImageStreams

SIZE = 128
LIFETIME_S = 60.0
SOURCE = "cache"


class CachedImages:
    """Answers the questions about images, remembering what it saw.

    Args:
        streams: who is asked.
        clock: seconds, monotonic.
    """

    def __init__(self, streams: ImageStreams, clock: Callable[[], float]) -> None:
        self._streams = streams
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, tuple[float, dict[str, Any]]] = OrderedDict()

    def image(self, question: Image, *, deadline_s: float) -> Lookup[Any]:
        """From the cache (source ``cache``), else from the streams."""
        now = self._clock()
        with self._lock:
            entry = self._entries.get(question.digest)
            if entry is not None and entry[0] > now:
                self._entries.move_to_end(question.digest)
                return Found(entry[1], SOURCE)
        answer = self._streams.image(question, deadline_s=deadline_s)
        if isinstance(answer, Found):
            self._remember(question.digest, answer.value)
        return answer

    def stream_tag(self, question: StreamTag, *, deadline_s: float) -> Lookup[Any]:
        """Never from the cache; its image enters it."""
        return self._remembering(self._streams.stream_tag(question, deadline_s=deadline_s))

    def stream_image(self, question: StreamImage, *, deadline_s: float) -> Lookup[Any]:
        """Never from the cache; its image enters it."""
        return self._remembering(self._streams.stream_image(question, deadline_s=deadline_s))

    def _remembering(self, answer: Lookup[Any]) -> Lookup[Any]:
        if isinstance(answer, Found):
            image = answer.value.get("image") or {}
            digest = (image.get("metadata") or {}).get("name")
            if digest:
                self._remember(digest, image)
        return answer

    def _remember(self, digest: str, image: dict[str, Any]) -> None:
        with self._lock:
            self._entries[digest] = (self._clock() + LIFETIME_S, image)
            self._entries.move_to_end(digest)
            while len(self._entries) > SIZE:
                self._entries.popitem(last=False)
