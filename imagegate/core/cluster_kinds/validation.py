"""Errors of an object of the dry cluster, by its kind. Kinds that are not here are stored unchecked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from imagegate.core.cluster_kinds.limit_ranges import limit_range_errors, quota_errors
from imagegate.core.cluster_kinds.secrets import config_map_errors, secret_errors
from imagegate.core.kube.field_errors import FieldError

JsonObject = dict[str, Any]
Check = Callable[[JsonObject, JsonObject | None], Iterable[FieldError]]

_CHECKS: Mapping[str, Check] = {
    "ConfigMap": config_map_errors,
    "LimitRange": lambda found, _: limit_range_errors(found),
    "ResourceQuota": lambda found, _: quota_errors(found),
    "Secret": secret_errors,
}


def object_errors(kind: str, found: JsonObject, old: JsonObject | None = None) -> list[FieldError]:
    """Errors beyond those of metadata.

    Args:
        kind: of the object.
        found: the object, decoded and with its defaults.
        old: the stored object that it replaces; None: it is new.
    """
    check = _CHECKS.get(kind)
    return [] if check is None else list(check(found, old))
