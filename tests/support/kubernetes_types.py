"""Makes ``imagegate/web/image_api/kubernetes_messages.json`` from the Go types of Kubernetes' API.

``python -m tests.support.kubernetes_types API APIMACHINERY`` with two checkouts (k8s.io/api, k8s.io/apimachinery).
What is taken is only which field has which number, name and type.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

SOURCES = {
    "core": ("api", "core/v1/types.go"),
    "apps": ("api", "apps/v1/types.go"),
    "batch": ("api", "batch/v1/types.go"),
    "meta": ("machinery", "pkg/apis/meta/v1/types.go"),
}
ROOTS = {
    "v1": ("core", "Namespace Pod PodTemplate Secret ConfigMap ServiceAccount Service ReplicationController Event"),
    "apps/v1": ("apps", "Deployment ReplicaSet DaemonSet StatefulSet"),
    "batch/v1": ("batch", "Job CronJob"),
}
SCALARS = {
    "string": "string",
    "bool": "bool",
    "int": "int",
    "int32": "int",
    "int64": "int",
    "[]byte": "bytes",
    "metav1.Time": "time",
    "Time": "time",
    "metav1.MicroTime": "time",
    "MicroTime": "time",
    "resource.Quantity": "quantity",
    "intstr.IntOrString": "int-or-string",
    "types.UID": "string",
}
_STRUCT = re.compile(r"^type (\w+) struct \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_NAMED = re.compile(r"^type (\w+) (\[\]\w+|map\[\w+\][\w.]+|\w+)$", re.MULTILINE)
_FIELD = re.compile(r'^\s+(?:(\w+)\s+)?([\w.\[\]*]+)\s+`json:"([^"]*)".*?protobuf:"\w+,(\d+)', re.MULTILINE)


def read_types(folders: dict[str, Path]) -> dict[str, Any]:
    """Structs and named types by ``PACKAGE.NAME``."""
    found: dict[str, Any] = {}
    for package, (folder, path) in SOURCES.items():
        text = (folders[folder] / path).read_text(encoding="utf-8")
        for name, body in _STRUCT.findall(text):
            found[f"{package}.{name}"] = [
                (int(number), json_name.split(",")[0], go_type)
                for _, go_type, json_name, number in _FIELD.findall(body)
            ]
        for name, target in _NAMED.findall(text):
            found.setdefault(f"{package}.{name}", target)
    return found


def resolve(go_type: str, package: str, types: dict[str, Any]) -> str:
    """The table's word for a Go type: a scalar, a message, ``[T]`` or ``{T}``."""
    go_type = go_type.removeprefix("*")
    if go_type in SCALARS:
        return SCALARS[go_type]
    if go_type.startswith("[]"):
        return f"[{resolve(go_type[2:], package, types)}]"
    if go_type.startswith("map["):
        return f"{{{resolve(go_type[go_type.index(']') + 1 :], package, types)}}}"
    prefix, _, name = go_type.rpartition(".")
    home = {"": package, "metav1": "meta", "v1": "core", "corev1": "core"}.get(prefix, prefix)
    known = types.get(f"{home}.{name}")
    if known is None:
        return "unknown"  # of another package: the decoder refuses such a field
    return resolve(known, home, types) if isinstance(known, str) else f"{home}.{name}"


def table(types: dict[str, Any]) -> dict[str, Any]:
    """Roots and every message that they reach."""
    roots = {
        f"{version} {kind}": f"{package}.{kind}"
        for version, (package, kinds) in ROOTS.items()
        for kind in kinds.split()
    }
    messages: dict[str, dict[str, list[str]]] = {}
    waiting = list(roots.values())
    while waiting:
        name = waiting.pop()
        if name in messages:
            continue
        package = name.partition(".")[0]
        messages[name] = {}
        for number, json_name, go_type in types[name]:
            word = resolve(go_type, package, types)
            messages[name][str(number)] = [json_name, word]
            bare = word.strip("[]{}")
            if "." in bare:
                waiting.append(bare)
    return {"roots": roots, "messages": dict(sorted(messages.items()))}


def main() -> None:
    """Write the table to standard output."""
    folders = {"api": Path(sys.argv[1]), "machinery": Path(sys.argv[2])}
    json.dump(table(read_types(folders)), sys.stdout, separators=(",", ":"), sort_keys=True)


if __name__ == "__main__":
    main()
