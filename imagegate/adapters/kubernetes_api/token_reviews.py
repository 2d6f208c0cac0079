"""Users of bearer tokens, as the cluster's own authenticator sees them: TokenReviews."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from imagegate.adapters.kubernetes_api.connection import ApiError, Connection
from imagegate.caching import TimedCache
from imagegate.core.admission.lookup import Absent, Found, Lookup, Unknown
from imagegate.core.admission.request import User
from imagegate.ports.access import TokenReviews

PATH = "/apis/authentication.k8s.io/v1/tokenreviews"
SOURCE = "cluster"
CACHED_MAX = 4096
TOKEN_MAX_LENGTH = 64 * 1024


class ClusterTokenReviews:
    """``ports.access.TokenReviews``. Users are cached for ``ttl_s`` seconds, refusals and failures are not."""

    def __init__(self, connection: Callable[[], Connection], *, ttl_s: float) -> None:
        self._connection = connection
        self._ttl_s = ttl_s
        self._users: TimedCache[bytes, User] = TimedCache(CACHED_MAX)

    def user(self, token: str, *, deadline_s: float) -> Lookup[User]:
        """Ask the API server. A review without a clear yes, or without a name, is a no."""
        if not token or len(token) > TOKEN_MAX_LENGTH:
            return Absent("the bearer token is empty or too long")
        key = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        cached = self._users.get(key)
        if cached is not None:
            return Found(cached, SOURCE)
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
        try:
            review = self._connection().post(PATH, body, deadline_s=deadline_s)
        except ApiError as error:
            return Unknown(f"the bearer token could not be checked: {error}")
        status = review.get("status")
        if not isinstance(status, dict) or status.get("error"):
            return Absent("the API server does not accept the bearer token")
        user = _user(status.get("user")) if status.get("authenticated") is True else None
        if user is None:
            return Absent("the API server does not accept the bearer token")
        self._users.put(key, user, ttl_s=self._ttl_s)
        return Found(user, SOURCE)


def _user(found: Any) -> User | None:
    """The user of a review; None if one of its fields is not of the API's form, which must not grant more."""
    if not isinstance(found, dict) or not isinstance(found.get("username"), str) or not found["username"]:
        return None
    uid, groups, extra = found.get("uid") or "", found.get("groups") or [], found.get("extra") or {}
    if not isinstance(uid, str) or not _is_texts(groups) or not isinstance(extra, dict):
        return None
    if not all(_is_texts(values) for values in extra.values()):
        return None
    kept = tuple((key, tuple(values)) for key, values in sorted(extra.items()))
    return User(found["username"], uid, tuple(groups), kept)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


if TYPE_CHECKING:  # mypy checks each adapter against its port
    _: type[TokenReviews] = ClusterTokenReviews
