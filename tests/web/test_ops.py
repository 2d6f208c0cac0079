"""Probes and version, on a service that is only its state. ``test_serve.py`` asks the real one."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from flask import Flask
from flask.testing import FlaskClient

from imagegate.ports.turns import TurnState
from imagegate.service.health import Check
from imagegate.service.policies.policy_set import ConfiguredPlugin, PolicyHolder, PolicySet
from imagegate.service.review.lookups import LookUp
from imagegate.service.review.recording import Recording
from imagegate.web.admission import ENDPOINTS
from imagegate.web.metrics import Metrics
from imagegate.web.ops import ops
from imagegate.wiring.runtime import STORE, Runtime
from tests.service.plugins import allowing


class Held:
    """A turn of another replica."""

    def state(self) -> TurnState:
        return TurnState("imagegate-imports", is_held=False, holder="b-1", problem="", taken=0, lost=0)


def client(*checks: Check, plugins: tuple[str, ...] = (), unconfigured: str = "deny") -> FlaskClient:
    configured = tuple(ConfiguredPlugin(allowing(name)) for name in plugins)
    policies = PolicyHolder(lambda: PolicySet(configured, version="v1"), lambda: datetime(2026, 1, 1, tzinfo=UTC))
    service = SimpleNamespace(
        settings=SimpleNamespace(server=SimpleNamespace(unconfigured=unconfigured)),
        checks=list(checks),
        policies=policies,
        owner=None,
        certificate=None,
        certificates=None,
        cluster=None,
        look_up=LookUp({}),
        circuits=None,
        images=SimpleNamespace(turn=Held()),
        recording=Recording(time.time),
        store_trouble=lambda: "",
        not_ready=lambda: [f"{check.name}: {check.problem()}" for check in checks if check.stops and check.problem()],
    )
    app = Flask("test")
    app.register_blueprint(ops(cast(Runtime, service), Metrics()))
    return app.test_client()


@pytest.mark.parametrize(
    "check, status, word",
    [
        (Check("a", lambda: ""), 200, "ok"),
        (Check("a", lambda: "broken"), 200, "degraded"),
        (Check("a", lambda: "broken", stops=True), 503, "not ready"),
    ],
)
@pytest.mark.parametrize("path", ["/readyz", "/health/readiness"])
def test_readiness(path: str, check: Check, status: int, word: str) -> None:
    answer = client(check).get(path)
    document: Any = answer.json
    assert (answer.status_code, document["status"]) == (status, word)
    assert document["checks"] == {"a": check.problem() or "ok"}
    assert document["policies"]["version"] == "v1"


@pytest.mark.parametrize("answer, said", [("deny", "denied"), ("allow", "allowed with a warning")])
def test_webhook_paths_that_are_not_configured(answer: str, said: str) -> None:
    plugins = ("image-policy", "always-pull", "cise-admit", "cise-trust", "cise-va", "policy-guard")
    document: Any = client(plugins=plugins, unconfigured=answer).get("/readyz").json
    assert document["status"] == "ok"
    assert document["unconfigured"] == {
        "answer": answer,
        "paths": {"/validate/imports": ["import-gate"]},
        "message": f"/validate/imports: not configured; every CREATE and UPDATE is {said} there",
    }
    document = client(plugins=(*plugins, "import-gate")).get("/readyz").json
    assert document["unconfigured"] == {"answer": "deny", "paths": {}, "message": ""}
    document = client().get("/readyz").json
    assert sorted(document["unconfigured"]["paths"]) == sorted(path for path, each in ENDPOINTS.items() if each.plugins)


def test_a_process_that_is_not_ready_lives() -> None:
    stopping = client(Check("a", lambda: "broken", stops=True))
    assert {stopping.get(path).status_code for path in ("/livez", "/health/liveness")} == {200}


def test_kubectl_can_read_the_version() -> None:
    version: Any = client().get("/version").json
    assert (version["major"], version["minor"]) == ("1", "32")
    assert version["gitVersion"].startswith("v1.32.0+imagegate-")


def test_metrics_show_an_unreadable_store_after_readiness_saw_it() -> None:
    pages = client(Check(STORE, lambda: "disk I/O error"))
    pages.get("/readyz")
    metrics = Metrics()
    metrics.store_read("disk I/O error")
    assert b"imagegate_store_unreadable 1.0" in metrics.text()
    assert b"imagegate_store_unreadable 0.0" in pages.get("/metrics").data  # it asks the store itself


def test_readiness_names_the_holder_of_the_lease() -> None:
    found = client().get("/readyz").get_json()["lease"]
    assert found == {"name": "imagegate-imports", "held": False, "holder": "b-1", "problem": ""}
