"""Access reviews from a YAML file that lists who may do what: the command line's stand-in for a cluster's roles.

::

    kind: AccessRules
    rules:
    - users: [alice]                      # or groups: [...]; at least one of the two
      verbs: [get]
      apiGroups: [image.openshift.io]
      resources: [imagestreams/layers]    # "*" matches everything, "*/layers" every resource's layers
      namespaces: [shared]                # absent: every namespace and the cluster itself
      resourceNames: [base]               # absent: every object

Fields mean what they mean in a role (rbac.authorization.k8s.io). Nobody may do anything that no rule allows; the image
API's administrators (system:masters) need no rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imagegate.adapters.files.documents import DiskDocuments
from imagegate.core.admission.access_review import (
    Access,
    AccessAnswer,
    AccessHolders,
    GrantedRule,
    GrantedRules,
    Grantees,
)
from imagegate.core.admission.lookup import Found, Lookup
from imagegate.core.admission.request import User
from imagegate.documents.yaml.fields import Fields, Report
from imagegate.documents.yaml.source import decode_utf8, read_source
from imagegate.errors import ConfigError, InvalidPolicy
from imagegate.ports.access import AccessReviews, GrantedRights, RightHolders
from imagegate.ports.documents import Documents

_ANY = "*"
_DENIED = Found(AccessAnswer(False), "access rules")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRule:
    """One rule; None in place of a list means "all"."""

    where: str
    """``FILE rules[0]``, shown as the reason of a permission."""
    users: frozenset[str]
    groups: frozenset[str]
    verbs: frozenset[str]
    api_groups: frozenset[str]
    resources: frozenset[str]
    namespaces: frozenset[str] | None = None
    names: frozenset[str] | None = None

    def allows(self, asked: Access) -> bool:
        """True if this rule permits the access."""
        return self.is_for(asked.user) and self.covers(asked)

    def covers(self, asked: Access) -> bool:
        """True if this rule permits the access to its users."""
        return (
            _holds(self.verbs, asked.verb)
            and _holds(self.api_groups, asked.group)
            and self._covers_resource(asked)
            and (self.namespaces is None or asked.namespace in self.namespaces)
            and (self.names is None or asked.name in self.names)
        )

    def is_for(self, user: User) -> bool:
        """True if it gives this user rights."""
        return user.name in self.users or not self.groups.isdisjoint(user.groups)

    def granted(self) -> GrantedRule:
        """The rights that it gives, as a SelfSubjectRulesReview lists it."""
        return GrantedRule(
            verbs=tuple(sorted(self.verbs)),
            api_groups=tuple(sorted(self.api_groups)),
            resources=tuple(sorted(self.resources)),
            names=tuple(sorted(self.names or ())),
        )

    def _covers_resource(self, asked: Access) -> bool:
        if not asked.subresource:
            return _holds(self.resources, asked.resource)
        whole, any_resource = f"{asked.resource}/{asked.subresource}", f"{_ANY}/{asked.subresource}"
        return not self.resources.isdisjoint((_ANY, whole, any_resource))


def _holds(values: frozenset[str], value: str) -> bool:
    return _ANY in values or value in values


class FileAccessReviews:
    """The port ``AccessReviews`` over rules; without rules it permits nothing."""

    def __init__(self, rules: tuple[AccessRule, ...] = ()) -> None:
        self._rules = rules

    def access(self, question: Access, *, deadline_s: float) -> Lookup[AccessAnswer]:  # noqa: ARG002
        """See ``ports.access.AccessReviews``."""
        for rule in self._rules:
            if rule.allows(question):
                return Found(AccessAnswer(True, f"allowed by {rule.where}"), "access rules")
        return _DENIED

    def rules(self, question: GrantedRules, *, deadline_s: float) -> Lookup[tuple[GrantedRule, ...]]:  # noqa: ARG002
        """See ``ports.access.GrantedRights``."""
        found = (rule for rule in self._rules if rule.is_for(question.user))
        here = (rule for rule in found if rule.namespaces is None or question.namespace in rule.namespaces)
        return Found(tuple(rule.granted() for rule in here), "access rules")

    def holders(self, question: Grantees, *, deadline_s: float) -> Lookup[AccessHolders]:  # noqa: ARG002
        """See ``ports.access.RightHolders``."""
        found = [rule for rule in self._rules if rule.covers(question.access)]
        users, groups = (frozenset().union(*(getattr(rule, key) for rule in found)) for key in ("users", "groups"))
        return Found(AccessHolders(users, groups), "access rules")


def load_access_rules(path: Path, documents: Documents | None = None) -> tuple[AccessRule, ...]:
    """Read a file of access rules, by default from disk.

    Raises:
        ConfigError: it cannot be read or is wrong; the text carries ``file:line: path: what``.
    """
    try:
        content = (documents or DiskDocuments()).read(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
    return read_access_rules(decode_utf8(content, str(path)), str(path))


def read_access_rules(text: str, name: str) -> tuple[AccessRule, ...]:
    """Read the text of a file of access rules; ``name`` is used in messages and reasons.

    Raises:
        InvalidPolicy: it is wrong; one line an error.
    """
    documents = read_source(text, name).documents
    if len(documents) != 1:
        raise InvalidPolicy(f"{name}:1: expected one document, got {len(documents)}")
    report = Report(name)
    fields = Fields(documents[0], "", report)
    if fields.text("kind") != "AccessRules":
        fields.error("kind", "expected AccessRules")
    rules = fields.each("rules", lambda rule: _read_rule(rule, name))
    fields.finish()
    report.check()
    return rules or ()


def _read_rule(fields: Fields, name: str) -> AccessRule:
    rule = AccessRule(
        where=f"{name} {fields.path}",
        users=frozenset(fields.texts("users") or ()),
        groups=frozenset(fields.texts("groups") or ()),
        verbs=_required(fields, "verbs"),
        api_groups=_required(fields, "apiGroups"),
        resources=_required(fields, "resources"),
        namespaces=_optional(fields, "namespaces"),
        names=_optional(fields, "resourceNames"),
    )
    if not rule.users and not rule.groups:
        fields.error("users", "a rule needs users or groups")
    return rule


def _required(fields: Fields, name: str) -> frozenset[str]:
    values = fields.texts(name)
    if not values:
        fields.error(name, "at least one is required")
    return frozenset(values or ())


def _optional(fields: Fields, name: str) -> frozenset[str] | None:
    values = fields.texts(name)
    return None if values is None else frozenset(values)


if TYPE_CHECKING:  # mypy checks each adapter against its port
    _: tuple[type[AccessReviews], type[GrantedRights], type[RightHolders]] = (
        FileAccessReviews,
        FileAccessReviews,
        FileAccessReviews,
    )
