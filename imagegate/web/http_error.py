"""Refusals of a request before it is reviewed."""

from __future__ import annotations


class HttpError(Exception):
    """A request that is not read: an HTTP status and the reason."""

    def __init__(self, status: str, why: str) -> None:
        super().__init__(why)
        self.status = status
