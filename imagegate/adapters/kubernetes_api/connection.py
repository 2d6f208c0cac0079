"""Requests to one Kubernetes API server, answered with JSON, each within a deadline and a size."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson
import urllib3
import yaml
from kubernetes import client, config
from kubernetes.config.config_exception import ConfigException

from imagegate import __version__
from imagegate.errors import ConfigError, ImagegateError
from imagegate.ports.tracing import Span, request_to

JsonObject = dict[str, Any]

USER_AGENT = f"imagegate/{__version__}"
CONNECT_S = 5.0
CONNECTIONS_MAX = 32
"""Kept open; each watch has one of its own."""
KEEP_ALIVE = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 25_000),
)
"""A host that is gone without a word is found out after 25 seconds."""
OBJECT_MAX_BYTES = 4 * 1024 * 1024
"""More than any object: etcd takes 1.5 MiB."""
PAGE_MAX_BYTES = 64 * 1024 * 1024
APPLY = "application/apply-patch+yaml"
_CHUNK = 64 * 1024


class ApiError(ImagegateError):
    """The API server did not give what was asked for. ``str()`` says why.

    Args:
        status: HTTP status; 0 if there was no answer.
    """

    def __init__(self, why: str, *, status: int = 0) -> None:
        super().__init__(why)
        self.status = status


class AnswerTooLarge(ApiError):
    """The answer is larger than what is read."""


class InvalidAccess(ConfigError):
    """The kubeconfig, or the pod's own service account, cannot be used."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """How to reach the API server."""

    kubeconfig: str = ""
    """Path; empty: the service account of the pod that this process runs in."""
    context: str = ""
    """Of the kubeconfig; empty: its current one."""


class Connection:
    """Sends requests. Safe for threads, but not over a fork: make one in each process.

    Raises:
        InvalidAccess: the credentials cannot be read.
    """

    def __init__(self, credentials: Credentials) -> None:
        chosen = client.Configuration()
        try:
            if credentials.kubeconfig:
                config.load_kube_config(  # type: ignore[no-untyped-call]
                    credentials.kubeconfig,
                    context=credentials.context or None,
                    client_configuration=chosen,
                    persist_config=False,
                )
            else:
                config.load_incluster_config(client_configuration=chosen)  # type: ignore[no-untyped-call]
        except (ConfigException, OSError, ValueError, yaml.YAMLError) as error:
            where = f"kubeconfig {credentials.kubeconfig}" if credentials.kubeconfig else "the pod's service account"
            why = str(error) if _exists(credentials.kubeconfig) else "no such file"
            raise InvalidAccess(f"the cluster cannot be reached with {where}: {why}") from error
        chosen.retries = 0  # who asks decides whether to ask again
        chosen.connection_pool_maxsize = CONNECTIONS_MAX
        chosen.socket_options = list(KEEP_ALIVE)
        server = urlsplit(str(chosen.host))
        self._place = (server.hostname or "", server.port)
        self._api = client.ApiClient(chosen)
        self._api.set_default_header("User-Agent", USER_AGENT)  # type: ignore[no-untyped-call]

    def get(self, path: str, *, deadline_s: float, query: Mapping[str, str] | None = None) -> JsonObject:
        """One object, or a page of a list.

        Raises:
            ApiError: see there.
        """
        most = OBJECT_MAX_BYTES if query is None else PAGE_MAX_BYTES
        return self._object("GET", path, query, None, deadline_s, most)

    def post(self, path: str, body: JsonObject, *, deadline_s: float) -> JsonObject:
        """The object that the API server makes of ``body``.

        Raises:
            ApiError: see there.
        """
        return self._object("POST", path, None, body, deadline_s, OBJECT_MAX_BYTES)

    def put(self, path: str, body: JsonObject, *, deadline_s: float) -> JsonObject:
        """The object that replaces the one at ``path``.

        Raises:
            ApiError: see there; 409, it is no longer the version that ``body`` names.
        """
        return self._object("PUT", path, None, body, deadline_s, OBJECT_MAX_BYTES)

    def patch(self, path: str, change: JsonObject | list[JsonObject], *, deadline_s: float) -> JsonObject:
        """The object after a JSON Merge Patch, or a JSON Patch if ``change`` is a list.

        Raises:
            ApiError: see there; 422, a ``test`` of the JSON Patch failed.
        """
        return self._object("PATCH", path, None, change, deadline_s, OBJECT_MAX_BYTES)

    def apply(
        self, path: str, body: JsonObject, *, manager: str, dry_run: bool = False, force: bool = True, deadline_s: float
    ) -> JsonObject:
        """The object at ``path`` after a server-side apply.

        Args:
            manager: owner of the fields in ``body``.
            dry_run: change nothing; the answer is what would be stored.
            force: take fields from other managers; else they are a conflict (409).

        Raises:
            ApiError: see there.
        """
        query = {"fieldManager": manager, "force": "true" if force else "false"}
        if dry_run:
            query["dryRun"] = "All"
        return self._object("PATCH", path, query, body, deadline_s, OBJECT_MAX_BYTES, content_type=APPLY)

    def delete(
        self, path: str, *, deadline_s: float, dry_run: bool = False, preconditions: Mapping[str, str] | None = None
    ) -> JsonObject:
        """Delete the object at ``path``; what it owns goes after it.

        Args:
            dry_run: change nothing.
            preconditions: ``uid`` and ``resourceVersion`` that the object must have.

        Raises:
            ApiError: see there; 404, it does not exist; 409, it is another one.
        """
        options: JsonObject = {"propagationPolicy": "Background"}
        if preconditions:
            options["preconditions"] = dict(preconditions)
        if dry_run:
            options["dryRun"] = ["All"]
        return self._object("DELETE", path, None, options, deadline_s, OBJECT_MAX_BYTES)

    @contextlib.contextmanager
    def stream(self, path: str, query: Mapping[str, str], *, silent_s: float) -> Iterator[Iterator[bytes]]:
        """The lines of a watch, for one block.

        Args:
            silent_s: seconds without a byte after which the stream counts as broken.

        Raises:
            ApiError: see there; also while lines are read.
        """
        with self._answer("GET", path, query, None, silent_s) as answer:
            yield _lines(answer)

    def _object(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: JsonObject | list[JsonObject] | None,
        deadline_s: float,
        most: int,
        *,
        content_type: str = "",
    ) -> JsonObject:
        until = time.monotonic() + deadline_s
        with (
            request_to(method, *self._place, {"imagegate.server": "kubernetes"}) as span,
            self._answer(method, path, query, body, deadline_s, content_type, span) as answer,
        ):
            content = _read(answer, most, until)
            if span is not None:
                span.set({"http.response.status_code": answer.status})
        return _decoded(content, path)

    @contextlib.contextmanager
    def _answer(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: JsonObject | list[JsonObject] | None,
        read_s: float,
        content_type: str = "",
        span: Span | None = None,
    ) -> Iterator[Any]:
        """A good answer whose body is not read yet."""
        try:
            prepared = self._api.param_serialize(
                method,
                path,
                query_params=list((query or {}).items()),
                header_params={
                    "Accept": "application/json",
                    "Content-Type": content_type or _content_type(method, body),
                    **({} if span is None else {"traceparent": span.traceparent}),
                },
                body=body,
                auth_settings=["BearerToken"],
            )
            timeout = (min(CONNECT_S, max(read_s, 0.001)), max(read_s, 0.001))
            answer = self._api.call_api(*prepared, _request_timeout=timeout).response
        except client.ApiException as error:
            raise ApiError(f"{error.reason or 'no answer'}", status=error.status or 0) from error
        except (urllib3.exceptions.HTTPError, OSError, ssl.SSLError) as error:
            raise ApiError(f"the API server cannot be reached: {_why(error)}") from error
        try:
            if not 200 <= answer.status < 300:
                raise ApiError(_refusal(answer), status=answer.status)
            yield answer
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ApiError(f"the API server's answer broke off: {_why(error)}") from error
        finally:
            answer.close()
            answer.release_conn()


def _content_type(method: str, body: JsonObject | list[JsonObject] | None) -> str:
    if method != "PATCH":
        return "application/json"
    return "application/json-patch+json" if isinstance(body, list) else "application/merge-patch+json"


def _lines(answer: Any) -> Iterator[bytes]:
    rest = bytearray()
    for piece in answer.stream(_CHUNK, decode_content=True):
        rest += piece
        *lines, last = rest.split(b"\n")
        rest = bytearray(last)
        if len(rest) > OBJECT_MAX_BYTES:
            raise ApiError(f"a line of a watch is longer than {OBJECT_MAX_BYTES} bytes")
        yield from (bytes(line) for line in lines if line)


def _read(answer: Any, most: int, until: float) -> bytes:
    content = bytearray()
    for piece in answer.stream(_CHUNK, decode_content=True):
        content += piece
        if len(content) > most:
            raise AnswerTooLarge(f"the API server's answer is larger than {most} bytes")
        if time.monotonic() > until:
            raise ApiError("the API server's answer did not come in time")
    return bytes(content)


def _decoded(content: bytes, path: str) -> JsonObject:
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise ApiError(f"the API server's answer to {path} is not JSON") from error
    if not isinstance(found, dict):
        raise ApiError(f"the API server's answer to {path} is not an object")
    return found


def _refusal(answer: Any) -> str:
    """The message of a Status; where there is none, the HTTP status."""
    try:
        status = orjson.loads(_read(answer, OBJECT_MAX_BYTES, time.monotonic() + CONNECT_S))
    except (orjson.JSONDecodeError, ApiError, urllib3.exceptions.HTTPError):
        status = None
    message = status.get("message") if isinstance(status, dict) else None
    return message if isinstance(message, str) and message else f"HTTP status {answer.status}"


def _exists(kubeconfig: str) -> bool:
    """False if none of the named files is there."""
    return not kubeconfig or any(map(os.path.exists, kubeconfig.split(os.pathsep)))


def _why(error: Exception) -> str:
    """The cause that urllib3 wraps, in one line."""
    reason = getattr(error, "reason", None) or error
    return f"{type(reason).__name__}: {reason}".replace("\n", " ")[:300]


def api_root(api_version: str) -> str:
    """Path below which the resources of an ``apiVersion`` are: ``/api/v1``, ``/apis/apps/v1``."""
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
