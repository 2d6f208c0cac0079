"""Access on a single machine: administrators may do everything, others only what a rule allows."""

from __future__ import annotations

from typing import Any

from imagegate.core.admission.access_review import (
    Access,
    AccessAnswer,
    AccessHolders,
    AccessQuestion,
    GrantedRule,
    GrantedRules,
    Grantees,
    PathAccess,
    is_granted,
    refusal,
)
from imagegate.core.admission.lookup import Found, Lookup, Unknown
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.kube.status import Status, StatusError, forbidden
from imagegate.service.image_api.streams import ImageObjects

ADMINISTRATORS = "system:masters"
AUTHENTICATED = "system:authenticated"
BASIC_RULES = (
    GrantedRule(("create",), ("authentication.k8s.io",), ("selfsubjectreviews",)),
    GrantedRule(("create",), ("authorization.k8s.io",), ("selfsubjectaccessreviews", "selfsubjectrulesreviews")),
    GrantedRule(("get",), ("user.openshift.io",), ("users",), ("~",)),
    GrantedRule(("list",), ("project.openshift.io",), ("projectrequests", "projects")),
)
"""Rights of every user who has a name. A list of projects shows only those that he may get. Source: the roles
``system:basic-user`` of Kubernetes and ``basic-user`` of OpenShift."""
EVERYTHING = GrantedRule(("*",), ("*",), ("*",))


def is_administrator(question: AccessQuestion) -> bool:
    """True if the user may do everything, regardless of the rules, as in Kubernetes."""
    return not isinstance(question, Grantees) and ADMINISTRATORS in question.user.groups


def local_access(question: AccessQuestion) -> Lookup[Any]:
    """The result without configured access rules."""
    if isinstance(question, Grantees):
        return Found(AccessHolders(), "local")
    administers = is_administrator(question)
    if isinstance(question, GrantedRules):
        return Found((EVERYTHING,) if administers else (), "local")
    return Found(AccessAnswer(administers, "administrator" if administers else ""), "local")


def access_of(objects: ImageObjects, asked: Access | PathAccess) -> Lookup[AccessAnswer]:
    """The result of an access review, with the rights that need no rule."""
    if is_administrator(asked):
        return local_access(asked)
    if (
        isinstance(asked, Access)
        and AUTHENTICATED in asked.user.groups
        and any(_covers(each, asked) for each in BASIC_RULES)
    ):
        return Found(AccessAnswer(True, "every user may"), "local")
    return objects.answers((asked,))[asked]


def holders_of(objects: ImageObjects, asked: Access) -> Lookup[AccessHolders]:
    """The users and groups that have a right, also by rights that need no rule."""
    question = Grantees(asked)
    found: Lookup[AccessHolders] = objects.answers((question,))[question]
    if not isinstance(found, Found):
        return found
    basic = {AUTHENTICATED} if any(_covers(each, asked) for each in BASIC_RULES) else set()
    return Found(AccessHolders(found.value.users, found.value.groups | {ADMINISTRATORS} | basic), found.source)


def _covers(rule: GrantedRule, asked: Access) -> bool:
    return (
        asked.verb in rule.verbs
        and asked.group in rule.api_groups
        and asked.resource in rule.resources
        and not asked.subresource
        and (not rule.names or asked.name in rule.names)
    )


def authorise(objects: ImageObjects, asked: Access, *, needed_for: str = "") -> None:
    """Refuse a request that its user has no right to. Message: k8s.io/apiserver, responsewriters.

    Args:
        objects: perform the access review.
        asked: the right.
        needed_for: added to the message, for a right that the request itself does not show.

    Raises:
        StatusError: 403; 503 if it cannot be found out.
    """
    refused = _refused(objects, asked)
    if refused is None:
        return
    resource = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
    where = f"in the namespace {go_quote(asked.namespace)}" if asked.namespace else "at the cluster scope"
    why = (
        f"User {go_quote(asked.user.name)} cannot {asked.verb} resource {go_quote(resource)} in API group "
        f"{go_quote(asked.group)} {where}"
    )
    why = f"{why}: needed for {needed_for}" if needed_for else why
    raise StatusError(forbidden(asked.resource, asked.name, _with_reason(why, refused), group=asked.group))


def authorise_path(objects: ImageObjects, asked: PathAccess) -> None:
    """Refuse a path that is no resource to a user without a right to it. Message: k8s.io/apiserver, responsewriters.

    Raises:
        StatusError: 403; 503 if it cannot be found out.
    """
    refused = _refused(objects, asked)
    if refused is not None:
        why = f"forbidden: User {go_quote(asked.user.name)} cannot {asked.verb} path {go_quote(asked.path)}"
        raise StatusError(Status(code=403, reason="Forbidden", message=_with_reason(why, refused)))


def _refused(objects: ImageObjects, asked: Access | PathAccess) -> AccessAnswer | None:
    """The refusal; None if access is granted.

    Raises:
        StatusError: 503, it cannot be found out.
    """
    answer = access_of(objects, asked)
    if isinstance(answer, Unknown):
        why = f"cannot check what user {go_quote(asked.user.name)} may do: {answer.why}"
        raise StatusError(Status(code=503, reason="ServiceUnavailable", message=why, retry_after_s=1))
    return None if is_granted(answer) else refusal(answer)


def _with_reason(why: str, refused: AccessAnswer) -> str:
    reason = refused.reason or refused.evaluation_error
    return f"{why}: {reason}" if reason else why
