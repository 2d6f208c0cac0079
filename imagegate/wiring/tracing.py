"""Traces, if the settings want them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from imagegate.errors import InvalidSettings
from imagegate.settings.tracing import TracingSettings

if TYPE_CHECKING:
    from imagegate.adapters.otel.tracer import OtelTracer


def tracer(settings: TracingSettings) -> OtelTracer | None:
    """None where traces are off: then OpenTelemetry is not imported either.

    Raises:
        InvalidSettings: its packages are not installed, or the endpoint is no URL.
    """
    if not settings.enabled:
        return None
    if settings.endpoint and not _is_url(settings.endpoint):
        raise InvalidSettings("tracing.endpoint: expected a URL such as http://collector.observability.svc:4318")
    try:
        from imagegate.adapters.otel.tracer import OtelTracer
    except ImportError as error:
        raise InvalidSettings(
            f"tracing.enabled: needs packages that are not installed ({error.name}); "
            "in a checkout: pip install '.[otel]'"
        ) from error
    return OtelTracer(settings.endpoint, per_million=settings.sampling_rate_per_million)


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and not (parts.query or parts.fragment)
    except ValueError:
        return False
