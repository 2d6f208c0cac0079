"""The references: what the same server needs to answer nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import orjson
from flask import Flask, Response, request


def wsgi_app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """A bare WSGI function that parses the review and allows it."""
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    answer = orjson.dumps(_allow(orjson.loads(body)))
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
    return (answer,)


def flask_app() -> Flask:
    """A Flask route that parses the review and allows it, written the way the documentation shows."""
    app = Flask("noop")

    @app.post("/mutate")
    def mutate() -> dict[str, Any]:
        return _allow(request.get_json())

    @app.post("/admit")
    def admit() -> Response | dict[str, Any]:
        return _allow(request.get_json())

    return app


async def asgi_app(
    _scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """A bare ASGI function that parses the review and allows it."""
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            break
    answer = orjson.dumps(_allow(orjson.loads(b"".join(parts))))
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


def _allow(review: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": review["apiVersion"],
        "kind": "AdmissionReview",
        "response": {"uid": review["request"]["uid"], "allowed": True},
    }
