"""Images of a workload as the CISE path reads them, and the changes of an update (docs/spec/enforcement.md 10)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from imagegate.core.admission.owners import Owner, controller_reference, owner_question
from imagegate.core.admission.request import AdmissionRequest, GroupKind, GroupResource
from imagegate.core.admission.workload import Extent, ImageUse, InvalidObject, bounded, dig, inconsistency, pod_images
from imagegate.core.enforcement.rewrite_record import ANNOTATION
from imagegate.core.enforcement.selection import AllowedImageCache

EPHEMERAL_CONTAINERS = "ephemeralcontainers"
PODS = GroupResource("", "pods")
CREATE, UPDATE = "CREATE", "UPDATE"
EPHEMERAL = "ephemeralContainers"
_CONTAINER_LISTS = ("initContainers", "containers")

_POD = ("spec",)
_TEMPLATE = ("spec", "template", "spec")
_JOB_TEMPLATE = ("spec", "jobTemplate", "spec", "template", "spec")

RESOURCES: Mapping[GroupResource, tuple[str, ...]] = {
    PODS: _POD,
    GroupResource("", "replicationcontrollers"): _TEMPLATE,
    **{GroupResource("apps", name): _TEMPLATE for name in ("deployments", "statefulsets", "replicasets", "daemonsets")},
    **{GroupResource("extensions", name): _TEMPLATE for name in ("deployments", "replicasets", "daemonsets")},
    GroupResource("batch", "jobs"): _TEMPLATE,
    GroupResource("batch", "cronjobs"): _JOB_TEMPLATE,
}
"""Path of the pod spec by resource. The group counts: a custom resource called ``jobs`` is not a workload."""

_OWNER_SPECS: Mapping[GroupKind, tuple[str, ...]] = {
    GroupKind("", "Pod"): _POD,
    GroupKind("", "ReplicationController"): _TEMPLATE,
    **{GroupKind("apps", kind): _TEMPLATE for kind in ("Deployment", "StatefulSet", "ReplicaSet", "DaemonSet")},
    **{GroupKind("extensions", kind): _TEMPLATE for kind in ("Deployment", "ReplicaSet", "DaemonSet")},
    GroupKind("batch", "Job"): _TEMPLATE,
    GroupKind("batch", "CronJob"): _JOB_TEMPLATE,
}
_PARENT_KINDS = frozenset(kind.kind for kind in _OWNER_SPECS)


@dataclass(frozen=True, slots=True)
class Workload:
    """One object as the policies see it."""

    spec: Mapping[str, Any]
    """Its pod spec; empty where it has none."""
    spec_path: tuple[str, ...]
    uses: tuple[ImageUse, ...]
    """Every image, in the order of evaluation; ``field`` is its place in the object."""
    unchanged: bool
    """True for an update without a new image or anything else that decides which image a node gets."""

    @property
    def is_pod(self) -> bool:
        """True for a Pod, false for an object that creates Pods."""
        return self.spec_path == _POD


def read_workload(request: AdmissionRequest) -> Workload:
    """Read the object of a request for one of ``RESOURCES``.

    Raises:
        InvalidObject: it does not have the form its kind must have.
    """
    path = RESOURCES[request.resource]
    if because := inconsistency(request):
        raise InvalidObject(because)
    document = request.object or {}
    spec = dig(document, path) or {}
    before = _images_of_old(request.old_object, path) if request.operation == UPDATE else None
    images = pod_images(spec, ".".join(path), Extent())
    uses = tuple(images) if before is not None else bounded(images)
    unchanged = before is not None and before.covers(_NodeImages.of(spec))
    if request.sub_resource == EPHEMERAL_CONTAINERS:
        held = before.held() if before is not None else frozenset()
        added = (use for use in uses if use.field.startswith("spec.ephemeralContainers["))
        uses = tuple(use for use in added if (EPHEMERAL, use.owner, use.name) not in held)
    if not unchanged:
        bounded(uses)
    return Workload(spec, path, uses, unchanged)


@dataclass(frozen=True, slots=True)
class _NodeImages:
    """All parts of a pod spec that decide which image a node gets."""

    images: frozenset[tuple[str, ...]]
    """List, name of the container or volume, image, pull policy."""
    credentials: tuple[str, ...]
    """Pull secrets and the service account."""

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> _NodeImages:
        """Read a spec whose lists have been validated."""
        found = set()
        for group in (*_CONTAINER_LISTS, EPHEMERAL):
            for each in spec.get(group) or ():
                found.add((group, *_as_strings(each, "name", "image", "imagePullPolicy")))
        for volume in spec.get("volumes") or ():
            source = volume.get("image")
            if source is not None:
                found.add(
                    (
                        "volumes",
                        *_as_strings(volume, "name"),
                        *_as_strings(source, "reference", "pullPolicy"),
                    )
                )
        account = spec.get("serviceAccountName") or spec.get("serviceAccount")
        return cls(frozenset(found), (*_as_strings(spec, "imagePullSecrets"), str(account or "")))

    def covers(self, after: _NodeImages) -> bool:
        """True if ``after`` brings nothing new: images may disappear, or move within their list."""
        return after.images <= self.images and after.credentials == self.credentials

    def held(self) -> frozenset[tuple[str, ...]]:
        """List, container name and image of every container."""
        return frozenset(entry[:3] for entry in self.images)


def _images_of_old(document: Mapping[str, Any] | None, path: tuple[str, ...]) -> _NodeImages | None:
    """The images of the old object; None where it cannot be read, so that nothing counts as unchanged."""
    if document is None:
        return None
    try:
        spec = dig(document, path) or {}
        for _ in pod_images(spec, "", Extent()):  # raises where a list does not have its form
            pass
    except InvalidObject:
        return None
    return _NodeImages.of(spec)


def _as_strings(parent: Mapping[str, Any], *names: str) -> tuple[str, ...]:
    """Fields to compare; a value that is not a string is compared as it prints."""
    return tuple(str(parent.get(name) or "") for name in names)


def allowed_rules(request: AdmissionRequest, allowed_images: AllowedImageCache) -> tuple[str, ...] | None:
    """The rules that allow every image of a new object, if every image is in the cache.

    None where the full evaluation is needed: another image, another form, an owner, a record of an earlier rewrite, an
    image volume. The result is that of the full evaluation, in less time. ``type(x) is dict`` is several times faster
    than ``isinstance`` with ``Mapping``, and any other type only leads to the full evaluation.
    """
    document = request.object
    if document is None or request.operation != CREATE or request.sub_resource:
        return None
    spec: Any = document
    for key in RESOURCES[request.resource]:
        spec = spec.get(key) if type(spec) is dict else None
    rules = _allowed_containers(spec, allowed_images) if type(spec) is dict else None
    if rules is None:  # the most likely reason comes first
        return None
    if spec.get("ephemeralContainers") is not None or not _without_image_volumes(spec.get("volumes")):
        return None
    metadata = document.get("metadata")
    if type(metadata) is not dict or metadata.get("ownerReferences"):
        return None
    annotations = metadata.get("annotations")
    if annotations and (type(annotations) is not dict or ANNOTATION in annotations):
        return None
    return None if inconsistency(request) else tuple(rules)


def _allowed_containers(spec: Mapping[str, Any], allowed_images: AllowedImageCache) -> dict[str, None] | None:
    """The rules that allow the image of every container; None where one is not in the cache."""
    rules: dict[str, None] = {}
    for group in _CONTAINER_LISTS:
        containers = spec.get(group)
        if containers is not None and type(containers) is not list:
            return None
        for container in containers or ():
            if type(container) is not dict or type(container.get("name")) is not str:
                return None
            image = container.get("image")
            rule = allowed_images.get(image) if type(image) is str else None
            if rule is None:
                return None
            rules[rule] = None
    return rules


def _without_image_volumes(volumes: object) -> bool:
    if volumes is None:
        return True
    return type(volumes) is list and all(type(volume) is dict and "image" not in volume for volume in volumes)


def has_parent_kind(document: Mapping[str, Any]) -> bool:
    """True if any owner reference names a kind of workload, proven or not (``parents: trust``)."""
    metadata = document.get("metadata")
    references = metadata.get("ownerReferences") if isinstance(metadata, Mapping) else None
    if not isinstance(references, list):
        return False
    kinds = (reference.get("kind") for reference in references if isinstance(reference, Mapping))
    return any(isinstance(kind, str) and kind in _PARENT_KINDS for kind in kinds)


def parent_question(document: Mapping[str, Any], namespace: str) -> Owner | None:
    """The question for the controlling owner; None where there is none of a known kind and group."""
    reference = controller_reference(document)
    if reference is None:
        return None
    question = owner_question(reference, namespace)
    group, slash, _ = question.api_version.rpartition("/")
    return question if GroupKind(group if slash else "", question.kind) in _OWNER_SPECS else None


def parent_vouches(owner: Mapping[str, Any], document: Mapping[str, Any], workload: Workload) -> bool:
    """True if a fetched owner has the claimed UID and the same images at the same places."""
    reference = controller_reference(document)
    metadata = owner.get("metadata")
    if reference is None or not isinstance(metadata, Mapping):
        return False
    if not reference.get("uid") or reference.get("uid") != metadata.get("uid"):
        return False
    group, slash, _ = str(owner.get("apiVersion") or "").rpartition("/")
    path = _OWNER_SPECS.get(GroupKind(group if slash else "", str(owner.get("kind") or "")))
    if path is None or owner.get("kind") != reference.get("kind"):
        return False
    try:
        spec = dig(owner, path) or {}
        held = [(use.field, use.name) for use in pod_images(spec, "", Extent())]
    except InvalidObject:
        return False
    prefix = ".".join(workload.spec_path)
    return bool(held) and held == [(use.field.removeprefix(prefix), use.name) for use in workload.uses]


def unsupported_text(request: AdmissionRequest) -> str:
    """The message for an object that is not a workload; the core group prints as empty."""
    api_version = str((request.object or {}).get("apiVersion") or "")
    version = api_version.rpartition("/")[2]
    return (
        f'The resource "{request.resource.group}/{version}/{request.resource.resource}" is not supported. Make sure '
        "that you are using a supported kubectl version, and that you are using a supported Kubernetes workload type"
    )
