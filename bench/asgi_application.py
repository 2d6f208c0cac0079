"""imagegate as an ASGI application for servers other than its own worker, for comparison (``bench.workers``)."""

from __future__ import annotations

from typing import Any

from imagegate.web.asgi import AsgiApplication
from imagegate.web.server import share_metrics


class Late:
    """The application, made when the first request comes: threads do not survive a fork."""

    def __init__(self) -> None:
        share_metrics()  # before the metrics are imported
        from imagegate.web.wsgi import application

        self._wsgi = application()
        self._asgi: AsgiApplication | None = None
        self.service = self._wsgi.service

    def start_worker(self) -> None:
        """Start what runs beside the requests."""
        self._wsgi.start_worker()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if self._asgi is None:
            self._asgi = AsgiApplication(self._wsgi)
        await self._asgi(scope, receive, send)


def for_granian() -> Late:
    """The application that granian calls in its worker."""
    application = Late()
    application.start_worker()
    return application
