"""The annotation of ``kubectl apply`` without ``--server-side``: its fields pass to the applier ``kubectl``.

Source: k8s.io/apimachinery 0.34, ``pkg/util/managedfields/internal/lastapplied*.go``.
"""

from __future__ import annotations

from typing import Any

import orjson

from imagegate.core.image_api.patches import is_deep
from imagegate.core.kube.go_quote import go_json
from imagegate.core.managed_fields.checks import errors_text
from imagegate.core.managed_fields.field_set import FieldSet
from imagegate.core.managed_fields.ownership import Conflict
from imagegate.core.managed_fields.shapes import Shape
from imagegate.core.managed_fields.values import compared, fields_of

JsonObject = dict[str, Any]

ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"
CLIENT = "kubectl"
"""The manager whose applies read and write the annotation."""
_ANNOTATIONS_MAX_BYTES = 256 * 1024


def conflicts_left(shape: Shape, live: JsonObject, conflicts: list[Conflict]) -> list[Conflict]:
    """The conflicts about fields that were not set by the configuration in the annotation."""
    own = _fields(shape, live)
    return [each for each in conflicts if not own.has(each.path)]


def _fields(shape: Shape, live: JsonObject) -> FieldSet:
    """Fields of the configuration in the annotation that still have its values."""
    last = _configuration(live)
    if last is None or last.get("apiVersion") != live.get("apiVersion") or errors_text(shape, last):
        return FieldSet()
    change = compared(shape, last, live)
    return fields_of(shape, last) - (change.taken | change.removed)


def _configuration(live: JsonObject) -> JsonObject | None:
    text = _annotations(live).get(ANNOTATION)
    if not isinstance(text, str) or not text:
        return None
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) and not is_deep(found) else None


def _annotations(found: JsonObject) -> JsonObject:
    return (found.get("metadata") or {}).get("annotations") or {}


def with_last_applied(new: JsonObject, configuration: JsonObject) -> JsonObject:
    """The object with the configuration in its annotation, if it has the annotation and there is room."""
    annotations = _annotations(new)
    if not annotations.get(ANNOTATION):
        return new
    metadata = {**(configuration.get("metadata") or {})}
    given = {key: value for key, value in (metadata.get("annotations") or {}).items() if key != ANNOTATION}
    if "annotations" in metadata:
        metadata["annotations"] = given
    text = f"{go_json(_sorted({**configuration, 'metadata': metadata}))}\n"
    written = {**annotations, ANNOTATION: text}
    if sum(len(f"{key}{value}".encode()) for key, value in written.items()) > _ANNOTATIONS_MAX_BYTES:
        del written[ANNOTATION]
    return {**new, "metadata": {**new["metadata"], "annotations": written}}


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(each) for each in value] if isinstance(value, list) else value
