"""Server-side apply: a configuration merged into an object, or the object made of it.

The merged object is written as any other: every rule of an update or a creation looks at it.
"""

from __future__ import annotations

from collections.abc import Callable

from imagegate.core.image_api.amounts import TooLarge
from imagegate.core.image_api.patches import check_result
from imagegate.core.kube.status import StatusError, conflict, not_found, too_large
from imagegate.service.image_api.bodies import checked_body
from imagegate.service.image_api.field_owners import Configuration
from imagegate.service.image_api.request import ApiRequest, JsonObject, Written
from imagegate.service.image_api.stored import StoredObjects
from imagegate.service.writing import CHANGED_MEANWHILE, attempts

MayCreate = Callable[[], None]
"""Refuses a caller who may not create the object."""


def applied_object(
    objects: StoredObjects,
    request: ApiRequest,
    name: str,
    configuration: Configuration,
    may_create: MayCreate | None,
) -> Written:
    """Write what a configuration makes of an object.

    Args:
        objects: the resource.
        request: names the manager.
        name: of the object.
        configuration: as sent.
        may_create: called before an object is made; None: none can be made here.

    Raises:
        StatusError: as for any write; 409 if others own the fields; 404 if there is no object and none can be made.
    """
    inner = request.unrecorded()  # the owners are part of the merged object
    for _ in attempts():
        if objects.exists(request, name):
            try:
                merged = objects.update(inner, name, _change(objects, request, configuration), is_patch=True)
            except StatusError as error:
                if error.status.code != 404 or objects.exists(request, name):
                    raise
            else:
                return Written(merged, is_new=False)
        if may_create is None:
            raise StatusError(not_found(objects.resource.name, name, group=objects.resource.group))
        may_create()
        try:
            return Written(objects.create(inner, _new(objects, request, name, configuration)), is_new=True)
        except StatusError as error:
            if error.status.reason != "AlreadyExists":
                raise
    raise StatusError(conflict(objects.resource.name, name, CHANGED_MEANWHILE, group=objects.resource.group))


def _change(
    objects: StoredObjects, request: ApiRequest, configuration: Configuration
) -> Callable[[JsonObject], JsonObject]:
    return lambda live: _applied(objects, request, configuration, live)


def _applied(
    objects: StoredObjects, request: ApiRequest, configuration: Configuration, live: JsonObject | None
) -> JsonObject:
    """The merged object. Many managers with a small part each could make one of any size.

    Raises:
        StatusError: as for any configuration; 413, it is larger than objects may be.
    """
    merged = objects.owners.applied(request, configuration, live)
    try:
        check_result(merged, live or {})
    except TooLarge as error:
        raise StatusError(too_large(str(error))) from error
    return merged


def _new(objects: StoredObjects, request: ApiRequest, name: str, configuration: Configuration) -> JsonObject:
    """The object that a configuration makes where there is none.

    Raises:
        StatusError: 400, it is of another name or namespace; 409, it is meant for an object that is gone.
    """
    new = _applied(objects, request, configuration, None)
    checked_body(objects.resource, request, new, name)
    uid = new["metadata"].get("uid")
    if uid:
        why = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
        raise StatusError(conflict(objects.resource.name, name, why, group=objects.resource.group))
    metadata = {key: value for key, value in new["metadata"].items() if key != "resourceVersion"}
    return {**new, "metadata": metadata}
