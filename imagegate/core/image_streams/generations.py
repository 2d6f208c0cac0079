"""Fields that the server sets itself when a stream is written: defaults, generations, emptied status.

Source: openshift-apiserver, pkg/image/apiserver/registry/imagestream/strategy.go (``PrepareForCreate``,
``PrepareForUpdate`` and their internal and status variants) and pkg/image/apis/image/v1/defaults.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imagegate.core.image_streams.events import is_changed
from imagegate.core.image_streams.objects import read_spec_tag
from imagegate.core.image_streams.stream import (
    JsonObject,
    RegistryHosts,
    spec_tags,
    status_tags,
    with_computed_status,
    with_spec_tags,
    with_status_tags,
    without_empty_tags,
)


def normalized(stream: JsonObject) -> JsonObject:
    """The stream as the API writes it: defaults filled in, tags sorted by name, repeated names dropped.

    Two streams mean the same spec exactly if their normalized specs are equal.
    """
    spec = {key: value for key, value in (stream.get("spec") or {}).items() if value is not None}
    spec["lookupPolicy"] = {"local": bool((spec.get("lookupPolicy") or {}).get("local"))}
    if not spec.get("dockerImageRepository"):
        spec.pop("dockerImageRepository", None)
    stream = with_spec_tags({**stream, "spec": spec}, {})
    return with_status_tags(
        with_spec_tags(stream, {name: normalized_tag(tag) for name, tag in _given_tags(spec).items()}),
        {name: _normalized_history(tag) for name, tag in status_tags(stream).items()},
    )


def _given_tags(spec: Mapping[str, Any]) -> dict[str, JsonObject]:
    return spec_tags({"spec": spec})


def normalized_tag(tag: Mapping[str, Any]) -> JsonObject:
    """A spec tag as the API writes it."""
    written: JsonObject = {"name": tag.get("name") or "", "annotations": dict(tag.get("annotations") or {}) or None}
    source = tag.get("from")
    if source is not None:
        written["from"] = {key: value for key, value in source.items() if value}
    if tag.get("reference"):
        written["reference"] = True
    written["generation"] = tag.get("generation")
    policy = tag.get("importPolicy") or {}
    written["importPolicy"] = {key: True for key in ("insecure", "scheduled") if policy.get(key)}
    written["importPolicy"]["importMode"] = policy.get("importMode") or "Legacy"
    written["referencePolicy"] = {"type": (tag.get("referencePolicy") or {}).get("type") or "Source"}
    return written


def _normalized_history(history: Mapping[str, Any]) -> JsonObject:
    written: JsonObject = {"tag": history.get("tag") or "", "items": list(history.get("items") or []) or None}
    if history.get("conditions"):
        written["conditions"] = list(history["conditions"])
    return written


def prepared_for_create(stream: JsonObject, hosts: RegistryHosts, *, keep_status: bool = False) -> JsonObject:
    """A new stream: generation 1 everywhere, status emptied unless the server itself writes it (an import)."""
    stream = normalized(stream)
    if not keep_status:
        stream = {**stream, "status": {}}
    stream = {**stream, "metadata": {**(stream.get("metadata") or {}), "generation": 1}}
    tags = {name: {**tag, "generation": 1} for name, tag in spec_tags(stream).items()}
    return with_computed_status(without_empty_tags(with_spec_tags(stream, tags)), hosts)


def prepared_for_update(
    stream: JsonObject, old: JsonObject, hosts: RegistryHosts, *, keep_status: bool = False
) -> JsonObject:
    """An update: the old status unless the server itself writes it, and generations raised where spec changed.

    A user may only set a spec tag's generation to 0 ("import again"); any other value is replaced by the old
    one. Rule: docs/spec/import-gate.md 6.2.2.
    """
    stream, old = without_empty_tags(normalized(stream)), normalized(old)
    if not keep_status:
        stream = {**stream, "status": old.get("status") or {}}
    old_tags = spec_tags(old)
    tags = {name: _with_old_generation(tag, old_tags.get(name)) for name, tag in spec_tags(stream).items()}
    stream = with_spec_tags(stream, tags)
    generation = int((old.get("metadata") or {}).get("generation") or 0)
    if generation == 0 or stream.get("spec") != old.get("spec"):
        generation += 1
    metadata = {**(stream.get("metadata") or {}), "generation": generation}
    namespace = metadata.get("namespace") or ""
    tags = {name: _with_generation(tag, old_tags.get(name), generation, namespace) for name, tag in tags.items()}
    return with_computed_status(with_spec_tags({**stream, "metadata": metadata}, tags), hosts)


def _with_old_generation(tag: JsonObject, old: JsonObject | None) -> JsonObject:
    if old is None or tag.get("generation") == 0:
        return tag
    return {**tag, "generation": old.get("generation")}


def _with_generation(tag: JsonObject, old: JsonObject | None, generation: int, namespace: str) -> JsonObject:
    if old is None or not tag.get("generation"):
        return {**tag, "generation": generation}
    if is_changed(read_spec_tag(old), read_spec_tag(tag), namespace):
        return {**tag, "generation": generation}
    return tag


def prepared_for_status_update(stream: JsonObject, old: JsonObject) -> JsonObject:
    """A status update: spec tags and repository are the old ones, newest events have a generation.

    Everything else of the status is as it was sent, as in the original; what is computed is computed on every read.
    """
    stream, old = normalized(stream), normalized(old)
    stream = {**stream, "spec": {**(stream.get("spec") or {}), **_old_repository(old)}}
    if "dockerImageRepository" not in (old.get("spec") or {}):
        stream["spec"].pop("dockerImageRepository", None)
    metadata = {**(stream.get("metadata") or {}), "generation": (old.get("metadata") or {}).get("generation")}
    stream = with_spec_tags({**stream, "metadata": metadata}, spec_tags(old))
    tags = {name: _with_event_generation(name, history, stream, old) for name, history in status_tags(stream).items()}
    return with_status_tags(stream, tags)


def _old_repository(old: Mapping[str, Any]) -> JsonObject:
    spec = old.get("spec") or {}
    return {key: spec[key] for key in ("dockerImageRepository",) if key in spec}


def _with_event_generation(name: str, history: JsonObject, stream: JsonObject, old: JsonObject) -> JsonObject:
    """The history with a generation on its newest event."""
    items = history.get("items") or []
    if not items or items[0].get("generation"):
        return history
    generation = (stream.get("metadata") or {}).get("generation") or 0
    before = ((status_tags(old).get(name) or {}).get("items") or [None])[0]
    reference = spec_tags(stream).get(name)
    changed = before is not None and _is_event_changed(before, items[0])
    if changed and reference is not None and reference.get("generation") is not None:
        generation = reference["generation"]
    return {**history, "items": [{**items[0], "generation": generation}, *items[1:]]}


def _is_event_changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    if any((old.get(key) or "") != (new.get(key) or "") for key in ("image", "dockerImageReference")):
        return True
    return (old.get("generation") or 0) > (new.get("generation") or 0)
