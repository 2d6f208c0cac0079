"""Errors of the API as Kubernetes words them: Status values, and the exception that carries one.

Texts: k8s.io/apimachinery, pkg/api/errors. A resource that does not exist is a value in the admission path
(``Absent``); in the image API it ends the request, so there it is an exception.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

from imagegate.core.kube.field_errors import FieldError, aggregate
from imagegate.core.kube.go_quote import go_quote
from imagegate.errors import ImagegateError

ERRORS_MAX = 1_000
"""Causes of one Status that are told."""


class Cause(NamedTuple):
    """One cause of a Status. ``reason`` uses Kubernetes' names (``FieldValueForbidden``)."""

    reason: str
    message: str
    field: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The error the API server shows the user (meta/v1 Status). ``group``, ``kind``, ``name`` go to details."""

    code: int
    reason: str
    message: str
    group: str = ""
    kind: str = ""
    name: str = ""
    causes: tuple[Cause, ...] = ()
    retry_after_s: int = 0
    has_details: bool = False
    """True if the details are written even if they are empty."""

    def to_json(self) -> dict[str, Any]:
        """The ``status`` of an AdmissionReview response; empty fields left out, as Go does."""
        details: dict[str, Any] = {}
        if self.name:
            details["name"] = self.name
        if self.group:
            details["group"] = self.group
        if self.kind:
            details["kind"] = self.kind
        if self.causes:
            details["causes"] = [{key: text for key, text in cause._asdict().items() if text} for cause in self.causes]
        if self.retry_after_s:
            details["retryAfterSeconds"] = self.retry_after_s
        out: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            **({"reason": self.reason} if self.reason else {}),
            "code": self.code,
        }
        if details or self.has_details:
            out["details"] = details
        return out


IMAGE_GROUP = "image.openshift.io"


class StatusError(ImagegateError):
    """An API request ends with this Status; the web layer answers it as it is."""

    def __init__(self, status: Status) -> None:
        super().__init__(status.message)
        self.status = status


def qualified(resource: str, group: str) -> str:
    """``RESOURCE.GROUP``, or the resource alone in the core group."""
    return f"{resource}.{group}" if group else resource


def not_found(resource: str, name: str, *, group: str = IMAGE_GROUP) -> Status:
    """404: ``imagestreams.image.openshift.io "app" not found``."""
    return Status(
        code=404,
        reason="NotFound",
        message=f"{qualified(resource, group)} {go_quote(name)} not found",
        group=group,
        kind=resource,
        name=name,
    )


def already_exists(resource: str, name: str, *, group: str = IMAGE_GROUP) -> Status:
    """409: ``imagestreams.image.openshift.io "app" already exists``."""
    return Status(
        code=409,
        reason="AlreadyExists",
        message=f"{qualified(resource, group)} {go_quote(name)} already exists",
        group=group,
        kind=resource,
        name=name,
    )


def conflict(resource: str, name: str, why: str, *, group: str = IMAGE_GROUP) -> Status:
    """409: ``Operation cannot be fulfilled on ...: WHY``."""
    return Status(
        code=409,
        reason="Conflict",
        message=f"Operation cannot be fulfilled on {qualified(resource, group)} {go_quote(name)}: {why}",
        group=group,
        kind=resource,
        name=name,
    )


def too_large_version(version: str, current: str) -> Status:
    """504: a version that was not reached yet. Source: apiserver, ``storage.NewTooLargeResourceVersionError``."""
    return Status(
        code=504,
        reason="Timeout",
        message=f"Timeout: Too large resource version: {version}, current: {current}",
        causes=(Cause("ResourceVersionTooLarge", "Too large resource version", ""),),
        retry_after_s=1,
    )


def no_version(version: str) -> str:
    """The message for a string that is no resource version."""
    parsing = f"strconv.ParseUint: parsing {go_quote(version)}: invalid syntax"
    return f"resourceVersion: Invalid value: {go_quote(version)}: {parsing}"


def bad_request(why: str) -> Status:
    """400 with ``why`` as the whole message."""
    return Status(code=400, reason="BadRequest", message=why)


def too_large(why: str) -> Status:
    """413: ``Request entity too large: WHY``."""
    return Status(code=413, reason="RequestEntityTooLarge", message=f"Request entity too large: {why}")


def invalid(kind: str, name: str, errors: Iterable[FieldError], *, group: str = IMAGE_GROUP) -> Status:
    """422 with one cause a field error, in the order given; equal messages are printed once.

    The first ``ERRORS_MAX`` are told: an answer must not be a hundred times as large as its request.
    """
    listed = tuple(islice(errors, ERRORS_MAX))
    return Status(
        code=422,
        reason="Invalid",
        message=f"{qualified(kind, group)} {go_quote(name)} is invalid: {aggregate(listed)}",
        group=group,
        kind=kind,
        name=name,
        causes=tuple(Cause(error.type.value, error.body, error.field) for error in listed),
    )


def forbidden(resource: str, name: str, why: str, *, group: str = IMAGE_GROUP) -> Status:
    """403: ``pods "x" is forbidden: WHY``."""
    subject = f" {go_quote(name)}" if name else ""
    return Status(
        code=403,
        reason="Forbidden",
        message=f"{qualified(resource, group)}{subject} is forbidden: {why}",
        group=group,
        kind=resource,
        name=name,
    )


def server_timeout(resource: str, operation: str, *, group: str = IMAGE_GROUP, retry_after_s: int = 2) -> Status:
    """500: the operation kept conflicting; the client may try again."""
    return Status(
        code=500,
        reason="ServerTimeout",
        message=(
            f"The {operation} operation against {qualified(resource, group)} could not be completed at this time, "
            "please try again."
        ),
        group=group,
        kind=resource,
        name=operation,
        retry_after_s=retry_after_s,
    )
