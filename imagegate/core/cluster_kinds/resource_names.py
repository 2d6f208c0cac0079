"""Names of resources that are measured: cpu, memory, extended resources.

Source: kubernetes, ``pkg/apis/core/helper/helpers.go`` and ``pkg/apis/core/validation/validation.go``.
"""

from __future__ import annotations

from imagegate.core.kube.field_errors import FieldError, invalid
from imagegate.core.kube.label_selector import qualified_name_problems
from imagegate.core.kube.quantity import Quantity

_REQUESTS, _HUGE_PAGES = "requests.", "hugepages-"
_COMPUTED = frozenset({"cpu", "memory", "ephemeral-storage"})
_COUNTED = frozenset(
    {
        *("pods", "resourcequotas", "services", "replicationcontrollers", "secrets", "configmaps"),
        *("persistentvolumeclaims", "services.nodeports", "services.loadbalancers"),
    }
)
_QUOTA = frozenset(
    {*_COMPUTED, *_COUNTED, "requests.storage"}
    | {f"{prefix}.{name}" for prefix in ("requests", "limits") for name in _COMPUTED}
)
_STANDARD = _QUOTA | {"storage"}


def is_native(name: str) -> bool:
    """True for names of Kubernetes itself."""
    return "/" not in name or "kubernetes.io/" in name


def is_overcommitted(name: str) -> bool:
    """True if limits may be larger than requests."""
    return is_native(name) and not name.startswith(_HUGE_PAGES)


def _is_extended(name: str) -> bool:
    return not is_native(name) and not name.startswith(_REQUESTS) and not qualified_name_problems(f"{_REQUESTS}{name}")


def _is_huge_pages_quota(name: str) -> bool:
    return name.startswith((_HUGE_PAGES, f"{_REQUESTS}{_HUGE_PAGES}"))


def name_errors(name: str, path: str) -> list[FieldError]:
    """Errors of the name of a resource."""
    problems = qualified_name_problems(name)
    if not problems and "/" not in name and name not in _STANDARD and not _is_huge_pages_quota(name):
        problems = ["must be a standard resource type or fully qualified"]
    return [invalid(path, name, problem) for problem in problems]


def container_name_errors(name: str, path: str) -> list[FieldError]:
    """Errors of the name of a resource that containers use."""
    errors = name_errors(name, path)
    if "/" not in name:
        if name not in _COMPUTED and not name.startswith(_HUGE_PAGES):
            errors.append(invalid(path, name, "must be a standard resource for containers"))
    elif not is_native(name) and not _is_extended(name):
        errors.append(invalid(path, name, "doesn't follow extended resource name standard"))
    return errors


def quota_name_errors(name: str, path: str) -> list[FieldError]:
    """Errors of the name of a resource that a quota limits."""
    errors = name_errors(name, path)
    if "/" not in name and name not in _QUOTA and not _is_huge_pages_quota(name):
        errors.append(invalid(path, name, "must be a standard resource for quota"))
    return errors


def amount_errors(name: str, amount: Quantity, path: str) -> list[FieldError]:
    """Errors of an amount of a resource."""
    errors = []
    if amount.value < 0:
        errors.append(invalid(path, str(amount), "must be greater than or equal to 0"))
    if (name in _COUNTED or _is_extended(name)) and amount.rounded_to_milli().value.denominator != 1:
        errors.append(invalid(path, str(amount), "must be an integer"))
    return errors
