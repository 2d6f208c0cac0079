"""Projects and users of OpenShift, over the dry cluster's namespaces.

Source: openshift-apiserver, ``pkg/project/apiserver/registry`` and ``pkg/user/apiserver/registry/user/etcd``.
"""

from __future__ import annotations

from dataclasses import replace

from imagegate.core.admission.access_review import Access, is_granted
from imagegate.core.image_api.resources import NAMESPACES, PROJECT_REQUESTS, PROJECTS, USERS
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.kube.status import StatusError, already_exists, forbidden, not_found
from imagegate.ports.image_store import Collection, ObjectKey
from imagegate.service.image_api.bodies import checked_body
from imagegate.service.image_api.cluster import Admit, NamespaceObjects, NamespaceRules
from imagegate.service.image_api.local import access_of
from imagegate.service.image_api.request import ApiRequest, JsonObject, ListOptions, success
from imagegate.service.image_api.streams import ImageObjects

CALLER = "~"
REFUSED_REQUEST = "You may not request a new project via this API."
_RESERVED_NAMES = ("openshift", "kubernetes", "kube")
_VIRTUAL_GROUPS = frozenset({"system:authenticated", "system:unauthenticated"})


def as_project(namespace: JsonObject) -> JsonObject:
    """A namespace as a Project."""
    return {**namespace, "kind": PROJECTS.kind, "apiVersion": PROJECTS.api_version}


def _as_namespace(project: JsonObject) -> JsonObject:
    return {**project, "kind": NAMESPACES.kind, "apiVersion": NAMESPACES.api_version}


class ProjectRules(NamespaceRules):
    """Projects are checked and stored as namespaces."""

    def shown(self, found: JsonObject) -> JsonObject:
        """The namespace as a Project."""
        return as_project(found)

    def created(self, request: ApiRequest, new: JsonObject) -> JsonObject:
        """The new namespace."""
        return super().created(request, _as_namespace(new))

    def updated(self, request: ApiRequest, new: JsonObject, old: JsonObject) -> JsonObject:
        """The changed namespace."""
        return super().updated(request, _as_namespace(new), old)


class Projects(NamespaceObjects):
    """``projects``: the namespaces; users see those that they may get.

    Args:
        objects: store, clock and access reviews.
        admit: the admission path for objects of the dry cluster.
    """

    def __init__(self, objects: ImageObjects, admit: Admit) -> None:
        super().__init__(objects.store, PROJECTS, ProjectRules(admit), now=objects.now)
        self._objects = objects

    def key(self, request: ApiRequest, name: str) -> ObjectKey:  # noqa: ARG002 - projects are in no namespace
        """The namespace's key in the store."""
        return ObjectKey(NAMESPACES.group, NAMESPACES.name, "", name)

    def collection(self, request: ApiRequest) -> Collection:  # noqa: ARG002
        """All namespaces."""
        return Collection(NAMESPACES.group, NAMESPACES.name)

    def list_objects(self, request: ApiRequest, options: ListOptions) -> JsonObject:
        """The projects that the caller may get."""
        found = super().list_objects(request, options)
        return {**found, "items": [each for each in found["items"] if self._is_seen(request, each)]}

    def _is_seen(self, request: ApiRequest, project: JsonObject) -> bool:
        name = project["metadata"]["name"]
        asked = Access(request.user, "get", PROJECTS.group, PROJECTS.name, "", name, name)
        return is_granted(access_of(self._objects, asked))


class ProjectRequests:
    """``projectrequests``: users ask for a project (``oc new-project``).

    Args:
        objects: access reviews.
        projects: creates the project.
    """

    def __init__(self, objects: ImageObjects, projects: Projects) -> None:
        self._objects = objects
        self._projects = projects

    def list_objects(self, request: ApiRequest, options: ListOptions) -> JsonObject:  # noqa: ARG002 - there are none
        """A Status that says whether the caller may request projects.

        Raises:
            StatusError: 403, he may not.
        """
        asked = Access(request.user, "create", PROJECT_REQUESTS.group, PROJECT_REQUESTS.name)
        if is_granted(access_of(self._objects, asked)):
            return success()
        refused = forbidden("projectrequest", "", "", group=PROJECT_REQUESTS.group)
        raise StatusError(replace(refused, message=REFUSED_REQUEST))

    def create(self, request: ApiRequest, body: JsonObject) -> JsonObject:
        """The new project.

        Raises:
            StatusError: 400 or 422, the request is malformed; 403, the name is reserved; 409, the project exists.
        """
        new = checked_body(PROJECT_REQUESTS, request, body)
        metadata = new["metadata"]
        name = metadata.get("name") or ""
        _check_not_reserved(name)
        annotations = {
            "openshift.io/description": new.get("description") or "",
            "openshift.io/display-name": new.get("displayName") or "",
            "openshift.io/requester": request.user.name,
        }
        annotations.update(metadata.get("annotations") or {})
        project = {"metadata": {**metadata, "annotations": annotations}, "spec": {}}
        try:
            return self._projects.create(request, project)
        except StatusError as error:
            if error.status.reason != "AlreadyExists":
                raise
            raise StatusError(already_exists("project", name, group=PROJECTS.group)) from error


def _check_not_reserved(name: str) -> None:
    """Refuse names that are the platform's.

    Raises:
        StatusError: 403.
    """
    why = ""
    if name in _RESERVED_NAMES:
        why = f"cannot request a project with the name {go_quote(name)}"
    for reserved in _RESERVED_NAMES:
        if name.startswith(f"{reserved}-"):
            why = f"cannot request a project starting with {go_quote(f'{reserved}-')}"
    if why:
        raise StatusError(forbidden("project", name, why, group=PROJECTS.group))


class Users:
    """``users/~``: the caller. There are no stored users."""

    def get(self, request: ApiRequest, name: str) -> JsonObject:
        """The caller as a User.

        Raises:
            StatusError: 404 for any other name.
        """
        if name != CALLER:
            raise StatusError(not_found(USERS.name, name, group=USERS.group))
        groups = sorted(set(request.user.groups) - _VIRTUAL_GROUPS)
        metadata = {"name": request.user.name, "uid": request.user.uid, "creationTimestamp": None}
        return {
            "kind": USERS.kind,
            "apiVersion": USERS.api_version,
            "metadata": {key: value for key, value in metadata.items() if value != ""},
            "identities": None,
            "groups": groups,
        }
