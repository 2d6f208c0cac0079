"""Messages of the image policy: details of a denial, and the Status around them.

Source: docs/spec/image-policy.md 10.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from imagegate.core.admission.decision import Denial, DenialCode
from imagegate.core.admission.request import AdmissionRequest, GroupKind
from imagegate.core.admission.workload import ImageUse
from imagegate.core.image_policy.attributes import Attributes, Unresolved
from imagegate.core.image_policy.behaviour import Behaviour
from imagegate.core.image_policy.execution_rules import CompiledRule
from imagegate.core.kube.field_errors import aggregate
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.kube.status import Cause, Status

PROHIBITED = "this image is prohibited by policy"
VALIDATION = "error in image policy validation: "
RETRY_AFTER_S = 2


def upstream_detail(error: Unresolved | None, *, validating: bool) -> str:
    """The original's message: a resolution error replaces the rule, and in the mutating pass a 404 leaves a blank."""
    if error is None:
        return f"{PROHIBITED}: {VALIDATION}{PROHIBITED}" if validating else PROHIBITED
    if validating:
        return f"{PROHIBITED}: {VALIDATION}{error.because}"
    return f"{PROHIBITED}: {'' if error.not_found else error.because}"


def documented_detail(
    rule: CompiledRule | None, attributes: Attributes, error: Unresolved | None, resource: str
) -> str:
    """The message that names the rule, after the original's prefix."""
    if rule is not None:
        return f"{PROHIBITED}: rejected by rule {go_quote(rule.rule.name or rule.label)}"
    text = f"{PROHIBITED}: no rule allows it (resource {resource}, registry {go_quote(attributes.name.registry)})"
    return f"{text}; image could not be resolved: {error.because}" if error is not None else text


def bad_name_detail(because: str) -> str:
    """The message for an invalid image reference."""
    return f"{PROHIBITED}: it is not an image reference: {because}"


def unresolved_detail(error: Unresolved) -> str:
    """The message where resolution is required and failed."""
    return f"{PROHIBITED}: image could not be resolved: {error.because}"


def unresolved_hint(error: Unresolved) -> str:
    """The advice about a failed resolution."""
    if error.failed:
        return "a rule depends on it: try again"
    return "only images that are known here may run (resolveImages): import it, or name an image that was imported"


def unknown_detail(because: str) -> str:
    """The message where the image of a build cannot be known before the build runs."""
    return f"{PROHIBITED}: the image cannot be known before the build: {because}"


def cannot_change(use: ImageUse, kind: GroupKind) -> str:
    """The warning where a tag resolves to another image than the stored one, which the API server refuses to change."""
    return (
        f"{use.error_field}: {use.name} now resolves to another image than this {kind.kind} was created with, "
        "which cannot be changed: delete it and create it again"
    )


def invalid_status(request: AdmissionRequest, denials: Sequence[Denial]) -> Status:
    """422 Invalid with one cause for each place; 500 with a retry hint if every denial is a failed look-up."""
    kind = request.kind
    if all(denial.code is DenialCode.LOOK_UP_FAILED for denial in denials):
        text = aggregate(f"{denial.at}: {denial.text}" for denial in denials)
        return Status(
            code=500,
            reason="InternalError",
            message=f"Internal error occurred: {text}",
            group=kind.group,
            kind=kind.kind,
            name=request.name,
            causes=tuple(Cause("InternalError", denial.text, denial.at) for denial in denials),
            retry_after_s=RETRY_AFTER_S,
        )
    errors = aggregate(f"{denial.at}: Forbidden: {denial.text}" for denial in denials)
    return Status(
        code=422,
        reason="Invalid",
        message=f"{kind} {go_quote(request.name)} is invalid: {errors}",
        group=kind.group,
        kind=kind.kind,
        name=request.name,
        causes=tuple(Cause("FieldValueForbidden", f"Forbidden: {denial.text}", denial.at) for denial in denials),
    )


def forbidden_status(request: AdmissionRequest, because: str) -> Status:
    """403 for an object whose images cannot be read."""
    resource = request.request_resource
    name = f" {go_quote(request.name)}" if request.name else ""
    return Status(
        code=403,
        reason="Forbidden",
        message=f"{resource}{name} is forbidden: {because}",
        group=resource.group,
        kind=resource.resource,
        name=request.name,
    )


def no_images(kind: GroupKind, behaviour: Behaviour) -> str:
    """The refusal of an object without a list of images."""
    printed = type_name(kind, behaviour)
    return (
        f"unable to apply image policy against objects of type {printed}: No list of images available for this object"
    )


def types_differ(new: GroupKind, old: Mapping[str, Any] | None, behaviour: Behaviour) -> str:
    """The refusal of an update whose old object has another kind, or no template."""
    printed = type_name(new, behaviour)
    old_kind = (old or {}).get("kind")
    old_printed = type_name(GroupKind(new.group, old_kind), behaviour) if isinstance(old_kind, str) else printed
    return (
        f"unable to apply image policy against objects of type {printed}: old and new pod spec objects were not of the "
        f"same type {printed} != {old_printed}: No PodSpec available for this object"
    )


def type_name(kind: GroupKind, behaviour: Behaviour) -> str:
    """The kind, or the Go type the original prints (``*core.Pod``, ``*apps.DeploymentConfig``)."""
    if not behaviour.go_type_names:
        return str(kind)
    group = kind.group
    if group == "extensions":
        group = "apps"
    package = group.partition(".")[0] or "core"
    if "." in group and not group.endswith((".openshift.io", ".k8s.io")):
        return "*unstructured.Unstructured"
    return f"*{package}.{kind.kind}"
