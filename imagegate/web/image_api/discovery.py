"""Discovery, plain and aggregated: the groups, versions and resources of the API."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import Any

from imagegate.core.image_api.resources import ApiResource, group_versions, resources_of
from imagegate.core.kube.status import IMAGE_GROUP

AGGREGATED = ("apidiscovery.k8s.io", "APIGroupDiscoveryList")
_VERSIONS = ("v2", "v2beta1")


def aggregated_version(accept: str) -> str | None:
    """The version of aggregated discovery that the client prefers to plain discovery, if any."""
    for part in accept.split(","):
        media_type, *parameters = (piece.strip() for piece in part.split(";"))
        given = dict(parameter.partition("=")[::2] for parameter in parameters)
        if media_type != "application/json":
            continue
        if not given.get("as"):
            return None
        if (given.get("g"), given["as"]) == AGGREGATED and given.get("v") in _VERSIONS:
            return given["v"]
    return None


def served(*, only_own: bool) -> Iterator[tuple[str, str]]:
    """Groups and versions; ``only_own``: the image API's own, since another server has the others."""
    return (found for found in group_versions() if not only_own or found[0] == IMAGE_GROUP)


def aggregated(core: bool, version: str, *, only_own: bool = False) -> dict[str, Any]:
    """Everything of the core group (``/api``) or of all others (``/apis``) at once."""
    groups: dict[str, list[str]] = {}
    for group, group_version in served(only_own=only_own):
        if (group == "") is core:
            groups.setdefault(group, []).append(group_version)
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": [
            {
                "metadata": {"name": group or None, "creationTimestamp": None},
                "versions": [_aggregated_version(group, each) for each in versions],
            }
            for group, versions in groups.items()
        ],
    }


def _aggregated_version(group: str, version: str) -> dict[str, Any]:
    return {
        "version": version,
        "resources": [_aggregated_resource(resource) for resource in resources_of(group, version)],
        "freshness": "Current",
    }


def _aggregated_resource(resource: ApiResource) -> dict[str, Any]:
    found: dict[str, Any] = {
        "resource": resource.name,
        "responseKind": _kind(resource, resource.kind),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        found["shortNames"] = list(resource.short_names)
    if resource.categories:
        found["categories"] = list(resource.categories)
    if resource.sub_resources:
        found["subresources"] = [
            {
                "subresource": each.name,
                "responseKind": _kind(resource, each.kind, each.api_version),
                "verbs": list(each.verbs),
            }
            for each in resource.sub_resources
        ]
    return found


def _kind(resource: ApiResource, kind: str, api_version: str = "") -> dict[str, str]:
    group, _, version = (api_version or resource.api_version).rpartition("/")
    return {"group": group, "version": version, "kind": kind}


def api_versions(*, only_own: bool = False) -> dict[str, Any]:
    """``/api``."""
    return {"kind": "APIVersions", "versions": [] if only_own else ["v1"], "serverAddressByClientCIDRs": []}


def api_group_list(*, only_own: bool = False) -> dict[str, Any]:
    """``/apis``."""
    groups = dict.fromkeys(group for group, _ in served(only_own=only_own) if group)
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(group) for group in groups]}


def api_group(group: str) -> dict[str, Any] | None:
    """``/apis/GROUP``."""
    if not group or all(group != each for each, _ in group_versions()):
        return None
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(group)}


def _storage_hash(resource: ApiResource) -> str:
    """A string that differs where objects are stored in another version. Source: apiserver, ``StorageVersionHash``."""
    stored = f"{resource.group}/{resource.version}/{resource.kind}".encode()
    return base64.b64encode(hashlib.sha256(stored).digest()[:8]).decode("ascii")


def _group(group: str) -> dict[str, Any]:
    versions = [
        {"groupVersion": f"{group}/{version}", "version": version}
        for each, version in group_versions()
        if each == group
    ]
    return {"name": group, "versions": versions, "preferredVersion": versions[0]}


def api_resource_list(group: str, version: str) -> dict[str, Any] | None:
    """``/api/v1`` or ``/apis/GROUP/VERSION``."""
    resources = resources_of(group, version)
    if not resources:
        return None
    listed = [entry for resource in resources for entry in _entries(resource)]
    api_version = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version, "resources": listed}


def _entries(resource: ApiResource) -> list[dict[str, Any]]:
    entry: dict[str, Any] = {
        "name": resource.name,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if "watch" in resource.verbs:
        entry["storageVersionHash"] = _storage_hash(resource)
    sub_resources = [
        {
            "name": f"{resource.name}/{each.name}",
            "singularName": "",
            "namespaced": resource.namespaced,
            "kind": each.kind,
            "verbs": list(each.verbs),
        }
        for each in resource.sub_resources
    ]
    return [entry, *sub_resources]
