"""Validation of LimitRanges and ResourceQuotas.

Source: kubernetes, ``pkg/apis/core/validation/validation.go``, ``ValidateLimitRange`` and ``ValidateResourceQuota``.
Scopes of quotas are not checked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from imagegate.core.cluster_kinds.resource_names import (
    amount_errors,
    container_name_errors,
    is_overcommitted,
    name_errors,
    quota_name_errors,
)
from imagegate.core.kube.field_errors import FieldError, duplicate, forbidden, invalid, required
from imagegate.core.kube.label_selector import qualified_name_problems
from imagegate.core.kube.quantity import Quantity

JsonObject = dict[str, Any]

_POD, _CONTAINER, _CLAIM = "Pod", "Container", "PersistentVolumeClaim"
_MILLI_MAX = (2**63 - 1) // 1000
_AMOUNTS = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")
_ORDER = (
    ("min", "max", "min", "min value {} is greater than max value {}"),
    ("min", "defaultRequest", "defaultRequest", "min value {} is greater than default request value {}"),
    ("defaultRequest", "max", "defaultRequest", "default request value {} is greater than max value {}"),
    ("defaultRequest", "default", "defaultRequest", "default request value {} is greater than default limit value {}"),
    ("min", "default", "default", "min value {} is greater than default value {}"),
    ("default", "max", "default", "default value {} is greater than max value {}"),
)
"""Smaller amount, larger amount, the field that is at fault, message."""
_VALUE_SHOWN = {("min", "default"): "min", ("default", "max"): "max"}
"""Where the original shows another amount than that of the field at fault."""


def limit_range_errors(found: JsonObject) -> Iterator[FieldError]:
    """Errors of a LimitRange that was decoded and has its defaults."""
    seen = set()
    for index, item in enumerate((found.get("spec") or {}).get("limits") or ()):
        path = f"spec.limits[{index}]"
        type_ = item.get("type") or ""
        yield from _type_errors(type_, f"{path}.type")
        if type_ in seen:
            yield duplicate(f"{path}.type", type_)
        seen.add(type_)
        yield from _item_errors(type_, item, path)


def _type_errors(type_: str, path: str) -> Iterator[FieldError]:
    problems = qualified_name_problems(type_)
    if not problems and "/" not in type_ and type_ not in (_POD, _CONTAINER, _CLAIM):
        problems = ["must be a standard limit type or fully qualified"]
    yield from (invalid(path, type_, problem) for problem in problems)


def _item_errors(type_: str, item: JsonObject, path: str) -> Iterator[FieldError]:
    check: Callable[[str, str], list[FieldError]]
    check = container_name_errors if type_ in (_POD, _CONTAINER) else name_errors
    amounts: dict[str, dict[str, Quantity]] = {}
    for field in _AMOUNTS:
        given = item.get(field) or {}
        if type_ == _POD and field in ("default", "defaultRequest"):
            if given:
                yield forbidden(f"{path}.{field}", "may not be specified when `type` is 'Pod'")
            continue
        for name, amount in given.items():
            yield from check(name, f"{path}.{field}[{name}]")
            amounts.setdefault(name, {})[field] = Quantity.parse(amount)
    if type_ == _CLAIM and not {"min", "max"} & amounts.get("storage", {}).keys():
        yield required(
            f"{path}.limits", "either minimum or maximum storage value is required, but neither was provided"
        )
    for name, given in amounts.items():
        yield from _amount_errors(name, given, path)


def _amount_errors(name: str, given: Mapping[str, Quantity], path: str) -> Iterator[FieldError]:
    for smaller, larger, field, message in _ORDER:
        if smaller in given and larger in given and given[smaller].value > given[larger].value:
            shown = given[_VALUE_SHOWN.get((smaller, larger), field)]
            yield invalid(f"{path}.{field}[{name}]", str(shown), message.format(given[smaller], given[larger]))
    if "maxLimitRequestRatio" in given:
        yield from _ratio_errors(given, f"{path}.maxLimitRequestRatio[{name}]")
    default, request = given.get("default"), given.get("defaultRequest")
    if default and request and not is_overcommitted(name) and default.value != request.value:
        message = f"default value {default} must equal to defaultRequest value {request} in {name}"
        yield invalid(f"{path}.defaultRequest[{name}]", str(request), message)


def _ratio_errors(given: Mapping[str, Quantity], path: str) -> Iterator[FieldError]:
    ratio = given["maxLimitRequestRatio"]
    if ratio.value < 1:
        yield invalid(path, str(ratio), f"ratio {ratio} is less than 1")
    if "min" not in given or "max" not in given:
        return
    amounts = (ratio, given["max"], given["min"])
    parts = 1000 if all(each.parts(1) < _MILLI_MAX for each in amounts) else 1
    of_max, of_min = given["max"].parts(parts), given["min"].parts(parts)
    if of_min and ratio.parts(parts) / parts > of_max / of_min:
        yield invalid(path, str(ratio), f"ratio {ratio} is greater than max/min = {of_max / of_min:f}")


def quota_errors(found: JsonObject) -> Iterator[FieldError]:
    """Errors of a ResourceQuota that was decoded."""
    for name, amount in ((found.get("spec") or {}).get("hard") or {}).items():
        path = f"spec.hard[{name}]"
        yield from quota_name_errors(name, path)
        yield from amount_errors(name, Quantity.parse(amount), path)
