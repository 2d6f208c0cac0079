"""imagegate's event-loop worker with an ASGI application of its own instead of imagegate's."""

from __future__ import annotations

from imagegate.web.connections import Connections
from imagegate.web.event_loop import EventLoopWorker, LoopServer


class NoopWorker(EventLoopWorker):
    """Serves what gunicorn loaded as it is: the same loop, parser, limits and connections, and nothing behind them."""

    async def _serve(self) -> None:
        self.config.app = self.wsgi
        await LoopServer(self, Connections(self.options.limits)).serve(sockets=self.sockets)
