"""Objects in requests: their kind, their form, and the namespace and name that they must have."""

from __future__ import annotations

from typing import Any

import orjson

from imagegate.core.cluster_kinds.defaults import with_defaults
from imagegate.core.image_api.decoding import WrongType, decoded
from imagegate.core.image_api.resources import RESOURCES, ApiResource
from imagegate.core.image_api.schema import TYPES
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.kube.status import IMAGE_GROUP, StatusError, bad_request
from imagegate.errors import InvalidInput
from imagegate.service.image_api.request import ApiRequest, JsonObject

_OWNERS = "managedFields"
_DROPPED = (_OWNERS, "selfLink")
_SCHEME = "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30"
_LEGACY = "v1"
_REPEATED_OWNERS = (
    ".metadata.ownerReferences contains duplicate entries{when}; API server dedups owner references in 1.20+, and may "
    "reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {uids}"
)
_PATCHED = " after mutating admission happens"


def checked_body(
    resource: ApiResource,
    request: ApiRequest,
    body: JsonObject,
    name: str = "",
    *,
    keeps_owners: bool = False,
    is_patch: bool = False,
) -> JsonObject:
    """The object as rules look at it: decoded, with defaults, kind, API version and namespace filled in.

    Args:
        resource: the expected kind.
        request: has the namespace.
        body: as sent.
        name: from the path; empty if the path has none.
        keeps_owners: leave ``managedFields`` in it, also an empty list, which resets them.
        is_patch: the object is what a patch resulted in.

    Raises:
        StatusError: 400, the object is not of the request's kind, namespace or name, or a field has the wrong type.
    """
    sent = body
    body = with_defaults(resource.type, decoded_body(resource, body))
    metadata = _metadata(body)
    owners = (sent.get("metadata") or {}).get(_OWNERS)
    if keeps_owners and owners is not None:
        metadata[_OWNERS] = owners
    if resource.namespaced:
        if (metadata.get("namespace") or request.namespace) != request.namespace:
            what = "the namespace of the provided object does not match the namespace sent on the request"
            raise StatusError(bad_request(what))
        metadata["namespace"] = request.namespace
    else:
        metadata.pop("namespace", None)  # as in the original, which passes over it
    if name:
        given = metadata.get("name")
        if not given:
            what = f"the name of the object ({name} based on URL) was undeterminable: name must be provided"
            raise StatusError(bad_request(what))
        if given != name:
            what = f"the name of the object ({given}) does not match the name on the URL ({name})"
            raise StatusError(bad_request(what))
    _remove_repeated_owners(request, metadata, _PATCHED if is_patch else "")
    return {**body, "kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata}


def _remove_repeated_owners(request: ApiRequest, metadata: dict[str, Any], when: str) -> None:
    """Remove owners that are named twice, with a warning. Source: k8s.io/apiserver, handlers/rest.go."""
    kept: dict[bytes, object] = {}
    repeated = []
    for owner in metadata.get("ownerReferences") or ():
        written = orjson.dumps(owner, option=orjson.OPT_SORT_KEYS)
        if written in kept:
            repeated.append(owner.get("uid") or "")
        else:
            kept[written] = owner
    if not repeated:
        return
    metadata["ownerReferences"] = list(kept.values())
    warning = _REPEATED_OWNERS.format(when=when, uids=", ".join(repeated))
    if warning not in request.warnings:
        request.warnings.append(warning)


def decoded_body(resource: ApiResource, body: JsonObject) -> JsonObject:
    """The object with its unknown fields dropped.

    Raises:
        StatusError: 400.
    """
    try:
        return read_object(resource, body)
    except BadBody as error:
        raise StatusError(bad_request(error.whole)) from error


class BadBody(InvalidInput):
    """An object that is not of the wanted kind; ``whole`` is the message of a body, ``str()`` its last part."""

    def __init__(self, why: str, whole: str) -> None:
        super().__init__(why)
        self.whole = whole


def read_object(resource: ApiResource, body: JsonObject) -> JsonObject:
    """``decoded_body`` for callers that say themselves what is wrong.

    Raises:
        BadBody: the object is of another kind, or a field has the wrong type.
    """
    _check_kind(resource, body)
    try:
        return decoded(resource.type, body)
    except WrongType as error:
        raise BadBody(str(error), unreadable(resource.kind, resource.version, resource.kind, str(error))) from error


def unreadable(kind: str, version: str, wanted: str, why: str) -> str:
    """The message of a body that is no object of the wanted kind."""
    return f"{kind} in version {go_quote(version)} cannot be handled as a {wanted}: {why}"


def _metadata(body: JsonObject) -> dict[str, Any]:
    return {
        key: value
        for key, value in (body.get("metadata") or {}).items()
        if key not in _DROPPED and value not in (None, "", {}, [])
    }


def _check_kind(resource: ApiResource, body: JsonObject) -> None:
    """Refuse an object of another kind or API version; one that names none is of the expected ones."""
    kind, version = body.get("kind") or resource.kind, body.get("apiVersion") or resource.api_version
    if (kind, version) == (resource.kind, resource.api_version):
        return
    if not isinstance(kind, str) or not isinstance(version, str):
        what = "kind and apiVersion of the object must be strings"
        raise BadBody(what, what)
    if resource.group == IMAGE_GROUP and version == _LEGACY and TYPES.kind(f"{IMAGE_GROUP}/v1", kind):
        what = f"the API version in the data ({version}) does not match the expected API version"
        raise BadBody(what, f"{what} ({resource.api_version})")
    short = version.rpartition("/")[2]
    if any((each.kind, each.api_version) == (kind, version) for each in RESOURCES):
        why = f"converting ({short}.{kind}) to ({resource.group.partition('.')[0]}.{resource.kind}): unknown conversion"
    else:
        why = f"no kind {go_quote(kind)} is registered for version {go_quote(version)} in scheme {go_quote(_SCHEME)}"
    raise BadBody(why, unreadable(kind, short, resource.kind, why))
