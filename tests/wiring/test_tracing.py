"""Traces are off unless they are asked for, and asking for them without their packages is an error at the start."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from imagegate.errors import InvalidSettings
from imagegate.settings.tracing import TracingSettings
from imagegate.wiring.tracing import tracer


def test_off_means_none() -> None:
    assert tracer(TracingSettings()) is None


def test_the_service_does_not_import_open_telemetry_where_it_is_off() -> None:
    code = "import sys, imagegate.web.app, imagegate.web.asgi; print([m for m in sys.modules if 'opentelemetry' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    absent: Any = None
    monkeypatch.setitem(sys.modules, "opentelemetry.context", absent)
    monkeypatch.delitem(sys.modules, "imagegate.adapters.otel.tracer", raising=False)
    with pytest.raises(InvalidSettings, match=r"in a checkout: pip install '\.\[otel\]'"):
        tracer(TracingSettings(enabled=True))


@pytest.mark.parametrize(
    "endpoint", ["collector:4317", "grpc://collector", "http://", "http://[", "http://c/?a=b", "x"]
)
def test_an_endpoint_that_is_no_url(endpoint: str) -> None:
    with pytest.raises(InvalidSettings, match=r"tracing\.endpoint: expected a URL"):
        tracer(TracingSettings(enabled=True, endpoint=endpoint))


def test_an_endpoint_may_have_a_path() -> None:
    assert tracer(TracingSettings(enabled=True, endpoint="https://collector.example/otlp")) is not None
