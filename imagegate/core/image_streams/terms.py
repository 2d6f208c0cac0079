"""Search terms of stored objects: by which a store finds them besides their names."""

from __future__ import annotations

from collections.abc import Iterator

from imagegate.core.image_streams.stream import JsonObject, events
from imagegate.core.image_streams.views import repository_of
from imagegate.core.kube.deletion import is_being_deleted
from imagegate.core.kube.status import IMAGE_GROUP
from imagegate.core.references.openshift import ImageReference

DELETED = "deleted"
"""Search term of objects that were deleted and are held."""


def terms_of(group: str, resource: str, body: JsonObject) -> Iterator[str]:
    """Search terms of an object: for streams the images and repositories of their events; ``DELETED`` for any kind."""
    if is_being_deleted(body):
        yield DELETED
    if (group, resource) != (IMAGE_GROUP, "imagestreams"):
        return
    repository = (body.get("spec") or {}).get("dockerImageRepository")
    if repository:
        yield f"repository {repository_of(repository)}"
    for _, event in events(body):
        if event.get("image"):
            yield f"image {event['image']}"
        if event.get("dockerImageReference"):
            yield f"repository {repository_of(event['dockerImageReference'])}"


def search_term(pull_spec: ImageReference) -> str:
    """The term of streams that may hold a pull spec: its image, else its repository."""
    return f"image {pull_spec.id}" if pull_spec.id else f"repository {pull_spec.as_repository().exact}"
