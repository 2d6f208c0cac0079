"""gunicorn's ``gthread`` worker, except that no thread waits for a request that has not begun.

Under load Go's HTTP client, and so the API server, dials a connection and then takes whichever is free first: some stay
unused. gunicorn reads from a connection as soon as its TLS handshake is done, so 16 unused ones would hold all 16
threads until they are closed. Here they wait where kept-alive connections do.
"""

from __future__ import annotations

import logging
import select
import ssl
from typing import Any

from gunicorn.workers import gthread

_log = logging.getLogger("imagegate.server")


class ThreadWorker(gthread.ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """See the module."""

    def handle(self, conn: Any) -> Any:
        """Handle one request, or the handshake before it; runs in a thread."""
        if not conn.initialized:
            if not _has_input(conn.sock):
                return gthread._DEFER
            conn.data_ready = True  # so that gunicorn does not wait for it again
            if self.cfg.is_ssl:
                try:
                    conn.init()
                except (OSError, ssl.SSLError) as error:
                    _log.debug("no connection: %s", error)
                    return False
                if not _has_input(conn.sock):
                    return gthread._DEFER
        return super().handle(conn)


def _has_input(sock: Any) -> bool:
    """Whether bytes can be read now, decrypted or not, or the client has gone."""
    if isinstance(sock, ssl.SSLSocket) and sock.pending():
        return True
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
