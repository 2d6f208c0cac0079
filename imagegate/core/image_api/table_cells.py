"""Cells that the tables of the dry cluster share: ages, containers, labels, and fields of any form.

Objects of the dry cluster are stored as they were sent: a field may have any type. A value of a wrong type reads as
missing, so that one object never makes a list fail.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from imagegate.core.image_api.columns import Column, parse_time

AGE = Column("Age", "Time since creation.")
CONTAINERS = Column("Containers", "Names of each container in the template.", priority=1)
IMAGES = Column("Images", "Images referenced by each container in the template.", priority=1)
SELECTOR = Column("Selector", "Selector of the pods.", priority=1)
NONE = "<none>"
UNKNOWN = "<unknown>"

_OPERATORS = {"In": "in", "NotIn": "notin"}
T = TypeVar("T")


def branch(found: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """The object at a path; empty if there is none."""
    here: Any = found
    for key in path:
        here = here.get(key) if isinstance(here, Mapping) else None
    return here if isinstance(here, Mapping) else {}


def field(found: Mapping[str, Any], default: T, *path: str) -> T:
    """The value at a path; ``default`` if it is missing or of another type than ``default``."""
    value = branch(found, *path[:-1]).get(path[-1])
    return value if type(value) is type(default) else default


def text(found: Mapping[str, Any], *path: str) -> str:
    """The string at a path; empty if there is none."""
    return field(found, "", *path)


def entries(found: Mapping[str, Any], *path: str) -> list[Mapping[str, Any]]:
    """The objects in the list at a path."""
    listed: list[Any] = field(found, [], *path)
    return [entry for entry in listed if isinstance(entry, Mapping)]


def name_of(found: Mapping[str, Any]) -> str:
    """The object's name; empty if it has none."""
    return text(found, "metadata", "name")


def age_of(found: Mapping[str, Any], now: datetime) -> str:
    """Time since the object was created."""
    return time_since(text(found, "metadata", "creationTimestamp"), now)


def time_since(then: str, now: datetime) -> str:
    """Time since a Kubernetes time; ``<unknown>`` if it is missing or invalid."""
    parsed = parse_time(then)
    return UNKNOWN if parsed == datetime.min.replace(tzinfo=UTC) else short_duration(now - parsed)


def containers_and_images(template: Mapping[str, Any]) -> list[str]:
    """Names and images of a pod template's containers."""
    containers = entries(template, "spec", "containers")
    return [",".join(text(each, key) for each in containers) for key in ("name", "image")]


def labels_text(labels: Mapping[str, Any]) -> str:
    """``a=1,b=2``, or ``<none>``. Source: apimachinery, ``labels.FormatLabels``."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items())) or NONE


def selector_text(selector: Mapping[str, Any]) -> str:
    """A label selector as ``a=1,b in (x,y),!c``; empty if it has no requirements. Source: apimachinery, ``labels``."""
    required = [(str(key), f"{key}={value}") for key, value in branch(selector, "matchLabels").items()]
    required += [(text(each, "key"), _requirement(each)) for each in entries(selector, "matchExpressions")]
    return ",".join(shown for _, shown in sorted(required, key=lambda each: each[0]))


def _requirement(requirement: Mapping[str, Any]) -> str:
    key, operator = text(requirement, "key"), text(requirement, "operator")
    if operator in _OPERATORS:
        values: list[Any] = field(requirement, [], "values")
        return f"{key} {_OPERATORS[operator]} ({','.join(sorted(map(str, values)))})"
    return f"!{key}" if operator == "DoesNotExist" else key


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
