"""Columns of the image API's objects for ``kubectl get`` (meta.k8s.io/v1 Table).

Source: openshift-apiserver, pkg/image/printers/internalversion/printer.go; durations as docker/go-units.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from imagegate.core.image_streams.stream import IMPORT_SUCCESS, status_tags

TAGS_WIDTH = 40


class Column(NamedTuple):
    """One column of a Table; priority 1 is shown only by ``-o wide``."""

    name: str
    description: str
    type: str = "string"
    format: str = ""
    priority: int = 0

    def to_json(self) -> dict[str, Any]:
        """A Table's column definition."""
        return self._asdict()


_NAME_DESCRIPTION = (
    "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a "
    "client to request the generation of an appropriate name automatically. Name is primarily intended for creation "
    "idempotence and configuration definition. Cannot be updated. More info: "
    "https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names"
)
NAME = Column("Name", _NAME_DESCRIPTION, format="name")
_REFERENCE = Column("Image Reference", "dockerImageReference is the string that can be used to pull this image.")
_UPDATED = Column("Updated", "Last update time.")
_IMAGE_NAME = Column("Image Name", "image associated with the ImageStream and tag.", priority=1)

_STREAM_IMAGE_NAME = _IMAGE_NAME._replace(description="image associated with the ImageStream and image name.")

Row = list[str | int | None]
Cells = Callable[[Mapping[str, Any], datetime], Row]


def _image(image: Mapping[str, Any], now: datetime) -> Row:  # noqa: ARG001 - all rows are made alike
    return [_name(image), image.get("dockerImageReference") or ""]


def _stream(stream: Mapping[str, Any], now: datetime) -> Row:
    status = stream.get("status") or {}
    repository = (
        status.get("publicDockerImageRepository")
        or (stream.get("spec") or {}).get("dockerImageRepository")
        or status.get("dockerImageRepository")
        or ""
    )
    newest = _newest_events(stream)
    latest = max((created for _, created in newest), default=_ZERO)
    return [_name(stream), repository, tags_up_to_width([tag for tag, _ in newest]), _time_ago(latest, now)]


def _stream_tag(tag: Mapping[str, Any], now: datetime) -> Row:
    image = tag.get("image") or {}
    return [_name(tag), image.get("dockerImageReference") or "", _age_of(tag, now), _name(image)]


def _stream_image(found: Mapping[str, Any], now: datetime) -> Row:
    image = found.get("image") or {}
    return [_name(found), _age_of(found, now), image.get("dockerImageReference") or "", _name(image)]


def _image_tag(tag: Mapping[str, Any], now: datetime) -> Row:
    spec, history = tag.get("spec"), tag.get("status") or {}
    items = history.get("items") or []
    kind, source, status = _tag_source(spec) if spec else ("", "", "")
    if items:
        source, kind, importing = _tag_event(items[0], (spec or {}).get("generation") or 0, source, kind)
        status = importing or status
    times = [parse_time(item.get("created")) for item in items[:1]]
    for condition in history.get("conditions") or ():
        if condition.get("type") == IMPORT_SUCCESS and condition.get("status") == "False":
            status = f"ImportFailed ({condition.get('reason', '')})"
        times.append(parse_time(condition.get("lastTransitionTime")))
    updated = _time_ago(max(times, default=_ZERO), now)
    return [_name(tag), kind, status or source, len(items) or None, updated]


def _tag_source(spec: Mapping[str, Any]) -> tuple[str, str, str]:
    """Kind, source and status of a spec tag."""
    source = spec.get("from")
    if not source:
        return "", "", ""
    kind = "Ref" if spec.get("reference") else "Tag"
    if (spec.get("importPolicy") or {}).get("scheduled"):
        kind = "Scheduled"
    name = source.get("name") or ""
    match source.get("kind"):
        case "DockerImage":
            return kind, name, ""
        case "ImageStreamImage":
            _, at, image = name.partition("@")
            return (kind, f"image/{image}", "") if at else (kind, "", "InvalidRefName")
        case "ImageStreamTag":
            if ":" not in name:
                kind = "Track"
            namespace = source.get("namespace")
            return kind, f"istag {namespace}/{name}" if namespace else f"istag/{name}", ""
    return kind, "", "InvalidRefKind"


def _tag_event(event: Mapping[str, Any], generation: int, source: str, kind: str) -> tuple[str, str, str]:
    """Source, kind and status of a tag that has an event."""
    answered = event.get("generation") or 0
    status = ""
    if 0 < answered < generation:
        status = "Importing"
    elif event.get("image"):
        source = f"image/{event['image']}"
    elif event.get("dockerImageReference"):
        source = event["dockerImageReference"]
    if (source and not kind) or (kind != "Track" and 0 < generation < answered):
        kind = "Push"
    return source, kind, status


TABLES: Mapping[str, tuple[Sequence[Column], Cells]] = {
    "Image": ((NAME, _REFERENCE), _image),
    "ImageStream": (
        (
            NAME,
            Column(
                "Image Repository",
                "dockerImageRepository represents the effective location this stream may be accessed at. May be empty "
                "until the server determines where the repository is located",
            ),
            Column("Tags", "Human readable list of tags."),
            _UPDATED,
        ),
        _stream,
    ),
    "ImageStreamTag": ((NAME, _REFERENCE, _UPDATED, _IMAGE_NAME), _stream_tag),
    "ImageTag": (
        (
            NAME,
            Column(
                "Spec",
                "spec is the spec tag associated with this image stream tag, and it may be null if only pushes have "
                "occurred to this image stream.",
            ),
            Column(
                "Status",
                "status is the status tag details associated with this image stream tag, and it may be null if no "
                "push or import has been performed.",
            ),
            Column("History", "Number of history entries", type="number"),
            Column("Updated", "Last updated at"),
        ),
        _image_tag,
    ),
    "ImageStreamImage": ((NAME, _UPDATED, _REFERENCE._replace(priority=1), _STREAM_IMAGE_NAME), _stream_image),
}


def columns(kind: str) -> Sequence[Column]:
    """The columns of a kind of the image API."""
    return TABLES[kind][0]


def cells(kind: str, found: Mapping[str, Any], now: datetime) -> Row:
    """One row's cells. Ages are relative to ``now``."""
    return TABLES[kind][1](found, now)


def tags_up_to_width(tags: Sequence[str], width: int = TAGS_WIDTH) -> str:
    """As many tags as fit in ``width`` characters, at least one: ``a,b + 3 more...``.

    The limit may be exceeded by a quarter, so that one more tag is shown rather than much room left empty.
    """
    remaining = width
    shown = len(tags)
    for position, tag in enumerate(tags):
        remaining -= len(tag) + 1
        if remaining >= 0:
            continue
        if position == 0:
            shown = 1
            break
        margin = width // 4
        if margin < remaining + len(tag) and margin >= -remaining:
            continue
        shown = position
        break
    text = ",".join(tags[:shown])
    hidden = len(tags) - shown
    return f"{text} + {hidden} more..." if hidden else text


_ZERO = datetime.min.replace(tzinfo=UTC)


def parse_time(text: str | None) -> datetime:
    """A Kubernetes time; the zero time if it is missing or invalid."""
    try:
        parsed = datetime.fromisoformat(text or "")
    except ValueError:
        return _ZERO
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _newest_events(stream: Mapping[str, Any]) -> list[tuple[str, datetime]]:
    """Status tags with the time of their newest event, newest first, equal times by name."""
    found = []
    for tag, history in status_tags(stream).items():
        items = history.get("items") or [{}]
        found.append((tag, parse_time(items[0].get("created"))))
    return sorted(sorted(found), key=lambda entry: entry[1], reverse=True)


def _name(found: Mapping[str, Any]) -> str:
    return (found.get("metadata") or {}).get("name") or ""


def _age_of(found: Mapping[str, Any], now: datetime) -> str:
    return _time_ago(parse_time((found.get("metadata") or {}).get("creationTimestamp")), now)


def _time_ago(then: datetime, now: datetime) -> str:
    return "" if then == _ZERO else f"{human_duration(now - then)} ago"


def human_duration(duration: timedelta) -> str:
    """A duration in words: ``5 seconds``, ``About an hour``, ``3 weeks``."""
    seconds = int(duration.total_seconds())
    minutes = int(duration.total_seconds() / 60)
    hours = int(duration.total_seconds() / 3600 + 0.5)
    if seconds < 60:
        return "Less than a second" if seconds < 1 else "1 second" if seconds == 1 else f"{seconds} seconds"
    if minutes < 60:
        return "About a minute" if minutes == 1 else f"{minutes} minutes"
    if hours < 48:
        return "About an hour" if hours == 1 else f"{hours} hours"
    days = hours // 24
    if days < 14:
        return f"{days} days"
    if days < 60:
        return f"{days // 7} weeks"
    return f"{days // 30} months" if days < 730 else f"{int(duration.total_seconds() / 3600) // 24 // 365} years"
