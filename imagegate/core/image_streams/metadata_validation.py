"""Validation of ObjectMeta, with the messages of Kubernetes' API machinery.

Source: k8s.io/apimachinery 0.34, ``pkg/api/validation/objectmeta.go``. Not repeated here: managed fields, which this
API does not keep.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from imagegate.core.image_streams.objects import Metadata
from imagegate.core.kube.deletion import FOREGROUND_FINALIZER, ORPHAN_FINALIZER
from imagegate.core.kube.field_errors import FieldError, forbidden, invalid, required, too_long
from imagegate.core.kube.label_selector import label_value_problems, qualified_name_problems

NameCheck = Callable[[str, bool], list[str]]
"""(name, True for a prefix of ``generateName``) -> errors."""

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(rf"{_LABEL.pattern}(\.{_LABEL.pattern})*")
_LABEL_MAX_LENGTH = 63
_ANNOTATIONS_MAX_BYTES = 256 * 1024
_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_STANDARD_FINALIZERS = frozenset({ORPHAN_FINALIZER, FOREGROUND_FINALIZER, "kubernetes"})
_IMMUTABLE = ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")


def path_segment_errors(name: str, prefix: bool = False) -> list[str]:
    """Errors of ``name`` as one segment of a path."""
    if not prefix and name in (".", ".."):
        return [f"may not be '{name}'"]
    return [f"may not contain '{character}'" for character in "/%" if character in name]


def namespace_name_errors(name: str) -> list[str]:
    """Errors of ``name`` as the name of a namespace (an RFC 1123 label)."""
    errors = []
    if len(name.encode("utf-8", "surrogatepass")) > _LABEL_MAX_LENGTH:
        errors.append(f"must be no more than {_LABEL_MAX_LENGTH} characters")
    if _LABEL.fullmatch(name) is None:
        errors.append("must not contain dots" if _SUBDOMAIN.fullmatch(name) else _LABEL_TEXT)
    return errors


def validate_metadata(metadata: Metadata, check_name: NameCheck, *, namespaced: bool, path: str) -> list[FieldError]:
    """Errors of a new object's metadata."""
    errors: list[FieldError] = []
    prefix = metadata.raw.get("generateName") or ""
    if isinstance(prefix, str) and prefix:
        errors += [invalid(f"{path}.generateName", prefix, text) for text in check_name(prefix, True)]
    if not metadata.name:
        errors.append(required(f"{path}.name", "name or generateName is required"))
    errors += [
        invalid(f"{path}.name", metadata.name, text)
        for text in (check_name(metadata.name, False) if metadata.name else ())
    ]
    errors += _namespace_errors(metadata.namespace, namespaced, f"{path}.namespace")
    generation = metadata.raw.get("generation") or 0
    if isinstance(generation, int) and generation < 0:
        errors.append(invalid(f"{path}.generation", generation, "must be greater than or equal to 0"))
    errors += _map_errors(metadata.raw, path)
    return [*errors, *_finalizer_errors(metadata.raw.get("finalizers"), f"{path}.finalizers")]


def _finalizer_errors(finalizers: object, path: str) -> list[FieldError]:
    """Errors of finalizers: each must be a qualified name, so that its owner can be identified."""
    names = [name for name in finalizers if isinstance(name, str)] if isinstance(finalizers, list) else []
    errors = [invalid(path, name, text) for name in names for text in qualified_name_problems(name)]
    if ORPHAN_FINALIZER in names and FOREGROUND_FINALIZER in names:
        what = f"finalizer {ORPHAN_FINALIZER} and {FOREGROUND_FINALIZER} cannot be both set"
        errors.append(invalid(path, list(names), what))
    for index, name in enumerate(names):
        if "/" not in name and name not in _STANDARD_FINALIZERS:
            text = "name is neither a standard finalizer name nor is it fully qualified"
            errors.append(invalid(f"{path}[{index}]", name, text))
    return errors


def _namespace_errors(namespace: str, namespaced: bool, path: str) -> list[FieldError]:
    if not namespaced:
        return [forbidden(path, "not allowed on this type")] if namespace else []
    if not namespace:
        return [required(path)]
    return [invalid(path, namespace, text) for text in namespace_name_errors(namespace)]


def validate_metadata_update(new: Metadata, old: Metadata, path: str = "metadata") -> list[FieldError]:
    """Errors in the metadata of an update."""
    errors: list[FieldError] = []
    if not new.raw.get("resourceVersion"):
        errors.append(invalid(f"{path}.resourceVersion", "", "must be specified for an update"))
    generation = _integer_of(new.raw, "generation")
    if generation < _integer_of(old.raw, "generation"):
        errors.append(invalid(f"{path}.generation", generation, "must not be decremented"))
    for field in _IMMUTABLE:
        now = new.raw.get(field)
        if (now or None) != (old.raw.get(field) or None):
            errors.append(invalid(f"{path}.{field}", now if now is not None else "", "field is immutable"))
    return [*errors, *_map_errors(new.raw, path)]


def _map_errors(raw: Mapping[str, Any], path: str) -> list[FieldError]:
    """Errors of labels, annotations and owners."""
    return [
        *_label_errors(raw.get("labels"), f"{path}.labels"),
        *_annotation_errors(raw.get("annotations"), f"{path}.annotations"),
        *_owner_errors(raw.get("ownerReferences"), f"{path}.ownerReferences"),
    ]


def _label_errors(labels: object, path: str) -> list[FieldError]:
    errors = []
    for key, value in labels.items() if isinstance(labels, Mapping) else ():
        errors += [invalid(path, key, text) for text in qualified_name_problems(key)]
        errors += [invalid(path, value, text) for text in label_value_problems(str(value or ""))]
    return errors


def _annotation_errors(annotations: object, path: str) -> list[FieldError]:
    if not isinstance(annotations, Mapping):
        return []
    errors = [invalid(path, key, text) for key in annotations for text in qualified_name_problems(key.lower())]
    size = sum(len(text.encode("utf-8", "surrogatepass")) for pair in annotations.items() for text in map(str, pair))
    if size > _ANNOTATIONS_MAX_BYTES:
        errors.append(too_long(path, _ANNOTATIONS_MAX_BYTES))
    return errors


def _owner_errors(owners: object, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    controller = ""
    listed = owners if isinstance(owners, list) else []
    for owner in listed:
        version = str(owner.get("apiVersion") or "")
        if version.count("/") > 1 or not version.rpartition("/")[2]:
            errors.append(invalid(f"{path}.apiVersion", version, "version must not be empty"))
        errors += [
            invalid(f"{path}.{key}", "", "must not be empty") for key in ("kind", "name", "uid") if not owner.get(key)
        ]
        if (version, owner.get("kind")) == ("v1", "Event"):
            errors.append(invalid(path, owner, "/v1, Kind=Event is disallowed from being an owner"))
        if not owner.get("controller"):
            continue
        name = f"{owner.get('kind') or ''}/{owner.get('name') or ''}"
        if controller:
            what = 'Only one reference can have Controller set to true. Found "true" in references for'
            errors.append(invalid(path, listed, f"{what} {controller} and {name}"))
        controller = controller or name
    return errors


def _integer_of(raw: Mapping[str, Any], key: str) -> int:
    value = raw.get(key)
    return value if isinstance(value, int) else 0
