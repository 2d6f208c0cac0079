"""Messages of field errors, as k8s.io/apimachinery 0.34 prints them."""

import pytest

from imagegate.core.kube.field_errors import (
    ErrorType,
    FieldError,
    aggregate,
    duplicate,
    forbidden,
    internal_error,
    invalid,
    not_found,
    not_supported,
    required,
)


@pytest.mark.parametrize(
    "error, text",
    [
        (required("a.b"), "a.b: Required value"),
        (required("a.b", "say it"), "a.b: Required value: say it"),
        (invalid("a", "x", "bad"), 'a: Invalid value: "x": bad'),
        (invalid("a", None, "bad"), "a: Invalid value: null: bad"),
        (invalid("a", -2, "bad"), "a: Invalid value: -2: bad"),
        (invalid("a", True, "bad"), "a: Invalid value: true: bad"),
        (invalid("a", [{"k": "v<"}], "bad"), 'a: Invalid value: [{"k":"v\\u003c"}]: bad'),
        (duplicate("a[1].name", ""), 'a[1].name: Duplicate value: ""'),
        (forbidden("a", "no"), "a: Forbidden: no"),
        (not_supported("a", "x", ("p", "q")), 'a: Unsupported value: "x": supported values: "p", "q"'),
        (not_supported("a", "x", ()), 'a: Unsupported value: "x"'),
        (not_found("a", "x"), 'a: Not found: "x"'),
        (internal_error("a", "boom"), "a: Internal error: boom"),
        (
            FieldError(ErrorType.TOO_MANY, "a", "must have at most 1 item", 2),
            "a: Too many: 2: must have at most 1 item",
        ),
        (
            FieldError(ErrorType.TOO_LONG, "a", "may not be more than 5 bytes"),
            "a: Too long: may not be more than 5 bytes",
        ),
    ],
)
def test_field_error_reads_as_the_original(error: FieldError, text: str) -> None:
    assert str(error) == text
    assert f"{error.field}: {error.body}" == text


def test_type_is_the_reason_of_a_status_cause() -> None:
    assert [str(kind) for kind in (ErrorType.FORBIDDEN, ErrorType.INVALID, ErrorType.INTERNAL)] == [
        "FieldValueForbidden",
        "FieldValueInvalid",
        "InternalError",
    ]


def test_aggregate_joins_and_drops_repetitions() -> None:
    one, two = required("a"), required("b")
    assert aggregate([]) == ""
    assert aggregate([one]) == "a: Required value"
    assert aggregate([one, one]) == "a: Required value"
    assert aggregate([one, two, one]) == "[a: Required value, b: Required value]"
