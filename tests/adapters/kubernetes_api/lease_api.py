"""An API server that holds one Lease, with a clock that tests set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from imagegate.adapters.kubernetes_api.lease import Lease
from tests.adapters.kubernetes_api.api import MisbehavingApi, status
from tests.support.simulator import Request, Response


class LeaseApi(MisbehavingApi):
    """Refuses writes of another version, as the real one does."""

    def __init__(self) -> None:
        super().__init__()
        self.lease: Any = None
        self.fails: Response | None = None
        self.writes_answered: dict[str, Any] | None = None
        """Answer to writes, in place of what is stored."""
        self.takes_s = 0.0
        """How far the clock goes on with each request."""
        self.hangs_s = 0.0
        self.now = 0.0
        self._version = 0

    def answer(self, request: Request) -> Response:
        self.now += self.takes_s
        self.stopping.wait(self.hangs_s)
        if self.fails is not None:
            return self.fails
        if request.method == "GET":
            return status(404, "not found") if self.lease is None else self._stored()
        given = json.loads(request.body)
        if given["kind"] == "SelfSubjectReview":
            return status(403, "forbidden")
        version = given["metadata"].get("resourceVersion", "")
        if version != (self.lease["metadata"]["resourceVersion"] if self.lease else ""):
            return status(409, "the object has been modified")
        if self.writes_answered is not None:
            return Response(200, json.dumps(self.writes_answered).encode())
        self.put(given)
        return self._stored()

    def put(self, lease: dict[str, Any]) -> None:
        """Store it as another version, whatever it is."""
        self._version += 1
        self.lease = {**lease, "metadata": {**lease.get("metadata", {}), "resourceVersion": str(self._version)}}

    def _stored(self) -> Response:
        return Response(200, json.dumps(self.lease).encode())

    def replica(self, name: str, directory: Path, *, at_once: bool = False) -> Lease:
        """One that asks for the Lease."""
        connection = self.connection(directory)
        return Lease(lambda: connection, "here", "x", name, duration_s=15, at_once=at_once, clock=lambda: self.now)
