"""Results of the look-ups in ``core.image_streams.questions``, made from stored objects.

Every adapter that stores streams and images (files, SQLite, Kubernetes) uses these functions, so
that all give the same results. Names that no API path can contain are refused as the original's client does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from imagegate.core.admission.lookup import Absent, Ambiguous, Found, Impossible, Lookup
from imagegate.core.image_streams.questions import Image, Namespace, PullSpecHolders, Stream, StreamImage, StreamTag
from imagegate.core.image_streams.stream import ImageOf, JsonObject, split_stream_image, split_stream_tag
from imagegate.core.image_streams.views import holds_pull_spec, image_stream_image, image_stream_tag
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.kube.status import Status, StatusError, bad_request, not_found
from imagegate.core.references.openshift import ImageReference
from imagegate.errors import InvalidInput, InvalidReference


def resource_name_error(name: str) -> str | None:
    """The reason, in the words of Kubernetes' client, that ``name`` cannot be a segment of an API path, or None.

    Source: k8s.io/apimachinery, pkg/api/validation/path (``IsValidPathSegmentName``).
    """
    if not name:
        return "resource name may not be empty"
    if name in (".", ".."):
        return f"invalid resource name {go_quote(name)}: [may not be '{name}']"
    illegal = [f"may not contain '{character}'" for character in "/%" if character in name]
    return f"invalid resource name {go_quote(name)}: [{' '.join(illegal)}]" if illegal else None


def absent(status: Status) -> Absent:
    """A 404 as the result of a look-up."""
    return Absent(status.message, status.kind)


def refused(status: Status) -> Impossible:
    """A name that the API refuses, as the result of a look-up."""
    return Impossible(status.message)


def stream_tag_name_error(question: StreamTag) -> Impossible | None:
    """The result for a name that no ImageStreamTag can have, or None."""
    name = f"{question.stream}:{question.tag}"
    why = resource_name_error(name)
    if why is not None:
        return Impossible(why)
    try:
        split_stream_tag(name)
    except InvalidInput as error:
        return refused(bad_request(str(error)))
    return None


def stream_image_name_error(question: StreamImage) -> Impossible | None:
    """The result for a name that no ImageStreamImage can have, or None."""
    name = f"{question.stream}@{question.id}"
    why = resource_name_error(name)
    if why is not None:
        return Impossible(why)
    try:
        split_stream_image(name)
    except InvalidInput as error:
        return refused(bad_request(str(error)))
    return None


def stream_tag(question: StreamTag, stream: JsonObject | None, image_of: ImageOf, source: str) -> Lookup[JsonObject]:
    """The ImageStreamTag; ``stream`` has computed status, or is None if it does not exist."""
    wrong = stream_tag_name_error(question)
    if wrong is not None:
        return wrong
    if stream is None:
        return absent(not_found("imagestreams", question.stream))
    try:
        return Found(image_stream_tag(stream, question.tag, image_of), source)
    except StatusError as error:
        return absent(error.status)


def stream(question: Stream, found: JsonObject | None, source: str) -> Lookup[JsonObject]:
    """The stream itself; ``found`` has computed status, or is None if it does not exist."""
    why = resource_name_error(question.name)
    if why is not None:
        return Impossible(why)
    if found is None:
        return absent(not_found("imagestreams", question.name))
    return Found(found, source)


def stream_image(
    question: StreamImage, stream: JsonObject | None, image_of: ImageOf, source: str
) -> Lookup[JsonObject]:
    """The ImageStreamImage; ``stream`` has computed status, or is None if it does not exist."""
    wrong = stream_image_name_error(question)
    if wrong is not None:
        return wrong
    if stream is None:
        return absent(not_found("imagestreams", question.stream))
    try:
        return Found(image_stream_image(stream, question.id, image_of), source)
    except StatusError as error:
        return absent(error.status) if error.status.code == 404 else Ambiguous(error.status.message, retryable=False)


def image(question: Image, found: JsonObject | None, source: str) -> Lookup[JsonObject]:
    """The Image itself; ``found`` is None if it does not exist."""
    why = resource_name_error(question.digest)
    if why is not None:
        return Impossible(why)
    if found is None:
        return absent(not_found("images", question.digest))
    return Found(found, source)


def namespace(question: Namespace, found: Mapping[str, Any] | None, source: str) -> Lookup[JsonObject]:
    """The Namespace; ``found`` is None if it does not exist."""
    why = resource_name_error(question.name)
    if why is not None:
        return Impossible(why)
    if found is None:
        return absent(not_found("namespaces", question.name, group=""))
    return Found(dict(found), source)


def pull_spec_holders(question: PullSpecHolders, streams: Iterable[JsonObject], source: str) -> Lookup[frozenset[str]]:
    """Namespaces of the streams that hold the pull spec, possibly none; ``streams`` have computed status."""
    try:
        asked = ImageReference.parse(question.pull_spec)
    except InvalidReference:
        return Found(frozenset(), source)
    holding = (stream for stream in streams if holds_pull_spec(stream, asked))
    return Found(frozenset((stream.get("metadata") or {}).get("namespace") or "" for stream in holding), source)
