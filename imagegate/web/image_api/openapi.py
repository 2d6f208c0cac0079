"""OpenAPI documents made from the table of types: for ``kubectl explain`` and for the checks that kubectl makes first.

There are two sets. The dry cluster, on plain HTTP, describes every group it serves. Over TLS the caller may be an API
server (aggregation uses nothing else), which merges the documents into its own. There only the image API's own group
is published, under names that no API server has: otherwise our Deployment would replace Kubernetes' own for every user
of the cluster.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson

from imagegate import __version__
from imagegate.core.image_api.resources import RESOURCES, ApiResource, group_versions, resources_of
from imagegate.core.image_api.schema import TYPES, short_name
from imagegate.core.kube.status import IMAGE_GROUP
from imagegate.web.image_api.openapi_paths import paths, types_in
from imagegate.web.image_api.openapi_schemas import Style, schemas

_OWN = "com.github.openshift.api.image.v1."
_INFO = {"title": "imagegate", "version": __version__}


def _own_name(type_: str) -> str:
    return type_ if type_.startswith(_OWN) else f"{_OWN}{short_name(type_)}"


def _style(version: int, only_own: bool) -> Style:
    return Style(version, _own_name if only_own else str)


def _kinds(versions: set[str]) -> Mapping[str, list[dict[str, str]]]:
    """The group, version and kind of each type that is a kind of one of the versions."""
    made: dict[str, list[dict[str, str]]] = {}
    for name, type_ in TYPES.kinds().items():
        api_version, _, kind = name.partition(" ")
        group, _, version = api_version.rpartition("/")
        if api_version in versions:
            made.setdefault(type_, []).append({"group": group, "version": version, "kind": kind})
    return made


def _schemas(resources: list[ApiResource], style: Style) -> dict[str, Any]:
    return schemas(types_in(resources), style, _kinds({resource.api_version for resource in resources}))


@lru_cache(maxsize=2)
def openapi_v2(*, only_own: bool = False) -> bytes:
    """``/openapi/v2`` as JSON; ``only_own``: of the image API's own group, for an API server to merge."""
    resources = [resource for resource in RESOURCES if resource.group == IMAGE_GROUP or not only_own]
    style = _style(2, only_own)
    document = {
        "swagger": "2.0",
        "info": _INFO,
        "paths": paths(resources, style),
        "definitions": _schemas(resources, style),
    }
    return orjson.dumps(document)


@lru_cache(maxsize=2)
def openapi_v3_index(*, only_own: bool = False) -> dict[str, Any]:
    """``/openapi/v3``: where the document of each group version is; ``only_own``: see ``openapi_v2``."""
    index = {}
    for group, version in group_versions():
        if group != IMAGE_GROUP and only_own:
            continue
        name = f"apis/{group}/{version}" if group else f"api/{version}"
        index[name] = {"serverRelativeURL": f"/openapi/v3/{name}?hash={__version__}"}
    return {"paths": index}


@lru_cache(maxsize=32)
def openapi_v3(group: str, version: str, *, only_own: bool = False) -> bytes | None:
    """``/openapi/v3/apis/GROUP/VERSION`` as JSON; ``only_own``: see ``openapi_v2``. None: there is no such version."""
    resources = resources_of(group, version)
    if not resources or (only_own and group != IMAGE_GROUP):
        return None
    style = _style(3, only_own)
    document = {
        "openapi": "3.0.0",
        "info": _INFO,
        "paths": paths(resources, style),
        "components": {"schemas": _schemas(resources, style)},
    }
    return orjson.dumps(document)


def openapi_v2_protobuf() -> bytes:
    """The smallest OpenAPI v2 document in protobuf, for old clients that read nothing else and then validate nothing.

    Fields of gnostic's openapi.v2: Document {1: swagger, 2: Info {1: title, 2: version}}.
    """
    info = _text_field(1, "imagegate") + _text_field(2, __version__)
    return _text_field(1, "2.0") + bytes((0x12, len(info))) + info


def _text_field(number: int, text: str) -> bytes:
    content = text.encode("ascii")
    return bytes((number << 3 | 2, len(content))) + content
