"""Log lines: JSON for the service, sentences for commands. Called by entry points only."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson

from imagegate.adapters.records.json_lines import LineHandler, lines_on
from imagegate.core.kube.printable import printable

MESSAGE_MAX_LENGTH = 16_384
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, the ``extra`` fields, and a traceback if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update((key, value) for key, value in record.__dict__.items() if key not in _STANDARD)
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        try:
            return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode("utf-8")
        except TypeError:  # a string that is not Unicode, or a number beyond 64 bits
            return json.dumps(line, default=str)


class ConsoleFormatter(logging.Formatter):
    """One sentence a record, for people. Untrusted strings in it cannot end the line or move the cursor."""

    def __init__(self) -> None:
        super().__init__("imagegate: %(levelname)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the base class's name
        """The sentence."""
        return printable(super().formatMessage(record), MESSAGE_MAX_LENGTH)

    def formatException(self, ei: Any) -> str:  # noqa: N802
        """The traceback, line by line."""
        return "\n".join(printable(line) for line in super().formatException(ei).split("\n"))


def configure(level: str = "INFO", *, as_json: bool) -> None:
    """Log to standard error: JSON lines written in the background for the service, plain sentences for commands."""
    handler: logging.Handler
    handler = LineHandler(lines_on(sys.stderr.fileno())) if as_json else logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if as_json else ConsoleFormatter())
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())


def write_in_thread(on_dropped: Callable[[int], None]) -> None:
    """Write log lines from a thread of this process; once, in every process that serves, after it was forked.

    Args:
        on_dropped: called with the number of lines that were dropped because nobody read them in time.
    """
    lines_on(sys.stderr.fileno()).start(on_dropped)
