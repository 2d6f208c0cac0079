"""Any kind as a meta.k8s.io/v1 Table, for ``kubectl get``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from imagegate.core.image_api import columns as image_tables
from imagegate.core.image_api.columns import NAME, Column, Row, parse_time
from imagegate.core.image_api.stored_forms import tolerant

_STATUS = Column("Status", "What the server has made of it.")
_AGE = Column("Age", "Time since creation.")
_IMAGES = Column("Images", "Images of the containers, as admitted.")


def table(kind: str, items: Sequence[Mapping[str, Any]], now: datetime, **metadata: Any) -> dict[str, Any]:
    """A Table of objects, each row with the object's metadata."""
    columns, cells = _columns(kind)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": [column.to_json() for column in columns],
        "rows": [
            {"cells": tolerant(lambda found: cells(found, now), kind, dict(item)), "object": partial_metadata(item)}
            for item in items
        ],
    }


def partial_metadata(found: Mapping[str, Any]) -> dict[str, Any]:
    """An object reduced to its metadata."""
    metadata = found.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": dict(metadata)}


def _columns(kind: str) -> tuple[Sequence[Column], Callable[[Mapping[str, Any], datetime], Row]]:
    if image_tables.has_table(kind):
        return image_tables.columns(kind), lambda item, now: image_tables.cells(kind, item, now)
    if kind == "Pod":
        return (NAME, _STATUS, _AGE, _IMAGES), lambda item, now: [
            _name(item),
            _phase(item),
            _age(item, now),
            _images(item),
        ]
    if kind == "Namespace":
        return (NAME, _STATUS, _AGE), lambda item, now: [_name(item), _phase(item), _age(item, now)]
    return (NAME, _AGE), lambda item, now: [_name(item), _age(item, now)]


def _name(found: Mapping[str, Any]) -> str:
    return partial_metadata(found)["metadata"].get("name") or ""


def _phase(found: Mapping[str, Any]) -> str:
    return (found.get("status") or {}).get("phase") or ""


def _images(pod: Mapping[str, Any]) -> str:
    containers = (pod.get("spec") or {}).get("containers") or ()
    return ",".join(str(container.get("image") or "") for container in containers if isinstance(container, Mapping))


def _age(found: Mapping[str, Any], now: datetime) -> str:
    created = parse_time(partial_metadata(found)["metadata"].get("creationTimestamp"))
    return "<unknown>" if created == datetime.min.replace(tzinfo=UTC) else short_duration(now - created)


def short_duration(duration: timedelta) -> str:
    """``5s``, ``3m20s``, ``2h``, ``4d3h``, ``2y``: as Kubernetes shows ages (apimachinery, pkg/util/duration)."""
    seconds = int(duration.total_seconds())
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 0:
        return "0s"
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        return _two(minutes, "m", seconds % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if hours < 192:
        return _two(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    return _two(days // 365, "y", days % 365, "d") if days < 365 * 8 else f"{days // 365}y"


def _two(first: int, unit: str, second: int, smaller: str) -> str:
    return f"{first}{unit}{second}{smaller}" if second else f"{first}{unit}"
