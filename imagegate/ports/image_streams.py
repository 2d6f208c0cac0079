"""Look-ups of image streams, images and namespaces."""

from __future__ import annotations

from typing import Any, Protocol

from imagegate.core.admission.lookup import Lookup
from imagegate.core.image_streams.questions import Image, Namespace, PullSpecHolders, Stream, StreamImage, StreamTag


class ImageStreams(Protocol):
    """Image streams with what the image API derives from them. Safe for threads; never raises for errors outside.

    Values are image.openshift.io/v1 JSON objects, to be treated as read-only. ``deadline_s`` is a number of
    seconds from now. ``Absent.why`` is the API's 404 text, ``Absent.kind`` the resource that is missing.
    """

    def stream_tag(self, question: StreamTag, *, deadline_s: float) -> Lookup[dict[str, Any]]:
        """The ImageStreamTag; the spec tag's annotations override those of ``image``."""

    def stream(self, question: Stream, *, deadline_s: float) -> Lookup[dict[str, Any]]:
        """The ImageStream, with its computed repositories in status."""

    def stream_image(self, question: StreamImage, *, deadline_s: float) -> Lookup[dict[str, Any]]:
        """The ImageStreamImage. Several images for one prefix are ``Unknown``: the name is ambiguous."""

    def image(self, question: Image, *, deadline_s: float) -> Lookup[dict[str, Any]]:
        """The cluster-scoped Image, with its own annotations only."""

    def pull_spec_holders(self, question: PullSpecHolders, *, deadline_s: float) -> Lookup[frozenset[str]]:
        """The namespaces whose streams hold the pull spec; an empty set if none does."""


class Namespaces(Protocol):
    """Namespaces with their annotations and labels."""

    def namespace(self, question: Namespace, *, deadline_s: float) -> Lookup[dict[str, Any]]:
        """The core/v1 Namespace."""
