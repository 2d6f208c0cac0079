"""Access on a single machine: administrators may do everything, others only what a rule allows."""

from __future__ import annotations

from imagegate.core.admission.access_review import Access, AccessAnswer, is_granted, refusal
from imagegate.core.admission.lookup import Found, Lookup
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.kube.status import StatusError, forbidden
from imagegate.service.image_api.streams import ImageObjects

ADMINISTRATORS = "system:masters"


def is_administrator(question: Access) -> bool:
    """True if the user may do everything, regardless of the rules, as in Kubernetes."""
    return ADMINISTRATORS in question.user.groups


def local_access(question: Access) -> Lookup[AccessAnswer]:
    """The access review without configured access rules."""
    if is_administrator(question):
        return Found(AccessAnswer(True, "administrator"), "local")
    return Found(AccessAnswer(False), "local")


def authorise(objects: ImageObjects, asked: Access) -> None:
    """Refuse a request that its user has no right to. Message: k8s.io/apiserver, responsewriters.

    Raises:
        StatusError: 403.
    """
    if is_administrator(asked):
        return
    answer = objects.answers((asked,))[asked]
    if is_granted(answer):
        return
    refused = refusal(answer)
    resource = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
    where = f"in the namespace {go_quote(asked.namespace)}" if asked.namespace else "at the cluster scope"
    why = (
        f"User {go_quote(asked.user.name)} cannot {asked.verb} resource {go_quote(resource)} in API group "
        f"{go_quote(asked.group)} {where}"
    )
    reason = refused.reason or refused.evaluation_error
    raise StatusError(forbidden(asked.resource, asked.name, f"{why}: {reason}" if reason else why, group=asked.group))
