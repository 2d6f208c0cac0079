"""The WSGI callable by itself: what gunicorn hands it, and what nobody should."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.core.admission.decision import Decision
from imagegate.core.admission.plugin import Answers
from imagegate.core.admission.request import AdmissionRequest, Phase
from imagegate.service.review.lookups import Steps
from imagegate.service.review.reviewer import Reviewer
from imagegate.web.admission import BODY_MAX_BYTES, ENDPOINTS, AdmissionEndpoints, timeout_s
from tests.service.plugins import Told, allowing, denying, failing, review, reviewer


def nothing_here(_environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("404 Not Found", [])
    return [b"{}"]


class Client:
    def __init__(self, service: Reviewer, *, body_max_bytes: int = BODY_MAX_BYTES) -> None:
        self._app = AdmissionEndpoints(service, nothing_here, body_max_bytes=body_max_bytes)

    def __call__(self, body: bytes, path: str = "/mutate", **environ: Any) -> tuple[int, Any]:
        """Status and decoded body; ``environ`` replaces what a server would say, None takes it away."""
        given = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": path,
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(body)),
            "QUERY_STRING": "",
            "wsgi.input": io.BytesIO(body),
            **environ,
        }
        started: list[tuple[str, list[tuple[str, str]]]] = []
        environment = {key: value for key, value in given.items() if value is not None}
        content = b"".join(self._app(environment, lambda status, headers: started.append((status, headers))))
        ((status, headers),) = started
        if status != "404 Not Found":
            assert dict(headers)["Content-Length"] == str(len(content))
        return int(status[:3]), json.loads(content)


ALLOWING = Client(reviewer(allowing()))
BODY = json.dumps(review()).encode()


@pytest.mark.parametrize("path", ENDPOINTS)
def test_every_endpoint_answers_for_its_own_plugins(path: str) -> None:
    asked: list[tuple[str, Phase]] = []

    def told(name: str) -> Told:
        def decide(request: AdmissionRequest, _answers: Answers) -> Decision:
            asked.append((name, request.phase))
            return Decision(plugin=name)

        return Told(name, decide)

    names = (
        "image-policy",
        "cise",
        "always-pull",
        "import-gate",
        "cise-admit",
        "cise-trust",
        "cise-va",
        "policy-guard",
    )
    status, answer = Client(reviewer(*map(told, names)))(BODY, path)
    assert (status, answer["response"]["allowed"]) == (200, True)
    endpoint = ENDPOINTS[path]
    assert asked == [(name, endpoint.phase) for name in names if endpoint.plugins is None or name in endpoint.plugins]


def test_other_paths_are_handed_on() -> None:
    assert ALLOWING(BODY, "/mutate/")[0] == 404
    assert ALLOWING(BODY, "/livez")[0] == 404


def test_a_denial_is_a_200() -> None:
    status, answer = Client(reviewer(denying("image-policy", "no")))(BODY)
    assert (status, answer["response"]["allowed"]) == (200, False)


def test_a_failure_is_a_200_that_denies_with_the_uid() -> None:
    status, answer = Client(reviewer(failing()))(BODY)
    assert (status, answer["response"]["uid"], answer["response"]["allowed"]) == (200, "u-1", False)


@pytest.mark.parametrize("warning", ["\ud800", "fine"])
def test_an_answer_that_cannot_be_written_is_a_denial(warning: str) -> None:
    status, answer = Client(reviewer(allowing(warnings=(warning,))))(BODY)
    assert status == 200
    assert answer["response"]["uid"] == "u-1"
    assert answer["response"]["allowed"] is (warning == "fine")


def test_a_body_without_a_length_is_read_only_where_the_server_ends_it() -> None:
    ended: dict[str, Any] = {"CONTENT_LENGTH": None, "wsgi.input_terminated": True}
    assert ALLOWING(BODY, **ended)[0] == 200
    assert ALLOWING(BODY, CONTENT_LENGTH=None)[0] == 400
    assert ALLOWING(b" " * (BODY_MAX_BYTES + 1), **ended)[0] == 413


class Endless(io.RawIOBase):
    """A body that would never end."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def read(self, size: int = -1) -> bytes:
        assert 0 <= size <= BODY_MAX_BYTES + 1
        self.asked.append(size)
        return b" " * size


def test_an_endless_body_is_read_to_the_limit_only() -> None:
    body = Endless()
    endless: dict[str, Any] = {"CONTENT_LENGTH": None, "wsgi.input": body, "wsgi.input_terminated": True}
    status, _ = ALLOWING(b"", **endless)
    assert status == 413
    assert body.asked == [BODY_MAX_BYTES + 1]


def test_a_body_shorter_than_announced_is_no_review() -> None:
    status, answer = ALLOWING(BODY, CONTENT_LENGTH=str(len(BODY) + 7))
    assert status == 400
    assert answer["message"] == f"the body ended after {len(BODY)} of {len(BODY) + 7} bytes"


@pytest.mark.parametrize("length", ["-1", "+1", "1.0", "x", "٣", " 1"])
def test_a_length_that_is_none_is_a_400(length: str) -> None:
    assert ALLOWING(BODY, CONTENT_LENGTH=length)[0] == 400


@pytest.mark.parametrize("length", [str(BODY_MAX_BYTES + 1), "9" * 5000])
def test_a_length_beyond_the_limit_is_a_413(length: str) -> None:
    assert ALLOWING(BODY, CONTENT_LENGTH=length)[0] == 413


@pytest.mark.parametrize(
    "query, seconds",
    [
        ("timeout=10s", 10),
        ("timeout=500ms", 0.5),
        ("timeout=1m30s", 30),
        ("a=b&timeout=2.5s", 2.5),
        ("timeout=1s500ms", 1.5),
        ("timeout=.5s", 0.5),
        ("", None),
        ("timeout=", None),
        ("timeout=10", None),
        ("timeout=0s", None),
        ("timeout=-5s", None),
        ("timeout=1e9s", None),
        ("timeout=9999999h", 30),
        ("timeout=nans", None),
        (f"timeout={'9' * 2000}s", None),
    ],
)
def test_the_api_servers_patience(query: str, seconds: float | None) -> None:
    assert timeout_s(query) == seconds


def test_the_patience_reaches_the_look_ups() -> None:
    given: list[float | None] = []

    class Noting(Reviewer):
        is_traced = False

        def __init__(self) -> None:
            pass

        def review_in_steps(
            self,
            document: object,
            phase: Phase,
            plugins: object = None,
            timeout_s: float | None = None,
            arrived: float | None = None,
            traceparent: str = "",
        ) -> Steps[dict[str, Any]]:
            given.append(timeout_s)
            yield from ()
            return {}

    client = Client(Noting())
    client(BODY, QUERY_STRING="timeout=3s")
    client(BODY)
    assert given == [3, None]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
PLACES = st.sampled_from(
    ["uid", "kind", "resource", "operation", "namespace", "userInfo", "object", "oldObject", "name"]
)


@given(st.binary(max_size=200))
def test_any_bytes_get_a_valid_answer(body: bytes) -> None:
    status, answer = ALLOWING(body)
    assert status == 400
    assert answer["kind"] == "Status"


@given(st.dictionaries(PLACES, JSON, min_size=1, max_size=3))
def test_any_review_gets_a_valid_answer(changes: dict[str, Any]) -> None:
    document = review()
    document["request"].update(changes)
    status, answer = ALLOWING(json.dumps(document).encode())
    if status == 200:
        assert answer["response"]["uid"] == document["request"]["uid"]
        assert isinstance(answer["response"]["allowed"], bool)
    else:
        assert (status, answer["kind"]) == (400, "Status")
        assert answer["message"]


def test_the_largest_body_is_a_setting() -> None:
    exact = Client(reviewer(allowing()), body_max_bytes=len(BODY))
    assert exact(BODY)[0] == 200
    status, answer = exact(BODY + b" ")
    assert (status, answer["message"]) == (413, f"the body is larger than {len(BODY)} bytes")


def test_memory_that_runs_out_is_a_denial_with_the_uid_or_no_answer() -> None:
    class Full(Reviewer):
        is_traced = False

        def __init__(self) -> None:
            pass

        def review_in_steps(self, *_: object) -> Steps[dict[str, Any]]:
            yield from ()
            raise MemoryError

    client = Client(Full())
    status, answer = client(BODY)
    assert status == 200
    assert (answer["response"]["uid"], answer["response"]["allowed"]) == (review()["request"]["uid"], False)
    assert answer["response"]["status"]["code"] == 500
    status, answer = client(b'{"request": {"object": {"uid": "of something else"}}}')
    assert (status, answer["kind"]) == (503, "Status")
