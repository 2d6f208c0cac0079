"""Makes the table of ``imagegate.core.image_api.schema`` from the Go types of Kubernetes' and OpenShift's APIs.

``python -m tests.support.api_types`` writes ``types.json`` (fields, protobuf numbers, merge strategies, kinds) and
``descriptions.json`` (the first sentence of each comment). Names and rules are those of openapi-gen, which makes the
OpenAPI documents of Kubernetes and OpenShift from the same files: k8s.io/kube-openapi, ``pkg/generators/openapi.go``.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from imagegate.core.image_api import schema
from tests.support.go_modules import module_file
from tests.support.go_types import Comment, GoField, GoFile, GoType, read_go_file

API, MACHINERY = ("k8s.io/api", "v0.37.2"), ("k8s.io/apimachinery", "v0.37.2")
OPENSHIFT = ("github.com/openshift/api", "v0.0.0-20251015095338-264e80a2b6e7")
META = "io.k8s.apimachinery.pkg.apis.meta.v1."
KINDS = {
    "v1": (
        "core",
        (
            "Namespace Pod PodTemplate Secret ConfigMap ServiceAccount Service ReplicationController Event LimitRange "
            "ResourceQuota"
        ),
    ),
    "apps/v1": ("apps", "Deployment ReplicaSet DaemonSet StatefulSet"),
    "batch/v1": ("batch", "Job CronJob"),
    "autoscaling/v1": ("autoscaling", "Scale"),
    "policy/v1": ("policy", "Eviction"),
    "authentication.k8s.io/v1": ("authentication", "SelfSubjectReview TokenRequest"),
    "authorization.k8s.io/v1": (
        "authorization",
        "LocalSubjectAccessReview SelfSubjectAccessReview SelfSubjectRulesReview SubjectAccessReview",
    ),
    "apps.openshift.io/v1": ("openshift/apps", "DeploymentConfig DeploymentConfigRollback DeploymentRequest"),
    "authorization.openshift.io/v1": (
        "openshift/authorization",
        "LocalResourceAccessReview ResourceAccessReview ResourceAccessReviewResponse",
    ),
    "build.openshift.io/v1": ("openshift/build", "Build BuildConfig BuildRequest BinaryBuildRequestOptions"),
    "image.openshift.io/v1": (
        "openshift/image",
        (
            "Image ImageSignature ImageStream ImageStreamImage ImageStreamImport ImageStreamLayers ImageStreamMapping "
            "ImageStreamTag ImageTag SecretList"
        ),
    ),
    "project.openshift.io/v1": ("openshift/project", "Project ProjectRequest"),
    "template.openshift.io/v1": ("openshift/template", "Template"),
    "user.openshift.io/v1": ("openshift/user", "User"),
    "meta.k8s.io/v1": ("meta", "CreateOptions DeleteOptions GetOptions ListOptions PatchOptions UpdateOptions Status"),
}
SCALARS = {
    "string": "string",
    "bool": "boolean",
    "int": "int64",
    "int32": "int32",
    "int64": "int64",
    "float64": "float64",
    "[]byte": "bytes",
    "k8s.io/apimachinery/pkg/apis/meta/v1.Time": "time",
    "k8s.io/apimachinery/pkg/apis/meta/v1.MicroTime": "micro-time",
    "k8s.io/apimachinery/pkg/apis/meta/v1.FieldsV1": "fields",
    "k8s.io/apimachinery/pkg/api/resource.Quantity": "quantity",
    "k8s.io/apimachinery/pkg/util/intstr.IntOrString": "int-or-string",
    "k8s.io/apimachinery/pkg/types.UID": "string",
    "k8s.io/apimachinery/pkg/types.NodeName": "string",
    "k8s.io/apimachinery/pkg/runtime.RawExtension": "raw",
    "time.Duration": "int64",
}
_ZEROS = {"string": "", "boolean": False, "int32": 0, "int64": 0, "float64": 0}
_GO_NAMES = {"boolean": "bool", "bytes": "[]uint8"}
_PACKAGE_NAMES = {"k8s.io/apimachinery/pkg/types": "types", "time": "time"}
"""Of packages that are not called v1."""


class Named(NamedTuple):
    """A type, and the file that declares it."""

    package: str
    """Its import path."""
    name: str
    type: GoType
    file: GoFile

    @property
    def published(self) -> str:
        """The name in OpenAPI documents: the parts of the path, the host's backwards."""
        host, _, path = self.package.partition("/")
        return ".".join((*reversed(host.split(".")), *path.split("/"), self.name))


class Word(NamedTuple):
    """A Go type as the table has it."""

    word: str
    go_type: str
    """As ``reflect`` prints it."""
    is_pointer: bool = False
    struct: bool = False
    enumerates: bool = False


@cache
def _file(package: str) -> GoFile | None:
    for module, version in (API, MACHINERY, OPENSHIFT):
        if package.startswith(f"{module}/"):
            path = module_file(module, version, f"{package.removeprefix(f'{module}/')}/types.go")
            return read_go_file(path) if path.exists() else None
    return None


def _find(package: str, name: str) -> Named | None:
    file = _file(package)
    return Named(package, name, file.types[name], file) if file is not None and name in file.types else None


class Table:
    """The table while it is made."""

    def __init__(self) -> None:
        self.types: dict[str, Any] = {}
        self.descriptions: dict[str, dict[str, str]] = {}

    def add(self, found: Named) -> str:
        """Add a type with all that it refers to; returns its name."""
        name = found.published
        if name in self.types:
            return name
        entry: dict[str, Any] = {}
        self.types[name] = entry
        self._describe(name, "", found.type.comment)
        if found.type.target.startswith(("[]", "map[")):  # a message in protobuf, though a plain list or map in JSON
            entry["items"] = self.word(found.type.target, found).word
            return name
        copied = found
        while copied.type.target:
            copied = _resolved(copied)
        if found.type.comment.marker("structType") == "atomic":
            entry["isAtomic"] = True
        entry["fields"] = [self._field(field, copied, name) for field in copied.type.fields if "json" in field.tags]
        return name

    def _describe(self, name: str, field: str, comment: Comment) -> None:
        text = re.split(r"(?<=[.!?])\s+(?=[A-Z])|\n\s*\n", comment.text, maxsplit=1)[0]
        if text:
            self.descriptions.setdefault(name, {})[field] = " ".join(text.split())

    def _field(self, field: GoField, home: Named, owner: str) -> dict[str, Any]:
        name, *options = field.tags["json"].split(",")
        found = self.word(field.go_type, home)
        entry: dict[str, Any] = {**({"name": name} if name else {}), "type": found.word}
        number = field.tags.get("protobuf", ",").split(",")[1]
        if number:
            entry["number"] = int(number)
        if not name:
            return entry
        self._describe(owner, name, field.comment)
        if found.go_type != schema.go_type(found.word):
            entry["goType"] = found.go_type
        omits = "omitempty" in options or "omitzero" in options
        entry.update(_presence(field, found, omits=omits))
        default = _default(field, found, home, omits=omits)
        if default is not None:
            entry["default"] = default
        is_zero = default in _ZEROS.values() or (default is None and entry.get("required"))
        if "omitzero" in options or (omits and is_zero):
            entry["omitsZero"] = True
        entry.update(_strategies(field))
        return entry

    def word(self, go_type: str, home: Named) -> Word:
        """The table's word for a Go type: a scalar, a type's name, ``[T]`` or ``{T}``."""
        if go_type.startswith("*"):
            return self.word(go_type[1:], home)._replace(is_pointer=True)
        if go_type in SCALARS:
            return Word(SCALARS[go_type], _GO_NAMES.get(SCALARS[go_type], go_type))
        if go_type.startswith("[]"):
            item = self.word(go_type[2:], home)
            return Word(f"[{item.word}]", f"[]{item.go_type}")
        if go_type.startswith("map["):
            key, _, value = go_type[4:].partition("]")
            item = self.word(value, home)
            return Word(f"{{{item.word}}}", f"map[{self.word(key, home).go_type}]{item.go_type}")
        prefix, _, name = go_type.rpartition(".")
        package = home.file.imports[prefix] if prefix else home.package
        go_name = f"{_PACKAGE_NAMES.get(package, 'v1')}.{name}"
        if f"{package}.{name}" in SCALARS:
            word = SCALARS[f"{package}.{name}"]
            return Word(word, go_name if word in _ZEROS else word)
        found = _find(package, name)
        if found is None:
            raise ValueError(f"{package}.{name} is in none of the files")
        return self._named(found, go_name)

    def _named(self, found: Named, go_name: str) -> Word:
        """Of a struct, its name; of a name for a scalar, a list or a map, that; of nullable ones, their own."""
        if not found.type.target:
            return Word(self.add(found), go_name, struct=True)
        if "protobuf.nullable" in found.type.comment.markers:
            return Word(self.add(found), go_name)
        target = self.word(found.type.target, found)
        if target.struct:
            return Word(self.add(found), go_name, struct=True)
        return target._replace(go_type=go_name)


def _resolved(found: Named) -> Named:
    """The type that a type is declared as."""
    prefix, _, name = found.type.target.rpartition(".")
    resolved = _find(found.file.imports[prefix] if prefix else found.package, name)
    if resolved is None:
        raise ValueError(f"{found.type.target} of {found.name} is in none of the files")
    return resolved


def _presence(field: GoField, found: Word, *, omits: bool) -> dict[str, bool]:
    is_empty_null = (
        found.is_pointer
        or found.word in ("time", "micro-time", "bytes", "raw", "fields")
        or not (found.struct or found.word in (*_ZEROS, "quantity", "int-or-string"))
    )
    is_time = found.word in ("time", "micro-time") and not found.is_pointer and "omitzero" not in field.tags["json"]
    markers = field.comment.markers
    flags = {
        "required": "required" in markers or (not omits and "optional" not in markers),
        "null": (not omits and is_empty_null) or is_time,  # Go never takes a struct for empty
        "pointer": found.is_pointer and omits,
    }
    if flags["required"]:
        flags["null"] = False
    return {flag: True for flag, is_set in flags.items() if is_set}


def _default(field: GoField, found: Word, home: Named, *, omits: bool) -> Any:
    marked = field.comment.marker("default")
    if marked.startswith("ref("):
        return home.file.constants[marked[4:-1].rpartition(".")[2]]
    if marked:
        return json.loads(marked)
    if found.is_pointer:
        return None
    if found.struct:
        return {}
    return None if omits else _ZEROS.get(found.word)


def _strategies(field: GoField) -> dict[str, Any]:
    marker = field.comment.marker
    found = {
        "mergeKey": field.tags.get("patchMergeKey"),
        "patchStrategy": field.tags.get("patchStrategy"),
        "listType": marker("listType"),
        "listKeys": list(dict.fromkeys(field.comment.markers.get("listMapKey", ()))),
        "isAtomic": marker("structType") == "atomic" or marker("mapType") == "atomic",
    }
    return {name: value for name, value in found.items() if value}


def table() -> tuple[dict[str, Any], dict[str, dict[str, str]]]:
    """Types with kinds, and descriptions."""
    made = Table()
    kinds: dict[str, str] = {}
    for version, (place, names) in KINDS.items():
        folder = f"{OPENSHIFT[0]}/{place.removeprefix('openshift/')}" if "/" in place else f"{API[0]}/{place}"
        package = f"{MACHINERY[0]}/pkg/apis/meta/v1" if place == "meta" else f"{folder}/v1"
        for name in names.split():
            for kind in (name, f"{name}List"):
                found = _find(package, kind)
                if found is not None:
                    kinds[f"{version} {kind}"] = made.add(found)
    types = dict(sorted(made.types.items()))
    return {"kinds": kinds, "types": types}, dict(sorted(made.descriptions.items()))


def _written(table_: dict[str, Any]) -> str:
    """The table with one line for each kind and each field."""
    kinds = ",\n".join(f"  {json.dumps(kind)}: {json.dumps(name)}" for kind, name in table_["kinds"].items())
    types = ",\n".join(f"  {json.dumps(name)}: {_written_type(entry)}" for name, entry in table_["types"].items())
    return f'{{\n "kinds": {{\n{kinds}\n }},\n "types": {{\n{types}\n }}\n}}\n'


def _written_type(entry: dict[str, Any]) -> str:
    if not entry.get("fields"):
        return json.dumps(entry)
    head = "".join(f"{json.dumps(key)}: {json.dumps(value)}, " for key, value in entry.items() if key != "fields")
    fields = ",\n".join(f"   {json.dumps(field)}" for field in entry["fields"])
    return f'{{{head}"fields": [\n{fields}\n  ]}}'


def main() -> None:
    """Write both files."""
    folder = Path(schema.__file__).parent
    types, descriptions = table()
    (folder / "types.json").write_text(_written(types), encoding="utf-8")
    (folder / "descriptions.json").write_text(json.dumps(descriptions, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
