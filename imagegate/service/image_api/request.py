"""One request of the API, and its options for lists and deletes."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeAlias

import orjson

from imagegate.core.admission.request import User
from imagegate.core.image_api.selectors import FieldSelector
from imagegate.core.kube.go_json import syntax_error
from imagegate.core.kube.label_selector import LabelSelector
from imagegate.core.kube.status import Status, StatusError, bad_request

JsonObject: TypeAlias = dict[str, Any]
Change: TypeAlias = Callable[[JsonObject], JsonObject]
"""Maps the current object to its updated or patched form."""


class Written(NamedTuple):
    """An object after a write; ``is_new`` if it was created (201)."""

    object: JsonObject
    is_new: bool


@dataclass(slots=True)
class ApiRequest:
    """The caller, the namespace, and the mode of a request. ``warnings`` are returned to the user with any result."""

    user: User
    namespace: str = ""
    dry_run: bool = False
    warnings: list[str] = field(default_factory=list)
    manager: str | None = None
    """Owner of the fields that the request writes; None: no owner is recorded."""

    def unrecorded(self) -> ApiRequest:
        """The request, for writes that it causes in other objects."""
        return replace(self, manager=None)


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """Preconditions of a delete, and the handling of dependents."""

    uid: str | None = None
    version: str | None = None
    propagation: str = ""
    """``Foreground``, ``Background``, ``Orphan``; empty: not set."""


_ALL_LABELS, _ALL_FIELDS = LabelSelector(), FieldSelector()


@dataclass(frozen=True, slots=True)
class ListOptions:
    """Selection and paging of a list or a watch."""

    labels: LabelSelector = _ALL_LABELS
    fields: FieldSelector = _ALL_FIELDS
    limit: int = 0
    after: tuple[str, str] | None = None
    version: str = ""
    """Of a continued list: the version the list began with."""

    @property
    def selects_all(self) -> bool:
        """True if every object is selected."""
        return not self.labels.match_expressions and not self.fields.conditions

    def matches(self, found: JsonObject) -> bool:
        """True if the object is selected."""
        labels = (found.get("metadata") or {}).get("labels") or {}
        return self.labels.matches(labels) and self.fields.matches(found)


def continue_token(version: str, after: tuple[str, str]) -> str:
    """The token with which a client requests the next part of a list."""
    return base64.urlsafe_b64encode(orjson.dumps([version, *after])).decode("ascii")


def read_continue_token(token: str) -> tuple[str, tuple[str, str]]:
    """Version and last name in a token of ``continue_token``.

    Raises:
        StatusError: 400, the token is not valid.
    """
    content = b""
    plain = token.rstrip("=")
    try:
        content = base64.urlsafe_b64decode(f"{plain}{'=' * (-len(plain) % 4)}".encode("ascii"))
        version, namespace, name = orjson.loads(content)
    except (ValueError, TypeError) as error:
        raise StatusError(_bad_token(syntax_error(content) if content else str(error))) from error
    if not all(isinstance(part, str) for part in (version, namespace, name)):
        raise StatusError(_bad_token("it has another form"))
    return version, (namespace, name)


def _bad_token(why: str) -> Status:
    return bad_request(f"invalid continue token: continue key is not valid: {why}")


def list_of(kind: str, api_version: str, items: list[JsonObject], version: str, **metadata: Any) -> JsonObject:
    """A list object."""
    return {
        "kind": f"{kind}List",
        "apiVersion": api_version,
        "metadata": {"resourceVersion": version, **metadata},
        "items": items,
    }


def success(**details: str) -> JsonObject:
    """The Status of a success without an object to return."""
    status: JsonObject = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    shown = {key: value for key, value in details.items() if value}
    return {**status, "details": shown} if shown else status
