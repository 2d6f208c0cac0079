"""The references: what the same server needs to answer nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
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


def _allow(review: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": review["apiVersion"],
        "kind": "AdmissionReview",
        "response": {"uid": review["request"]["uid"], "allowed": True},
    }
