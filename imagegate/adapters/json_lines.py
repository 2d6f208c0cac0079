"""Records as JSON lines on a file descriptor."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import orjson


class JsonLines:
    """``Audit`` on a file descriptor: one line, one write, so that lines of several processes stay whole."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def append(self, record: Mapping[str, Any]) -> None:
        """Write one line."""
        line = orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
        written = os.write(self._descriptor, line)
        while written < len(line):  # only a full pipe or a signal splits a write
            line = line[written:]
            written = os.write(self._descriptor, line)
