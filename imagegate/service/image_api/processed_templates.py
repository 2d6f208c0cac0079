"""``processedtemplates``: a Template with its parameters put into its objects (``oc process``). Nothing is stored.

Source: openshift-apiserver, ``pkg/template/apiserver/registry/template``; openshift/library-go, ``pkg/template``.
"""

from __future__ import annotations

import random
from typing import Any

from imagegate.core.image_api.resources import PROCESSED_TEMPLATES
from imagegate.core.kube import field_errors
from imagegate.core.kube.field_errors import FieldError
from imagegate.core.kube.status import StatusError, bad_request, invalid
from imagegate.core.openshift_templates.generator import BadExpression, ValueGenerator
from imagegate.core.openshift_templates.parameters import BadTemplate, Parameter, read_parameters
from imagegate.core.openshift_templates.processing import processed_objects
from imagegate.service.image_api.request import ApiRequest, JsonObject


class ProcessedTemplates:
    """Processes Templates that are sent."""

    def __init__(self) -> None:
        self._random = random.SystemRandom()

    def create(self, request: ApiRequest, body: JsonObject) -> JsonObject:  # noqa: ARG002
        """The Template with processed objects and the values of its parameters.

        Raises:
            StatusError: 400, it is no Template; 422, a parameter has no value, or the Template cannot be processed.
        """
        for key, wanted in (("kind", PROCESSED_TEMPLATES.kind), ("apiVersion", PROCESSED_TEMPLATES.api_version)):
            if (body.get(key) or wanted) != wanted:
                raise StatusError(bad_request(f"{key} {body[key]!r:.100} of the object does not match {wanted!r}"))
        try:
            generator = ValueGenerator(self._random.choice)
            entries = [_with_value(entry, index, generator) for index, entry in enumerate(body.get("parameters") or [])]
            template = {**body, "parameters": entries, "objects": body.get("objects") or []}
            parameters = read_parameters(template, {}, "template.")
            errors = [_required(index, each) for index, each in enumerate(parameters.values()) if each.value is None]
            if errors:
                raise _refused(body, errors)
            objects = processed_objects(template, parameters)
        except BadTemplate as error:
            why = str(error).partition(": ")[2]
            raise _refused(body, [field_errors.invalid(error.field, "", why)]) from error
        head = {"kind": PROCESSED_TEMPLATES.kind, "apiVersion": PROCESSED_TEMPLATES.api_version}
        return {**head, **template, "objects": objects}


def _with_value(entry: Any, index: int, generator: ValueGenerator) -> Any:
    """The parameter with a generated value, if it asks for one; malformed ones are refused when they are read."""
    if not isinstance(entry, dict) or entry.get("value") or entry.get("generate") != "expression":
        return entry
    expression = entry.get("from") or ""
    if not isinstance(expression, str):
        return entry
    try:
        value = generator.value(expression)
    except BadExpression as error:
        raise BadTemplate(f"template.parameters[{index}]", str(error)) from error
    return {**{key: value for key, value in entry.items() if key not in ("generate", "from")}, "value": value}


def _required(index: int, parameter: Parameter) -> FieldError:
    what = f"parameter {parameter.name} is required and must be specified"
    return field_errors.required(f"template.parameters[{index}]", f"template.parameters[{index}]: {what}")


def _refused(body: JsonObject, errors: list[FieldError]) -> StatusError:
    metadata = body.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else ""
    return StatusError(invalid(PROCESSED_TEMPLATES.kind, name or "", errors, group=PROCESSED_TEMPLATES.group))
