"""An HTTP request to the API, taken apart: verb, resource, name, body, options."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from imagegate.core.image_api.decoding import decoded
from imagegate.core.image_api.resources import BUILD_REQUESTS, SCALE, ApiResource, find_resource
from imagegate.core.image_api.schema import type_of
from imagegate.core.image_api.selectors import parse_field_selector, parse_label_selector
from imagegate.core.kube.deletion import BACKGROUND, ORPHAN, option_errors
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.kube.status import IMAGE_GROUP, Status, StatusError, bad_request, invalid, qualified
from imagegate.errors import InvalidInput
from imagegate.service.image_api.request import DeleteOptions, JsonObject, ListOptions, read_continue_token
from imagegate.web.image_api.bodies import decode

_IN_ONE_NAMESPACE = ("create", "deletecollection")
"""Verbs that always apply to one namespace."""
_ONE, _MANY = ("get", "update", "patch", "delete"), ("create", "list", "deletecollection")
_DELETE_OPTIONS, _META = "DeleteOptions", "meta.k8s.io/v1"
_OPTIONS_HEAD = (("kind", _DELETE_OPTIONS), ("apiVersion", _META))
_OTHER_META_KINDS = frozenset(
    {
        *("CreateOptions", "GetOptions", "ListOptions", "PatchOptions", "UpdateOptions"),
        *("APIGroup", "APIGroupList", "APIResourceList", "APIVersions", "Status", "WatchEvent"),
    }
)
_NOT_SERVED: Mapping[str, str] = {
    "autoscaling": "nothing runs in a dry cluster, so nothing is scaled by its load",
    "networking.k8s.io": "a dry cluster has no network",
    "rbac.authorization.k8s.io": "rights in a dry cluster come from accessRules in imagegate's settings",
    "route.openshift.io": "a dry cluster has no network",
}
"""The reason, for groups that clients use without looking whether there are any."""
_WRITTEN: Mapping[str, ApiResource] = {"scale": SCALE, "instantiate": BUILD_REQUESTS}
_OF_NAMESPACES = ("status", "finalize")
_IMAGE_FIELDS = frozenset(
    {"metadata.name", "metadata.namespace", "spec.dockerImageRepository", "status.dockerImageRepository"}
)
_INTEGER = re.compile("[+-]?[0-9]{1,18}", re.ASCII)

NO_RESOURCE = Status(
    code=404, reason="NotFound", message="the server could not find the requested resource", has_details=True
)
NO_METHOD = Status(
    code=405,
    reason="MethodNotAllowed",
    message="the server does not allow this method on the requested resource",
    has_details=True,
)


@dataclass(frozen=True, slots=True)
class Target:
    """The resource or object that a path names."""

    resource: ApiResource
    namespace: str = ""
    name: str = ""
    sub_resource: str = ""
    is_watch: bool = False
    """True for the old paths that begin with ``watch``."""

    @property
    def written(self) -> ApiResource:
        """The resource whose kind a body has."""
        return _WRITTEN.get(self.sub_resource, self.resource)


def read_path(group: str, version: str, parts: list[str]) -> Target:
    """The target of ``[watch/][namespaces/NS/]RESOURCE[/NAME[/SUB]]`` in a group version.

    Raises:
        StatusError: 404, there is no such resource.
    """
    namespace = ""
    is_watch = len(parts) > 1 and parts[0] == "watch"
    parts = parts[is_watch:]
    if len(parts) > 2 and parts[0] == "namespaces" and parts[2] not in _OF_NAMESPACES:
        namespace, parts = parts[1], parts[2:]
    if not parts or len(parts) > 3 or not all(parts):
        raise StatusError(NO_RESOURCE)
    resource = find_resource(group, version, parts[0])
    if resource is None and group in _NOT_SERVED:
        raise StatusError(replace(NO_RESOURCE, message=f"{parts[0]}.{group} are not served: {_NOT_SERVED[group]}"))
    if resource is None or (namespace and not resource.namespaced):
        raise StatusError(NO_RESOURCE)
    name, sub_resource = (*parts[1:], "", "")[:2]
    if resource.namespaced and name and not namespace:
        raise StatusError(NO_RESOURCE)
    if sub_resource and resource.sub_resource(sub_resource) is None:
        raise StatusError(NO_RESOURCE)
    if is_watch and (sub_resource or "watch" not in resource.verbs):
        raise StatusError(NO_RESOURCE)
    return Target(resource, namespace, name, sub_resource, is_watch)


def verb_of(method: str, target: Target, query: Mapping[str, str]) -> str:
    """Kubernetes' verb for the request.

    Raises:
        StatusError: 404, no verb has this path; 405.
    """
    one = bool(target.name)
    if not _has_path(target):
        raise StatusError(NO_RESOURCE)
    verbs = {
        "GET": "watch" if target.is_watch or (not one and is_true(query.get("watch"))) else "get" if one else "list",
        "POST": "" if one and not target.sub_resource else "create",
        "PUT": "update" if one else "",
        "PATCH": "patch" if one else "",
        "DELETE": "delete" if one else "deletecollection",
    }
    verb = verbs.get(method, "")
    if verb in _IN_ONE_NAMESPACE and target.resource.namespaced and not target.namespace:
        raise StatusError(NO_METHOD)
    found = target.resource.sub_resource(target.sub_resource)
    allowed = found.verbs if found is not None else target.resource.verbs
    if verb not in allowed:
        if verb == "watch" and "list" in allowed:
            raise StatusError(_no_watch(target.resource))
        raise StatusError(NO_METHOD)
    return verb


def _has_path(target: Target) -> bool:
    """True if some verb of the resource has a path of this form."""
    if target.sub_resource:
        return True
    return bool(set(_ONE if target.name else _MANY) & set(target.resource.verbs))


def _no_watch(resource: ApiResource) -> Status:
    what = qualified(resource.name, resource.group)
    return Status(
        code=405,
        reason="MethodNotAllowed",
        message=f"watch is not supported on resources of kind {go_quote(what)}",
        group=resource.group,
        kind=resource.name,
    )


def is_true(text: str | None) -> bool:
    """True if an API server reads a query parameter as true: unless it is absent, 0 or false."""
    return text is not None and text != "0" and text.lower() != "false"


def is_version(text: str) -> bool:
    """True for a resource version, and for none."""
    return not text or (text.isascii() and text.isdecimal() and len(text) <= 18)


def read_list_options(target: Target, query: Mapping[str, str]) -> ListOptions:
    """The restrictions of a list or a watch.

    Raises:
        StatusError: 400, one of them cannot be read.
    """
    try:
        labels = parse_label_selector(query.get("labelSelector", ""))
        fields = parse_field_selector(query.get("fieldSelector", ""))
    except InvalidInput as error:
        raise StatusError(bad_request(str(error))) from error
    if target.resource.group == IMAGE_GROUP:
        for path in fields.paths:
            if path not in _IMAGE_FIELDS:
                known = 'only "metadata.name", "metadata.namespace"'
                raise StatusError(bad_request(f"{go_quote(path)} is not a known field selector: {known}"))
    if target.name:
        fields = parse_field_selector(f"metadata.name={target.name}")
    limit = max(read_number(query, "limit"), 0)
    token = query.get("continue", "")
    if query.get("resourceVersion") == "0" and not token:
        limit = 0  # any version: from its cache, the original lists everything
    version, after = read_continue_token(token) if token else ("", None)
    return ListOptions(labels, fields, limit, after, version)


def selected_name(verb: str, query: Mapping[str, str]) -> str:
    """The one name that a list, a watch or a delete of a collection is restricted to by its field selector, if any."""
    if verb not in ("list", "watch", "deletecollection"):
        return ""
    try:
        conditions = parse_field_selector(query.get("fieldSelector", "")).conditions
    except InvalidInput:
        return ""  # refused when it is used
    names = {value for path, equal, value in conditions if path == "metadata.name" and equal}
    return names.pop() if len(names) == 1 else ""


def read_number(query: Mapping[str, str], name: str, default: int = 0) -> int:
    """A number among the parameters.

    Raises:
        StatusError: 400.
    """
    text = query.get(name, "")
    if not text:
        return default
    if _INTEGER.fullmatch(text) is None:
        raise StatusError(bad_request(f"strconv.ParseInt: parsing {go_quote(text)}: invalid syntax"))
    return int(text)


def read_delete_options(content: bytes, media_type: str, query: Mapping[str, str]) -> tuple[DeleteOptions, bool]:
    """How a delete is meant, and whether it is only tried. Nothing is deleted by options that cannot be read.

    Args:
        content: the body; without one, the parameters have the options.
        media_type: of the body.
        query: the parameters.

    Raises:
        StatusError: 400 or 415, the options cannot be read; 422, they make no sense.
    """
    given = _options_of_body(content, media_type) if content.strip() else _options_of_query(query)
    propagation, orphan = given.get("propagationPolicy"), given.get("orphanDependents")
    dry_run = given.get("dryRun") or []
    errors = option_errors(propagation=propagation, orphan_dependents=orphan, dry_run=dry_run)
    if errors:
        raise StatusError(invalid("DeleteOptions", "", errors, group="meta.k8s.io"))
    if orphan is not None:
        propagation = ORPHAN if orphan else BACKGROUND
    conditions = given.get("preconditions") or {}
    options = DeleteOptions(conditions.get("uid"), conditions.get("resourceVersion"), propagation or "")
    return options, bool(dry_run)


def _kind_problem(kind: str, version: str) -> str:
    """Why an object is not the options of a delete; those of any version are, as in the original."""
    if version.count("/") > 1:
        return f"unexpected GroupVersion string: {version}"
    if kind == _DELETE_OPTIONS:
        return ""
    if kind in _OTHER_META_KINDS and version in ("v1", _META):
        return f"converting (v1.{kind}) to (v1.{_DELETE_OPTIONS}): unknown conversion"
    scheme = "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27"
    return f"no kind {go_quote(kind)} is registered for version {go_quote(version)} in scheme {go_quote(scheme)}"


def _options_of_body(content: bytes, media_type: str) -> JsonObject:
    """The options in a body. Fields that are not theirs are not looked at, as in the original.

    Raises:
        StatusError: 415; 500, it is not the options of a delete, or a field has another type.
    """
    try:
        given = decode(content, media_type, _DELETE_OPTIONS)
        kind, version = (str(given.get(key) or default) for key, default in _OPTIONS_HEAD)
        problem = _kind_problem(kind, version)
        options = decoded(type_of(_META, _DELETE_OPTIONS), given) if not problem else {}
    except InvalidInput as error:
        raise StatusError(Status(code=500, reason="", message=str(error))) from error
    if problem:
        raise StatusError(Status(code=500, reason="", message=problem))
    return options


def _options_of_query(query: Mapping[str, str]) -> JsonObject:
    """The options as a delete without a body has them.

    Raises:
        StatusError: 400.
    """
    options: JsonObject = {}
    if "propagationPolicy" in query:
        options["propagationPolicy"] = query["propagationPolicy"]
    if query.get("uid"):
        options["preconditions"] = {"uid": query["uid"]}
    if query.get("gracePeriodSeconds"):
        text = query["gracePeriodSeconds"]
        if re.fullmatch(r"[+-]?[0-9]{1,18}", text) is None:
            raise StatusError(bad_request(f"strconv.ParseInt: parsing {go_quote(text)}: invalid syntax"))
        options["gracePeriodSeconds"] = int(text)
    if "orphanDependents" in query:
        options["orphanDependents"] = is_true(query["orphanDependents"])
    return options
