"""Paths and operations of OpenAPI documents; clients look there for the support of dryRun and fieldValidation.

Source: k8s.io/apiserver 0.34, ``pkg/endpoints/installer.go``, whose names and order of operations these are.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from imagegate.core.image_api.patches import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH
from imagegate.core.image_api.resources import ApiResource, SubResource
from imagegate.core.image_api.schema import TYPES
from imagegate.web.image_api.openapi_schemas import PATCH, Style
from imagegate.web.image_api.protobuf import MEDIA_TYPE

STATUS = "io.k8s.apimachinery.pkg.apis.meta.v1.Status"
DELETE_OPTIONS = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"
_MEDIA_TYPES = ("application/json", "application/yaml", MEDIA_TYPE)
_PATCHES = (JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH, APPLY_PATCH)
_METHODS = {
    "list": "get",
    "create": "post",
    "deletecollection": "delete",
    "get": "get",
    "update": "put",
    "patch": "patch",
    "delete": "delete",
}
_ACTIONS = {"create": "post", "update": "put"}
_WORDS = {"get": "read", "update": "replace", "deletecollection": "delete"}
_WRITE = ("dryRun", "fieldManager", "fieldValidation")
_SELECT = ("fieldSelector", "labelSelector", "resourceVersion")
_LIST = (*_SELECT, "continue", "limit", "resourceVersionMatch", "sendInitialEvents", "timeoutSeconds", "watch")
_QUERY = {
    "list": (*_LIST, "allowWatchBookmarks"),
    "create": _WRITE,
    "deletecollection": (*_SELECT, "dryRun", "propagationPolicy"),
    "update": _WRITE,
    "patch": (*_WRITE, "force"),
    "delete": ("dryRun", "gracePeriodSeconds", "propagationPolicy"),
}
_INTEGERS = ("gracePeriodSeconds", "limit", "timeoutSeconds")
_BOOLEANS = ("allowWatchBookmarks", "force", "sendInitialEvents", "watch")
_PATH_TEXTS = {"name": "name of the object", "namespace": "namespace of the object"}


class _Place(NamedTuple):
    """A path of a resource."""

    resource: ApiResource
    sub_resource: SubResource | None = None
    is_everywhere: bool = False
    """True for the list of all namespaces."""

    @property
    def type(self) -> str:
        """The type of the object there, in the table; empty if it is not there."""
        sub = self.sub_resource
        if sub is None:
            return self.resource.type
        own = TYPES.kind(self.resource.api_version, sub.kind)
        return own or TYPES.kind(sub.api_version, sub.kind)

    @property
    def kind(self) -> dict[str, str]:
        """Its group, version and kind."""
        sub, version = self.sub_resource, self.resource.api_version
        if sub is not None and sub.api_version and not TYPES.kind(version, sub.kind):
            version = sub.api_version
        group, _, number = version.rpartition("/")
        return {"group": group, "version": number, "kind": self.resource.kind if sub is None else sub.kind}


def paths(resources: Iterable[ApiResource], style: Style) -> dict[str, Any]:
    """All paths of resources, by path."""
    made: dict[str, Any] = {}
    for resource in resources:
        base = f"/apis/{resource.api_version}" if resource.group else f"/api/{resource.version}"
        many = f"{base}/namespaces/{{namespace}}/{resource.name}" if resource.namespaced else f"{base}/{resource.name}"
        one = f"{many}/{{name}}"
        here = _Place(resource)
        if resource.namespaced:
            _add(made, f"{base}/{resource.name}", _Place(resource, is_everywhere=True), ("list",), style)
        _add(made, many, here, ("list", "create", "deletecollection"), style)
        _add(made, one, here, ("get", "update", "patch", "delete"), style)
        for sub in resource.sub_resources:
            _add(made, f"{one}/{sub.name}", _Place(resource, sub), sub.verbs, style)
        if "watch" in resource.verbs:
            _add_watches(made, base, many, one, here, style)
    return dict(sorted(made.items()))


def types_in(resources: Iterable[ApiResource]) -> list[str]:
    """The types of the objects that paths take and return."""
    places = [_Place(resource, sub) for resource in resources for sub in (None, *resource.sub_resources)]
    lists = [TYPES.kind(place.resource.api_version, f"{place.resource.kind}List") for place in places]
    return sorted({STATUS, DELETE_OPTIONS, *(place.type for place in places), *lists} - {""})


def _add(made: dict[str, Any], path: str, place: _Place, verbs: Iterable[str], style: Style) -> None:
    served = place.sub_resource.verbs if place.sub_resource is not None else place.resource.verbs
    operations = {_METHODS[verb]: _operation(place, verb, style) for verb in verbs if verb in served}
    if operations:
        made[path] = {**operations, "parameters": [_in_path(name, style) for name in _names(path)]}


def _add_watches(made: dict[str, Any], base: str, many: str, one: str, place: _Place, style: Style) -> None:
    """The old paths of watches."""
    of_all = f"{base}/{place.resource.name}"
    for path, end in ((of_all, "ListForAllNamespaces"), (many, "List"), (one, "")):
        if path == of_all and of_all != many:
            word = _operation_word(place._replace(is_everywhere=True))
        else:
            word, end = _operation_word(place), end.removesuffix("ForAllNamespaces")
        operation = {
            "operationId": f"watch{word.removesuffix('ForAllNamespaces')}{end}",
            "parameters": [_query(name, style) for name in _QUERY["list"]],
            "responses": _responses({"200": ""}, style),
            "x-kubernetes-action": "watchlist" if end else "watch",
            "x-kubernetes-group-version-kind": place.kind,
        }
        names = [_in_path(name, style) for name in _names(path)]
        made[f"{base}/watch{path.removeprefix(base)}"] = {"get": operation, "parameters": names}


def _operation_word(place: _Place) -> str:
    resource = place.resource
    group = "".join(part.capitalize() for part in (resource.group.removesuffix(".k8s.io") or "core").split("."))
    scope = "Namespaced" if resource.namespaced and not place.is_everywhere else ""
    kind = resource.kind if resource.kind.lower() == resource.singular else resource.singular.capitalize()
    sub = place.sub_resource.name.capitalize() if place.sub_resource is not None else ""
    return f"{group}{resource.version.capitalize()}{scope}{kind}{sub}"


def _operation(place: _Place, verb: str, style: Style) -> dict[str, Any]:
    word = _operation_word(place)
    if verb == "deletecollection":
        word = word.replace("V1", "V1Collection", 1)
    all_over = "ForAllNamespaces" if place.is_everywhere and place.resource.namespaced else ""
    list_type = TYPES.kind(place.resource.api_version, f"{place.resource.kind}List")
    returned = {"list": list_type, "delete": STATUS, "deletecollection": STATUS}.get(verb, place.type)
    codes = {"create": ("200", "201", "202"), "update": ("200", "201"), "patch": ("200", "201")}.get(verb, ("200",))
    made = {
        "operationId": f"{_WORDS.get(verb, verb)}{word}{all_over}",
        "parameters": [_query(name, style) for name in _QUERY.get(verb, ())],
        "responses": _responses(dict.fromkeys(codes, returned), style),
        "x-kubernetes-action": _ACTIONS.get(verb, verb),
        "x-kubernetes-group-version-kind": place.kind,
    }
    return _with_body(made, place.type, verb, style)


def _with_body(operation: dict[str, Any], type_: str, verb: str, style: Style) -> dict[str, Any]:
    """The operation with what it takes."""
    media_types: tuple[str, ...]
    if verb == "patch":
        body, media_types = PATCH, _PATCHES
    elif verb in ("create", "update") and type_:
        body, media_types = type_, _MEDIA_TYPES
    elif verb in ("delete", "deletecollection"):
        body, media_types = DELETE_OPTIONS, _MEDIA_TYPES
    else:
        return operation
    is_required = body != DELETE_OPTIONS
    if style.version == 3:
        content = {each: {"schema": style.reference(body)} for each in media_types}
        return {**operation, "requestBody": {"content": content, **({"required": True} if is_required else {})}}
    parameter = {"name": "body", "in": "body", "schema": style.reference(body), "required": is_required}
    return {**operation, "consumes": list(media_types), "parameters": [parameter, *operation["parameters"]]}


def _responses(types: dict[str, str], style: Style) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for code, type_ in types.items():
        made[code] = {"description": {"201": "Created", "202": "Accepted"}.get(code, "OK")}
        if type_ and style.version == 3:
            made[code]["content"] = {each: {"schema": style.reference(type_)} for each in _MEDIA_TYPES}
        elif type_:
            made[code]["schema"] = style.reference(type_)
    return made


def _names(path: str) -> list[str]:
    return [name for name in ("name", "namespace") if f"{{{name}}}" in path]


def _in_path(name: str, style: Style) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "description": _PATH_TEXTS[name], **_typed("string", style)}


def _query(name: str, style: Style) -> dict[str, Any]:
    kind = "integer" if name in _INTEGERS else "boolean" if name in _BOOLEANS else "string"
    return {"name": name, "in": "query", **_typed(kind, style)}


def _typed(kind: str, style: Style) -> dict[str, Any]:
    schema = {"type": kind, "uniqueItems": True}
    return schema if style.version == 2 else {"schema": schema}
