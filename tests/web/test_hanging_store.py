"""The disk under the store stops answering: reviews that do not need it stay quick, the others are denied in time."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from tests.support.processes import wait_until
from tests.support.service import IMAGEGATE, Service, sample_config, serving
from tests.web.test_broken_store import review

HANGING = """
import pathlib, runpy, sqlite3, sys, time
hangs = pathlib.Path(sys.argv[1])
class Connection(sqlite3.Connection):
    # stands in for a disk that does not answer: what is not in SQLite's memory must be read from the file
    def execute(self, statement, *values):
        while statement.startswith(("SELECT", "BEGIN")) and hangs.exists():
            time.sleep(0.01)
        return super().execute(statement, *values)
connect = sqlite3.connect
sqlite3.connect = lambda *values, **named: connect(*values, factory=Connection, **named)
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def _seconds(service: Service, number: int, *, allowed: bool) -> float:
    begun = time.monotonic()
    response = service.post("/mutate", review(number)).response
    assert response["allowed"] is allowed, response
    return time.monotonic() - begun


def test_a_disk_that_hangs_delays_no_other_review(tmp_path: Path) -> None:
    path = sample_config(tmp_path) / "imagegate.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(f"{text}\nstore: {{path: {tmp_path}/store/images.db}}\n", encoding="utf-8")
    hangs = tmp_path / "hangs"
    prefix = (sys.executable, "-c", HANGING, str(hangs))
    with serving(tmp_path, "--settings", path, prefix=prefix) as service:
        assert IMAGEGATE.exists()
        assert _seconds(service, 1, allowed=True) < 10  # its look-ups are cached from now on
        hangs.touch()
        first = _seconds(service, 2, allowed=False)
        assert first < 5
        took = [_seconds(service, number, allowed=False) for number in range(3, 30)]
        assert max(took) < 1, "only the first review waits"
        took = [_seconds(service, 1, allowed=True) for _ in range(20)]
        assert max(took) < 1, "what is cached needs no disk"
        ready = service.get("/readyz")
        assert ready.status == 200
        assert "answer" in ready.json["checks"]["store"]
        assert service.get("/livez").status == 200
        assert service.metric("imagegate_store_unreadable") == 1
        denied = service.post("/mutate", review(40)).response
        assert "answer" in json.dumps(denied["status"])
        hangs.unlink()
        wait_until(lambda: service.post("/mutate", review(41)).response["allowed"] is True, "the disk")
        assert service.metric("imagegate_store_unreadable") == 0
