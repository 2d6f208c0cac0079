"""AdmissionReview in, AdmissionReview out (admission.k8s.io v1 and v1beta1)."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from imagegate.errors import InvalidReview

API_VERSIONS = ("admission.k8s.io/v1", "admission.k8s.io/v1beta1")
_CACHED_PAIRS_MAX = 1024
_TEXT_ONLY = {str}


class GroupResource(NamedTuple):
    """An API group (``""`` is core) and a plural resource name."""

    group: str
    resource: str

    def __str__(self) -> str:
        return f"{self.resource}.{self.group}" if self.group else self.resource


class GroupKind(NamedTuple):
    """An API group and a kind."""

    group: str
    kind: str

    def __str__(self) -> str:
        return f"{self.kind}.{self.group}" if self.group else self.kind


_GROUP_KINDS: dict[tuple[str, str], GroupKind] = {}
_GROUP_RESOURCES: dict[tuple[str, str], GroupResource] = {}
"""Pairs read before, so that the few that occur are checked and made once.

Bounded, because callers choose the names. Without a lock: a lost write only means that a pair is read again.
"""


class Phase(enum.Enum):
    """The pass of admission that a request belongs to."""

    MUTATE = "mutate"
    VALIDATE = "validate"


class User(NamedTuple):
    """The requesting user (authentication.k8s.io UserInfo)."""

    name: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Attributes of the authenticator; some authorizers grant less because of them (scopes of OpenShift's tokens)."""


@dataclass(slots=True, kw_only=True)
class AdmissionRequest:
    """One admission request, from a review or made from a manifest. Not changed once it is made.

    Not ``frozen``, since Python sets the fields of a frozen object three times slower, and every review makes one.
    """

    uid: str
    phase: Phase
    operation: str
    """``CREATE``, ``UPDATE``, ``DELETE`` or ``CONNECT``."""
    kind: GroupKind
    resource: GroupResource
    object: Mapping[str, Any] | None
    old_object: Mapping[str, Any] | None = None
    request_kind: GroupKind
    """As the client sent it; ``kind`` is what the webhook rule matched (``matchPolicy: Equivalent``)."""
    request_resource: GroupResource
    sub_resource: str = ""
    namespace: str = ""
    name: str = ""
    user: User = User()
    dry_run: bool = False
    api_version: str = API_VERSIONS[0]

    @property
    def resources(self) -> tuple[GroupResource, ...]:
        """The group-resources that rules may name for the request: the requested one, then the matched one."""
        if self.request_resource == self.resource:
            return (self.resource,)
        return (self.request_resource, self.resource)

    @classmethod
    def parse(cls, review: Any, phase: Phase) -> AdmissionRequest:
        """Read an AdmissionReview (already decoded from JSON).

        Raises:
            InvalidReview: not an AdmissionReview of a known version, or a required field is missing.
        """
        if not isinstance(review, dict):
            raise InvalidReview("the body is not a JSON object")
        if review.get("kind") != "AdmissionReview" or review.get("apiVersion") not in API_VERSIONS:
            raise InvalidReview(
                f"expected kind AdmissionReview of {' or '.join(API_VERSIONS)}, "
                f"got kind {review.get('kind')!r} of {review.get('apiVersion')!r}"
            )
        request = review.get("request")
        if not isinstance(request, dict):
            raise InvalidReview("request: required")
        uid = request.get("uid")
        if not isinstance(uid, str) or not uid:
            raise InvalidReview("request.uid: required")
        kind = _group_kind(request, "kind")
        resource = _group_resource(request, "resource")
        user = request.get("userInfo")
        return cls(
            uid=uid,
            phase=phase,
            operation=_string_field(request, "operation", required=True),
            kind=kind,
            resource=resource,
            object=_object_field(request, "object"),
            old_object=_object_field(request, "oldObject"),
            request_kind=_group_kind(request, "requestKind") if request.get("requestKind") else kind,
            request_resource=_group_resource(request, "requestResource")
            if request.get("requestResource")
            else resource,
            sub_resource=_string_field(request, "subResource") or _string_field(request, "requestSubResource"),
            namespace=_string_field(request, "namespace"),
            name=_string_field(request, "name"),
            user=_user_info(user),
            dry_run=request.get("dryRun") is True,
            api_version=review["apiVersion"],
        )


def _string_field(parent: Mapping[str, Any], key: str, *, required: bool = False) -> str:
    value = parent.get(key)
    if value is None and not required:
        return ""
    if not isinstance(value, str) or (required and not value):
        raise InvalidReview(f"request.{key}: expected a string, got {value!r:.80}")
    return value


def _object_field(request: Mapping[str, Any], key: str) -> Mapping[str, Any] | None:
    value = request.get(key)
    if value is not None and not isinstance(value, dict):
        raise InvalidReview(f"request.{key}: expected an object, got {type(value).__name__}")
    return value


def _group_kind(request: Mapping[str, Any], key: str) -> GroupKind:
    value = request.get(key)
    try:
        return _GROUP_KINDS[value["group"], value["kind"]]  # type: ignore[index]  # anything but a known pair raises
    except (KeyError, TypeError):
        found = _read_group_kind(value, key)
    if len(_GROUP_KINDS) < _CACHED_PAIRS_MAX:
        _GROUP_KINDS[found] = found
    return found


def _read_group_kind(value: object, key: str) -> GroupKind:
    if not isinstance(value, dict):
        raise InvalidReview(f"request.{key}: required")
    group, kind = value.get("group") or "", value.get("kind")
    if not isinstance(group, str) or not isinstance(kind, str) or not kind:
        raise InvalidReview(f"request.{key}: expected group, version and kind as strings")
    return GroupKind(group, kind)


def _group_resource(request: Mapping[str, Any], key: str) -> GroupResource:
    value = request.get(key)
    try:
        return _GROUP_RESOURCES[value["group"], value["resource"]]  # type: ignore[index]  # see _group_kind
    except (KeyError, TypeError):
        found = _read_group_resource(value, key)
    if len(_GROUP_RESOURCES) < _CACHED_PAIRS_MAX:
        _GROUP_RESOURCES[found] = found
    return found


def _read_group_resource(value: object, key: str) -> GroupResource:
    if not isinstance(value, dict):
        raise InvalidReview(f"request.{key}: required")
    group, resource = value.get("group") or "", value.get("resource")
    if not isinstance(group, str) or not isinstance(resource, str) or not resource:
        raise InvalidReview(f"request.{key}: expected group, version and resource as strings")
    return GroupResource(group, resource)


def _user_info(value: object) -> User:
    if value is None:
        return User()
    if not isinstance(value, dict):
        raise InvalidReview("request.userInfo: expected an object")
    groups = value.get("groups") or ()
    if not isinstance(groups, (list, tuple)) or {type(group) for group in groups} - _TEXT_ONLY:
        raise InvalidReview("request.userInfo.groups: expected a list of strings")
    name, uid = value.get("username") or "", value.get("uid") or ""
    if not isinstance(name, str) or not isinstance(uid, str):
        raise InvalidReview("request.userInfo: expected username and uid as strings")
    extra = value.get("extra")
    return User(name, uid, tuple(groups), _extra(extra) if extra else ())


def _extra(value: object) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if not isinstance(value, dict):
        raise InvalidReview("request.userInfo.extra: expected an object")
    for texts in value.values():
        if texts is not None and (not isinstance(texts, list) or {type(text) for text in texts} - _TEXT_ONLY):
            raise InvalidReview("request.userInfo.extra: expected lists of strings")
    return tuple((key, tuple(texts or ())) for key, texts in value.items())
