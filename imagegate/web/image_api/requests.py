"""An HTTP request to the API, taken apart: verb, resource, name, body, options."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from imagegate.core.api_patches import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH
from imagegate.core.api_resources import ApiResource, find_resource
from imagegate.core.api_selectors import parse_field_selector, parse_label_selector
from imagegate.core.api_status import IMAGE_GROUP, StatusError, bad_request
from imagegate.core.decision import Status
from imagegate.core.go_quote import go_quote
from imagegate.errors import ConfigError, InvalidInput
from imagegate.policy.nodes import plain
from imagegate.policy.source import read_source
from imagegate.service.image_api.call import DeleteOptions, JsonObject, ListOptions, read_continue_token
from imagegate.web.image_api import protobuf

DEPTH_MAX = 200
PATCH_TYPES = (JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH)
_OF_NAMESPACES = ("status", "finalize")
_IMAGE_FIELDS = frozenset(
    {"metadata.name", "metadata.namespace", "spec.dockerImageRepository", "status.dockerImageRepository"}
)
_TRUE = re.compile("1|t|T|TRUE|true|True")

NO_RESOURCE = Status(code=404, reason="NotFound", message="the server could not find the requested resource")
NO_METHOD = Status(
    code=405, reason="MethodNotAllowed", message="the server does not allow this method on the requested resource"
)


@dataclass(frozen=True, slots=True)
class Target:
    """What a path names."""

    resource: ApiResource
    namespace: str = ""
    name: str = ""
    sub_resource: str = ""


def read_path(group: str, version: str, parts: list[str]) -> Target:
    """The target of ``[namespaces/NS/]RESOURCE[/NAME[/SUB]]`` in a group version.

    Raises:
        StatusError: 404, there is no such resource.
    """
    namespace = ""
    if len(parts) > 2 and parts[0] == "namespaces" and parts[2] not in _OF_NAMESPACES:
        namespace, parts = parts[1], parts[2:]
    if not parts or len(parts) > 3 or not all(parts):
        raise StatusError(NO_RESOURCE)
    resource = find_resource(group, version, parts[0])
    if resource is None or (namespace and not resource.namespaced):
        raise StatusError(NO_RESOURCE)
    name, sub_resource = (*parts[1:], "", "")[:2]
    if resource.namespaced and name and not namespace:
        raise StatusError(NO_RESOURCE)
    if sub_resource and resource.sub_resource(sub_resource) is None:
        raise StatusError(NO_RESOURCE)
    return Target(resource, namespace, name, sub_resource)


def verb_of(method: str, target: Target, query: Mapping[str, str]) -> str:
    """Kubernetes' word for what is asked.

    Raises:
        StatusError: 405.
    """
    one = bool(target.name)
    verbs = {
        "GET": "watch" if is_true(query.get("watch")) else "get" if one else "list",
        "POST": "" if one else "create",
        "PUT": "update" if one else "",
        "PATCH": "patch" if one else "",
        "DELETE": "delete" if one else "deletecollection",
    }
    verb = verbs.get(method, "")
    found = target.resource.sub_resource(target.sub_resource)
    allowed = found.verbs if found is not None else target.resource.verbs
    if verb not in allowed:
        raise StatusError(NO_METHOD)
    return verb


def is_true(text: str | None) -> bool:
    """Whether a query parameter is Go's idea of true."""
    return text is not None and _TRUE.fullmatch(text) is not None


def read_body(content: bytes, media_type: str) -> JsonObject:
    """The object in a body: JSON or YAML.

    Raises:
        StatusError: 400 or 415.
    """
    value = _decoded(content, media_type)
    if not isinstance(value, dict):
        raise StatusError(bad_request("the body of the request is not an object"))
    return value


def read_patch(content: bytes, media_type: str) -> object:
    """The patch in a body.

    Raises:
        StatusError: 400 or 415; server-side apply is refused by name.
    """
    if media_type == APPLY_PATCH:
        why = "server-side apply is not supported by this server: use kubectl apply without --server-side"
        raise StatusError(_unsupported(why))
    if media_type not in PATCH_TYPES:
        accepted = ", ".join(PATCH_TYPES)
        why = f"the body of the request was in an unknown format - accepted media types include: {accepted}"
        raise StatusError(_unsupported(why))
    return _decoded(content, "application/json")


def _unsupported(why: str) -> Status:
    return Status(code=415, reason="UnsupportedMediaType", message=why)


def _decoded(content: bytes, media_type: str) -> object:
    if media_type in ("application/yaml", "application/x-yaml"):
        return _decoded_yaml(content)
    if media_type == protobuf.MEDIA_TYPE:
        return _decoded_protobuf(content)
    # kubectl 1.20 sends none with some commands. A web page could do so, too: its Origin is refused before this.
    if media_type not in ("application/json", ""):
        accepted = f"application/json, application/yaml, {protobuf.MEDIA_TYPE}"
        why = f"the body of the request was in an unknown format - accepted media types include: {accepted}"
        raise StatusError(_unsupported(why))
    if _is_deep(content):
        raise StatusError(bad_request(f"the body of the request is nested deeper than {DEPTH_MAX} levels"))
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise StatusError(
            bad_request(f"the object provided is unrecognized (must be of type JSON): {error}")
        ) from error


def _decoded_yaml(content: bytes) -> object:
    try:
        documents = read_source(content.decode("utf-8"), "body").documents
    except (ConfigError, UnicodeDecodeError) as error:
        raise StatusError(
            bad_request(f"the object provided is unrecognized (must be of type YAML): {error}")
        ) from error
    return plain(documents[0])


# A string without an end takes the rest: looking for its end from every later quote would take quadratic time.
def _decoded_protobuf(content: bytes) -> object:
    try:
        return protobuf.decode(content)
    except InvalidInput as error:
        raise StatusError(_unsupported(f"the object provided cannot be read: {error}")) from error


_BRACKETS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{]|[\]}]', re.DOTALL)


def _is_deep(content: bytes) -> bool:
    """Whether brackets are nested too deep, found without building anything."""
    if content.count(b"{") + content.count(b"[") <= DEPTH_MAX:
        return False
    depth = 0
    for found in _BRACKETS.finditer(content):
        mark = found[0][:1]
        if mark in b"[{":
            depth += 1
            if depth > DEPTH_MAX:
                return True
        elif mark in b"]}":
            depth -= 1
    return False


def read_dry_run(values: list[str]) -> bool:
    """Whether ``dryRun`` is asked for.

    Raises:
        StatusError: 400, it has a value that means nothing.
    """
    if not values:
        return False
    if values != ["All"]:
        raise StatusError(bad_request(f'dryRun: Unsupported value: {go_quote(values[0])}: supported values: "All"'))
    return True


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
                raise StatusError(bad_request(f"field label not supported: {path}"))
    if target.name:
        fields = parse_field_selector(f"metadata.name={target.name}")
    limit = read_number(query, "limit")
    token = query.get("continue", "")
    version, after = read_continue_token(token) if token else ("", None)
    return ListOptions(labels, fields, limit, after, version)


def read_number(query: Mapping[str, str], name: str, default: int = 0) -> int:
    """A whole number among the parameters.

    Raises:
        StatusError: 400.
    """
    text = query.get(name, "")
    if not text:
        return default
    if not text.isdecimal() or len(text) > 18:
        raise StatusError(bad_request(f"{name}: expected a number that is not negative, got {go_quote(text)}"))
    return int(text)


def read_delete_options(content: bytes, media_type: str) -> tuple[DeleteOptions, bool]:
    """Preconditions of a delete, and whether its body asks for a dry run.

    Raises:
        StatusError: 400 or 415.
    """
    if not content.strip():
        return DeleteOptions(), False
    body = read_body(content, media_type)
    conditions = body.get("preconditions") or {}
    dry_run = body.get("dryRun") or []
    if not isinstance(conditions, dict) or not isinstance(dry_run, list):
        raise StatusError(bad_request("DeleteOptions: a field has the wrong type"))
    uid, version = conditions.get("uid"), conditions.get("resourceVersion")
    return DeleteOptions(str(uid) if uid else None, str(version) if version else None), read_dry_run(dry_run)
