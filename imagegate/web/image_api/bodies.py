"""Bodies of requests: JSON, YAML or protobuf to objects, with an API server's messages.

Source: k8s.io/apimachinery, ``pkg/runtime/serializer`` (0.34).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import orjson

from imagegate.core.image_api.amounts import (
    VALUES_MAX,
    TooLarge,
    check_amount,
    may_have_many,
    too_many_values,
)
from imagegate.core.image_api.patches import JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH
from imagegate.core.kube.go_json import json_kind, repeated_fields, syntax_error
from imagegate.core.kube.status import Status, StatusError, bad_request, too_large
from imagegate.documents.yaml.nodes import plain
from imagegate.documents.yaml.source import read_source
from imagegate.errors import ConfigError, InvalidInput
from imagegate.service.image_api.request import JsonObject
from imagegate.web.image_api import protobuf

DEPTH_MAX = 200
PATCH_TYPES = (JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH)
_UNREADABLE = "couldn't get version/kind; json parse error: "
_HEAD_TYPE = r'struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }'
_SUMMARY_MAX = 30
_MERGE_FORM: tuple[type, str] = (dict, "map[string]interface {}")
_OPERATION = ("op", "path", "from")
_PATCH_FORMS: Mapping[str, tuple[type, str]] = {JSON_PATCH: (list, "[]handlers.jsonPatchOp")}


class Body(NamedTuple):
    """An object in a request."""

    value: JsonObject
    repeated: Mapping[str, int]
    """Paths of fields that were written more than once, and how often again."""
    text: bytes = b""
    """The body, if it is JSON."""


def read_body(content: bytes, media_type: str, kind: str) -> Body:
    """The object in a body.

    Args:
        content: as sent.
        media_type: of it.
        kind: expected, for messages.

    Raises:
        StatusError: 400 or 415.
    """
    try:
        value = decode(content, media_type, kind)
    except InvalidInput as error:
        raise StatusError(bad_request(_unrecognized(kind, str(error), content))) from error
    if media_type != "application/json":
        return Body(value, {})
    return Body(value, repeated_fields(content), content)


def decode(content: bytes, media_type: str, kind: str) -> JsonObject:
    """The object in a body; null is an empty one.

    Args:
        content: as sent.
        media_type: of it.
        kind: of an object in protobuf whose envelope names none.

    Raises:
        StatusError: 400 or 415; 413, it has more values than objects may have.
        InvalidInput: the text is not one of an object; the message is the decoder's.
    """
    try:
        value = _decoded(content, media_type, kind)
    except TooLarge as error:
        raise StatusError(too_large(str(error))) from error
    if isinstance(value, dict) or value is None:
        return value or {}
    raise InvalidInput(f"{_UNREADABLE}json: cannot unmarshal {json_kind(value)} into Go value of type {_HEAD_TYPE}")


def _decoded(content: bytes, media_type: str, kind: str) -> object:
    if media_type in ("application/yaml", "application/x-yaml"):
        return _decoded_yaml(content)
    if media_type == protobuf.MEDIA_TYPE:
        return _decoded_protobuf(content, kind)
    _check_media_type(media_type)
    return _decoded_json(content)


def read_patch(content: bytes, media_type: str) -> object:
    """The patch in a body.

    Raises:
        StatusError: 400 or 415.
    """
    if media_type not in PATCH_TYPES:
        raise StatusError(replace(_unsupported("415: Unsupported Media Type"), has_details=True))
    begin = "" if media_type == STRATEGIC_MERGE_PATCH else "error decoding patch: "
    try:
        patch = _decoded_json(content)
    except TooLarge as error:
        raise StatusError(too_large(str(error))) from error
    except InvalidInput as error:
        raise StatusError(bad_request(f"{begin}{str(error).removeprefix(_UNREADABLE)}")) from error
    form, wanted = _PATCH_FORMS.get(media_type, _MERGE_FORM)
    if patch is None:
        if media_type == MERGE_PATCH:
            raise StatusError(bad_request("Invalid JSON Patch"))
        return form()
    if not isinstance(patch, form):
        why = f"json: cannot unmarshal {json_kind(patch)} into Go value of type {wanted}"
        raise StatusError(bad_request(f"{begin}{why}"))
    if isinstance(patch, list):
        _check_operations(patch, begin)
    return patch


def _check_operations(operations: list[object], begin: str) -> None:
    """Check the types of the operations of a JSON Patch.

    Raises:
        StatusError: 400.
    """
    for each in operations:
        if each is not None and not isinstance(each, dict):
            why = f"{json_kind(each)} into Go value of type handlers.jsonPatchOp"
            raise StatusError(bad_request(f"{begin}json: cannot unmarshal {why}"))
        for key, value in (each or {}).items():
            if key in _OPERATION and value is not None and not isinstance(value, str):
                why = f"{json_kind(value)} into Go struct field jsonPatchOp.{key} of type string"
                raise StatusError(bad_request(f"{begin}json: cannot unmarshal {why}"))


def _check_media_type(media_type: str) -> None:
    accepted = f"application/json, application/yaml, {protobuf.MEDIA_TYPE}"
    if media_type != "application/json":
        why = f"the body of the request was in an unknown format - accepted media types include: {accepted}"
        raise StatusError(_unsupported(why))


def _unsupported(why: str) -> Status:
    return Status(code=415, reason="UnsupportedMediaType", message=why)


def _unrecognized(kind: str, why: str, content: bytes) -> str:
    return f"the object provided is unrecognized (must be of type {kind}): {why} ({_summary(content)})"


def _summary(content: bytes) -> str:
    """The beginning of a body: an object as it is, anything else in hexadecimal."""
    if not content:
        return "<empty>"
    part, more = content[:_SUMMARY_MAX], " ..." if len(content) > _SUMMARY_MAX else ""
    return f"{part.decode('utf-8', 'replace') if content.startswith(b'{') else part.hex()}{more}"


def _decoded_json(content: bytes) -> object:
    if _is_deep(content):
        raise StatusError(bad_request(f"the body of the request is nested deeper than {DEPTH_MAX} levels"))
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"{_UNREADABLE}{syntax_error(content) or error}") from error
    if may_have_many(content):
        check_amount(value)
    return value


def _decoded_yaml(content: bytes) -> object:
    try:
        documents = read_source(content.decode("utf-8"), "body", values_max=VALUES_MAX).documents
    except (ConfigError, UnicodeDecodeError) as error:
        what = f"the object provided is unrecognized (must be of type YAML): {error}"
        raise StatusError(bad_request(what)) from error
    value = plain(documents[0])
    check_amount(value)  # with what aliases stand for
    return value


def _decoded_protobuf(content: bytes, kind: str) -> object:
    try:
        value = protobuf.decode(content, kind)
        check_amount(value)
        return value
    except TooLarge:
        raise
    except InvalidInput as error:
        raise StatusError(_unsupported(f"the object provided cannot be read: {error}")) from error


# A string without an end takes the rest: looking for its end from every later quote would take quadratic time.
_BRACKETS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{]|[\]}]', re.DOTALL)


def _is_deep(content: bytes) -> bool:
    """True if brackets are nested too deep. Builds nothing, so that the check itself costs no memory.

    Raises:
        TooLarge: there are more of them than an object may have values.
    """
    if content.count(b"{") + content.count(b"[") <= DEPTH_MAX:
        return False
    depth, values = 0, 0
    for found in _BRACKETS.finditer(content):
        mark = found[0][:1]
        if mark in b"[{":
            depth, values = depth + 1, values + 1
            if values > VALUES_MAX:
                raise too_many_values()
            if depth > DEPTH_MAX:
                return True
        elif mark in b"]}":
            depth -= 1
    return False
