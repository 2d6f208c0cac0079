"""The image API as a whole: the object that serves each resource."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from imagegate.core.image_api.resources import (
    BUILD_CONFIGS,
    BUILDS,
    EVENTS,
    IMAGE_TAGS,
    IMAGES,
    LIMIT_RANGES,
    NAMESPACES,
    PROCESSED_TEMPLATES,
    PROJECT_REQUESTS,
    PROJECTS,
    RESOURCE_QUOTAS,
    RESOURCES,
    REVIEWS,
    SECRETS,
    SIGNATURES,
    STREAM_IMAGES,
    STREAM_IMPORTS,
    STREAM_MAPPINGS,
    STREAM_TAGS,
    STREAMS,
    TEMPLATES,
    USERS,
    ApiResource,
    SubResource,
)
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.kube.status import Status, StatusError
from imagegate.service.image_api.applying import MayCreate, applied_object
from imagegate.service.image_api.builds import BuildRequests
from imagegate.service.image_api.cluster import (
    DRY_CLUSTER,
    Admit,
    ClusterRules,
    LimitRules,
    NamespaceObjects,
    NamespaceRules,
    PlainRules,
    WorkloadRules,
)
from imagegate.service.image_api.field_owners import Configuration
from imagegate.service.image_api.images import ImageRules, Mappings, Signatures, StreamImages
from imagegate.service.image_api.imports import Imports
from imagegate.service.image_api.namespaces import create_first_namespaces
from imagegate.service.image_api.processed_templates import ProcessedTemplates
from imagegate.service.image_api.projects import ProjectRequests, Projects, Users
from imagegate.service.image_api.request import ApiRequest, Change, DeleteOptions, JsonObject, ListOptions, Written
from imagegate.service.image_api.reviews import review_of
from imagegate.service.image_api.scales import Scales
from imagegate.service.image_api.stored import StoredObjects
from imagegate.service.image_api.streams import (
    ImageObjects,
    StreamRules,
    StreamStatusRules,
    pull_secrets,
    stream_layers,
)
from imagegate.service.image_api.tags import ImageTags, StreamTags, TagObjects
from imagegate.service.imports.importer import Importer

_PLAIN = frozenset({"configmaps", "serviceaccounts", "services", SECRETS.name, EVENTS.name, TEMPLATES.name})


@runtime_checkable
class Gets(Protocol):
    """Answers ``get``."""

    def get(self, request: ApiRequest, name: str) -> JsonObject:
        """One object."""


@runtime_checkable
class Lists(Protocol):
    """Answers ``list``."""

    def list_objects(self, request: ApiRequest, options: ListOptions) -> JsonObject:
        """A list."""


@runtime_checkable
class Creates(Protocol):
    """Answers ``create``."""

    def create(self, request: ApiRequest, body: JsonObject) -> JsonObject:
        """The new object."""


@runtime_checkable
class Deletes(Protocol):
    """Answers ``delete``."""

    def delete(self, request: ApiRequest, name: str, options: DeleteOptions) -> JsonObject:
        """A Status, or the object if finalizers or dependents hold it."""


class ImageApi:
    """Every resource of ``core.image_api.resources`` with the object that serves it.

    Args:
        objects: store, gate, clock and access reviews.
        importer: None if no registry client is configured.
        admit: the admission path for objects of the dry cluster.
    """

    def __init__(self, objects: ImageObjects, *, importer: Importer | None, admit: Admit) -> None:
        self.objects = objects
        store = objects.store
        self.streams = StoredObjects(store, STREAMS, StreamRules(objects), now=objects.now, cluster=objects.cluster)
        self.images = StoredObjects(store, IMAGES, ImageRules(objects), now=objects.now)
        signed_images = StoredObjects(store, IMAGES, ImageRules(objects, trusts_signatures=True), now=objects.now)
        self._status = StoredObjects(store, STREAMS, StreamStatusRules(objects), now=objects.now, subresource="status")
        self.scales = Scales(store, (each for each in RESOURCES if each.sub_resource("scale")), objects.now)
        configs, builds = (
            StoredObjects(store, each, WorkloadRules(each, admit), now=objects.now) for each in (BUILD_CONFIGS, BUILDS)
        )
        self.builds = BuildRequests(configs, builds, objects.now)
        self.imports = Imports(objects, importer)
        projects = Projects(objects, admit)
        self.endpoints: Mapping[ApiResource, object] = {
            **{
                each: StoredObjects(store, each, _rules_of(each, admit), now=objects.now)
                for each in RESOURCES
                if "list" in each.verbs
            },
            NAMESPACES: NamespaceObjects(store, NAMESPACES, NamespaceRules(admit), now=objects.now),
            PROCESSED_TEMPLATES: ProcessedTemplates(),
            PROJECTS: projects,
            PROJECT_REQUESTS: ProjectRequests(objects, projects),
            USERS: Users(),
            **{each: review_of(each, objects) for each in REVIEWS},
            STREAMS: self.streams,
            IMAGES: self.images,
            STREAM_TAGS: StreamTags(objects, self.streams),
            IMAGE_TAGS: ImageTags(objects, self.streams),
            STREAM_IMAGES: StreamImages(objects),
            STREAM_IMPORTS: self.imports,
            SIGNATURES: Signatures(signed_images, objects.now),
            STREAM_MAPPINGS: Mappings(objects, self.images, self.streams, self.update_stream_status),
        }

    @property
    def kept(self) -> tuple[StoredObjects, ...]:
        """All resources whose objects are stored as they are."""
        return tuple(
            endpoint
            for resource, endpoint in self.endpoints.items()
            if isinstance(endpoint, StoredObjects) and resource is not PROJECTS  # stored as namespaces
        )

    def ensure_namespaces(self) -> None:
        """Create the namespaces that are always there, and what every namespace has."""
        create_first_namespaces(self.objects.store)

    def sub_read(self, request: ApiRequest, resource: ApiResource, name: str, sub_resource: str) -> JsonObject:
        """``scale`` of a workload; ``layers``, ``secrets`` or ``status`` of a stream."""
        if sub_resource == "scale":
            return self.scales.get(request, resource, name)
        if sub_resource == "layers":
            return stream_layers(self.objects, request, name)
        if sub_resource == "secrets":
            return pull_secrets(self.objects, request)
        return self._status.get(request, name)

    def not_running(
        self, request: ApiRequest, resource: ApiResource, name: str, sub_resource: SubResource
    ) -> StatusError:
        """The refusal of a sub-resource that exists only where something runs.

        Raises:
            StatusError: 404, there is no such object.
        """
        endpoint = self.endpoints[resource]
        if isinstance(endpoint, StoredObjects):
            endpoint.stored(request, name)
        what = f"{resource.name} {go_quote(name)} has no {sub_resource.name} here: {DRY_CLUSTER}"
        return StatusError(Status(code=405, reason="MethodNotAllowed", message=what))

    def update_stream_status(
        self, request: ApiRequest, name: str, change: Change, *, is_patch: bool = True
    ) -> JsonObject:
        """Change ``imagestreams/NAME/status``."""
        return self._status.update(request, name, change, is_patch=is_patch)

    def applied(
        self,
        request: ApiRequest,
        resource: ApiResource,
        name: str,
        sub_resource: str,
        asked: Configuration,
        may_create: MayCreate,
    ) -> Written | None:
        """Write what a configuration makes of an object; None: the resource has no patches.

        Args:
            request: names the manager.
            resource: of the object.
            name: of the object.
            sub_resource: ``status`` of a stream or ``scale``, which has no apply; empty: the object itself.
            asked: the configuration.
            may_create: called before an object is made.
        """
        endpoint = self.endpoints[resource]
        if sub_resource == "scale":
            return None
        if sub_resource:
            return applied_object(self._status, request, name, asked, None)
        if isinstance(endpoint, TagObjects):
            return endpoint.apply(request, name, asked)
        if isinstance(endpoint, StoredObjects):
            return applied_object(endpoint, request, name, asked, may_create)
        return None


def _rules_of(resource: ApiResource, admit: Admit) -> ClusterRules:
    if resource in (LIMIT_RANGES, RESOURCE_QUOTAS):
        return LimitRules(resource, admit)
    if resource.name in _PLAIN:
        return PlainRules(resource, admit)
    return WorkloadRules(resource, admit)
