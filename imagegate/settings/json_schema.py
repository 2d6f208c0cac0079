"""The JSON Schema of the settings file, made by the readers of the settings themselves.

``python -m imagegate.settings.json_schema FOLDER`` writes it, and those of the policy documents.
"""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from imagegate.documents.schemas import image_policies_schema, image_policy_config_schema, master_config_schema
from imagegate.documents.yaml.schema import DRAFT, Schema, recorded
from imagegate.settings.load import Settings
from imagegate.settings.schema import Description, camel

_CODE = re.compile(r"`([^`]*)`")


def _setting(description: Description, name: str) -> Schema:
    found = recorded(lambda fields: description.read(fields, name))["properties"]
    schema: Schema = {"description": description.doc, **found.get(name, {})}
    if description.shown_default and not _CODE.search(description.shown_default):
        schema["description"] = f"{description.doc} Default: {description.shown_default}."
    return schema


def _section(kind: type) -> Schema:
    """The schema of a section of the settings."""
    properties: dict[str, Schema] = {}
    for declared in dataclasses.fields(kind):
        metadata = declared.metadata
        if "setting" in metadata:
            name = metadata["setting"].key or camel(declared.name)
            properties[name] = _setting(metadata["setting"], name)
        else:
            inner = {**_section(metadata["section"]), "type": ["object", "null"]}
            short = metadata["short"]
            if short:
                forms = [inner, {"type": "string", "description": f"In place of the block: its {short}."}]
                properties[metadata["key"]] = {"anyOf": forms}
            else:
                properties[metadata["key"]] = inner
    return {"type": "object", "additionalProperties": False, "properties": properties}


def settings_schema() -> Schema:
    """The schema of ``imagegate.yaml``."""
    return {
        "$schema": DRAFT,
        "$id": "urn:imagegate:schema:settings:1",
        "title": "imagegate.yaml",
        "description": "Settings of imagegate; docs/settings.md explains them.",
        **_section(Settings),
    }


SCHEMAS: Mapping[str, Callable[[], Schema]] = {
    "settings.schema.json": settings_schema,
    "master-config.schema.json": master_config_schema,
    "image-policy-config.schema.json": image_policy_config_schema,
    "image-policies.schema.json": image_policies_schema,
}
"""Schemas of what people write, by the names of their files."""


def schema_text(name: str) -> str:
    """One schema as JSON with a line end."""
    return json.dumps(SCHEMAS[name](), indent=2) + "\n"


def names(schema: Schema, path: tuple[str, ...] = ()) -> Iterable[str]:
    """Every property of a schema, as a dotted path."""
    for form in schema.get("anyOf", [schema]):
        for name, inner in form.get("properties", {}).items():
            yield ".".join((*path, name))
            yield from names(inner, (*path, name))


def main(arguments: Sequence[str]) -> None:
    """Write all schemas into a folder."""
    for name in SCHEMAS:
        (Path(arguments[0]) / name).write_text(schema_text(name), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
