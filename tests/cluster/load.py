"""Pods created without being stored, half of them forbidden, by several clients at once; and what became of them."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.cluster.webhooks import Hooked

CLIENTS = 8


class Load:
    """Counts answers to pods with an allowed and with a forbidden image, while it runs.

    Args:
        images: one that is allowed, and one that is forbidden.
    """

    def __init__(self, hooked: Hooked, images: tuple[str, str]) -> None:
        self._hooked = hooked
        self._bodies = [json.dumps(_pod(image)) for image in images]
        self._ends = threading.Event()
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        """``allowed``, ``denied``, ``wrongly allowed``, and ``failed``: no verdict."""
        self.failures: set[str] = set()
        """What was said where there was no verdict."""

    @contextlib.contextmanager
    def running(self) -> Iterator[Load]:
        """Until the block is left, and every request of it is answered."""
        threads = [threading.Thread(target=self._ask) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._ends.set()
            for thread in threads:
                thread.join()

    def _ask(self) -> None:
        plane = self._hooked.plane
        path = f"/api/v1/namespaces/{self._hooked.namespace}/pods?dryRun=All"
        connection = http.client.HTTPSConnection(
            "127.0.0.1", plane.api_server.port, timeout=30, context=plane.context()
        )
        with contextlib.closing(connection):
            for number in range(1_000_000):
                if self._ends.is_set():
                    return
                connection.request("POST", path, self._bodies[number % 2], {"Content-Type": "application/json"})
                answer = connection.getresponse()
                self._count(answer.status, answer.read(), is_forbidden=number % 2 == 1)

    def _count(self, status: int, content: bytes, *, is_forbidden: bool) -> None:
        document = json.loads(content)
        if status == 201:
            word = "wrongly allowed" if is_forbidden else "allowed"
        elif is_forbidden and "prohibited by policy" in document["message"]:
            word = "denied"
        else:
            word = "failed"
        with self._lock:
            self.counts[word] += 1
            if word == "failed":
                self.failures.add(document["message"])


def _pod(image: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "load-"},
        "spec": {"containers": [{"name": "a", "image": image}]},
    }
