"""Responses of the API: JSON in the form that the client accepts, Status errors, warnings."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

import orjson
from flask import Response

from imagegate.core.image_api.tables import partial_metadata, table
from imagegate.core.kube.status import Status, StatusError
from imagegate.errors import InvalidInput
from imagegate.service.image_api.request import JsonObject
from imagegate.web.image_api import protobuf
from imagegate.web.image_api.accepting import JSON, YAML, Form, accepted_form
from imagegate.web.image_api.yaml_text import yaml_text

_HEAD = ("kind", "apiVersion")
WARNINGS_MAX = 50
WARNINGS_MAX_CHARACTERS = 4096
WARNING_CUT_AT = 256
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


def negotiated(response: Response, accept: str) -> Response:
    """The response in protobuf, if it is JSON and the client prefers that.

    A kind that has no messages here stays JSON, which every client reads that does not refuse it.
    """
    if response.mimetype != JSON or response.is_streamed or not _prefers_protobuf(accept):
        return response
    try:
        encoded = protobuf.encode(orjson.loads(response.get_data()))
    except InvalidInput as error:
        why = f"the object cannot be shown as protobuf, only as {JSON}: {error}"
        return status_answer(Status(code=406, reason="NotAcceptable", message=why))
    if encoded is not None:
        response.set_data(encoded)
        response.content_type = protobuf.MEDIA_TYPE
    return response


def _prefers_protobuf(accept: str) -> bool:
    try:
        return accepted_form(accept).is_protobuf
    except StatusError:
        return False


def shaped(found: JsonObject, form: Form, now: datetime, *, include: str = "") -> JsonObject:
    """An object or list in the wanted form; Status objects stay what they are.

    Args:
        found: the object or list.
        form: what the client accepts.
        now: what ages are counted from.
        include: ``includeObject``: ``None``, ``Object`` or, by default, metadata only.
    """
    kind = found.get("kind") or ""
    if kind == "Status":
        return found
    if not form.name:
        return _with_plain_items(found)
    version = f"meta.k8s.io/{form.version}"
    is_list = kind.endswith("List") and isinstance(found.get("items"), list)
    items = found["items"] if is_list else [found]
    metadata = dict(found.get("metadata") or {}) if is_list else _version_of(found)
    if form.name == "Table":
        made = table(kind.removesuffix("List") if is_list else kind, items, now, **metadata)
        made["apiVersion"] = version
        if include == "Object":
            for row, item in zip(made["rows"], items, strict=True):
                row["object"] = item
        elif include == "None":
            for row in made["rows"]:
                row["object"] = None
        return made
    if not is_list:
        return {**partial_metadata(found), "apiVersion": version}
    reduced = [{**partial_metadata(item), "apiVersion": version} for item in items]
    return {
        "kind": "PartialObjectMetadataList",
        "apiVersion": version,
        "metadata": metadata,
        "items": reduced,
    }


def _with_plain_items(found: JsonObject) -> JsonObject:
    """A list whose items do not repeat kind and API version, as an API server writes them."""
    if not (found.get("kind") or "").endswith("List") or not isinstance(found.get("items"), list):
        return found
    items = [{key: value for key, value in item.items() if key not in _HEAD} for item in found["items"]]
    return {**found, "items": items}


def _version_of(found: JsonObject) -> JsonObject:
    version = (found.get("metadata") or {}).get("resourceVersion")
    return {"resourceVersion": version} if version else {}


def answer(body: JsonObject, code: int = 200, warnings: Iterable[str] = (), *, media_type: str = JSON) -> Response:
    """A response, as JSON if nothing else is wanted."""
    is_yaml = media_type == YAML
    content = yaml_text(body) if is_yaml else orjson.dumps(body)
    response = Response(content, status=code, content_type=YAML if is_yaml else JSON)
    for text in bounded_warnings(warnings):
        response.headers.add("Warning", warning_value(text))
    return response


def status_answer(status: Status, warnings: Iterable[str] = ()) -> Response:
    """An error."""
    response = answer(status.to_json(), status.code, warnings)
    if status.retry_after_s:
        response.headers["Retry-After"] = str(status.retry_after_s)
    return response


def bounded_warnings(warnings: Iterable[str]) -> list[str]:
    """Each warning once, and no more than fit into the headers of a response.

    As an API server limits them (k8s.io/apiserver, ``pkg/endpoints/filters/warning.go``): all of them up to 4,096
    characters in total, else the first 256 characters of each up to that limit. Never more than 50, since many clients
    give up at 100 headers.
    """
    texts = list(dict.fromkeys(text for text in warnings if text))
    if sum(map(len, texts)) > WARNINGS_MAX_CHARACTERS:
        texts = [text[:WARNING_CUT_AT] for text in texts]
    kept: list[str] = []
    characters = 0
    for text in texts:
        if characters >= WARNINGS_MAX_CHARACTERS or len(kept) == WARNINGS_MAX:
            break
        kept.append(text)
        characters += len(text)
    left = len(texts) - len(kept)
    return [*kept, f"{left} more warnings are not shown"] if left else kept


def warning_value(text: str) -> str:
    """A ``Warning`` header (RFC 7234) that clients show to their users."""
    plain = _CONTROL.sub(" ", text).replace("\\", "\\\\").replace('"', '\\"')
    return f'299 - "{plain}"'.encode("utf-8", "replace").decode("latin-1")
