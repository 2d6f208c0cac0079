"""Where the event loop runs each kind of request, and when it refuses a body."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any

import pytest

from imagegate.core.admission.decision import Decision
from imagegate.core.admission.plugin import Answers
from imagegate.core.admission.request import AdmissionRequest
from imagegate.service.review.lookups import Deadline, Wait
from imagegate.web.admission import AdmissionEndpoints
from imagegate.web.asgi import IN_LOOP_BYTES, AsgiApplication, _wait_for
from tests.service.plugins import Told, review, reviewer

BODY = json.dumps(review()).encode()


class Served:
    """An application that notes the thread of each call, and one request to it."""

    def __init__(self, *, body_max_bytes: int = 2**20) -> None:
        self.threads: list[str] = []
        plugin = Told("image-policy", self._decide)
        self._wsgi = AdmissionEndpoints(reviewer(plugin), self._other, body_max_bytes=body_max_bytes)

    def _decide(self, _request: AdmissionRequest, _answers: Answers) -> Decision:
        self.threads.append(threading.current_thread().name.rpartition("_")[0])
        return Decision(plugin="image-policy")

    def _other(self, _environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.threads.append(threading.current_thread().name.rpartition("_")[0])
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    def ask(
        self, path: str, *pieces: bytes, method: str = "POST", headers: Iterable[tuple[bytes, bytes]] = ()
    ) -> tuple[int, dict[bytes, bytes], bytes]:
        sent: list[dict[str, Any]] = []
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": b"",
            "http_version": "1.1",
            "scheme": "http",
            "headers": [(b"content-type", b"application/json"), *headers],
        }

        async def run() -> None:
            waiting = list(pieces) or [b""]

            async def receive() -> dict[str, Any]:
                piece = waiting.pop(0)
                return {"type": "http.request", "body": piece, "more_body": bool(waiting)}

            async def send(message: dict[str, Any]) -> None:
                sent.append(message)

            application = AsgiApplication(self._wsgi, threads=1)
            try:
                await application(scope, receive, send)
            finally:
                application.close()

        asyncio.run(run())
        start, *bodies = sent
        return start["status"], dict(start["headers"]), b"".join(each["body"] for each in bodies)


@pytest.mark.parametrize(
    "path, body, thread",
    [
        ("/mutate", BODY, ""),
        ("/mutate", BODY.ljust(IN_LOOP_BYTES), ""),
        ("/mutate", BODY.ljust(IN_LOOP_BYTES + 1), "large-reviews"),
        ("/readyz", b"", "requests"),
        ("/console/", b"", "requests"),
    ],
)
def test_each_kind_of_request_has_its_place(path: str, body: bytes, thread: str) -> None:
    served = Served()
    status, _, _ = served.ask(path, body)
    assert (status, served.threads) == (200, [thread])


def test_a_body_in_pieces_is_put_together() -> None:
    status, headers, answer = Served().ask("/mutate", BODY[:100], b"", BODY[100:])
    assert (status, json.loads(answer)["response"]["allowed"]) == (200, True)
    assert headers[b"content-length"] == b"%d" % len(answer)
    assert b"connection" not in headers


@pytest.mark.parametrize("path", ["/mutate", "/console/"])
@pytest.mark.parametrize(
    "pieces, headers",
    [
        ([b"x" * 2000], []),
        ([b"x" * 600] * 3, []),
        ([], [(b"content-length", b"2000")]),
        ([], [(b"content-length", b"9" * 30)]),
    ],
    ids=["one piece", "pieces", "announced", "announced with many digits"],
)
def test_a_body_that_is_too_large_is_a_413_and_ends_the_connection(
    path: str, pieces: list[bytes], headers: list[tuple[bytes, bytes]]
) -> None:
    served = Served(body_max_bytes=1000)
    status, answered, _ = served.ask(path, *pieces, headers=headers)
    assert (status, answered[b"connection"], served.threads) == (413, b"close", [])


def test_a_review_that_is_not_sent_as_one_is_refused() -> None:
    assert Served().ask("/mutate", BODY, method="PUT")[0] == 405
    assert Served().ask("/mutate", BODY, headers=[(b"content-encoding", b"gzip")])[0] == 415


def test_waiting_ends_with_the_last_look_up_or_the_deadline_and_cancels_nothing() -> None:
    async def run() -> None:
        done: Future[int] = Future()
        never: Future[int] = Future()
        threading.Timer(0.02, done.set_result, (1,)).start()
        begun = time.monotonic()
        await _wait_for(Wait((done,), Deadline.after(5)))
        assert time.monotonic() - begun < 2
        await _wait_for(Wait((done, never), Deadline.after(0.05)))
        assert not never.cancelled()

    asyncio.run(run())
