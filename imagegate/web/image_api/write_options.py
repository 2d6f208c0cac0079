"""Options of requests that write: ``dryRun``, ``fieldManager``, ``fieldValidation``, ``force``.

Sources: k8s.io/apimachinery ``pkg/apis/meta/v1/validation``; k8s.io/apiserver ``pkg/endpoints/handlers`` (0.34).
"""

from __future__ import annotations

from typing import NamedTuple

from werkzeug.datastructures import MultiDict

from imagegate.core.image_api.patches import APPLY_PATCH
from imagegate.core.kube.field_errors import FieldError, forbidden, invalid, not_supported, required, too_long
from imagegate.core.kube.status import StatusError
from imagegate.core.kube.status import invalid as invalid_status

IGNORE, WARN, STRICT = "Ignore", "Warn", "Strict"
_OPTIONS = {"POST": "CreateOptions", "PUT": "UpdateOptions", "PATCH": "PatchOptions", "DELETE": "DeleteOptions"}
_MANAGER_MAX_BYTES = 128


class WriteOptions(NamedTuple):
    """How a write is meant."""

    dry_run: bool = False
    field_validation: str = WARN
    manager: str = ""
    """Owner of the fields that are written."""
    force: bool = False
    """An apply takes fields of other managers."""


def read_write_options(method: str, query: MultiDict[str, str], media_type: str, user_agent: str = "") -> WriteOptions:
    """The options in the parameters of a request.

    Args:
        method: of the request.
        query: the parameters.
        media_type: of the body: server-side apply has rules of its own.
        user_agent: of the client; its first word is the manager if no other is named.

    Raises:
        StatusError: 422, one has a value that means nothing.
    """
    kind = _OPTIONS.get(method)
    if kind is None:
        return WriteOptions()
    manager, validation = query.get("fieldManager", ""), query.get("fieldValidation", "")
    dry_run = query.getlist("dryRun")
    errors: list[FieldError] = []
    if media_type == APPLY_PATCH and not manager:
        errors.append(required("fieldManager", "is required for apply patch"))
    if method == "PATCH" and media_type != APPLY_PATCH and "force" in query:
        errors.append(forbidden("force", "may not be specified for non-apply patch"))
    if method != "DELETE":
        errors += _manager_errors(manager)
    if dry_run and set(dry_run) != {"All"}:
        errors.append(not_supported("dryRun", dry_run, ("All",)))
    if method != "DELETE" and validation not in ("", IGNORE, WARN, STRICT):
        errors.append(not_supported("fieldValidation", validation, ("", IGNORE, STRICT, WARN)))
    if errors:
        raise StatusError(invalid_status(kind, "", errors, group="meta.k8s.io"))
    force = "force" in query and query["force"].lower() not in ("false", "0")
    return WriteOptions(bool(dry_run), validation or WARN, manager or _program(user_agent), force)


def _program(user_agent: str) -> str:
    """The name of a client's program, without its version."""
    name = "".join(letter for letter in user_agent.partition("/")[0] if letter.isprintable())
    return name.encode("utf-8", "replace")[:_MANAGER_MAX_BYTES].decode("utf-8", "ignore")


def _manager_errors(manager: str) -> list[FieldError]:
    errors = []
    if len(manager.encode("utf-8", "surrogatepass")) > _MANAGER_MAX_BYTES:
        errors.append(too_long("fieldManager", _MANAGER_MAX_BYTES))
    for index, character in enumerate(manager):
        if not character.isprintable():
            at = len(manager[:index].encode("utf-8", "surrogatepass"))
            what = f"invalid character U+{ord(character):04X} (at position {at})"
            errors.append(invalid("fieldManager", manager, what))
    return errors
