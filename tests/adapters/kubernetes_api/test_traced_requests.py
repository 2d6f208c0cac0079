"""Requests to the API server as steps of a traced review."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagegate.adapters.kubernetes_api.connection import ApiError
from imagegate.ports.tracing import within
from tests.adapters.kubernetes_api.api import MisbehavingApi, page, status
from tests.service.review.test_spans import Kept


def test_the_api_server_is_told_the_trace_of_a_request_that_belongs_to_one(tmp_path: Path) -> None:
    spans: list[Kept] = []
    look_up = Kept("look up", None, spans, {})
    with MisbehavingApi() as api:
        api.lists = [page(), status(403, "forbidden")]
        connection = api.connection(tmp_path)
        connection.get("/api/v1/pods", deadline_s=5)
        with within(look_up), pytest.raises(ApiError):
            connection.get("/api/v1/pods", deadline_s=5)
        untold, told = api.requests
    assert "traceparent" not in untold.headers
    (_, request) = spans
    assert told.headers["traceparent"] == request.traceparent
    assert (request.name, request.parent, request.failed, request.ended) == ("GET", look_up, "ApiError", 1)
    assert request.attributes["imagegate.server"] == "kubernetes"
    assert request.attributes["server.address"] == "127.0.0.1"
    assert "secret" not in repr(request.attributes)
