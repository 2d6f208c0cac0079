"""Access reviews: the question that an API server answers with a SubjectAccessReview."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from imagegate.core.admission.lookup import Absent, Found, Lookup
from imagegate.core.admission.plugin import Question
from imagegate.core.admission.request import User


@dataclass(frozen=True, slots=True)
class Access(Question):
    """Access of ``user`` to ``verb`` ``resource.group``. The answer is ``Found(AccessAnswer)`` or ``Unknown``.

    An empty ``namespace`` means the whole cluster, an empty ``name`` every object of the kind.
    """

    user: User
    verb: str
    group: str
    resource: str
    subresource: str = ""
    namespace: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class PathAccess(Question):
    """Access of ``user`` to a path that is no resource, such as ``/apis``; ``verb`` is the method in lower case.

    The answer is that of ``Access``.
    """

    user: User
    verb: str
    path: str


@dataclass(frozen=True, slots=True)
class GrantedRules(Question):
    """All that ``user`` may do in a namespace. The answer is ``Found(tuple[GrantedRule, ...])`` or ``Unknown``."""

    user: User
    namespace: str


@dataclass(frozen=True, slots=True)
class Grantees(Question):
    """Holders of the right ``access`` (its user is ignored): answered with ``Found(AccessHolders)`` or ``Unknown``."""

    access: Access


AccessQuestion: TypeAlias = Access | PathAccess | GrantedRules | Grantees


@dataclass(frozen=True, slots=True)
class GrantedRule:
    """One rule of a SelfSubjectRulesReview: ``*`` stands for everything; no ``names``: every object."""

    verbs: tuple[str, ...]
    api_groups: tuple[str, ...]
    resources: tuple[str, ...]
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AccessHolders:
    """Users and groups that have a right."""

    users: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class AccessAnswer:
    """The status of a SubjectAccessReview."""

    allowed: bool
    reason: str = ""
    evaluation_error: str = ""


def is_granted(answer: Lookup[AccessAnswer] | None) -> bool:
    """True if the answer certainly grants access."""
    return isinstance(answer, Found) and answer.value.allowed


def refusal(answer: Lookup[AccessAnswer] | None) -> AccessAnswer:
    """The answer as a refusal to show; a failed look-up becomes an evaluation error."""
    if isinstance(answer, Found):
        return answer.value
    if isinstance(answer, Absent):
        return AccessAnswer(False, answer.why)
    return AccessAnswer(False, evaluation_error=answer.why if answer is not None else "not looked up")
