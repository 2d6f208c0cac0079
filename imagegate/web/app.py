"""The WSGI application: the admission endpoints, and a Flask app for everything else."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Flask, jsonify
from werkzeug.exceptions import HTTPException

from imagegate import logs
from imagegate.errors import InvalidSettings
from imagegate.settings.sections import ServerSettings
from imagegate.web.admission import AdmissionEndpoints, StartResponse
from imagegate.web.console.pages import console
from imagegate.web.image_api.blueprint import image_api
from imagegate.web.image_api.identity import Identify, local_user
from imagegate.web.metrics import Metrics
from imagegate.web.ops import ops
from imagegate.web.streams import Places
from imagegate.wiring.runtime import Runtime, now

if TYPE_CHECKING:
    from imagegate.web.client_certificates import Callers
    from imagegate.web.tls import Certificates
    from imagegate.wiring.aggregation import Aggregation

EVENTS_WITHIN_S = 2.0
"""How long an ending process writes Events about denials."""


class Application(AdmissionEndpoints):
    """The application that servers call. Their hooks use ``service``; the event loop uses ``closed_early``."""

    def __init__(self, service: Runtime, metrics: Metrics) -> None:
        server = service.settings.server
        super().__init__(
            service.reviewer,
            create_app(service, metrics),
            body_max_bytes=server.body_max_bytes,
            callers=callers_of(server),
        )
        self.service = service
        self._metrics = metrics
        self.closed_early = metrics.serving.closed_early
        self._started_in = 0
        self._starting = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request of a WSGI server; the first one in a process starts what no hook of the server has."""
        if self._started_in != os.getpid():
            with self._starting:
                if self._started_in != os.getpid():
                    self.start_worker()
        return super().__call__(environ, start_response)

    def show_certificate(self, certificates: Certificates) -> None:
        """Report the serving certificate in ``/readyz`` and as a metric."""
        self.service.checks += certificates.checks()
        if self.service.aggregation is not None:
            certificates.trust_also(self.service.aggregation.authentication.client_cas)
        self.service.certificate = certificates

    def start_worker(self) -> None:
        """Start what runs beside the requests: following the policies, the log's thread, background imports.

        Once in every process that serves, after it was forked: threads do not survive a fork.
        """
        self._started_in = os.getpid()
        logs.write_in_thread(self._metrics.serving.lines_dropped)
        self.service.recording.start(self._metrics.serving.reviews_not_recorded)
        policies = self.service.policies
        policies.listen(lambda state: self._metrics.policies.show(policies.current, state))
        self._metrics.policies.show(policies.current, policies.state)
        cluster = self.service.cluster
        if cluster is not None:
            self._metrics.cluster.follow(cluster.watches, cluster.broken_policies)
        if self.service.images is not None:
            self._metrics.leases.follow(self.service.images.turn)
        if self.service.tracer is not None:
            self.service.tracer.start(self._metrics.traces.count)
        if self.service.denial_events is not None:
            self.service.denial_events.start(self._metrics.denial_events.count)
        self._metrics.start()
        self.service.start_worker(self._metrics.policies.watch)
        self.service.recent.start()
        if self.service.circuits is not None:
            self.service.circuits.listen(self._metrics.look_ups.circuit_changed)
        if self.service.images is not None:
            self.service.images.start_imports()

    def stop_worker(self) -> None:
        """End background work and write the last Events, in a process that has answered all that it had begun."""
        if self.service.images is not None:
            self.service.images.stop_imports()
        if self.service.denial_events is not None:
            self.service.denial_events.stop(within_s=EVENTS_WITHIN_S)


def callers_of(server: ServerSettings) -> Callers | None:
    """Clients that may send reviews; None: every client.

    Raises:
        ConfigError: their CA cannot be read, or names are given without it.
    """
    if server.client_ca_file:
        from imagegate.web.client_certificates import Callers, ClientAuthority  # imports cryptography: takes memory

        return Callers(ClientAuthority(Path(server.client_ca_file)), server.callers)
    if server.callers:
        raise InvalidSettings("server.callers: names of client certificates need their CA: set server.clientCAFile")
    return None


def create_app(service: Runtime, metrics: Metrics) -> Flask:
    """The Flask application for everything but reviews: probes, metrics, console, image API."""
    app = Flask("imagegate")
    app.config["MAX_CONTENT_LENGTH"] = service.settings.server.body_max_bytes
    app.register_blueprint(ops(service, metrics))
    places = Places()
    app.register_blueprint(console(service, places, metrics.decisions))
    if service.images is not None:
        images = service.images
        app.register_blueprint(
            image_api(
                images.api,
                now=now,
                identify=_identify(service.aggregation),
                stopping=images.is_stopping,
                places=places,
                is_aggregated=service.aggregation is not None,
            )
        )
    app.register_error_handler(HTTPException, _status)
    return app


def _identify(aggregation: Aggregation | None) -> Identify:
    if aggregation is None:
        return local_user
    from imagegate.web.image_api.delegated_identity import DelegatedUsers  # imports cryptography: takes memory

    authentication = aggregation.authentication
    return DelegatedUsers(lambda: authentication.current, aggregation.tokens)


def _status(error: HTTPException) -> tuple[Any, int]:
    """Flask's errors as a Kubernetes Status, so that kubectl shows the message."""
    code = error.code or 500
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code}
    return jsonify({**status, "reason": (error.name or "").replace(" ", ""), "message": error.description}), code
