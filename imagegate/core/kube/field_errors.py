"""Errors of one field of an object, in the words of Kubernetes' API machinery.

Source of the messages: k8s.io/apimachinery ``pkg/util/validation/field`` (0.34) and ``pkg/util/errors``.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from imagegate.core.kube.go_quote import JsonValue, go_json, go_quote


class ErrorType(enum.StrEnum):
    """The kind of a field error; the value is the ``reason`` of a Status cause."""

    NOT_FOUND = "FieldValueNotFound"
    REQUIRED = "FieldValueRequired"
    DUPLICATE = "FieldValueDuplicate"
    INVALID = "FieldValueInvalid"
    NOT_SUPPORTED = "FieldValueNotSupported"
    FORBIDDEN = "FieldValueForbidden"
    TOO_LONG = "FieldValueTooLong"
    TOO_MANY = "FieldValueTooMany"
    INTERNAL = "InternalError"

    @property
    def text(self) -> str:
        """The type as written in a message."""
        return _TEXTS[self]


_TEXTS = {
    ErrorType.NOT_FOUND: "Not found",
    ErrorType.REQUIRED: "Required value",
    ErrorType.DUPLICATE: "Duplicate value",
    ErrorType.INVALID: "Invalid value",
    ErrorType.NOT_SUPPORTED: "Unsupported value",
    ErrorType.FORBIDDEN: "Forbidden",
    ErrorType.TOO_LONG: "Too long",
    ErrorType.TOO_MANY: "Too many",
    ErrorType.INTERNAL: "Internal error",
}
_WITHOUT_VALUE = frozenset({ErrorType.REQUIRED, ErrorType.FORBIDDEN, ErrorType.TOO_LONG, ErrorType.INTERNAL})


@dataclass(frozen=True, slots=True)
class FieldError:
    """One error. ``str()`` is the whole message, ``body`` the message of a Status cause (without the path)."""

    type: ErrorType
    field: str
    detail: str = ""
    bad_value: JsonValue = ""

    @property
    def body(self) -> str:
        """``Invalid value: "x": detail``."""
        text = self.type.text
        if self.type not in _WITHOUT_VALUE:
            text = f"{text}: {_printed(self.bad_value)}"
        return f"{text}: {self.detail}" if self.detail else text

    def __str__(self) -> str:
        return f"{self.field}: {self.body}"


def _printed(value: JsonValue) -> str:
    return go_quote(value) if isinstance(value, str) else go_json(value)


def required(field: str, detail: str = "") -> FieldError:
    """A value that must be there is not."""
    return FieldError(ErrorType.REQUIRED, field, detail)


def invalid(field: str, bad_value: JsonValue, detail: str) -> FieldError:
    """A value does not have the form it must have."""
    return FieldError(ErrorType.INVALID, field, detail, bad_value)


def duplicate(field: str, bad_value: JsonValue) -> FieldError:
    """A value that must be unique is not."""
    return FieldError(ErrorType.DUPLICATE, field, "", bad_value)


def forbidden(field: str, detail: str) -> FieldError:
    """A value is well-formed and not allowed."""
    return FieldError(ErrorType.FORBIDDEN, field, detail)


def not_supported(field: str, bad_value: JsonValue, supported: Iterable[str]) -> FieldError:
    """A value is not one of ``supported`` (printed in the order given, as the original does)."""
    listed = ", ".join(go_quote(value) for value in supported)
    return FieldError(ErrorType.NOT_SUPPORTED, field, f"supported values: {listed}" if listed else "", bad_value)


def too_long(field: str, max_bytes: int) -> FieldError:
    """A string is longer than it may be."""
    return FieldError(ErrorType.TOO_LONG, field, f"may not be more than {max_bytes} bytes")


def not_found(field: str, bad_value: JsonValue) -> FieldError:
    """A value names something that does not exist."""
    return FieldError(ErrorType.NOT_FOUND, field, "", bad_value)


def internal_error(field: str, detail: str) -> FieldError:
    """A check could not be made."""
    return FieldError(ErrorType.INTERNAL, field, detail)


def aggregate(errors: Iterable[object]) -> str:
    """All messages as the original joins them: one bare, several as ``[a, b]``; equal ones once; none: empty."""
    texts = list(dict.fromkeys(str(error) for error in errors))
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]" if texts else ""
