"""An API server that misbehaves as told; the real one is in tests/cluster."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from imagegate.adapters.kubernetes_api.connection import Connection, Credentials
from tests.support.simulator import Request, Response, Simulator

Answer = Callable[[Request], Response]


def namespace(name: str, version: int, **annotations: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, "resourceVersion": str(version), "managedFields": [{"manager": "x"}]}
    return {"metadata": metadata | ({"annotations": annotations} if annotations else {}), "status": {"phase": "Active"}}


def page(*items: dict[str, Any], version: int = 1, more: str = "") -> Response:
    metadata = {"resourceVersion": str(version), **({"continue": more} if more else {})}
    return Response(200, json.dumps({"kind": "NamespaceList", "metadata": metadata, "items": list(items)}).encode())


def event(kind: str, found: dict[str, Any]) -> bytes:
    return json.dumps({"type": kind, "object": found}).encode() + b"\n"


def status(code: int, message: str) -> Response:
    return Response(code, json.dumps({"kind": "Status", "code": code, "message": message}).encode())


class MisbehavingApi(Simulator):
    """Answers lists and watches in turn from what it was told; the last answer of each is repeated."""

    def __init__(self) -> None:
        super().__init__()
        self.lists: list[Response] = []
        self.watches: list[Response | Iterable[bytes]] = []

    def answer(self, request: Request) -> Response:
        given: list[Any] = self.watches if "watch" in request.query else self.lists
        found = given.pop(0) if len(given) > 1 else given[0]
        return found if isinstance(found, Response) else Response(200, found)

    def held_open(self, *lines: bytes) -> Iterator[bytes]:
        """A watch with these lines that then stays open."""
        yield from lines
        while not self.stopping.wait(0.05):
            yield b"\n"

    def asked(self, what: str) -> list[dict[str, list[str]]]:
        """The queries of all lists or watches so far, without those that only ask for the version."""
        found = [each.query for each in list(self.requests) if ("watch" in each.query) is (what == "watch")]
        return [query for query in found if query.get("limit") != ["1"]]

    def connection(self, directory: Path) -> Connection:
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": self.url}}],
            "users": [{"name": "u", "user": {"token": "secret"}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        path = directory / "kubeconfig"
        path.write_text(yaml.safe_dump(document))
        return Connection(Credentials(str(path)))


class ObjectsApi(MisbehavingApi):
    """Lists and watches objects that tests change; 404 for any other path. Counts what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self._objects: dict[str, dict[tuple[str, str], dict[str, Any]]] = {}
        self._events: list[tuple[int, str, str, dict[str, Any]]] = []
        self._version = 1

    def serve(self, path: str, *objects: dict[str, Any]) -> None:
        """Answer ``path`` with these objects."""
        self._objects[path] = {}
        for found in objects:
            self.put(path, found)

    def put(self, path: str, found: dict[str, Any]) -> None:
        """Create or change an object."""
        key = _key(found)
        kind = "MODIFIED" if key in self._objects[path] else "ADDED"
        self._written(path, kind, found)
        self._objects[path][key] = found

    def remove(self, path: str, found: dict[str, Any]) -> None:
        """Delete an object."""
        self._written(path, "DELETED", self._objects[path].pop(_key(found)))

    def _written(self, path: str, kind: str, found: dict[str, Any]) -> None:
        self._version += 1
        versioned = {**found, "metadata": {**found["metadata"], "resourceVersion": str(self._version)}}
        self._events.append((self._version, path, kind, versioned))

    def answer(self, request: Request) -> Response:
        path = request.path
        if path == "/apis":
            return Response(200, json.dumps({"groups": [{"name": "apps"}]}).encode())
        collection, _, name = path.rpartition("/")
        if collection in self._objects:
            found = self._objects[collection].get(("", name))
            if found is None:
                return status(404, f'{collection.rpartition("/")[2]} "{name}" not found')
            return Response(200, json.dumps(found).encode())
        if path not in self._objects:
            return Response(404, b"404 page not found\n")
        if "watch" in request.query:
            return Response(200, self._lines(path, int(request.query["resourceVersion"][0])))
        first = int(request.query.get("continue", ["0"])[0])
        limit = int(request.query.get("limit", ["0"])[0]) or len(self._objects[path])
        items = list(self._objects[path].values())
        more = str(first + limit) if first + limit < len(items) else ""
        return page(*items[first : first + limit], version=self._version, more=more)

    def _lines(self, path: str, version: int) -> Iterator[bytes]:
        sent = 0
        while not self.stopping.wait(0.005):
            for number, of, kind, found in self._events[sent:]:
                if of == path and number > version:
                    yield event(kind, found)
            sent = len(self._events)
            yield b"\n"


def _key(found: dict[str, Any]) -> tuple[str, str]:
    metadata = found["metadata"]
    return metadata.get("namespace", ""), metadata["name"]
