from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from imagegate import logs
from imagegate.adapters.records.json_lines import JsonLines, Lines


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_lines_are_json_with_their_extra_fields(capfd: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", as_json=True)
    logging.getLogger("imagegate.x").info(
        "read %s", "a file", extra={"version": "abc", "path": Path("/x"), "n": {1: 2}}
    )
    logging.getLogger("imagegate.x").debug("not shown")
    line = json.loads(capfd.readouterr().err)
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "info",
        "logger": "imagegate.x",
        "message": "read a file",
        "version": "abc",
        "path": "/x",
        "n": {"1": 2},
    }


def test_a_traceback_stays_in_its_line(capfd: pytest.CaptureFixture[str]) -> None:
    logs.configure(as_json=True)
    try:
        raise KeyError("surprise")
    except KeyError:
        logging.getLogger("x").exception("failed")
    (text,) = capfd.readouterr().err.splitlines()
    assert "KeyError: 'surprise'" in json.loads(text)["traceback"]


def test_texts_that_are_no_unicode_do_not_lose_the_line(capfd: pytest.CaptureFixture[str]) -> None:
    logs.configure(as_json=True)
    logging.getLogger("x").warning("bad %s", "\ud800")
    assert json.loads(capfd.readouterr().err)["message"] == "bad \ud800"


def test_commands_log_sentences(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(as_json=False)
    logging.getLogger("x").warning("doubtful")
    assert capsys.readouterr().err == "imagegate: WARNING: doubtful\n"


def test_records_are_lines_also_through_a_small_pipe() -> None:
    read_end, write_end = os.pipe()
    lines = JsonLines(Lines(write_end))
    lines.append([orjson.dumps({"a": "ü\n"}) + b"\n", orjson.dumps({"b": [1, None]}) + b"\n"])
    os.close(write_end)
    with os.fdopen(read_end, "rb") as reader:
        assert [json.loads(line) for line in reader.read().splitlines()] == [{"a": "ü\n"}, {"b": [1, None]}]
