"""Spans as a collector gets them; one that is slow, broken or gone does no harm."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from imagegate.adapters.otel import tracer as module
from imagegate.adapters.otel.tracer import EXPORTED, FAILED, TEXT_MAX, OtelTracer
from tests.support.collector import Collector
from tests.support.processes import free_port, wait_until
from tests.support.simulator import Response

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00"
ALL = 1_000_000


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as found:
        yield found


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")


class Tracing:
    def __init__(self, endpoint: str, per_million: int = ALL) -> None:
        self.counted: Counter[str] = Counter()
        self.tracer = OtelTracer(endpoint, per_million=per_million)
        self.tracer.start(self.count)

    def count(self, result: str, spans: int) -> None:
        self.counted[result] += spans

    def one(self, traceparent: str = "", arrived: float | None = None) -> str:
        """Trace a review; its own traceparent, empty if it is not traced."""
        span = self.tracer.review("review mutate", traceparent=traceparent, arrived=arrived)
        if span is None:
            return ""
        span.end()
        return span.traceparent


def test_a_review_with_its_steps(collector: Collector) -> None:
    tracing = Tracing(collector.url)
    span = tracing.tracer.review("review mutate", traceparent=SAMPLED, arrived=time.monotonic() - 0.5)
    assert span is not None
    step = span.child("look up Digest", {"imagegate.question": "Digest"})
    asked = step.child("GET", {"server.address": "registry.example", "server.port": 443}, asks=True)
    assert asked.traceparent.startswith(f"00-{TRACE}-")
    asked.set({"http.response.status_code": 404})
    asked.end()
    step.fail("unknown")
    step.end()
    span.set({"imagegate.allowed": False, "imagegate.codes": ("a", "b")})
    span.end()
    wait_until(lambda: len(collector.spans) == 3, "the spans")
    review, look_up, get = (collector.one(name) for name in ("review mutate", "look up Digest", "GET"))
    assert (review.trace, review.parent, review.kind) == (TRACE, PARENT, 2)
    assert review.attributes == {"imagegate.allowed": False, "imagegate.codes": ["a", "b"]}
    assert 0.4 < review.seconds < 5
    assert (look_up.trace, look_up.parent, look_up.kind, look_up.failed) == (TRACE, review.id, 1, "unknown")
    assert (get.parent, get.kind) == (look_up.id, 3)
    assert get.attributes == {
        "server.address": "registry.example",
        "server.port": 443,
        "http.response.status_code": 404,
    }
    assert review.resource["service.name"] == "imagegate"
    assert tracing.counted == {EXPORTED: 3}


@pytest.mark.parametrize(
    "sent, per_million, traced", [(SAMPLED, 0, True), (UNSAMPLED, ALL, False), ("", ALL, True), ("", 0, False)]
)
def test_the_sender_decides_else_the_setting(collector: Collector, sent: str, per_million: int, traced: bool) -> None:
    assert bool(Tracing(collector.url, per_million).one(sent)) is traced


@pytest.mark.parametrize(
    "sent", ["x", f"00-{TRACE}", f"00-{'0' * 32}-{PARENT}-01", f"ff-{TRACE}-{PARENT}-01", "00-" + "é" * 9999, "\0"]
)
def test_a_header_that_cannot_be_read_begins_a_trace(collector: Collector, sent: str) -> None:
    own = Tracing(collector.url).one(sent)
    assert own
    assert TRACE not in own


def test_a_share_of_the_reviews_that_belong_to_no_trace(collector: Collector) -> None:
    tracing = Tracing(collector.url, 200_000)
    found = sum(bool(tracing.one()) for _ in range(2000))
    assert 250 < found < 550
    found = sum(bool(tracing.one("unreadable")) for _ in range(2000))
    assert 250 < found < 550


def test_the_environment_comes_first(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_on")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "gate")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    assert Tracing("", 0).one()
    wait_until(lambda: bool(collector.spans), "the span")
    assert collector.spans[0].resource["service.name"] == "gate"


def test_hostile_names_are_cut_and_encoded(collector: Collector) -> None:
    span = Tracing(collector.url).tracer.review("review mutate", traceparent="", arrived=None)
    assert span is not None
    span.set({"imagegate.uid": "\ud800" * 9999, "imagegate.rules": ("\ud800x" * 999,), "k8s.namespace.name": "a\0b"})
    span.end()
    wait_until(lambda: bool(collector.spans), "the span")
    found = collector.spans[0].attributes
    assert len(found["imagegate.uid"]) <= TEXT_MAX
    assert found["k8s.namespace.name"] == "a\0b"


@pytest.mark.parametrize(
    "told",
    [
        Response(500),
        Response(400),
        Response(200, b"x" * 100),
        Response(drop=True),
        Response(302, headers={"Location": "http://127.0.0.1:1/"}),
    ],
)
def test_a_collector_that_misbehaves(collector: Collector, told: Response, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    collector.told = told
    tracing = Tracing(collector.url)
    assert tracing.one()
    wait_until(lambda: bool(tracing.counted), "the result")
    assert tracing.counted in ({FAILED: 1}, {EXPORTED: 1})  # of a 200 nothing is read


def test_a_collector_that_hangs_holds_up_neither_reviews_nor_the_end(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    collector.told = Response(200, b"", delay_s=20)
    tracing = Tracing(collector.url)
    began = time.monotonic()
    for _ in range(5000):  # more than twice what the queue holds
        tracing.one()
    assert time.monotonic() - began < 5
    began = time.monotonic()
    tracing.tracer.close()
    assert time.monotonic() - began < module.END_S + 1
    assert tracing.one() == ""
    collector.stopping.set()


def test_no_collector_at_all(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    with caplog.at_level(logging.CRITICAL):
        tracing = Tracing(f"http://127.0.0.1:{free_port()}")
        assert tracing.one()
        wait_until(lambda: tracing.counted == {FAILED: 1}, "the failure")
        tracing.tracer.close()


def test_before_its_start_it_traces_nothing() -> None:
    tracer = OtelTracer("", per_million=ALL)
    assert tracer.review("review mutate", traceparent=SAMPLED, arrived=None) is None
    tracer.close()
