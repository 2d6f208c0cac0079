"""OpenShift's validation of image-stream objects, with the whitelister."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from imagegate.core.image_streams.objects import (
    read_image_tag,
    read_import,
    read_mapping,
    read_stream,
    read_stream_tag,
)
from imagegate.core.import_gate.behaviour import OPENSHIFT_4
from imagegate.core.import_gate.findings import Finding
from imagegate.core.import_gate.gate import ImportGate
from imagegate.core.import_gate.import_validation import validate_import, validate_import_registries
from imagegate.core.import_gate.validation import (
    validate_image_tag,
    validate_image_tag_update,
    validate_mapping,
    validate_stream,
    validate_stream_status_update,
    validate_stream_tag,
    validate_stream_tag_update,
    validate_stream_update,
)
from imagegate.core.kube.status import invalid
from tests.conformance.context import Context, differences
from tests.conformance.import_hosts import allowed_registries

JsonObject = dict[str, Any]
_OPERATIONS: dict[str, Callable[[ImportGate, JsonObject, JsonObject], list[Finding]]] = {
    "imagestream.create": lambda gate, new, old: validate_stream(gate, read_stream(new)),
    "imagestream.update": lambda gate, new, old: validate_stream_update(gate, read_stream(new), read_stream(old)),
    "imagestream.statusUpdate": lambda gate, new, old: validate_stream_status_update(
        gate, read_stream(new), read_stream(old)
    ),
    "imagestreamtag.create": lambda gate, new, old: validate_stream_tag(gate, read_stream_tag(new)),
    "imagestreamtag.update": lambda gate, new, old: validate_stream_tag_update(
        gate, read_stream_tag(new), read_stream_tag(old)
    ),
    "imagetag.create": lambda gate, new, old: validate_image_tag(gate, read_image_tag(new)),
    "imagetag.update": lambda gate, new, old: validate_image_tag_update(gate, read_image_tag(new), read_image_tag(old)),
    "imagestreammapping.create": lambda gate, new, old: validate_mapping(read_mapping(new)),
    "imagestreamimport.create": lambda gate, new, old: validate_import(gate, read_import(new)),
    "imagestreamimport.allowedRegistries": lambda gate, new, old: validate_import_registries(gate, read_import(new)),
}


def run(case: dict[str, Any], context: Context) -> str | None:
    """One validation; the Status too where the case has one."""
    gate = ImportGate(
        allowed_registries(case), integrated_registry=case["internalRegistry"] or "", behaviour=OPENSHIFT_4
    )
    new, old = case["object"], case.get("oldObject") or {}
    findings = _OPERATIONS[case["operation"]](gate, new, old)
    errors = [_printed(finding) for finding in findings]
    got: JsonObject = {"errors": errors}
    expected: JsonObject = {"errors": case["errors"]}
    if case.get("unordered"):
        errors.sort(key=lambda error: (error["field"], error["error"]))
    if "status" in case:
        expected["status"] = case["status"]
        got["status"] = _status(new, findings)
    return differences(expected, got)


def _printed(finding: Finding) -> dict[str, str]:
    error = finding.error
    return {"type": error.type.value, "field": error.field, "detail": error.detail, "error": str(error)}


def _status(new: JsonObject, findings: list[Finding]) -> JsonObject:
    status = invalid("ImageStreamImport", new["metadata"]["name"], [finding.error for finding in findings]).to_json()
    return {key: status[key] for key in ("code", "details", "message", "reason", "status")}
