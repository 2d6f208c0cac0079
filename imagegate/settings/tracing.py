"""The section ``tracing``: spans of reviews for an OpenTelemetry collector."""

from __future__ import annotations

from dataclasses import dataclass

from imagegate.settings.schema import flag, integer, text, texts


@dataclass(frozen=True, slots=True, kw_only=True)
class TracingSettings:
    """Traces by OpenTelemetry. Read at the start."""

    enabled: bool = flag(False, "Trace reviews; needs the extra `otel`: [traces](operating.md#traces).")
    endpoint: str = text(
        "",
        "Base URL of a collector that takes OTLP over HTTP; empty: as the environment says"
        " (`OTEL_EXPORTER_OTLP_ENDPOINT`), else `http://localhost:4318`.",
    )
    sampling_rate_per_million: int = integer(
        10_000,
        "Reviews that are traced whose request is part of no trace; one that is part of a trace is traced if its sender"
        " traces it. `OTEL_TRACES_SAMPLER` in the environment comes first.",
        minimum=0,
        maximum=1_000_000,
    )
    propagate_to: tuple[str, ...] = texts(
        "Registries and other servers (`host[:port]`) that are told which trace a request belongs to."
    )
