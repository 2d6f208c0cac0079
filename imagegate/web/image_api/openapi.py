"""OpenAPI documents made from the type table: for ``kubectl explain`` and for the checks that kubectl makes first.

There are two sets. The dry cluster, on plain HTTP, describes every group it serves. Over TLS the caller may be an API
server (aggregation uses nothing else), which merges the documents into its own. There only the image API's own group
is published, under names that no API server has: otherwise our Deployment would replace Kubernetes' own for every user
of the cluster.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from imagegate import __version__
from imagegate.core.image_api.patches import JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH
from imagegate.core.image_api.resources import RESOURCES, ApiResource, group_versions, resources_of
from imagegate.core.image_api.schema import TYPES, Field
from imagegate.core.kube.status import IMAGE_GROUP

_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_META_V1 = "io.k8s.apimachinery.pkg.apis.meta.v1."
_SHARED = {
    **{
        name: f"{_META_V1}{name}"
        for name in ("ObjectMeta", "OwnerReference", "ListMeta", "Status", "StatusCause", "StatusDetails")
    },
    **{name: f"io.k8s.api.core.v1.{name}" for name in ("ObjectReference", "LocalObjectReference")},
}
_OWN = "com.github.openshift.api.image.v1."
_SCALARS: dict[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer", "format": "int64"},
    "time": {"type": "string", "format": "date-time"},
    "object": {"type": "object"},
    "raw": {"type": "object"},
    "bytes": {"type": "string", "format": "byte"},
    "any": {},
}


def definition_name(type_: str, group: str = IMAGE_GROUP) -> str:
    """The name of a type in the documents."""
    if type_ in _SHARED:
        return _SHARED[type_]
    if group == IMAGE_GROUP:
        return f"com.github.openshift.api.image.v1.{type_}"
    return f"io.k8s.api.{group.partition('.')[0] or 'core'}.v1.{type_}"


def _schema(type_: str, prefix: str) -> dict[str, Any]:
    """The schema of a type as the table writes it."""
    if type_[0] == "[":
        return {"type": "array", "items": _schema(type_[1:-1], prefix)}
    if type_[0] == "{":
        return {"type": "object", "additionalProperties": _schema(type_[1:-1], prefix)}
    if type_ in _SCALARS:
        return dict(_SCALARS[type_])
    return {"$ref": f"{prefix}{definition_name(type_)}"}


def _property(field: Field, prefix: str) -> dict[str, Any]:
    schema = _schema(field.type, prefix)
    strategy = field.patch_strategy or ("merge" if field.merge_key else "")
    more = {
        **({"x-kubernetes-patch-merge-key": field.merge_key} if field.merge_key else {}),
        **({"x-kubernetes-patch-strategy": strategy} if strategy else {}),
    }
    if field.default is not None:
        more["default"] = field.default
    if "$ref" in schema and not prefix.startswith("#/definitions"):
        schema = {"allOf": [schema]}
    return {"description": field.description, **schema, **more}


def _definitions(prefix: str) -> dict[str, Any]:
    """All types of the table."""
    made: dict[str, Any] = {}
    by_kind = {resource.kind: resource for resource in RESOURCES if resource.group == IMAGE_GROUP}
    for type_, fields in TYPES.items():
        if type_ == "Namespace":
            continue
        schema: dict[str, Any] = {
            "type": "object",
            "properties": {name: _property(field, prefix) for name, field in fields.items()},
        }
        if TYPES.description(type_):
            schema["description"] = TYPES.description(type_)
        # old kubectl would refuse an object without its status, which clients never send
        required = [name for name, field in fields.items() if field.required and "kind" not in fields]
        if required:
            schema["required"] = required
        if type_ in by_kind:
            schema["x-kubernetes-group-version-kind"] = [_gvk(by_kind[type_])]
        made[definition_name(type_)] = schema
    return made


def _open_definitions(group: str, version: str, prefix: str) -> dict[str, Any]:
    """Kinds whose fields this API does not know: anything goes."""
    shared = _definitions(prefix)
    made: dict[str, Any] = {name: shared[name] for name in (_META, _SHARED["OwnerReference"])}
    for resource in resources_of(group, version):
        made[definition_name(resource.kind, group)] = {
            "description": f"{resource.kind}. imagegate knows only its images; see the documentation of Kubernetes.",
            "type": "object",
            "properties": {
                "apiVersion": {"type": "string"},
                "kind": {"type": "string"},
                "metadata": {"$ref": f"{prefix}{_META}"},
            },
            "x-kubernetes-preserve-unknown-fields": True,
            "x-kubernetes-group-version-kind": [_gvk(resource)],
        }
    return made


def _gvk(resource: ApiResource) -> dict[str, str]:
    return {"group": resource.group, "version": resource.version, "kind": resource.kind}


def _path(resource: ApiResource) -> str:
    base = f"/apis/{resource.api_version}" if resource.group else f"/api/{resource.version}"
    return f"{base}/namespaces/{{namespace}}/{resource.name}" if resource.namespaced else f"{base}/{resource.name}"


_ACTIONS = {"create": "post", "list": "get", "get": "get", "update": "put", "patch": "patch", "delete": "delete"}


def _paths(resources: list[ApiResource], *, version: int) -> dict[str, Any]:
    """Paths and operations; clients look there for the support of dryRun and fieldValidation."""
    made: dict[str, Any] = {}
    for resource in resources:
        path = _path(resource)
        collection = {
            _ACTIONS[verb]: _operation(resource, verb, version) for verb in ("create", "list") if verb in resource.verbs
        }
        single = {
            _ACTIONS[verb]: _operation(resource, verb, version)
            for verb in ("get", "update", "patch", "delete")
            if verb in resource.verbs
        }
        if collection:
            made[path] = collection
        if single:
            made[f"{path}/{{name}}"] = single
    return made


def _operation(resource: ApiResource, verb: str, version: int) -> dict[str, Any]:
    group = "".join(part.capitalize() for part in (resource.group or "core").split("."))
    operation: dict[str, Any] = {
        "operationId": f"{verb}{group}{resource.version.capitalize()}{resource.kind}",
        "parameters": [_parameter(name, version) for name in _query_parameters(verb)],
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": _ACTIONS[verb] if verb != "create" else "post",
        "x-kubernetes-group-version-kind": _gvk(resource),
    }
    if verb == "patch" and version == 3:
        types = [JSON_PATCH, MERGE_PATCH]
        if resource.group != IMAGE_GROUP:
            types.append(STRATEGIC_MERGE_PATCH)
        operation["requestBody"] = {"content": {each: {"schema": {"type": "object"}} for each in types}}
    elif verb in ("create", "update") and version == 3:
        reference = {"$ref": f"#/components/schemas/{definition_name(resource.kind, resource.group)}"}
        operation["requestBody"] = {"content": {"application/json": {"schema": reference}}}
    return operation


def _query_parameters(verb: str) -> tuple[str, ...]:
    if verb in ("create", "update", "patch"):
        return ("dryRun", "fieldManager", "fieldValidation")
    return ("dryRun",) if verb == "delete" else ("pretty",)


def _parameter(name: str, version: int) -> dict[str, Any]:
    kind: dict[str, Any] = {"schema": {"type": "string"}} if version == 3 else {"type": "string"}
    return {"name": name, "in": "query", "description": name, **kind}


def _info() -> dict[str, str]:
    return {"title": "imagegate", "version": __version__}


def _published(only_own: bool) -> list[ApiResource]:
    return [resource for resource in RESOURCES if resource.group == IMAGE_GROUP or not only_own]


@lru_cache(maxsize=2)
def openapi_v2(*, only_own: bool = False) -> dict[str, Any]:
    """``/openapi/v2``; ``only_own``: of the image API's own group, for an API server to merge."""
    prefix = "#/definitions/"
    resources = _published(only_own)
    definitions: dict[str, Any] = {}
    for group, version in group_versions():
        if group != IMAGE_GROUP and not only_own:
            definitions.update(_open_definitions(group, version, prefix))
    definitions.update(_definitions(prefix))
    document = {
        "swagger": "2.0",
        "info": _info(),
        "paths": _paths(resources, version=2),
        "definitions": definitions,
    }
    return _with_own_names(document) if only_own else document


@lru_cache(maxsize=2)
def openapi_v3_index(*, only_own: bool = False) -> dict[str, Any]:
    """``/openapi/v3``: where the document of each group version is; ``only_own``: see ``openapi_v2``."""
    paths = {}
    for group, version in group_versions():
        if group != IMAGE_GROUP and only_own:
            continue
        name = f"apis/{group}/{version}" if group else f"api/{version}"
        paths[name] = {"serverRelativeURL": f"/openapi/v3/{name}?hash={__version__}"}
    return {"paths": paths}


@lru_cache(maxsize=32)
def openapi_v3(group: str, version: str, *, only_own: bool = False) -> dict[str, Any] | None:
    """``/openapi/v3/apis/GROUP/VERSION``; ``only_own``: see ``openapi_v2``."""
    resources = resources_of(group, version)
    is_image = group == IMAGE_GROUP
    if not resources or (only_own and not is_image):
        return None
    prefix = "#/components/schemas/"
    schemas = _definitions(prefix) if is_image else _open_definitions(group, version, prefix)
    document = {
        "openapi": "3.0.0",
        "info": _info(),
        "paths": _paths(resources, version=3),
        "components": {"schemas": schemas},
    }
    return _with_own_names(document) if only_own else document


def _with_own_names(document: Any) -> Any:
    """The document with our short forms of Kubernetes' own types under names of ours."""
    names = {name: f"{_OWN}{type_}" for type_, name in _SHARED.items()}
    if isinstance(document, dict):
        return {names.get(key, key): _with_own_names(value) for key, value in document.items()}
    if isinstance(document, list):
        return [_with_own_names(value) for value in document]
    if isinstance(document, str) and document.startswith("#/"):
        head, slash, name = document.rpartition("/")
        return f"{head}{slash}{names.get(name, name)}"
    return document


def openapi_v2_protobuf() -> bytes:
    """The smallest OpenAPI v2 document in protobuf, for old clients that read nothing else and then validate nothing.

    Fields of gnostic's openapi.v2: Document {1: swagger, 2: Info {1: title, 2: version}}.
    """
    info = _text_field(1, "imagegate") + _text_field(2, __version__)
    return _text_field(1, "2.0") + bytes((0x12, len(info))) + info


def _text_field(number: int, text: str) -> bytes:
    content = text.encode("ascii")
    return bytes((number << 3 | 2, len(content))) + content
