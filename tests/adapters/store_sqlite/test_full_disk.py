"""A store on a disk that is really full: a small file system of its own, mounted in a namespace of the test's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from imagegate.adapters.store_sqlite.database import Database
from imagegate.adapters.store_sqlite.objects import SqliteStore
from imagegate.adapters.store_sqlite.reserve import Reserve
from imagegate.ports.image_store import ChangeType, Collection, ObjectKey, StoreFull

MOUNTED = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user", "--user"]
"""Runs a command that may mount file systems which nobody else sees. Where that is forbidden the test fails."""
SCRIPT = """
import errno, json, os, sqlite3, sys
from pathlib import Path
from imagegate.adapters.store_sqlite.database import Database
from imagegate.adapters.store_sqlite.objects import SqliteStore
from imagegate.ports.image_store import Collection, ObjectKey, StoreError, StoreFull

disk, objects = Path(sys.argv[1]), int(sys.argv[2])
path, report = disk / "images.db", {}
store = SqliteStore(Database(path))
KIND = Collection("g", "things")

def key(number):
    return ObjectKey("g", "things", "ns", str(number))

def body(number, size=60_000, **fields):
    return {"metadata": {"name": str(number), "namespace": "ns", "labels": {"a": "b"}, **fields}, "text": "x" * size}

def refused(action):
    try:
        action()
    except StoreFull as error:
        return str(error)
    return ""

def names():
    return [found["metadata"]["name"] for found in store.list_objects(KIND).items]

def fill_disk():
    with (disk / "filler").open("ab", buffering=0) as filler:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    filler.write(bytes(size))
            except OSError as error:
                assert error.errno == errno.ENOSPC

kept = 0
for number in range(objects):
    report["refused"] = refused(lambda: store.create(key(number), body(number)))
    if report["refused"]:
        break
    kept += 1
report["kept"], report["listed"] = kept, len(names())
since = store.version()
fill_disk()
report["free"] = os.statvfs(disk).f_bavail
report["create"] = refused(lambda: store.create(key("new"), body("new", 10)))
def update(number, new):
    store.update(key(number), new, version=store.get(key(number))["metadata"]["resourceVersion"])
report["grow"] = refused(lambda: update(0, body(0, 70_000)))
report["unchanged"] = len(names())
report["mark"] = refused(lambda: update(1, body(1, annotations={"deny": "true"})))
store.database.close()
fill_disk()  # what closing has left
store = SqliteStore(Database(path))  # as after a restart
report["deletes"] = [refused(lambda: store.delete(key(number))) for number in range(kept)]
report["left"] = names()
report["second"] = refused(lambda: store.create(key("new"), body("new", 10)))
(disk / "filler").unlink()
report["again"] = refused(lambda: store.create(key("new"), body("new", 10)))
report["reserve"] = (disk / "images.db.reserve").stat().st_blocks * 512
report["wanted"] = store.database._reserve.wanted
with store.database.reading_once() as connection:
    report["integrity"] = connection.execute("PRAGMA integrity_check").fetchone()[0]
print(json.dumps(report))
"""


@pytest.mark.parametrize("size, objects", [("1500k", 40), ("6m", 200), ("64m", 8)])
def test_deletes_work_on_a_full_disk(tmp_path: Path, size: str, objects: int) -> None:
    """On a small disk that the store fills itself, and on a larger one that another program fills at once."""
    command = f'mount -t tmpfs -o size={size} tmpfs "$1" && exec "$2" -c "$3" "$1" {objects}'
    done = subprocess.run(
        [*MOUNTED, "sh", "-c", command, "sh", str(tmp_path), sys.executable, SCRIPT],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["kept"] == report["listed"] == report["unchanged"] >= 5
    assert report["free"] == 0
    for refused in ("create", "grow", "second"):
        assert "no room left to write" in report[refused]
        assert "nothing was changed" in report[refused]
    assert report["mark"] == "", "a mark is put on an image in any case"
    assert report["deletes"] == [""] * report["kept"]
    assert report["left"] == []
    assert report["again"] == "", "with room there are writes again"
    assert report["reserve"] >= report["wanted"] > 0
    assert report["integrity"] == "ok"


KIND = Collection("g", "things")


def key(name: str) -> ObjectKey:
    return ObjectKey("g", "things", "", name)


def test_deletes_work_in_a_file_that_may_not_grow(tmp_path: Path) -> None:
    """The same by SQLite's own limit, on any machine."""
    store = SqliteStore(Database(tmp_path / "images.db", max_bytes=512 * 1024))
    kept = 0

    def fill() -> None:
        nonlocal kept
        for number in range(100):
            store.create(key(str(number)), {"metadata": {"name": str(number)}, "text": "x" * 30_000})
            kept += 1

    with pytest.raises(StoreFull, match="no room left"):
        fill()
    assert kept > 3
    version = store.get(key("0"))["metadata"]["resourceVersion"]  # type: ignore[index]
    marked = {"metadata": {"name": "0", "annotations": {"deny": "true"}}, "text": "x" * 30_000}
    store.update(key("0"), marked, version=version)
    since = store.version()
    for number in range(kept):
        store.delete(key(str(number)))
    assert store.list_objects(KIND).items == ()
    events = store.changes(since, KIND, limit=99).changes
    assert [(change.type, change.object["metadata"]["name"]) for change in events] == [
        (ChangeType.DELETED, str(number)) for number in range(kept)
    ]


def test_the_reserve_is_taken_back(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "reserve")
    assert 0 < reserve.wanted <= 1024 * 1024
    assert (tmp_path / "reserve").stat().st_size == reserve.wanted
    with reserve.given_up():
        assert (tmp_path / "reserve").stat().st_size == 0
        with pytest.raises(StoreFull, match="reserved for deletes"):
            reserve.check(1)
    assert (tmp_path / "reserve").stat().st_blocks * 512 >= reserve.wanted
    reserve.check(1)
    (tmp_path / "reserve").unlink()
    reserve.check(1)
    assert (tmp_path / "reserve").exists()
