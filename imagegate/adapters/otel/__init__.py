"""OpenTelemetry (extra ``otel``): spans to a collector, by OTLP over HTTP.

Not imported unless traces are on. Nothing here holds up a review.
"""
