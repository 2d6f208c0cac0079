"""The image API in this process: a store in a file, the real plug-ins, an HTTP server for kubectl."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.test import TestResponse

from imagegate.adapters.files.access_rules import FileAccessReviews, read_access_rules
from imagegate.adapters.files.config import load_config
from imagegate.adapters.store_sqlite.database import Database
from imagegate.adapters.store_sqlite.image_streams import StoredImageStreams
from imagegate.adapters.store_sqlite.objects import SqliteStore
from imagegate.core.admission.access_review import AccessQuestion, GrantedRules, Grantees, PathAccess
from imagegate.core.admission.lookup import Lookup
from imagegate.core.admission.plugin import Question
from imagegate.core.image_policy.behaviour import Behaviour
from imagegate.core.image_policy.marks import Marks
from imagegate.core.image_policy.plugin import ImagePolicyPlugin
from imagegate.core.image_streams import questions as ask
from imagegate.core.image_streams.stream import RegistryHosts
from imagegate.core.image_streams.terms import terms_of
from imagegate.core.import_gate.gate import ImportGate
from imagegate.core.import_gate.rules import AllowedRegistry
from imagegate.core.profile import Profile
from imagegate.ports.registry import Registry
from imagegate.service.image_api.api import ImageApi
from imagegate.service.image_api.cluster import Admission
from imagegate.service.image_api.host_cluster import PullSecretsOf, StoredCluster
from imagegate.service.image_api.local import is_administrator, local_access
from imagegate.service.image_api.streams import GateInForce, ImageObjects
from imagegate.service.imports.fetcher import ImportSettings
from imagegate.service.imports.importer import Importer
from imagegate.service.policies.policy_set import ConfiguredPlugin, Mode, PolicyHolder, PolicySet
from imagegate.service.review.lookups import Answerer, LookUp
from imagegate.service.review.reviewer import Reviewer
from imagegate.web.image_api.blueprint import image_api

BASE = "/apis/image.openshift.io/v1"
INTEGRATED = "registry.local:5000"
MASTER_CONFIG = Path(__file__).resolve().parent.parent.parent / "config" / "master-config.yaml"


@dataclass(slots=True)
class Api:
    """The API and ways to ask it."""

    api: ImageApi
    store: SqliteStore
    client: FlaskClient
    app: Flask

    def ask(self, method: str, path: str, body: Any = None, *, user: str = "", **headers: str) -> TestResponse:
        """One request; ``path`` without a leading slash is below the group's base."""
        given = {key.replace("_", "-"): value for key, value in headers.items()}
        if user:
            given["Impersonate-User"] = user
        path = path if path.startswith("/") else f"{BASE}/{path}"
        content_type = given.pop("Content-Type", "application/json")
        if body is None:
            return self.client.open(path, method=method, headers=given)
        if isinstance(body, bytes):
            return self.client.open(path, method=method, data=body, content_type=content_type, headers=given)
        return self.client.open(path, method=method, json=body, content_type=content_type, headers=given)

    def get(self, path: str, code: int = 200, **headers: str) -> Any:
        """GET, decoded."""
        return self._checked(self.ask("GET", path, **headers), code)

    def post(self, path: str, body: Any, code: int = 201, **options: str) -> Any:
        """POST, decoded."""
        return self._checked(self.ask("POST", path, body, **options), code)

    def put(self, path: str, body: Any, code: int = 200, **options: str) -> Any:
        """PUT, decoded. An object gets the name in the path, without which none is replaced."""
        if isinstance(body, dict):
            name = path.partition("?")[0].removesuffix("/status").rpartition("/")[2]
            body = {**body, "metadata": {"name": name, **(body.get("metadata") or {})}}
        return self._checked(self.ask("PUT", path, body, **options), code)

    def patch(self, path: str, body: Any, code: int = 200, kind: str = "merge-patch", **options: str) -> Any:
        """PATCH, decoded."""
        return self._checked(self.ask("PATCH", path, body, Content_Type=f"application/{kind}+json", **options), code)

    def delete(self, path: str, code: int = 200, body: Any = None) -> Any:
        """DELETE, decoded."""
        return self._checked(self.ask("DELETE", path, body), code)

    @staticmethod
    def _checked(answer: TestResponse, code: int) -> Any:
        assert answer.status_code == code, f"{answer.status_code}: {answer.get_data(as_text=True)}"
        return answer.json


def make_api(
    path: Path,
    *,
    rules: list[tuple[str, bool]] | None = None,
    mode: Mode = Mode.ENFORCE,
    registry: Registry | None = None,
    hosts: RegistryHosts | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    access: str = "",
    marks: Callable[[], Marks] = Marks,
) -> Api:
    """The API over a store at ``path``.

    Args:
        rules: ``allowedRegistriesForImport`` as (domainName, insecure); None: everything is allowed.
        mode: of the import gate.
        registry: for imports.
        hosts: of the integrated registry.
        now: the clock.
        access: a file of access rules; empty: none, so that only administrators have rights.
        marks: keys of Images' metadata that rules read.
    """
    hosts = hosts or RegistryHosts(INTEGRATED)
    store = SqliteStore(Database(path), terms_of=terms_of, now=now)
    streams = StoredImageStreams(store, hosts)
    entries = None if rules is None else [AllowedRegistry(name, insecure) for name, insecure in rules]
    gate = GateInForce(ImportGate.configured(entries, integrated_registry=hosts.internal), mode)
    objects = ImageObjects(
        store, hosts=lambda: hosts, gate=lambda _: gate, access=_access(access), now=now, marks=marks
    )
    importer = None
    if registry is not None:
        fast = ImportSettings(requests_per_s=10_000, burst=10_000)
        importer = Importer(registry, PullSecretsOf(StoredCluster(store)), settings=fast, now=now)
    api = ImageApi(objects, importer=importer, admit=Admission(_reviewer(streams, hosts, now)))
    api.ensure_namespaces()
    app = Flask("test")
    app.register_error_handler(404, lambda _: ({"kind": "Status"}, 404))  # oc takes a page of HTML for a console
    app.register_blueprint(image_api(api, now=now))
    return Api(api, store, app.test_client(), app)


def _access(text: str) -> Callable[[AccessQuestion], Lookup[Any]]:
    if not text:
        return local_access
    reviews = FileAccessReviews(read_access_rules(text, "access.yaml"))

    def review(asked: AccessQuestion) -> Lookup[Any]:
        if is_administrator(asked) or isinstance(asked, PathAccess):
            return local_access(asked)
        if isinstance(asked, Grantees):
            return reviews.holders(asked, deadline_s=1)
        if isinstance(asked, GrantedRules):
            return reviews.rules(asked, deadline_s=1)
        return reviews.access(asked, deadline_s=1)

    return review


def _reviewer(streams: StoredImageStreams, hosts: RegistryHosts, now: Callable[[], datetime]) -> Reviewer:
    """The manual's execution policy over the store."""
    config = load_config(MASTER_CONFIG, Profile.DOCUMENTED)
    assert config.image_policy is not None
    plugin = ImagePolicyPlugin(config.image_policy, Behaviour(integrated_registries=(hosts.internal,)))
    policies = PolicyHolder(lambda: PolicySet(plugins=(ConfiguredPlugin(plugin),)), now)
    methods: dict[type[Question], Any] = {
        ask.StreamTag: streams.stream_tag,
        ask.Stream: streams.stream,
        ask.StreamImage: streams.stream_image,
        ask.Image: streams.image,
        ask.PullSpecHolders: streams.pull_spec_holders,
        ask.Namespace: streams.namespace,
    }
    answerers = {question: Answerer(method, immediate=True) for question, method in methods.items()}
    return Reviewer(policies, LookUp(answerers), clock=now)


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: Any) -> None:
        """Quiet."""


@contextlib.contextmanager
def served(app: Flask, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """The API over HTTP, or TLS, on a free port; gives its URL."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Handler, ssl_context=tls)
    server.daemon_threads = True  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
