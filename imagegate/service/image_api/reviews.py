"""Reviews that are created and never stored: who the caller is, what he or another user may do.

Source: kubernetes, ``pkg/registry/{authorization,authentication}`` and ``pkg/apis/authorization/validation``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imagegate.core.admission.access_review import Access, AccessHolders, GrantedRule, GrantedRules, PathAccess, refusal
from imagegate.core.admission.lookup import Found
from imagegate.core.admission.request import User
from imagegate.core.image_api.resources import (
    LOCAL_ACCESS_REVIEWS,
    LOCAL_RESOURCE_REVIEWS,
    RESOURCE_REVIEWS,
    SELF_ACCESS_REVIEWS,
    SELF_REVIEWS,
    SELF_RULES_REVIEWS,
    ApiResource,
)
from imagegate.core.kube import field_errors
from imagegate.core.kube.field_errors import FieldError
from imagegate.core.kube.status import StatusError, bad_request, invalid
from imagegate.service.image_api.local import AUTHENTICATED, BASIC_RULES, access_of, holders_of
from imagegate.service.image_api.request import ApiRequest, JsonObject
from imagegate.service.image_api.streams import ImageObjects

_RESOURCE, _PATH = "resourceAttributes", "nonResourceAttributes"
_ACTION_FIELDS = ("verb", "resource", "resourceAPIGroup", "resourceName", "namespace")
_LABEL_FIELDS = ("apiVersion", "kind", "metadata", "spec")


def review_of(
    resource: ApiResource, objects: ImageObjects
) -> SelfReviews | AccessReviews | RulesReviews | ResourceReviews:
    """The object that serves a kind of review."""
    if resource is SELF_REVIEWS:
        return SelfReviews(resource, objects)
    if resource is SELF_RULES_REVIEWS:
        return RulesReviews(resource, objects)
    if resource in (RESOURCE_REVIEWS, LOCAL_RESOURCE_REVIEWS):
        return ResourceReviews(resource, objects)
    return AccessReviews(resource, objects)


class SelfReviews:
    """``selfsubjectreviews``: the caller (``kubectl auth whoami``, ``oc whoami``)."""

    def __init__(self, resource: ApiResource, objects: ImageObjects) -> None:
        self._resource = resource
        self._objects = objects

    def create(self, request: ApiRequest, body: JsonObject) -> JsonObject:
        """The review with the caller's name and groups."""
        review = _checked(self._resource, body)
        metadata = {"creationTimestamp": self._objects.now()}
        return {**review, "metadata": metadata, "status": {"userInfo": user_info(request.user)}}


def user_info(user: User) -> JsonObject:
    """A user as authentication.k8s.io/v1 ``UserInfo``."""
    extra = {key: list(values) for key, values in user.extra}
    info = {"username": user.name, "uid": user.uid, "groups": list(user.groups), "extra": extra}
    return {key: value for key, value in info.items() if value}


class AccessReviews:
    """``subjectaccessreviews`` of the caller, of another user, and of another user in one namespace."""

    def __init__(self, resource: ApiResource, objects: ImageObjects) -> None:
        self._resource = resource
        self._objects = objects

    def create(self, request: ApiRequest, body: JsonObject) -> JsonObject:
        """The review with its result.

        Raises:
            StatusError: 400 or 422, it asks for nothing, or for more than one thing.
        """
        review = _checked(self._resource, body)
        spec: JsonObject = review.get("spec") or {}
        errors = list(self._errors(spec))
        if errors:
            raise StatusError(invalid(self._resource.kind, "", errors, group=self._resource.group))
        if self._resource is LOCAL_ACCESS_REVIEWS:
            _check_namespace(request.namespace, spec[_RESOURCE])
        user = request.user if self._resource is SELF_ACCESS_REVIEWS else _user_of(spec)
        answer = access_of(self._objects, _question(user, spec))
        shown = answer.value if isinstance(answer, Found) else refusal(answer)
        status: JsonObject = {"allowed": shown.allowed}
        if shown.reason:
            status["reason"] = shown.reason
        if shown.evaluation_error:
            status["evaluationError"] = shown.evaluation_error
        return {**review, "status": status}

    def _errors(self, spec: JsonObject) -> list[FieldError]:
        resource, path = spec.get(_RESOURCE), spec.get(_PATH)
        errors = []
        if resource is not None and path is not None:
            why = "cannot be specified in combination with resourceAttributes"
            errors.append(field_errors.invalid(f"spec.{_PATH}", path, why))
        if resource is None and path is None:
            why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
            errors.append(field_errors.invalid(f"spec.{_RESOURCE}", None, why))
        if path is not None and self._resource is LOCAL_ACCESS_REVIEWS:
            errors.append(field_errors.invalid(f"spec.{_PATH}", path, "disallowed on this kind of request"))
        if self._resource is not SELF_ACCESS_REVIEWS and not spec.get("user") and not spec.get("groups"):
            errors.append(field_errors.invalid("spec.user", "", "at least one of user or group must be specified"))
        return errors


def _check_namespace(namespace: str, attributes: Mapping[str, Any]) -> None:
    """Check that a local review is about its own namespace.

    Raises:
        StatusError: 400.
    """
    if attributes.get("namespace") != namespace:
        raise StatusError(bad_request(f"spec.resourceAttributes.namespace must match namespace: {namespace}"))


def _user_of(spec: Mapping[str, Any]) -> User:
    extra = tuple((key, tuple(values)) for key, values in (spec.get("extra") or {}).items())
    return User(spec.get("user") or "", spec.get("uid") or "", tuple(spec.get("groups") or ()), extra)


def _question(user: User, spec: Mapping[str, Any]) -> Access | PathAccess:
    """The question of a review. Selectors of its attributes are left out: the result is that for all objects."""
    path = spec.get(_PATH)
    if path is not None:
        return PathAccess(user, path.get("verb") or "", path.get("path") or "")
    given = spec[_RESOURCE]
    fields = ("verb", "group", "resource", "subresource", "namespace", "name")
    return Access(user, *(given.get(field) or "" for field in fields))


class RulesReviews:
    """``selfsubjectrulesreviews``: all that the caller may do in a namespace (``kubectl auth can-i --list``)."""

    def __init__(self, resource: ApiResource, objects: ImageObjects) -> None:
        self._resource = resource
        self._objects = objects

    def create(self, request: ApiRequest, body: JsonObject) -> JsonObject:
        """The review with the rules.

        Raises:
            StatusError: 400, it names no namespace.
        """
        review = _checked(self._resource, body)
        namespace = (review.get("spec") or {}).get("namespace") or ""
        if not namespace:
            raise StatusError(bad_request("no namespace on request"))
        asked = GrantedRules(request.user, namespace)
        answer = self._objects.answers((asked,))[asked]
        rules: tuple[GrantedRule, ...] = answer.value if isinstance(answer, Found) else ()
        basic = BASIC_RULES if AUTHENTICATED in request.user.groups else ()
        status: JsonObject = {
            "resourceRules": [_rule(each) for each in (*rules, *basic)],
            "nonResourceRules": [],
            "incomplete": not isinstance(answer, Found),
        }
        if not isinstance(answer, Found):
            status["evaluationError"] = answer.why
        return {**review, "status": status}


class ResourceReviews:
    """``resourceaccessreviews`` of OpenShift, and those of one namespace: who may do something (``oc policy who-can``).

    Source: openshift-apiserver, ``pkg/authorization/apiserver/registry/resourceaccessreview``.
    """

    def __init__(self, resource: ApiResource, objects: ImageObjects) -> None:
        self._resource = resource
        self._objects = objects

    def create(self, request: ApiRequest, body: JsonObject) -> JsonObject:
        """The users and groups that have the right.

        Raises:
            StatusError: 400, it asks for nothing, for a path, or for another namespace than its own.
        """
        _checked(self._resource, body)
        verb, resource, group, name, namespace = (_text(body, key) for key in _ACTION_FIELDS)
        if not verb or not resource or body.get("isNonResourceURL"):
            raise StatusError(bad_request("verb and resource are required, and paths cannot be asked for"))
        if self._resource is LOCAL_RESOURCE_REVIEWS and namespace not in ("", request.namespace):
            raise StatusError(bad_request(f"namespace must match namespace: {request.namespace}"))
        namespace = namespace or request.namespace
        resource, _, sub_resource = resource.partition("/")
        asked = Access(User(""), verb, group, resource, sub_resource, namespace, name)
        answer = holders_of(self._objects, asked)
        holders = answer.value if isinstance(answer, Found) else AccessHolders()
        return {
            "kind": "ResourceAccessReviewResponse",
            "apiVersion": self._resource.api_version,
            "namespace": namespace,
            "users": sorted(holders.users),
            "groups": sorted(holders.groups),
            "evalutionError": "" if isinstance(answer, Found) else answer.why,
        }


def _text(body: JsonObject, key: str) -> str:
    """A string of the body; empty if there is none.

    Raises:
        StatusError: 400, it is of another type.
    """
    value = body.get(key) or ""
    if not isinstance(value, str):
        raise StatusError(bad_request(f"{key}: expected a string"))
    return value


def _rule(rule: GrantedRule) -> JsonObject:
    shown: JsonObject = {
        "verbs": list(rule.verbs),
        "apiGroups": list(rule.api_groups),
        "resources": list(rule.resources),
    }
    return {**shown, "resourceNames": list(rule.names)} if rule.names else shown


def _checked(resource: ApiResource, body: JsonObject) -> JsonObject:
    """The review as it is answered: without a status of the caller's.

    Raises:
        StatusError: 400, it is of another kind.
    """
    for key, wanted in (("kind", resource.kind), ("apiVersion", resource.api_version)):
        if (body.get(key) or wanted) != wanted:
            raise StatusError(bad_request(f"{key} {body[key]!r} of the object does not match the expected {wanted!r}"))
    review = {key: body[key] for key in _LABEL_FIELDS if body.get(key) is not None}
    return {
        "kind": resource.kind,
        "apiVersion": resource.api_version,
        "metadata": {"creationTimestamp": None},
        **review,
    }
