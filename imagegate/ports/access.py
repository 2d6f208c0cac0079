"""Identities of callers, and rights of users."""

from __future__ import annotations

from typing import Protocol

from imagegate.core.admission.access_review import (
    Access,
    AccessAnswer,
    AccessHolders,
    GrantedRule,
    GrantedRules,
    Grantees,
)
from imagegate.core.admission.lookup import Lookup
from imagegate.core.admission.request import User


class AccessReviews(Protocol):
    """Access reviews: may a user do something. Safe for threads; never raises for errors outside."""

    def access(self, question: Access, *, deadline_s: float) -> Lookup[AccessAnswer]:
        """``Found`` with yes or no, or ``Unknown`` if the look-up fails within ``deadline_s`` seconds."""


class GrantedRights(Protocol):
    """All rights of a user in a namespace. Safe for threads; never raises for errors outside."""

    def rules(self, question: GrantedRules, *, deadline_s: float) -> Lookup[tuple[GrantedRule, ...]]:
        """``Found`` with the rules, or ``Unknown`` if the look-up fails within ``deadline_s`` seconds."""


class RightHolders(Protocol):
    """The users and groups that have a right. Safe for threads; never raises for errors outside."""

    def holders(self, question: Grantees, *, deadline_s: float) -> Lookup[AccessHolders]:
        """``Found`` with them, or ``Unknown`` if the look-up fails within ``deadline_s`` seconds."""


class TokenReviews(Protocol):
    """Users of bearer tokens. Safe for threads; never raises for errors outside."""

    def user(self, token: str, *, deadline_s: float) -> Lookup[User]:
        """The user; ``Absent`` if the token is not accepted, ``Unknown`` if it cannot be checked."""
