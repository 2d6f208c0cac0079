"""Makes ``imagegate/web/image_api/kubernetes_messages.json`` from the Go types of Kubernetes' and OpenShift's APIs.

``python -m tests.support.kubernetes_types`` prints it. Of each field the table has its number, its name and type in
JSON, and whether a zero value is left out there.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any

from tests.support.go_modules import module_file

API, MACHINERY = ("k8s.io/api", "v0.37.2"), ("k8s.io/apimachinery", "v0.37.2")
OPENSHIFT = ("github.com/openshift/api", "v0.0.0-20251015095338-264e80a2b6e7")
SOURCES = {
    "core": (API, "core/v1/types.go"),
    "apps": (API, "apps/v1/types.go"),
    "batch": (API, "batch/v1/types.go"),
    "authentication": (API, "authentication/v1/types.go"),
    "authorization": (API, "authorization/v1/types.go"),
    "meta": (MACHINERY, "pkg/apis/meta/v1/types.go"),
    "image": (OPENSHIFT, "image/v1/types.go"),
    "project": (OPENSHIFT, "project/v1/types.go"),
    "template": (OPENSHIFT, "template/v1/types.go"),
}
ROOTS = {
    "v1": (
        "core",
        (
            "Namespace Pod PodTemplate Secret ConfigMap ServiceAccount Service ReplicationController Event LimitRange "
            "ResourceQuota"
        ),
    ),
    "apps/v1": ("apps", "Deployment ReplicaSet DaemonSet StatefulSet"),
    "batch/v1": ("batch", "Job CronJob"),
    "authentication.k8s.io/v1": ("authentication", "SelfSubjectReview"),
    "authorization.k8s.io/v1": (
        "authorization",
        "LocalSubjectAccessReview SelfSubjectAccessReview SelfSubjectRulesReview SubjectAccessReview",
    ),
    "image.openshift.io/v1": (
        "image",
        (
            "Image ImageSignature ImageStream ImageStreamImage ImageStreamImport ImageStreamLayers ImageStreamMapping "
            "ImageStreamTag ImageTag ImageList ImageStreamList ImageStreamTagList ImageTagList"
        ),
    ),
    "project.openshift.io/v1": ("project", "Project ProjectRequest"),
    "template.openshift.io/v1": ("template", "Template"),
    "meta.k8s.io/v1": ("meta", "CreateOptions DeleteOptions GetOptions ListOptions PatchOptions UpdateOptions Status"),
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
    "runtime.RawExtension": "raw",
    "FieldsV1": "raw",
    "ExtraValue": "strings",
}
OMIT_ZERO = "omitzero"
LEFT_OUT = ("string", "bool", "int")
"""Go writes these to protobuf even if they are zero, unless the field is a pointer."""
_STRUCT = re.compile(r"^type (\w+) struct \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_NAMED = re.compile(r"^type (\w+) (\[\]\w+|map\[\w+\][\w.]+|\w+)$", re.MULTILINE)
_FIELD = re.compile(r'^\s+(?:(\w+)\s+)?([\w.\[\]*]+)\s+`json:"([^"]*)".*?protobuf:"\w+,(\d+)', re.MULTILINE)


def read_types() -> dict[str, Any]:
    """Structs and named types by ``PACKAGE.NAME``."""
    found: dict[str, Any] = {}
    for package, (module, path) in SOURCES.items():
        text = module_file(*module, path).read_text(encoding="utf-8")
        for name, body in _STRUCT.findall(text):
            found[f"{package}.{name}"] = [
                (int(number), json_name, go_type) for _, go_type, json_name, number in _FIELD.findall(body)
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
        for number, tag, go_type in types[name]:
            json_name, _, more = tag.partition(",")
            word = resolve(go_type, package, types)
            is_left_out = "omitempty" in more and go_type[0] != "*" and word in LEFT_OUT
            messages[name][str(number)] = [json_name, word, *([OMIT_ZERO] if is_left_out else [])]
            bare = word.strip("[]{}")
            if "." in bare:
                waiting.append(bare)
    return {"roots": roots, "messages": dict(sorted(messages.items()))}


def main() -> None:
    """Write the table to standard output."""
    json.dump(table(read_types()), sys.stdout, separators=(",", ":"), sort_keys=True)


if __name__ == "__main__":
    main()
