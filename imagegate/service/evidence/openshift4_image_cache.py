"""The image cache of profile openshift-4: 128 Images for 60 seconds, filled by every look-up that succeeds.

The original keeps it for speed; what it answers is part of that profile's behaviour (docs/spec/image-policy.md 5.3):
a digest answered from it does not count as coming from the integrated registry, and it knows images that are
not in the cluster's list. No other profile uses it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from imagegate.caching import TimedCache
from imagegate.core.admission.lookup import Found, Lookup
from imagegate.core.image_streams.questions import Image, StreamImage, StreamTag
from imagegate.core.references.openshift import ImageReference
from imagegate.errors import InvalidReference
from imagegate.ports.image_streams import ImageStreams

SIZE = 128
LIFETIME_S = 60.0
SOURCE = "cache"


class CachedImages:
    """Looks up images, and caches every image it sees.

    Args:
        streams: where images are looked up.
        clock: seconds, monotonic.
    """

    def __init__(self, streams: ImageStreams, clock: Callable[[], float]) -> None:
        self._streams = streams
        self._images: TimedCache[str, dict[str, Any]] = TimedCache(SIZE, clock=clock)

    def image(self, question: Image, *, deadline_s: float) -> Lookup[Any]:
        """From the cache (source ``cache``), else from the streams."""
        # Use, not get: the original drops the image that was used least recently, which decides what it knows.
        cached = self._images.use(question.digest)
        if cached is not None:
            return Found(cached, SOURCE)
        answer = self._streams.image(question, deadline_s=deadline_s)
        if isinstance(answer, Found):
            self._images.put(question.digest, answer.value, ttl_s=LIFETIME_S)
        return answer

    def stream_tag(self, question: StreamTag, *, deadline_s: float) -> Lookup[Any]:
        """Never from the cache; its image enters it, if the original gets as far."""
        answer = self._streams.stream_tag(question, deadline_s=deadline_s)
        if not question.if_local or (isinstance(answer, Found) and _resolves_local_names(answer.value)):
            self._keep(answer)
        return answer

    def stream_image(self, question: StreamImage, *, deadline_s: float) -> Lookup[Any]:
        """Never from the cache; its image enters it, if the original gets as far."""
        answer = self._streams.stream_image(question, deadline_s=deadline_s)
        self._keep(answer)
        return answer

    def _keep(self, answer: Lookup[Any]) -> None:
        if not isinstance(answer, Found):
            return
        image = answer.value.get("image") or {}
        try:
            ImageReference.parse(image.get("dockerImageReference") or "")
        except InvalidReference:
            return
        digest = (image.get("metadata") or {}).get("name")
        if digest:
            self._images.put(digest, image, ttl_s=LIFETIME_S)


def _resolves_local_names(tag: Mapping[str, Any]) -> bool:
    return bool((tag.get("lookupPolicy") or {}).get("local"))
