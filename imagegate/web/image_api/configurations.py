"""Bodies of server-side apply: a configuration as YAML or JSON.

Source: k8s.io/apiserver 0.34, ``pkg/endpoints/handlers/patch.go``; sigs.k8s.io/yaml for the messages.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from imagegate.core.image_api.amounts import VALUES_MAX, TooLarge, check_amount
from imagegate.core.image_api.patches import is_deep
from imagegate.core.kube.go_json import json_kind, repeated_fields
from imagegate.core.kube.status import StatusError, bad_request, too_large
from imagegate.documents.yaml.nodes import plain
from imagegate.documents.yaml.source import BadSource, is_json, read_source
from imagegate.service.image_api.field_owners import Configuration
from imagegate.service.image_api.request import ApiRequest
from imagegate.web.image_api.bodies import DEPTH_MAX
from imagegate.web.image_api.write_options import IGNORE, STRICT, WriteOptions

_PLACE = re.compile(r"body:(?P<line>[0-9]+): (?:not YAML: )?(?P<why>.*)", re.DOTALL)
_REPEATED_MAX = 100
_TO_JSON = "error converting YAML to JSON: yaml: "


def read_configuration(call: ApiRequest, content: bytes, options: WriteOptions) -> Configuration:
    """The configuration in a body.

    Args:
        call: gets the warnings.
        content: as sent.
        options: of the request.

    Raises:
        StatusError: 400, it cannot be read, or Strict finds a key that is written twice.
    """
    value = _decoded(content)
    repeated = [] if options.field_validation == IGNORE else _repeated_keys(content)
    if repeated and options.field_validation == STRICT:
        listed = "\n  ".join(["unmarshal errors:", *repeated])
        raise StatusError(bad_request(f"error strict decoding YAML: {_TO_JSON}{listed}"))
    call.warnings.extend(repeated)
    return Configuration(value, options.force)


def _decoded(content: bytes) -> dict[str, Any]:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _undecodable(f"{_TO_JSON}invalid UTF-8") from error
    try:
        source = read_source(text, "body", last_key_wins=True, first_document_only=True, values_max=VALUES_MAX)
    except BadSource as error:
        found = _PLACE.fullmatch(str(error))
        where = f"line {found['line']}: {found['why']}" if found else str(error)
        raise _undecodable(f"{_TO_JSON}{where}") from error
    value = plain(source.documents[0])
    try:
        check_amount(value)
    except TooLarge as error:
        raise StatusError(too_large(str(error))) from error
    if is_deep(value):
        raise StatusError(bad_request(f"the body of the request is nested deeper than {DEPTH_MAX} levels"))
    if isinstance(value, dict) or value is None:
        return value or {}
    what = f"json: cannot unmarshal {json_kind(value)} into Go value of type"
    raise _undecodable(f"error unmarshaling JSON: while decoding JSON: {what} map[string]interface {{}}")


def _undecodable(why: str) -> StatusError:
    return StatusError(bad_request(f"error decoding YAML: {why}"))


def _repeated_keys(content: bytes) -> list[str]:
    """A sentence for every key that a mapping has more than once, of a text that can be read."""
    text = content.decode("utf-8")
    if is_json(text) and not repeated_fields(content):
        return []
    found: list[str] = []
    open_: list[set[str] | None] = []
    is_key = [False]
    for event in yaml.parse(text, yaml.CSafeLoader):
        if isinstance(event, yaml.DocumentEndEvent) or len(found) == _REPEATED_MAX:
            break
        if isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            open_.pop()
            is_key.pop()
            continue
        if not isinstance(event, yaml.NodeEvent):
            continue
        keys = open_[-1] if open_ else None
        if keys is not None:
            if is_key[-1] and isinstance(event, yaml.ScalarEvent):
                if event.value in keys:
                    line = event.start_mark.line + 1 if event.start_mark else 1
                    found.append(f'line {line}: key "{event.value}" already set in map')
                keys.add(event.value)
            is_key[-1] = not is_key[-1]
        if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            open_.append(set() if isinstance(event, yaml.MappingStartEvent) else None)
            is_key.append(True)
    return found
