"""A collector of traces in the test process: it reads the real messages of OTLP over HTTP."""

from __future__ import annotations

import gzip
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.support.simulator import Request, Response, Simulator


class ReceivedSpan(NamedTuple):
    """A span as it was sent."""

    name: str
    trace: str
    id: str
    parent: str
    kind: int
    """``Span.SpanKind``: 1 internal, 2 server, 3 client."""
    attributes: dict[str, Any]
    resource: dict[str, Any]
    failed: str
    """Message of the status, if it is an error."""
    seconds: float


class Collector(Simulator):
    """Takes spans at ``/v1/traces``, unless it is told to answer something else."""

    def __init__(self) -> None:
        super().__init__()
        self.spans: list[ReceivedSpan] = []
        self.told: Response | None = None

    def answer(self, request: Request) -> Response:
        assert (request.method, request.path) == ("POST", "/v1/traces")
        assert request.headers["content-type"] == "application/x-protobuf"
        if self.told is not None:
            return self.told
        body = gzip.decompress(request.body) if request.headers.get("content-encoding") == "gzip" else request.body
        message = ExportTraceServiceRequest.FromString(body)
        for of_resource in message.resource_spans:
            resource = _values(of_resource.resource.attributes)
            for scope in of_resource.scope_spans:
                self.spans += [_received(span, resource) for span in scope.spans]
        return Response(
            200, ExportTraceServiceResponse().SerializeToString(), {"Content-Type": "application/x-protobuf"}
        )

    def one(self, name: str) -> ReceivedSpan:
        """The only span of this name."""
        (found,) = [each for each in self.spans if each.name == name]
        return found


def _received(span: Any, resource: dict[str, Any]) -> ReceivedSpan:
    failed = span.status.message if span.status.code == 2 else ""
    seconds = (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9
    ids = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex())
    return ReceivedSpan(span.name, *ids, span.kind, _values(span.attributes), resource, failed, seconds)


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: _value(each.value) for each in attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    return [_value(each) for each in value.array_value.values] if kind == "array_value" else getattr(value, kind)
