"""Connections to every worker of a service, to ask each of them."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.service import Service

ATTEMPTS = 400


class Asked:
    """One worker, asked over a connection of its own."""

    def __init__(self, connection: http.client.HTTPConnection, pid: int) -> None:
        self._connection = connection
        self.pid = pid

    def review(self, review: dict[str, Any], path: str = "/admit") -> dict[str, Any]:
        """The ``response`` of a review."""
        self._connection.request("POST", path, json.dumps(review), {"Content-Type": "application/json"})
        found: dict[str, Any] = json.loads(self._connection.getresponse().read())["response"]
        return found

    def get(self, path: str) -> Any:
        """A JSON page."""
        self._connection.request("GET", path)
        return json.loads(self._connection.getresponse().read())


@contextlib.contextmanager
def every_worker(service: Service) -> Iterator[list[Asked]]:
    """A connection to each worker."""
    found: dict[int, Asked] = {}
    with contextlib.ExitStack() as stack:
        workers = service.workers()
        for _ in range(ATTEMPTS):
            connection = service.connection()
            stack.callback(connection.close)
            connection.request("GET", "/livez")
            connection.getresponse().read()
            pid = _server_side(service, connection)
            if pid in workers and pid not in found:
                found[pid] = Asked(connection, pid)
            else:
                connection.close()
            if found.keys() == workers:
                break
        assert found.keys() == workers, f"only {sorted(found)} of {sorted(workers)} were reached"
        yield list(found.values())


def _server_side(service: Service, connection: http.client.HTTPConnection) -> int:
    """The process that has the other end of a connection; 0 if none has."""
    own = connection.sock.getsockname()[1]
    ends = (f":{service.running.port:04X}", f":{own:04X}")
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if (fields[1][-5:], fields[2][-5:]) == ends:
            return next((pid for pid in service.workers() if _has_socket(pid, fields[9])), 0)
    return 0


def _has_socket(pid: int, inode: str) -> bool:
    folder = Path(f"/proc/{pid}/fd")
    for each in folder.iterdir():
        with contextlib.suppress(OSError):
            if str(each.readlink()) == f"socket:[{inode}]":
                return True
    return False
