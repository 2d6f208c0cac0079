"""Images of an object and their places: pods, everything with a pod template, builds.

Source of the table: docs/spec/image-policy.md 3 (Kubernetes' and OpenShift's image reference mutators). Every
image is an ``ImageUse``: an object reference and its field path. Malformed objects raise ``InvalidObject``; an API
server never stores one, a file in a repository may contain one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from imagegate.core.admission.request import AdmissionRequest, GroupKind, GroupResource
from imagegate.errors import InvalidInput

if TYPE_CHECKING:  # imported when a build has a Dockerfile: reading pods must start quickly
    from imagegate.core.admission.dockerfile import BuildInputs

DOCKER_IMAGE = "DockerImage"
IMAGE_STREAM_TAG = "ImageStreamTag"
IMAGE_STREAM_IMAGE = "ImageStreamImage"

BUILD_GROUP = "build.openshift.io"
IMAGES_MAX = 10_000
"""Limit of new or changed images in one request."""
NAMES_MAX_CHARACTERS = 1024 * 1024
"""Limit of the total length of their names."""
NAME_MAX_CHARACTERS = 16 * 1024
"""Length up to which one name is read. A longer string is not a reference, as DNS has no host that long."""
DOCKERFILE_MAX_CHARACTERS = 128 * 1024
"""Limit of an inline Dockerfile; images in a longer one cannot be known."""
DOCKERFILE = "spec.source.dockerfile"
DEPLOYER = "spec.strategy.customParams.image"


class InvalidObject(InvalidInput):
    """An object with images does not have the form of its kind; the message names the field."""


class ImageUse(NamedTuple):
    """One image of an object."""

    kind: str
    """``DockerImage`` (``name`` is a pull spec), ``ImageStreamTag`` or ``ImageStreamImage``."""
    namespace: str
    name: str
    field: str
    """Field path that a rewrite replaces: ``spec.containers[0].image``, ``spec.strategy.dockerStrategy.from``."""
    owner: str = ""
    """Name of the container or volume; empty elsewhere."""
    within: str = ""
    """Place inside the string in that field: ``line 3: FROM``. Such a string is never rewritten."""
    unknown: str = ""
    """Reason why the image cannot be known; empty where it can."""

    @property
    def reference(self) -> tuple[str, str, str]:
        """Kind, namespace and name: equal for two uses of the same image."""
        return self[:3]

    @property
    def error_field(self) -> str:
        """Field path for errors; in a build that of the name inside the object reference."""
        return f"{self.field}.name" if self.field.endswith(".from") else self.field


class Shape(NamedTuple):
    """Paths of the pod spec and of the pod template in objects of one kind."""

    pod_spec: tuple[str, ...]
    template: tuple[str, ...] | None = None
    """None for a pod, which has no template."""


_POD = Shape(("spec",))
_TEMPLATE = Shape(("spec", "template", "spec"), ("spec", "template"))

POD = GroupKind("", "Pod")
WORKLOADS: Mapping[GroupKind, Shape] = {
    POD: _POD,
    GroupKind("", "PodTemplate"): Shape(("template", "spec"), ("template",)),
    GroupKind("", "ReplicationController"): _TEMPLATE,
    GroupKind("apps", "ReplicaSet"): _TEMPLATE,
    GroupKind("extensions", "ReplicaSet"): _TEMPLATE,
    GroupKind("apps", "Deployment"): _TEMPLATE,
    GroupKind("extensions", "Deployment"): _TEMPLATE,
    GroupKind("apps", "DaemonSet"): _TEMPLATE,
    GroupKind("extensions", "DaemonSet"): _TEMPLATE,
    GroupKind("apps", "StatefulSet"): _TEMPLATE,
    GroupKind("batch", "Job"): _TEMPLATE,
    GroupKind("batch", "CronJob"): Shape(
        ("spec", "jobTemplate", "spec", "template", "spec"), ("spec", "jobTemplate", "spec", "template")
    ),
    GroupKind("apps.openshift.io", "DeploymentConfig"): _TEMPLATE,
    GroupKind("", "DeploymentConfig"): _TEMPLATE,
    GroupKind("security.openshift.io", "PodSecurityPolicySubjectReview"): _TEMPLATE,
    GroupKind("security.openshift.io", "PodSecurityPolicySelfSubjectReview"): _TEMPLATE,
    GroupKind("security.openshift.io", "PodSecurityPolicyReview"): _TEMPLATE,
}
"""Every kind with a pod spec. The groupless DeploymentConfig is OpenShift's before groups (3.6 and older)."""

DEPLOYMENT_CONFIGS = frozenset({GroupKind("apps.openshift.io", "DeploymentConfig"), GroupKind("", "DeploymentConfig")})
BUILDS = frozenset(
    {
        GroupKind(BUILD_GROUP, "Build"),
        GroupKind(BUILD_GROUP, "BuildConfig"),
        GroupKind("", "Build"),
        GroupKind("", "BuildConfig"),
    }
)
MAY_LACK_TEMPLATE = DEPLOYMENT_CONFIGS | {GroupKind("", "ReplicationController")}
"""Kinds whose template is optional in the API: without one nothing can run from the object."""


def has_images(kind: GroupKind) -> bool:
    """True for every kind whose images are known without further settings."""
    return kind in WORKLOADS or kind in BUILDS


_RESOURCES: Mapping[GroupKind, GroupResource] = {
    kind: GroupResource(kind.group, f"{kind.kind.lower()}s") for kind in (*WORKLOADS, *BUILDS)
}
_KINDS: Mapping[GroupResource, GroupKind] = {resource: kind for kind, resource in _RESOURCES.items()}


def holds_images(resource: GroupResource) -> bool:
    """True for every resource whose images are known without further settings."""
    return resource in _KINDS


def kind_of(resource: GroupResource) -> GroupKind | None:
    """The kind of a resource whose images are known without further settings; None for others."""
    return _KINDS.get(resource)


_BUILD_STRATEGIES = ("customStrategy", "dockerStrategy", "sourceStrategy")


@dataclass(frozen=True, slots=True)
class Extent:
    """Places to read beside initContainers, containers and the object references of builds."""

    ephemeral_containers: bool = True
    image_volumes: bool = True
    dockerfiles: bool = True
    """Images that the inline Dockerfile of a build names."""
    deployers: bool = True
    """The image that a deployment config's strategy runs to deploy the others."""


EVERYTHING = Extent()


def inconsistency(request: AdmissionRequest) -> str:
    """Reason why kind, resource and object of a request do not fit together; empty where they do.

    An API server always sends three that agree. The kind decides where images are read, the resource which policy
    applies: if they disagreed, images could be read from the wrong place.
    """
    kind, document = request.kind, request.object
    if document is None:
        return "the request has no object"
    resource = request.resource
    if _RESOURCES.get(kind, resource) != resource or _KINDS.get(resource, kind) != kind:
        return f"an object of kind {kind} is not one of {resource}"
    written = document.get("kind")
    if written and written != kind.kind:
        return f"the object says it is of kind {written!s:.80}, the request {kind.kind}"
    return ""


def bounded(images: Iterable[ImageUse]) -> tuple[ImageUse, ...]:
    """All ``images``, checked against the limits, so that one request does not occupy a worker for long.

    Their names are no longer than ``NAME_MAX_CHARACTERS``: readers cut them.

    Raises:
        InvalidObject: more than ``IMAGES_MAX``, or their names exceed ``NAMES_MAX_CHARACTERS`` in total.
    """
    found = tuple(islice(images, IMAGES_MAX + 1))
    if len(found) > IMAGES_MAX:
        raise InvalidObject(f"more than {IMAGES_MAX:,} images to look at in one request")
    # few of them need no sum; a cut name that began with blanks is one character longer
    is_few = len(found) * (NAME_MAX_CHARACTERS + 1) <= NAMES_MAX_CHARACTERS
    if not is_few and sum(len(use.name) for use in found) > NAMES_MAX_CHARACTERS:
        raise InvalidObject(f"names of images longer than {NAMES_MAX_CHARACTERS:,} characters altogether")
    return found


def dig(document: Mapping[str, Any], path: tuple[str, ...]) -> Mapping[str, Any] | None:
    """The object at ``path``; None where it or a parent is absent or null.

    Raises:
        InvalidObject: something on the way is not an object.
    """
    at: Any = document
    for depth, key in enumerate(path):
        at = at.get(key)
        if at is None:
            return None
        if type(at) is not dict and not isinstance(at, Mapping):  # the abstract test alone is ten times slower
            raise InvalidObject(f"{'.'.join(path[: depth + 1])}: expected an object, got {type(at).__name__}")
    return at  # type: ignore[no-any-return]


def pod_images(spec: Mapping[str, Any], path: str, extent: Extent) -> Iterator[ImageUse]:
    """Every image of a pod spec at field path ``path``: init, plain, ephemeral containers, image volumes.

    Raises:
        InvalidObject: a list or an entry does not have the form it must have.
    """
    for group in ("initContainers", "containers"):
        if spec.get(group) is not None:
            yield from _containers(spec[group], f"{path}.{group}")
    if extent.ephemeral_containers and spec.get("ephemeralContainers") is not None:
        yield from _containers(spec["ephemeralContainers"], f"{path}.ephemeralContainers")
    if extent.image_volumes and spec.get("volumes") is not None:
        yield from _image_volumes(spec["volumes"], f"{path}.volumes")


def run_images(request: AdmissionRequest) -> tuple[tuple[str, str], ...]:
    """Field path and name of each image that the Pods of an object run; none where it cannot be read."""
    shape = WORKLOADS.get(request.kind)
    if shape is None or request.object is None:
        return ()
    try:
        spec = dig(request.object, shape.pod_spec)
        uses = () if spec is None else tuple(pod_images(spec, ".".join(shape.pod_spec), EVERYTHING))
    except InvalidObject:
        return ()
    return tuple((use.field, use.name) for use in uses)


def deployer_images(document: Mapping[str, Any]) -> Iterator[ImageUse]:
    """The image of a deployment config's custom deployer, if it names one.

    Raises:
        InvalidObject: a field does not have the form it must have.
    """
    image = (dig(document, ("spec", "strategy", "customParams")) or {}).get("image") or ""
    if not isinstance(image, str):
        raise InvalidObject(f"{DEPLOYER}: expected a string")
    if image:
        yield ImageUse(DOCKER_IMAGE, "", _read_name(image), DEPLOYER)


def build_images(spec: Mapping[str, Any], extent: Extent = EVERYTHING) -> Iterator[ImageUse]:
    """Every image that a Build or BuildConfig spec starts from, in the original's order, then its Dockerfile's.

    Raises:
        InvalidObject: a field does not have the form it must have.
    """
    for field, entry in _image_sources(spec):
        yield _object_reference(_as_mapping(entry.get("from") or {}, field), field)
    for name in _BUILD_STRATEGIES:
        found = strategy_from(spec, name)
        if found is not None:
            yield found
    if extent.dockerfiles:
        yield from _dockerfile_images(spec)


def _image_sources(spec: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    source = dig(spec, ("source",)) or {}
    for index, entry in enumerate(_as_list(source.get("images"), "spec.source.images")):
        field = f"spec.source.images[{index}].from"
        yield field, _as_mapping(entry, field)


def _dockerfile_images(spec: Mapping[str, Any]) -> Iterator[ImageUse]:
    text = (dig(spec, ("source",)) or {}).get("dockerfile") or ""
    if not isinstance(text, str):
        raise InvalidObject(f"{DOCKERFILE}: expected a string")
    if not text:
        return
    if len(text) > DOCKERFILE_MAX_CHARACTERS:
        unknown = f"a Dockerfile of more than {DOCKERFILE_MAX_CHARACTERS:,} characters is not read"
        yield ImageUse(DOCKER_IMAGE, "", "", DOCKERFILE, within="the whole", unknown=unknown)
        return
    from imagegate.core.admission.dockerfile import named_images

    for found in named_images(text, _build_inputs(spec)):
        within = f"line {found.line}: {found.instruction}"
        image = _read_name(found.image)
        yield ImageUse(DOCKER_IMAGE, "", image, DOCKERFILE, within=within, unknown=found.unknown)


def _build_inputs(spec: Mapping[str, Any]) -> BuildInputs:
    """Build arguments and images that replace what the Dockerfile says; the images are reported at their own places."""
    strategy = dig(spec, ("strategy", "dockerStrategy")) or {}
    base = strategy_from(spec, "dockerStrategy")
    arguments: list[tuple[str, str | None]] = []
    for index, entry in enumerate(_as_list(strategy.get("buildArgs"), "spec.strategy.dockerStrategy.buildArgs")):
        field = f"spec.strategy.dockerStrategy.buildArgs[{index}]"
        name, value = _as_mapping(entry, field).get("name"), entry.get("value") or ""
        if not isinstance(name, str) or not isinstance(value, str):
            raise InvalidObject(f"{field}: name and value must be strings")
        arguments.append((name, None if entry.get("valueFrom") else value))
    from imagegate.core.admission.dockerfile import BuildInputs

    replaced: set[str] = set()
    for field, entry in _image_sources(spec):
        names = _as_list(entry.get("as"), f"{field.removesuffix('.from')}.as")
        if _object_reference(_as_mapping(entry.get("from") or {}, field), field).name:
            replaced.update(name for name in names if isinstance(name, str))
    return BuildInputs(tuple(arguments), replaces_base=bool(base and base.name), replaces=frozenset(replaced))


def strategy_from(spec: Mapping[str, Any], name: str) -> ImageUse | None:
    """The image of build strategy ``name`` with the API's defaults, None where it has none.

    An absent kind is ImageStreamTag, ImageStream becomes ImageStreamTag ``:latest`` (build/v1 defaults).
    """
    strategy = dig(spec, ("strategy", name))
    if strategy is None:
        return None
    field = f"spec.strategy.{name}.from"
    reference = strategy.get("from")
    if reference is None:
        if name == "dockerStrategy":
            return None
        reference = {}
    use = _object_reference(_as_mapping(reference, field), field)
    if not use.kind:
        return use._replace(kind=IMAGE_STREAM_TAG)
    if use.kind == "ImageStream":
        return use._replace(kind=IMAGE_STREAM_TAG, name=f"{use.name}:latest")
    return use


def _containers(entries: object, path: str) -> Iterator[ImageUse]:
    for index, container in enumerate(_as_list(entries, path)):
        if not isinstance(container, dict):
            raise InvalidObject(f"{path}[{index}]: expected an object, got {type(container).__name__}")
        image = container.get("image") or ""
        name = container.get("name") or ""
        if not isinstance(image, str) or not isinstance(name, str):
            key, value = ("name", name) if isinstance(image, str) else ("image", image)
            raise InvalidObject(f"{path}[{index}].{key}: expected a string, got {type(value).__name__}")
        yield ImageUse(DOCKER_IMAGE, "", _read_name(image), f"{path}[{index}].image", name)


def _image_volumes(entries: object, path: str) -> Iterator[ImageUse]:
    for index, volume in enumerate(_as_list(entries, path)):
        source = (volume if type(volume) is dict else _as_mapping(volume, f"{path}[{index}]")).get("image")
        if source is None:
            continue
        field = f"{path}[{index}].image.reference"
        image = _as_mapping(source, f"{path}[{index}].image").get("reference") or ""
        name = volume.get("name") or ""
        if not isinstance(image, str) or not isinstance(name, str):
            wrong = f"{path}[{index}].name" if isinstance(image, str) else field
            raise InvalidObject(f"{wrong}: expected a string")
        if image:  # the API lets a template leave it out for something else to fill in
            yield ImageUse(DOCKER_IMAGE, "", _read_name(image), field, name)


def _object_reference(reference: Mapping[str, Any], field: str) -> ImageUse:
    values = [reference.get(key) or "" for key in ("kind", "namespace", "name")]
    if not all(isinstance(value, str) for value in values):
        raise InvalidObject(f"{field}: kind, namespace and name must be strings")
    kind, namespace, name = (_read_name(value) for value in values)
    return ImageUse(kind, namespace, name, field)


def _read_name(text: str) -> str:
    """``text``, or a prefix too long for any name, and blank only if all of ``text`` is."""
    if len(text) <= NAME_MAX_CHARACTERS:
        return text
    begins = text[:NAME_MAX_CHARACTERS]
    return begins if begins.strip() else f" {text.strip()[:NAME_MAX_CHARACTERS]}"


def _as_list(value: object, path: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise InvalidObject(f"{path}: expected a list, got {type(value).__name__}")
    return value


def _as_mapping(value: object, path: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidObject(f"{path}: expected an object, got {type(value).__name__}")
    return value
