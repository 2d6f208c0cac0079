"""Bodies of writes as changes: field validation of whole objects, and patches.

Source: k8s.io/apiserver 0.34, ``pkg/endpoints/handlers/patch.go`` and ``create.go``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice

from imagegate.core.image_api import patches as api_patches
from imagegate.core.image_api.amounts import TooLarge
from imagegate.core.image_api.field_checks import field_problems
from imagegate.core.image_api.patched_text import patch_text, patched_text
from imagegate.core.image_api.resources import IMAGES, ApiResource
from imagegate.core.image_api.restoring import restoring_problem
from imagegate.core.image_api.strategic_merge import UnknownFailure, Unprocessable
from imagegate.core.image_streams.docker_metadata import NotDockerMetadata, with_docker_metadata
from imagegate.core.image_streams.shown_images import version_problem
from imagegate.core.kube.field_errors import invalid as invalid_field
from imagegate.core.kube.go_json import literal_numbers, repeated_fields
from imagegate.core.kube.status import Status, StatusError, bad_request, invalid, too_large
from imagegate.errors import InvalidInput
from imagegate.service.image_api.bodies import BadBody, decoded_body, read_object, unreadable
from imagegate.service.image_api.request import ApiRequest, Change, JsonObject
from imagegate.web.image_api.bodies import Body, read_patch
from imagegate.web.image_api.write_options import IGNORE, STRICT

UNKNOWN_FIELDS_MAX = 100
"""How many are named, as in the original's decoder."""
UNKNOWN_FIELD_MAX_LENGTH = 1_000
_REJECTED = "the server rejected our request due to an error in our request"


def checked_object(call: ApiRequest, resource: ApiResource, body: Body, how: str) -> JsonObject:
    """The object in a body, after ``fieldValidation``.

    Args:
        call: gets the warnings.
        resource: the expected kind.
        body: as sent.
        how: ``Ignore``, ``Warn`` or ``Strict``.

    Raises:
        StatusError: 400, the types of fields are wrong, or Strict finds a field that is unknown or repeated.
    """
    try:
        decoded_body(resource, body.value)
    except StatusError:
        if body.text:
            decoded_body(resource, literal_numbers(body.text))  # the same error, with numbers as they were written
        raise
    problem = version_problem(body.value) if resource == IMAGES else ""
    if problem:
        raise StatusError(Status(code=500, reason="", message=problem))
    problem = _metadata_problem(resource, body.value)
    if problem:
        raise StatusError(bad_request(unreadable(resource.kind, resource.version, resource.kind, problem)))
    problems = _field_problems(resource, body.value, body.repeated, how)
    if problems and how == STRICT:
        what = f"strict decoding error: {', '.join(problems)}"
        raise StatusError(bad_request(unreadable(resource.kind, resource.version, resource.kind, what)))
    call.warnings.extend(problems)
    return body.value


def _metadata_problem(resource: ApiResource, found: JsonObject) -> str:
    """Why an Image's ``dockerImageMetadata`` is none; empty if it is, or the object is no Image."""
    if resource != IMAGES:
        return ""
    try:
        with_docker_metadata(found)
    except NotDockerMetadata as error:
        return str(error)
    return ""


def _field_problems(resource: ApiResource, value: JsonObject, repeated: Mapping[str, int], how: str) -> list[str]:
    if how == IGNORE:
        return []
    found = islice(field_problems(resource.type, value, repeated), UNKNOWN_FIELDS_MAX)
    return [str(problem._replace(path=f"{problem.path:.{UNKNOWN_FIELD_MAX_LENGTH}}")) for problem in found]


def patch_change(call: ApiRequest, resource: ApiResource, content: bytes, media_type: str, how: str) -> Change:
    """The change that a patch makes.

    Raises:
        StatusError: 400 or 415, the patch cannot be read. Applying it raises 413 and 422.
    """
    patch = read_patch(content, media_type)
    again = repeated_fields(content) if how != IGNORE else {}
    begin = "json patch " if media_type == api_patches.JSON_PATCH else ""
    repeated = [f'{begin}duplicate field "{path}"' for path, count in again.items() for _ in range(count)]

    def change(found: JsonObject) -> JsonObject:
        patched = _applied(media_type, found, patch)
        _check_patched(call, resource, media_type, patch, patched, how, repeated)
        return patched

    return change


def _applied(media_type: str, found: JsonObject, patch: object) -> JsonObject:
    try:
        return api_patches.apply(media_type, found, patch)
    except TooLarge as error:
        raise StatusError(too_large(str(error))) from error
    except UnknownFailure as error:
        raise StatusError(Status(code=500, reason="", message=str(error))) from error
    except Unprocessable as error:
        raise StatusError(Status(code=422, reason="Invalid", message=str(error), has_details=True)) from error
    except InvalidInput as error:
        if media_type == api_patches.JSON_PATCH:
            status = Status(code=422, reason="Invalid", message=_REJECTED, has_details=True)
            raise StatusError(status) from error
        raise StatusError(bad_request(str(error))) from error


def _check_patched(
    call: ApiRequest,
    resource: ApiResource,
    media_type: str,
    patch: object,
    patched: JsonObject,
    how: str,
    repeated: list[str],
) -> None:
    """Check the form of the result; what is wrong with it is said of the patch.

    Args:
        repeated: what is said of fields that the patch itself has more than once.

    Raises:
        StatusError: 422.
    """
    try:
        read_object(resource, patched)
    except BadBody as error:
        why = restoring_problem(resource.type, patched) if media_type == api_patches.STRATEGIC_MERGE_PATCH else ""
        raise _invalid_patch(resource, media_type, patch, patched, (why or str(error),)) from error
    problem = (version_problem(patched) if resource == IMAGES else "") or _metadata_problem(resource, patched)
    if problem:
        raise _invalid_patch(resource, media_type, patch, patched, (problem,))
    problems = [*repeated, *_field_problems(resource, patched, {}, how)]
    if problems and how == STRICT:
        what = f"strict decoding error: {', '.join(problems)}"
        raise _invalid_patch(resource, media_type, patch, patched, (what,))
    call.warnings.extend(problems)


def _invalid_patch(
    resource: ApiResource, media_type: str, patch: object, patched: JsonObject, problems: Iterable[str]
) -> StatusError:
    if media_type == api_patches.STRATEGIC_MERGE_PATCH:
        text = patch_text(patch)
    else:
        text = patched_text(resource.type, patched, patch)
    return StatusError(invalid("", "", [invalid_field("patch", text, why) for why in problems], group=""))
