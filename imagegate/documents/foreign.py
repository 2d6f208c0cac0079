"""Files that lie beside manifests and policies, and hold no objects of an API: kustomizations, parts of Helm charts."""

from __future__ import annotations

import re
from collections.abc import Mapping

from imagegate.documents.yaml.nodes import Node

_KUSTOMIZE_GROUP = "kustomize.config.k8s.io/"
_KUSTOMIZATION = "a kustomization: kustomize build makes manifests of it"
_CHART = "a part of a Helm chart: helm template makes manifests of it"
_NAMES = (
    (re.compile(r"kustomization\.(yaml|yml|json)"), _KUSTOMIZATION),
    (re.compile(r"(Chart|requirements)\.(yaml|yml)"), _CHART),
    (re.compile(r"(.*[._-])?values([._-].*)?\.(yaml|yml|json)"), _CHART),
)
TEMPLATE = "a template of a Helm chart that was not rendered: helm template makes manifests of it"
TEMPLATES_FOLDER, CHART_FILES = "templates", ("Chart.yaml", "Chart.yml")
"""Templates of a chart are in this folder, beside one of these files."""


def is_object(api_version: object, kind: object) -> bool:
    """True for something that an API server could take for an object."""
    return isinstance(kind, str) and bool(kind) and isinstance(api_version, str) and bool(api_version)


def foreign(name: str, api_version: object, kind: object) -> str:
    """The kind of a document that is known and no object of an API; empty if it is an object, or nothing known.

    Only the content makes something an object: an object in a file with one of these names counts.

    Args:
        name: the file's name, without its folder.
        api_version: what is written there, whatever its type.
        kind: the same.
    """
    if isinstance(api_version, str) and api_version.startswith(_KUSTOMIZE_GROUP):
        return _KUSTOMIZATION
    if is_object(api_version, kind):
        return ""
    return next((what for pattern, what in _NAMES if pattern.fullmatch(name)), "")


def is_foreign(name: str) -> bool:
    """True if a file of this name is known to hold something else than objects."""
    return bool(foreign(name, None, None))


def foreign_document(name: str, document: object) -> str:
    """``foreign`` for a document of plain values."""
    if not isinstance(document, Mapping):
        return foreign(name, None, None)
    return foreign(name, document.get("apiVersion"), document.get("kind"))


def foreign_node(name: str, document: Node) -> str:
    """``foreign`` for a document of nodes."""
    found = document.value if isinstance(document.value, dict) else {}
    return foreign(name, *(found[key].value if key in found else None for key in ("apiVersion", "kind")))
