"""Users of tokens as an API server names them, and answers that must not make anybody a user."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imagegate.adapters.kubernetes_api.token_reviews import TOKEN_MAX_LENGTH, ClusterTokenReviews
from imagegate.core.admission.lookup import Absent, Found, Unknown
from imagegate.core.admission.request import User
from tests.adapters.kubernetes_api.api import MisbehavingApi, status
from tests.support.simulator import Request, Response

ANN = {"username": "ann", "uid": "1", "groups": ["dev"], "extra": {"scopes": ["a", "b"]}}


class ReviewingApi(MisbehavingApi):
    """Gives one answer to every review."""

    given: Response

    def answer(self, request: Request) -> Response:
        return self.given

    def says(self, review_status: Any) -> None:
        self.given = Response(201, json.dumps({"kind": "TokenReview", "status": review_status}).encode())


@pytest.fixture
def api() -> Iterator[ReviewingApi]:
    with ReviewingApi() as found:
        yield found


@pytest.fixture
def reviews(api: ReviewingApi, tmp_path: Path) -> ClusterTokenReviews:
    connection = api.connection(tmp_path)
    return ClusterTokenReviews(lambda: connection, ttl_s=60)


def test_a_user_and_what_is_known_of_it(api: ReviewingApi, reviews: ClusterTokenReviews) -> None:
    api.says({"authenticated": True, "user": ANN})
    found = reviews.user("secret", deadline_s=5)
    assert found == Found(User("ann", "1", ("dev",), (("scopes", ("a", "b")),)), "cluster")
    [request] = api.requests
    assert json.loads(request.body)["spec"] == {"token": "secret"}


def test_users_are_cached_by_their_whole_token_and_refusals_are_not(
    api: ReviewingApi, reviews: ClusterTokenReviews
) -> None:
    api.says({"authenticated": True, "user": ANN})
    for _ in range(3):
        assert isinstance(reviews.user("secret", deadline_s=5), Found)
    assert len(api.requests) == 1
    api.says({"authenticated": False})
    for _ in range(2):
        assert isinstance(reviews.user("secret2", deadline_s=5), Absent)
    assert len(api.requests) == 3


@pytest.mark.parametrize(
    "said",
    [
        None,
        [],
        {},
        {"authenticated": False, "user": ANN},
        {"authenticated": "true", "user": ANN},
        {"authenticated": True},
        {"authenticated": True, "user": "ann"},
        {"authenticated": True, "user": {}},
        {"authenticated": True, "user": {"username": ""}},
        {"authenticated": True, "user": {"username": ["ann"]}},
        {"authenticated": True, "user": {**ANN, "groups": "system:masters"}},
        {"authenticated": True, "user": {**ANN, "groups": [1]}},
        {"authenticated": True, "user": {**ANN, "extra": {"scopes": "user:full"}}},
        {"authenticated": True, "user": {**ANN, "extra": [1]}},
        {"authenticated": True, "user": {**ANN, "uid": 1}},
        {"authenticated": True, "user": ANN, "error": "expired"},
    ],
)
def test_answers_that_make_nobody_a_user(api: ReviewingApi, reviews: ClusterTokenReviews, said: Any) -> None:
    api.says(said)
    assert isinstance(reviews.user("secret", deadline_s=5), Absent)


@pytest.mark.parametrize("given", [status(403, "no"), status(500, "oops"), Response(201, b"{"), Response(201, b"[]")])
def test_answers_that_are_none(api: ReviewingApi, reviews: ClusterTokenReviews, given: Response) -> None:
    api.given = given
    found = reviews.user("secret", deadline_s=5)
    assert isinstance(found, Unknown)
    assert "the bearer token could not be checked" in found.why


def test_an_api_server_that_is_away(tmp_path: Path) -> None:
    with ReviewingApi() as api:
        connection = api.connection(tmp_path)
    assert isinstance(ClusterTokenReviews(lambda: connection, ttl_s=60).user("secret", deadline_s=2), Unknown)


@pytest.mark.parametrize("token", ["", "x" * (TOKEN_MAX_LENGTH + 1)])
def test_tokens_that_are_not_sent_on(api: ReviewingApi, reviews: ClusterTokenReviews, token: str) -> None:
    assert isinstance(reviews.user(token, deadline_s=5), Absent)
    assert api.requests == []
