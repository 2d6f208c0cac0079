"""A public repository's manifests, asked of several command lines: every workload in a file of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

KINDS = {
    "v1": ("Pod", "ReplicationController"),
    "apps/v1": ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"),
    "batch/v1": ("Job", "CronJob"),
}
"""What all programs look into, by apiVersion."""
TEMPLATE_AT = ("spec", "template", "spec")
POD_AT = {"Pod": ("spec",), "CronJob": ("spec", "jobTemplate", "spec", "template", "spec")}
"""Where the pod's spec is, by kind; elsewhere at TEMPLATE_AT."""


def gather(source: Path, folder: Path) -> int:
    """Write every workload under ``source`` into a file of its own.

    Only workloads with containers are kept: ``kyverno apply`` and ``gator test`` end at the first file that is none of
    theirs, ``gator test`` also at a workload without a pod template, and Kyverno's pattern denies a pod without
    containers. Each has a name of its own, ``NAME-NUMBER``, so that verdicts can be compared object by object. The rest
    is as found.

    Returns:
        The number of workloads.
    """
    folder.mkdir()
    count = 0
    for count, workload in enumerate(_workloads(source), start=1):
        metadata = workload["metadata"]
        metadata["name"] = f"{metadata['name'][:40].rstrip('-.')}-{count}"
        (folder / f"{count:05}.yaml").write_text(yaml.safe_dump(workload, sort_keys=False), "utf-8")
    return count


def _workloads(source: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(each for each in source.rglob("*") if each.suffix in {".yaml", ".yml"} and each.is_file()):
        try:
            documents = list(yaml.load_all(path.read_text(encoding="utf-8"), yaml.CSafeLoader))
        except (yaml.YAMLError, UnicodeDecodeError):
            continue
        yield from (each for each in documents if isinstance(each, dict) and _is_workload(each))


def _is_workload(document: dict[str, Any]) -> bool:
    kind, metadata = document.get("kind"), document.get("metadata")
    if kind not in KINDS.get(str(document.get("apiVersion")), ()) or not isinstance(metadata, dict):
        return False
    pod: Any = document
    for step in POD_AT.get(str(kind), TEMPLATE_AT):
        pod = pod.get(step) if isinstance(pod, dict) else None
    containers = pod.get("containers") if isinstance(pod, dict) else None
    return isinstance(metadata.get("name"), str) and isinstance(containers, list) and bool(containers)
