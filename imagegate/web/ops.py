"""Pages for operators: probes, version and metrics."""

from __future__ import annotations

import platform
from typing import Any

from flask import Blueprint, Response, jsonify

from imagegate import __version__
from imagegate.web.metrics import CONTENT_TYPE, Metrics
from imagegate.web.readiness import OK, readiness
from imagegate.wiring.runtime import STORE, Runtime

KUBERNETES = "v1.32.0"
"""The Kubernetes version whose API conventions the image API follows."""


def ops(service: Runtime, metrics: Metrics) -> Blueprint:
    """The Flask blueprint of these pages."""
    pages = Blueprint("ops", __name__)

    @pages.get("/livez")
    @pages.get("/health/liveness")
    def livez() -> dict[str, Any]:
        return {"status": "ok"}

    @pages.get("/readyz")
    @pages.get("/health/readiness")
    def readyz() -> tuple[Response, int]:
        detail = readiness(service)
        store = detail["checks"].get(STORE, OK)
        metrics.store_read("" if store == OK else store)
        return jsonify(detail), 503 if detail["waitingFor"] else 200

    @pages.get("/version")
    def version() -> dict[str, Any]:
        return {
            "version": __version__,
            "policies": service.policies.current.version,
            "gitVersion": f"{KUBERNETES}+imagegate-{__version__}",  # kubectl derives from it which API to expect
            **dict(zip(("major", "minor"), KUBERNETES.removeprefix("v").split("."), strict=False)),
            "platform": f"{platform.system().lower()}/{platform.machine()}",
        }

    @pages.get("/metrics")
    def scrape() -> Response:
        service.recording.flush()
        metrics.store_read(service.store_trouble())
        if service.certificate is not None:
            metrics.serving.certificate(service.certificate)
        return Response(metrics.text(), content_type=CONTENT_TYPE)

    return pages
