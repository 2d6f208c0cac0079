"""Traces: what one review did, step by step, for a collector outside.

Nothing here decides anything. A span is passed on explicitly where a review may go on in another thread; below a
look-up, which stays in its thread, ``current`` has it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Protocol, Self, TypeAlias

Value: TypeAlias = str | bool | int | float | tuple[str, ...]
Attributes: TypeAlias = Mapping[str, Value]


class Span(Protocol):
    """One step that takes time. Safe for threads; no method raises or waits."""

    @property
    def traceparent(self) -> str:
        """For the server that this step asks (W3C Trace Context, ``traceparent``)."""

    def child(self, name: str, attributes: Attributes, *, asks: bool = False) -> Self:
        """A step of this one that begins now.

        Args:
            asks: it is a request to a server.
        """

    def set(self, attributes: Attributes) -> None:
        """Add attributes: never secrets, never objects."""

    def fail(self, why: str) -> None:
        """Mark the step as failed. A denial is no failure."""

    def end(self) -> None:
        """End it now."""


class Tracer(Protocol):
    """Begins traces. Safe for threads."""

    def review(self, name: str, *, traceparent: str, arrived: float | None) -> Span | None:
        """The span of a review; None if this one is not traced.

        Args:
            traceparent: the header of the request; one that cannot be read counts as none.
            arrived: when its first byte arrived, on the monotonic clock; None: now.
        """


current: ContextVar[Span | None] = ContextVar("span", default=None)
"""The look-up that this thread works for."""


@contextlib.contextmanager
def within(span: Span | None) -> Iterator[None]:
    """Work for ``span`` in this thread."""
    token = current.set(span)
    try:
        yield
    finally:
        current.reset(token)


@contextlib.contextmanager
def request_to(method: str, host: str, port: int | None, attributes: Attributes | None = None) -> Iterator[Span | None]:
    """The span of one HTTP request; None if the work of this thread is not traced.

    The URL is left out: names of registries' servers are known, queries of token servers and blobs hold secrets.
    """
    parent = current.get()
    if parent is None:
        yield None
        return
    named: dict[str, Value] = {"http.request.method": method, "server.address": host, **(attributes or {})}
    if port is not None:
        named["server.port"] = port
    span = parent.child(method, named, asks=True)
    try:
        yield span
    except BaseException as error:
        span.fail(type(error).__name__)
        raise
    finally:
        span.end()
