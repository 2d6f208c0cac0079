"""Workers that are killed while they import: what was acknowledged is there, and nothing is half written."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
from pathlib import Path

from imagegate.adapters.store_sqlite.database import Database
from imagegate.adapters.store_sqlite.objects import SqliteStore
from imagegate.core.image_streams.stream import events, spec_tag, status_tag
from imagegate.ports.image_store import Collection, ObjectKey
from tests.support.import_worker import HOST, IMAGES, target_of
from tests.support.processes import wait_until
from tests.support.registry_simulator import OCI_MANIFEST, image, sha256

IMPORTS, WORKERS, KILLS = 1000, 4, 10
GROUP = "image.openshift.io"


def write_layout(directory: Path) -> list[str]:
    """Twenty images as ``HOST/team/app:v0`` and so on; their digests."""
    place = directory / HOST / "team" / "app"
    blobs = place / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    entries, digests = [], []
    for number in range(IMAGES):
        manifest, config = image(f"layout {number}")
        for content in (manifest, config):
            (blobs / sha256(content).removeprefix("sha256:")).write_bytes(content)
        digests.append(sha256(manifest))
        name = {"org.opencontainers.image.ref.name": f"v{number}"}
        entry = {"mediaType": OCI_MANIFEST, "digest": digests[-1], "size": len(manifest), "annotations": name}
        entries.append(entry)
    (place / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": entries}), encoding="utf-8")
    return digests


class Worker:
    """One process, from where the one before it was killed."""

    def __init__(self, database: Path, layouts: Path, log: Path, first: int) -> None:
        self.log = log
        words = [sys.executable, "-m", "tests.support.import_worker", database, layouts, first, WORKERS, IMPORTS]
        with log.open("ab") as output:
            self.process = subprocess.Popen([str(word) for word in words], stdout=output)

    def kill(self) -> None:
        """As the kernel does it when memory runs out."""
        self.process.kill()
        self.process.wait()

    def acknowledged(self) -> list[int]:
        """Whole lines only: the last one may have been cut by the kill, and then nobody was told."""
        return [int(line) for line in self.log.read_bytes().split(b"\n")[:-1]]


def _told(workers: list[Worker]) -> int:
    return sum(len(worker.acknowledged()) for worker in workers)


def test_imports_survive_killed_workers(tmp_path: Path) -> None:
    database, layouts = tmp_path / "images.db", tmp_path / "layouts"
    digests = write_layout(layouts)
    logs = [tmp_path / f"worker-{number}.log" for number in range(WORKERS)]
    chance = random.Random(7)
    workers = [Worker(database, layouts, log, first) for first, log in enumerate(logs)]
    for kill in range(1, KILLS + 1):
        wanted = IMPORTS * kill // (KILLS + 3)  # all workers are still at it at the last one
        wait_until(lambda wanted=wanted: _told(workers) >= wanted, f"{wanted} imports", timeout_s=60)  # type: ignore[misc]
        number = chance.choice([number for number in range(WORKERS) if workers[number].process.poll() is None])
        workers[number].kill()
        done = workers[number].acknowledged()
        workers[number] = Worker(database, layouts, logs[number], done[-1] + WORKERS if done else number)
    assert [worker.process.wait(60) for worker in workers] == [0] * WORKERS
    told = {number for worker in workers for number in worker.acknowledged()}
    assert told == set(range(IMPORTS))

    store = SqliteStore(Database(database))
    for number in sorted(told):
        name, tag = target_of(number)
        stream = store.get(ObjectKey(GROUP, "imagestreams", "test", name))
        assert stream is not None
        (event,) = (status_tag(stream, tag) or {})["items"]
        assert event["image"] == digests[number % IMAGES]
        assert (spec_tag(stream, tag) or {})["from"]["name"] == f"{HOST}/team/app:v{number % IMAGES}"
    kept = {found["metadata"]["name"] for found in store.list_objects(Collection(GROUP, "images")).items}
    for stream in store.list_objects(Collection(GROUP, "imagestreams")).items:
        for _, event in events(stream):
            assert event["image"] in kept  # no stream names an Image that is not there
    connection = sqlite3.connect(database)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
