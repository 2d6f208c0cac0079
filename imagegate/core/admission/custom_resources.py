"""Pod templates in custom resources: where they are, and the Pods that they become.

A path names fields from the root of the object: ``spec.template.spec``. ``[*]`` after a field stands for every item of
the list there: ``spec.templates[*].podSpec``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from imagegate.core.admission.request import AdmissionRequest, GroupKind, GroupResource
from imagegate.core.admission.workload import POD, InvalidObject

PODS = GroupResource("", "pods")
TEMPLATES_MAX = 256
"""Limit of the pod templates and images that are read in one object."""
EVERY = "[*]"
_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(\[\*\])?(\.[A-Za-z_][A-Za-z0-9_-]*(\[\*\])?)*")
_KEPT_METADATA = ("labels", "annotations")


def is_path(text: str) -> bool:
    """True for fields joined by dots, each with ``[*]`` or without."""
    return _PATH.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class CustomResource:
    """One resource, and the paths of everything in it that runs an image."""

    group: str
    resource: str
    kind: str
    pod_specs: tuple[str, ...] = ()
    """Paths of pod specs."""
    images: tuple[str, ...] = ()
    """Paths of images as strings."""
    optional: bool = False
    """Objects without any of them are allowed."""

    @property
    def group_resource(self) -> GroupResource:
        """Group and plural name."""
        return GroupResource(self.group, self.resource)

    @property
    def group_kind(self) -> GroupKind:
        """Group and kind."""
        return GroupKind(self.group, self.kind)

    def covers(self, request: AdmissionRequest) -> bool:
        """True if a request is about it, by resource or by kind: where they disagree, it counts too."""
        return request.resource == self.group_resource or request.kind == self.group_kind


class Template(NamedTuple):
    """One pod spec, or one image, at its place in an object."""

    place: str
    """Field path: ``spec.templates[2].podSpec``."""
    spec: Mapping[str, Any]
    """The pod spec; of an image, a spec with one container."""
    metadata: Mapping[str, Any]
    """Labels and annotations beside the pod spec."""
    is_image: bool = False

    def field(self, path: str) -> str:
        """The place in the object of a place in the Pod: ``spec.containers[0].image``."""
        if self.is_image:
            return self.place
        return f"{self.place}{path.removeprefix('spec')}" if path.startswith("spec") else path


def templates(resource: CustomResource, document: Mapping[str, Any]) -> tuple[Template, ...]:
    """Everything in an object that runs an image, in the order of the paths.

    Raises:
        InvalidObject: a field on a path has another type than the path says, or there are too many.
    """
    found: list[Template] = []
    for path in resource.pod_specs:
        for place, value, parent in _values(document, path):
            if not isinstance(value, Mapping):
                raise InvalidObject(f"{place}: expected a pod spec, got {type(value).__name__}")
            found.append(Template(place, value, _metadata(parent, place)))
            _check_number(found)
    for path in resource.images:
        for place, value, _ in _values(document, path):
            if not isinstance(value, str):
                raise InvalidObject(f"{place}: expected an image, got {type(value).__name__}")
            found.append(Template(place, {"containers": [{"name": "image", "image": value}]}, {}, is_image=True))
            _check_number(found)
    return tuple(found)


def _check_number(found: list[Template]) -> None:
    if len(found) > TEMPLATES_MAX:
        raise InvalidObject(f"more than {TEMPLATES_MAX} pod templates and images to look at in one object")


def pod_request(request: AdmissionRequest, template: Template, old: Template | None) -> AdmissionRequest:
    """The request for the Pod that a template becomes: rules for Pods apply, and those that name the resource."""
    return replace(
        request,
        kind=POD,
        resource=PODS,
        request_kind=POD,
        object=_pod(request, request.object, template),
        old_object=None if old is None else _pod(request, request.old_object, old),
    )


def _pod(request: AdmissionRequest, holder: Mapping[str, Any] | None, template: Template) -> dict[str, Any]:
    """The Pod; a controller of the object is a controller of its templates, and undoes changes of them."""
    outer = (holder or {}).get("metadata")
    owners = outer.get("ownerReferences") if isinstance(outer, Mapping) else None
    metadata: dict[str, Any] = {"name": request.name, "namespace": request.namespace, **template.metadata}
    if owners is not None:
        metadata["ownerReferences"] = owners
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template.spec}


def _metadata(parent: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Labels and annotations of the template: the object beside its pod spec."""
    metadata = parent.get("metadata") or {}
    if not isinstance(metadata, Mapping):
        raise InvalidObject(f"{place}: the metadata beside it is not an object but {type(metadata).__name__}")
    return {key: metadata[key] for key in _KEPT_METADATA if key in metadata}


def _values(document: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any, Mapping[str, Any]]]:
    """Place, value and parent of all values at ``path``; nothing for fields that are absent or null.

    Raises:
        InvalidObject: a field on the way is not what the path says.
    """
    return _below(document, path.split("."), "")


def _below(parent: Any, names: list[str], place: str) -> Iterator[tuple[str, Any, Mapping[str, Any]]]:
    if not isinstance(parent, Mapping):
        raise InvalidObject(f"{place}: expected an object, got {type(parent).__name__}")
    first, *rest = names
    name = first.removesuffix(EVERY)
    at = f"{place}.{name}" if place else name
    value = parent.get(name)
    if value is None:
        return
    found = [(at, value)]
    if name != first:
        if not isinstance(value, list):
            raise InvalidObject(f"{at}: expected a list, got {type(value).__name__}")
        found = [(f"{at}[{index}]", item) for index, item in enumerate(value) if item is not None]
    for where, each in found:
        if rest:
            yield from _below(each, rest, where)
        else:
            yield where, each, parent
