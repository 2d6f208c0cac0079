"""Owners of an object: the controller's owner reference, and the check of the claim it makes.

The author of an object writes its owner references too. A reference proves nothing until the owner has been
fetched, has the UID in the reference and holds the same images.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from imagegate.core.admission.plugin import Question
from imagegate.core.admission.request import GroupKind
from imagegate.core.admission.workload import WORKLOADS, Extent, InvalidObject, dig, pod_images


@dataclass(frozen=True, slots=True)
class Owner(Question):
    """The object that an owner reference names: ``Found`` of the object as JSON."""

    api_version: str
    kind: str
    namespace: str
    name: str


def controller_reference(document: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The owner reference with ``controller: true``; None if the object has none."""
    metadata = document.get("metadata")
    if not isinstance(metadata, dict):
        return None
    references = metadata.get("ownerReferences")
    if not isinstance(references, list):
        return None
    for reference in references:
        if isinstance(reference, Mapping) and reference.get("controller") is True:
            return reference
    return None


def owner_question(reference: Mapping[str, Any], namespace: str) -> Owner:
    """The question that fetches the owner."""
    values = [reference.get(key) for key in ("apiVersion", "kind", "name")]
    api_version, kind, name = (value if isinstance(value, str) else "" for value in values)
    return Owner(api_version, kind, namespace, name)


def owner_holds_images(owner: Mapping[str, Any], uid: object, images: frozenset[str]) -> bool:
    """True if the fetched owner has the claimed UID and every one of ``images`` in its own pod template."""
    metadata = owner.get("metadata")
    if not isinstance(metadata, Mapping) or not uid or metadata.get("uid") != uid:
        return False
    api_version, kind = owner.get("apiVersion"), owner.get("kind")
    if not isinstance(api_version, str) or not isinstance(kind, str):
        return False
    shape = WORKLOADS.get(GroupKind(api_version.rpartition("/")[0], kind))
    if shape is None or shape.template is None:
        return False
    try:
        spec = dig(owner, shape.pod_spec)
        held = {use.name for use in pod_images(spec, "", Extent())} if spec is not None else set()
    except InvalidObject:
        return False
    return bool(images) and images <= held
