"""Rights of users, as the cluster's own authorizer sees them: SubjectAccessReviews."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from imagegate.adapters.kubernetes_api.connection import ApiError, Connection
from imagegate.caching import TimedCache
from imagegate.core.admission.access_review import Access, AccessAnswer, PathAccess
from imagegate.core.admission.lookup import Found, Lookup, Unknown
from imagegate.ports.access import AccessReviews

PATH = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
SOURCE = "cluster"
CACHED_MAX = 4096


class ClusterAccessReviews:
    """``ports.access.AccessReviews``. Answers are cached for ``ttl_s`` seconds, failures are not."""

    def __init__(self, connection: Callable[[], Connection], *, ttl_s: float) -> None:
        self._connection = connection
        self._ttl_s = ttl_s
        self._answers: TimedCache[Access | PathAccess, AccessAnswer] = TimedCache(CACHED_MAX)

    def cached(self, question: Access | PathAccess) -> Lookup[AccessAnswer] | None:
        """The answer, if it was given lately."""
        found = self._answers.get(question)
        return None if found is None else Found(found, SOURCE)

    def access(self, question: Access | PathAccess, *, deadline_s: float) -> Lookup[AccessAnswer]:
        """Ask the API server. An answer without a clear yes is a no."""
        cached = self.cached(question)
        if cached is not None:
            return cached
        try:
            review = self._connection().post(PATH, _review(question), deadline_s=deadline_s)
        except ApiError as error:
            return Unknown(f"the rights of user {question.user.name!r} could not be looked up: {error}")
        status = review.get("status")
        if not isinstance(status, dict):
            return Unknown(f"the rights of user {question.user.name!r} could not be looked up: a review has no status")
        answer = AccessAnswer(
            allowed=status.get("allowed") is True and status.get("denied") is not True,
            reason=_text(status.get("reason")),
            evaluation_error=_text(status.get("evaluationError")),
        )
        self._answers.put(question, answer, ttl_s=self._ttl_s)
        return Found(answer, SOURCE)


def _review(question: Access | PathAccess) -> dict[str, Any]:
    user = question.user
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": user.name,
            "uid": user.uid,
            "groups": list(user.groups),
            "extra": {key: list(texts) for key, texts in user.extra},
            **_attributes(question),
        },
    }


def _attributes(question: Access | PathAccess) -> dict[str, Any]:
    if isinstance(question, PathAccess):
        return {"nonResourceAttributes": {"verb": question.verb, "path": question.path}}
    attributes = {
        "namespace": question.namespace,
        "verb": question.verb,
        "group": question.group,
        "resource": question.resource,
        "subresource": question.subresource,
        "name": question.name,
    }
    return {"resourceAttributes": {key: value for key, value in attributes.items() if value}}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


if TYPE_CHECKING:  # mypy checks each adapter against its port
    _: type[AccessReviews] = ClusterAccessReviews
