"""One snapshot token for two sources of answers."""

from __future__ import annotations

from collections.abc import Callable

Snapshot = Callable[[], object | None]
"""See ``Answers.snapshot``."""


class JointSnapshot:
    """Another object when either source has changed; None while either has no token."""

    def __init__(self, first: Snapshot, second: Snapshot) -> None:
        self._first = first
        self._second = second
        self._stamped: tuple[object | None, object | None, object] = (None, None, object())

    def __call__(self) -> object | None:
        """The token now."""
        first, second = self._first(), self._second()
        if first is None or second is None:
            return None
        stamped = self._stamped
        if stamped[0] is not first or stamped[1] is not second:
            stamped = self._stamped = (first, second, object())
        return stamped[2]
