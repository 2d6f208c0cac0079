"""Schemas of OpenAPI documents, made from the table of types.

Source: k8s.io/kube-openapi, ``pkg/generators`` and ``pkg/builder3``. Version 2 has no defaults, and no required fields
of whole objects: old kubectl, which reads only that version, would refuse an ImageStreamImport without its status.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

from imagegate.core.image_api.schema import TYPES, Field, read_descriptions

_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
PATCH = f"{_META}Patch"
_INLINE: Mapping[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "boolean": {"type": "boolean"},
    "int32": {"type": "integer", "format": "int32"},
    "int64": {"type": "integer", "format": "int64"},
    "float64": {"type": "number", "format": "double"},
    "bytes": {"type": "string", "format": "byte"},
}
_NAMED = {
    "time": f"{_META}Time",
    "micro-time": f"{_META}MicroTime",
    "fields": f"{_META}FieldsV1",
    "raw": "io.k8s.apimachinery.pkg.runtime.RawExtension",
    "quantity": "io.k8s.apimachinery.pkg.api.resource.Quantity",
    "int-or-string": "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
}
"""Scalars that are definitions of their own."""
_FORMS: Mapping[str, dict[str, Any]] = {
    "time": {"type": "string", "format": "date-time"},
    "micro-time": {"type": "string", "format": "date-time"},
    "fields": {"type": "object"},
    "raw": {"type": "object"},
    "quantity": {"oneOf": [{"type": "string"}, {"type": "number"}]},
    "int-or-string": {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]},
}
_OLD_FORMS: Mapping[str, dict[str, Any]] = {
    "quantity": {"type": "string"},
    "int-or-string": {"type": "string", "format": "int-or-string"},
}
_ZEROS = {"string": "", "boolean": False, "int32": 0, "int64": 0, "float64": 0}


Descriptions: TypeAlias = Mapping[str, Mapping[str, str]]


class Style(NamedTuple):
    """The form of a document."""

    version: int
    """2 or 3."""
    name_of: Callable[[str], str]
    """The name under which a type is published."""

    def reference(self, type_: str) -> dict[str, str]:
        """A reference to a type."""
        place = "#/definitions/" if self.version == 2 else "#/components/schemas/"
        return {"$ref": f"{place}{self.name_of(type_)}"}


def schemas(types: Iterable[str], style: Style, kinds: Mapping[str, list[dict[str, str]]]) -> dict[str, Any]:
    """The schemas of types and of all that they refer to, by published name.

    Args:
        types: names in the table.
        style: of the document.
        kinds: the group, version and kind of types that are kinds.
    """
    descriptions = read_descriptions()
    made: dict[str, Any] = {style.name_of(PATCH): {"type": "object", "description": "A patch of any type."}}
    waiting = list(types)
    seen = set(waiting)
    while waiting:
        type_ = waiting.pop()
        made[style.name_of(type_)] = _schema(type_, style, descriptions, kinds.get(type_))
        for word in _words(type_):
            if word not in seen:
                seen.add(word)
                waiting.append(word)
    return dict(sorted(made.items()))


def _words(type_: str) -> Iterable[str]:
    """Types that a type refers to."""
    if type_ not in TYPES:
        return ()
    bare = (field.type.strip("[]{}") for field in TYPES[type_].values())
    return (_NAMED.get(word, word) for word in bare if word not in _INLINE)


_SCALARS = {name: word for word, name in _NAMED.items()}


def _text(type_: str, name: str, descriptions: Descriptions) -> str:
    """The description of a field, which a struct inside the type may have."""
    text = descriptions.get(type_, {}).get(name, "")
    inner = (part.type for part in TYPES.parts(type_) if name and not part.name)
    return text or next(filter(None, (_text(each, name, descriptions) for each in inner)), "")


def _schema(type_: str, style: Style, descriptions: Descriptions, kinds: list[dict[str, str]] | None) -> dict[str, Any]:
    if type_ in _SCALARS:
        word = _SCALARS[type_]
        return dict(_OLD_FORMS.get(word, _FORMS[word]) if style.version == 2 else _FORMS[word])
    fields = TYPES[type_]
    made: dict[str, Any] = {
        "type": "object",
        "properties": {
            name: _property(field, style, _text(type_, name, descriptions)) for name, field in fields.items()
        },
    }
    if text := _text(type_, "", descriptions):
        made["description"] = text
    required = [name for name, field in fields.items() if field.required]
    if required and not (style.version == 2 and "metadata" in fields):
        made["required"] = required
    if TYPES.is_atomic(type_):
        made["x-kubernetes-map-type"] = "atomic"
    if kinds:
        made["x-kubernetes-group-version-kind"] = kinds
    return made


def _property(field: Field, style: Style, text: str) -> dict[str, Any]:
    made = _value(field.type, style)
    if field.default is not None and style.version == 3:
        made["default"] = field.default
    if field.patch_strategy:
        made["x-kubernetes-patch-strategy"] = field.patch_strategy
    if field.merge_key:
        made["x-kubernetes-patch-merge-key"] = field.merge_key
    if field.list_type:
        made["x-kubernetes-list-type"] = field.list_type
    if field.list_keys:
        made["x-kubernetes-list-map-keys"] = list(field.list_keys)
    if field.is_atomic:
        made["x-kubernetes-map-type"] = "atomic"
    if text:
        made["description"] = text
    if "$ref" in made and len(made) > 1 and style.version == 3:
        made["allOf"] = [{"$ref": made.pop("$ref")}]
    return made


def _value(type_: str, style: Style) -> dict[str, Any]:
    if type_[0] == "[":
        return {"type": "array", "items": _item(type_[1:-1], style)}
    if type_[0] == "{":
        return {"type": "object", "additionalProperties": _item(type_[1:-1], style)}
    if type_ in _INLINE:
        return dict(_INLINE[type_])
    return dict(style.reference(_NAMED.get(type_, type_)))


def _item(type_: str, style: Style) -> dict[str, Any]:
    """The schema of entries; an entry that is null has the zero value."""
    made = _value(type_, style)
    if style.version == 2:
        return made
    if type_ in _ZEROS:
        return {**made, "default": _ZEROS[type_]}
    return {"allOf": [made], "default": {}} if type_ in TYPES else made
