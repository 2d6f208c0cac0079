"""Events of a Kubernetes audit log (audit.k8s.io/v1) as requests.

Source: k8s.io/apiserver, pkg/apis/audit/v1/types.go and pkg/audit/request.go. ``requestObject`` is the object as the
client sent it, before admission; for a patch it is the patch. ``responseObject`` is the object as stored, or a Status.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from imagegate.core.admission.request import AdmissionRequest, GroupKind, GroupResource, Phase, User
from imagegate.core.admission.workload import kind_of
from imagegate.core.image_policy.messages import PROHIBITED
from imagegate.errors import InvalidInput
from imagegate.service.replay.fields import mapping, text, texts
from imagegate.service.replay.recorded import (
    Entry,
    Judged,
    NoChange,
    NotReplayable,
    Reason,
    Recorded,
    Word,
)

KIND = "Event"
GROUP = "audit.k8s.io"
OWN_WEBHOOKS = (".imagegate.dev", ".hooks.securityenforcement.admission.cloud.ibm.com")
"""Ends of the names of webhooks that ask imagegate, or what it replaces."""
_GUARD = "policies.imagegate.dev"
_WITH_OBJECTS = frozenset({"Request", "RequestResponse"})
_CHANGES = {"create": "CREATE", "update": "UPDATE", "patch": "UPDATE"}
_CONNECTS = frozenset({"exec", "attach", "portforward", "proxy", "log"})
_DENIED_BY = re.compile(r'admission webhook "([^"]+)" denied the request(?:: )?')
_TRUNCATED = "audit.k8s.io/truncated"


def read_event(event: Mapping[str, Any], webhooks: frozenset[str] = frozenset()) -> Entry:
    """One event as a request with its recorded verdict.

    Args:
        webhooks: names of further webhooks whose denials count as recorded denials.

    Raises:
        InvalidInput: a field has the wrong type, so that this is no event.
    """
    verb, place = text(event, "verb"), mapping(event, "objectRef")
    operation = _CHANGES.get(verb)
    if operation is None or not place or text(place, "subresource") in _CONNECTS:
        return NoChange("reads, deletions and connections")
    if text(event, "stage") not in ("ResponseComplete", "Panic"):
        return NoChange("audit stages before the response")
    level = text(event, "level")
    if level not in _WITH_OBJECTS:
        return NotReplayable(
            f"audit level {level:.40}: the object is not in the log (needed: Request or RequestResponse)"
        )
    status = mapping(event, "responseStatus")
    code = status.get("code")
    if not isinstance(code, int):
        raise InvalidInput("responseStatus.code: expected a number")
    then = _verdict(code, text(status, "message"), webhooks)
    if then is None:
        return NotReplayable(f"requests that failed for another reason than image policy ({code})")
    document: object = event.get("requestObject")
    if verb == "patch":
        if code >= 400:
            return NotReplayable("patches that were denied: the patched object is not in the log")
        if level != "RequestResponse":
            return NotReplayable("patches at audit level Request: the patched object is not in the log")
        document, operation = event.get("responseObject"), "CREATE" if code == 201 else operation
    if document is None:
        truncated = text(mapping(event, "annotations"), _TRUNCATED) == "true"
        return NotReplayable("objects that the API server cut off" if truncated else "requests without an object")
    if not isinstance(document, dict):
        raise InvalidInput("requestObject: expected an object")
    return _recorded(event, place, operation, document, then)


def _recorded(
    event: Mapping[str, Any], place: Mapping[str, Any], operation: str, document: dict[str, Any], then: Judged
) -> Entry:
    resource = GroupResource(text(place, "apiGroup"), text(place, "resource"))
    kind = _kind(document, resource)
    if kind is None:
        return NotReplayable("objects without a kind")
    user = mapping(event, "impersonatedUser") or mapping(event, "user")
    name = text(place, "name") or text(mapping(document, "metadata"), "name")
    return Recorded(
        AdmissionRequest(
            uid=text(event, "auditID"),
            phase=Phase.MUTATE,
            operation=operation,
            kind=kind,
            resource=resource,
            object=document,
            request_kind=kind,
            request_resource=resource,
            sub_resource=text(place, "subresource"),
            namespace=text(place, "namespace"),
            name=name,
            user=User(text(user, "username"), text(user, "uid"), texts(user, "groups")),
            dry_run="dryRun=All" in text(event, "requestURI"),
        ),
        then,
    )


def _kind(document: Mapping[str, Any], resource: GroupResource) -> GroupKind | None:
    kind = text(document, "kind")
    if not kind:
        return kind_of(resource)
    return GroupKind(text(document, "apiVersion").rpartition("/")[0], kind)


def _verdict(code: int, message: str, webhooks: frozenset[str]) -> Judged | None:
    """The recorded verdict; None if the request failed for a reason that is not image policy's."""
    if 200 <= code < 300:
        return Judged(Word.ALLOWED)
    denied = _DENIED_BY.search(message)
    if denied is None:
        return Judged(Word.DENIED, (Reason(because=message),)) if PROHIBITED in message else None
    webhook = denied[1]
    if webhook in webhooks or (webhook.endswith(OWN_WEBHOOKS) and webhook != _GUARD):
        return Judged(Word.DENIED, (Reason(plugin=webhook, because=message[denied.end() :]),))
    return None
