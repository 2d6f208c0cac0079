"""Records of rewrites, in an annotation of the object (docs/spec/enforcement.md 15.2).

A rewritten image ``NAME@sha256:…`` no longer matches an entry that names a tag. The annotation has the original
image with a MAC that only imagegate can make, so that a second look selects the same entry. A record proves
nothing else: every check runs again, for exactly the digest in the image.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, TypeGuard

from imagegate.core.admission.decision import PatchOp
from imagegate.core.admission.workload import ImageUse

ANNOTATION = "imagegate/resolved-images"
ANNOTATION_MAX_LENGTH = 128 * 1024  # half of what Kubernetes allows all annotations together


class Rewrite(NamedTuple):
    """One rewritten image."""

    original: str
    rewritten: str

    def mac(self, key: bytes, namespace: str) -> str:
        """The MAC over namespace, original and rewritten image, base64."""
        text = f"{namespace}\0{self.original}\0{self.rewritten}"
        return base64.b64encode(hmac.digest(key, text.encode("utf-8", "surrogatepass"), "sha256")).decode("ascii")


@dataclass(frozen=True, slots=True)
class RewriteRecords:
    """Reads and writes records with one key, shared by all replicas. Without a key there are no records."""

    key: bytes

    def resolved(
        self,
        document: Mapping[str, Any],
        namespace: str,
        metadata_paths: tuple[tuple[str, ...], ...] = (("metadata",),),
    ) -> dict[str, Rewrite]:
        """The rewrites that an object's annotations prove, by rewritten image; invalid entries are left out.

        Args:
            metadata_paths: of its own metadata, and of its pod template's: a Job of a CronJob has the annotation only
                there.
        """
        if not self.key:
            return {}
        found: dict[str, Rewrite] = {}
        for value in [each for path in metadata_paths for each in _entries(document, path).values()]:
            if not isinstance(value, dict):
                continue
            original, rewritten, mac = value.get("from"), value.get("to"), value.get("mac")
            if not (isinstance(original, str) and isinstance(rewritten, str) and isinstance(mac, str)):
                continue
            entry = Rewrite(original, rewritten)
            if mac.isascii() and hmac.compare_digest(entry.mac(self.key, namespace), mac):
                found.setdefault(rewritten, entry)
        return found

    def patch(
        self,
        document: Mapping[str, Any],
        metadata_paths: tuple[tuple[str, ...], ...],
        records: Mapping[str, Rewrite],
        namespace: str,
    ) -> list[PatchOp]:
        """The operations that write ``records`` (by ``LIST/CONTAINER``); none where they are already there.

        Args:
            document: the object.
            metadata_paths: of its own metadata, and of its pod template's.
            records: the complete new content.
            namespace: of the object.
        """
        if not self.key or not records:
            return []
        text = _annotation(self.key, namespace, tuple(records.items()))
        return [operation for path in metadata_paths if (operation := _annotate(document, path, text)) is not None]


@lru_cache(maxsize=1024)
def _annotation(key: bytes, namespace: str, records: tuple[tuple[str, Rewrite], ...]) -> str:
    """The annotation's value; cached because replicas of one Deployment have the same."""
    entries = {
        place: {"from": rewrite.original, "to": rewrite.rewritten, "mac": rewrite.mac(key, namespace)}
        for place, rewrite in records
    }
    return json.dumps(entries, separators=(",", ":"), ensure_ascii=False)


def record_place(use: ImageUse) -> str:
    """The key of a container's record: ``containers/NAME``."""
    return f"{_list_of(use.field)}/{use.owner}"


@lru_cache(maxsize=1024)
def _list_of(place: str) -> str:
    return place.rpartition("[")[0].rpartition(".")[2]


def _entries(document: Mapping[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    """The annotation's entries under the metadata at ``path``; empty where the annotation is missing or invalid."""
    metadata: Any = document
    for key in path:
        metadata = metadata.get(key) if _is_mapping(metadata) else None
    annotations = metadata.get("annotations") if _is_mapping(metadata) else None
    if annotations is None:
        return {}
    text = annotations.get(ANNOTATION) if isinstance(annotations, Mapping) else None
    if not isinstance(text, str) or len(text) > ANNOTATION_MAX_LENGTH:
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_mapping(value: object) -> TypeGuard[Mapping[str, Any]]:
    return type(value) is dict or isinstance(value, Mapping)  # the abstract test alone is ten times slower


def _annotate(document: Mapping[str, Any], path: tuple[str, ...], text: str) -> PatchOp | None:
    """The operation that sets the annotation under the metadata at ``path``; None where it has that value already."""
    parent: Any = document
    for key in path[:-1]:
        parent = parent.get(key) or {}
    pointer = "/" + "/".join(path)
    metadata = parent.get(path[-1])
    if not _is_mapping(metadata):
        return PatchOp("add", pointer, {"annotations": {ANNOTATION: text}})
    annotations = metadata.get("annotations")
    if not _is_mapping(annotations):
        return PatchOp("add", f"{pointer}/annotations", {ANNOTATION: text})
    if annotations.get(ANNOTATION) == text:
        return None
    return PatchOp("add", f"{pointer}/annotations/{ANNOTATION.replace('/', '~1')}", text)
