"""Any kind as a meta.k8s.io/v1 Table, for ``kubectl get``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from imagegate.core.image_api import cluster_tables, columns, openshift_tables, workload_tables
from imagegate.core.image_api.columns import Cells, Column
from imagegate.core.image_api.stored_forms import tolerant

_TABLES: Mapping[str, tuple[Sequence[Column], Cells]] = {
    **columns.TABLES,
    **cluster_tables.TABLES,
    **openshift_tables.TABLES,
    **workload_tables.TABLES,
}


def table(kind: str, items: Sequence[Mapping[str, Any]], now: datetime, **metadata: Any) -> dict[str, Any]:
    """A Table of objects, each row with the object's metadata."""
    shown, cells = _TABLES.get(kind, cluster_tables.OTHERS)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": [column.to_json() for column in shown],
        "rows": [
            {"cells": tolerant(lambda found: cells(found, now), kind, dict(item)), "object": partial_metadata(item)}
            for item in items
        ],
    }


def partial_metadata(found: Mapping[str, Any]) -> dict[str, Any]:
    """An object reduced to its metadata."""
    metadata = found.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": dict(metadata)}
