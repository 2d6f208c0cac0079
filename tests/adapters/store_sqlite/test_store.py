"""The SQLite store: the contracts, and what only a file shared by processes can get wrong."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from imagegate.adapters.files.image_streams import ImageStreamsFromObjects
from imagegate.adapters.store_sqlite.database import MIGRATIONS, Database
from imagegate.adapters.store_sqlite.image_streams import StoredImageStreams
from imagegate.adapters.store_sqlite.objects import SqliteStore
from imagegate.core.admission.lookup import Found, Unknown
from imagegate.core.image_streams.questions import Image, StreamTag
from imagegate.core.image_streams.stream import RegistryHosts
from imagegate.core.image_streams.terms import terms_of
from imagegate.ports.image_store import (
    ChangesExpired,
    ImageStore,
    ObjectKey,
    StoreBusy,
    StoreError,
    StoreFull,
)
from tests.adapters.image_store_contract import GROUP, STREAMS, ImageStoreContract, body, key
from tests.adapters.image_streams_contract import Both, ImageStreamsContract, Make
from tests.support.image_objects import DIGEST_1, event, image, stream


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "images.db"


def opened(path: Path, **options: Any) -> SqliteStore:
    return SqliteStore(Database(path), terms_of=terms_of, **options)


class TestSqliteStore(ImageStoreContract):
    @pytest.fixture
    def store(self, path: Path) -> ImageStore:
        return opened(path)


class TestStoredImageStreams(ImageStreamsContract):
    @pytest.fixture
    def make(self, path: Path) -> Make:
        def made(
            streams: Sequence[dict[str, Any]],
            images: Sequence[dict[str, Any]],
            namespaces: Sequence[dict[str, Any]],
            hosts: RegistryHosts,
        ) -> Both:
            store = opened(path)
            for found in streams:
                store.create(key(found["metadata"]["name"], found["metadata"]["namespace"]), found)
            for found in images:
                store.create(key(found["metadata"]["name"], "", "images"), found)
            for found in namespaces:
                store.create(key(found["metadata"]["name"], "", "namespaces", ""), found)
            return StoredImageStreams(store, hosts)

        return made


class TestFileImageStreams(ImageStreamsContract):
    @pytest.fixture
    def make(self) -> Make:
        def made(
            streams: Sequence[dict[str, Any]],
            images: Sequence[dict[str, Any]],
            namespaces: Sequence[dict[str, Any]],
            hosts: RegistryHosts,
        ) -> Both:
            return ImageStreamsFromObjects(image_streams=streams, images=images, namespaces=namespaces, hosts=hosts)

        return made


def test_what_was_written_is_there_after_opening_again(path: Path) -> None:
    created = opened(path).create(key(), body())
    again = opened(path)
    assert again.get(key()) == created
    assert again.version() == created["metadata"]["resourceVersion"]


def test_only_this_user_may_read_the_file(path: Path) -> None:
    opened(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_commits_are_synchronised(path: Path) -> None:
    connection = Database(path).connection()
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_files_of_other_programs_are_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    with pytest.raises(StoreError, match="is a database of another program"):
        Database(other)
    text = tmp_path / "text.db"
    text.write_text("this is not a database, but longer than a header of one" * 20)
    with pytest.raises(StoreError, match="not a database"):
        Database(text)
    with pytest.raises(StoreError, match="cannot be opened"):
        Database(tmp_path / "text.db" / "below")


def test_a_newer_schema_is_refused(path: Path) -> None:
    Database(path)
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()
    with pytest.raises(StoreError, match="was written by a newer imagegate"):
        Database(path)


def test_old_changes_are_forgotten_and_a_slow_watcher_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagegate.adapters.store_sqlite.objects.TRIM_EVERY", 10)
    store = opened(path, changes_kept=5)
    for number in range(20):
        store.create(key(str(number)), body(str(number)))
    assert len(store.changes("15", STREAMS, limit=99).changes) == 5
    with pytest.raises(ChangesExpired, match="too old resource version: 14"):
        store.changes("14", STREAMS, limit=99)


def test_a_locked_store_says_so(path: Path) -> None:
    store = SqliteStore(Database(path, busy_timeout_s=0.05))
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusy, match="try again"):
        store.create(key(), body())
    assert store.get(key()) is None, "readers do not wait"
    blocker.execute("ROLLBACK")
    blocker.close()
    store.create(key(), body())


def test_a_full_store_refuses_and_keeps_what_it_has(path: Path) -> None:
    store = SqliteStore(Database(path, max_bytes=256 * 1024))
    kept: list[dict[str, Any]] = []

    def fill() -> None:
        for number in range(1000):
            kept.append(store.create(key(str(number)), {**body(str(number)), "text": "x" * 5000}))

    with pytest.raises(StoreFull, match="no room left"):
        fill()
    assert 5 < len(kept) < 60
    assert store.list_objects(STREAMS).items == tuple(sorted(kept, key=lambda found: str(found["metadata"]["name"])))
    with Database(path).reading_once() as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    store.delete(key("0"))


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from imagegate.adapters.store_sqlite.database import Database
from imagegate.adapters.store_sqlite.objects import SqliteStore
from imagegate.ports.image_store import ObjectKey, StoreError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = SqliteStore(Database(Path(sys.argv[1])))
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
for number in range(1000):
    key = ObjectKey("g", "things", "ns", str(number))
    try:
        store.create(key, {"metadata": {"name": str(number)}, "text": "x" * 5000})
    except StoreError as error:
        print("refused", type(error).__name__, error, flush=True)
        break
    print("kept", number, flush=True)
"""


def test_a_disk_that_takes_no_more(path: Path) -> None:
    """The operating system refuses to let the files grow, as a full disk does."""
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True, check=True)
    *kept, last = done.stdout.splitlines()
    assert last.startswith("refused Store")
    assert "nothing was changed" in last
    assert len(kept) > 5
    store = opened(path)
    names = {
        found["metadata"]["name"] for found in store.list_objects(STREAMS._replace(group="g", resource="things")).items
    }
    assert names == {line.split()[1] for line in kept}
    with store.database.reading_once() as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


WRITER = """
import sys
from pathlib import Path
from imagegate.adapters.store_sqlite.database import Database
from imagegate.core.image_streams.terms import terms_of
from imagegate.adapters.store_sqlite.objects import SqliteStore
from imagegate.ports.image_store import ObjectChanged, ObjectKey
store, who = SqliteStore(Database(Path(sys.argv[1])), terms_of=terms_of), sys.argv[2]
shared = ObjectKey("image.openshift.io", "imagestreams", "test", "shared")
number = 0
while True:
    number += 1
    digest = f"sha256:{who}{number}"
    image = {"metadata": {"name": digest}, "fill": "x" * 3000}
    store.create(ObjectKey("image.openshift.io", "images", "", digest), image)
    while True:
        found = store.get(shared)
        items = [{"image": digest, "dockerImageReference": "q/" + digest}, *found["status"]["tags"][0]["items"]]
        found["status"]["tags"][0]["items"] = items
        try:
            stored = store.update(shared, found, version=found["metadata"]["resourceVersion"])
        except ObjectChanged:
            continue
        break
    print(digest, stored["metadata"]["resourceVersion"], flush=True)
"""


def _collect(writer: subprocess.Popen[str], lines: list[str]) -> None:
    assert writer.stdout is not None
    lines.extend(writer.stdout)


def test_nothing_acknowledged_is_lost_when_writers_are_killed(path: Path) -> None:
    """Three processes write one stream and many images, and are killed with signal 9, three times over."""
    store = opened(path)
    shared = stream("shared", tags={"latest": []})
    store.create(key("shared"), shared)
    acknowledged: list[str] = []
    for round_ in "abc":
        writers = [
            subprocess.Popen(
                [sys.executable, "-c", WRITER, str(path), f"{round_}{number}"], stdout=subprocess.PIPE, text=True
            )
            for number in range(3)
        ]
        outputs: list[str] = []
        readers = [threading.Thread(target=_collect, args=(w, outputs)) for w in writers]
        for reader in readers:
            reader.start()
        waited = time.monotonic() + 60
        while len(outputs) < 60 and time.monotonic() < waited:
            time.sleep(0.01)
        for writer in writers:
            os.kill(writer.pid, signal.SIGKILL)
        for writer, reader in zip(writers, readers, strict=True):
            writer.wait()
            reader.join()
            assert writer.stdout is not None
            writer.stdout.close()
        assert len(outputs) >= 60, "the writers did not write"
        acknowledged.extend(line.split()[0] for line in outputs if line.endswith("\n"))
    again = opened(path)
    with again.database.reading_once() as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    found = again.get(key("shared"))
    assert found is not None
    in_history = [item["image"] for item in found["status"]["tags"][0]["items"]]
    assert len(in_history) == len(set(in_history))
    images = {entry["metadata"]["name"] for entry in again.list_objects(STREAMS._replace(resource="images")).items}
    assert set(acknowledged) <= set(in_history) <= images
    assert len(set(acknowledged)) == len(acknowledged) >= 180
    for digest in in_history:
        assert len(again.find(GROUP, "imagestreams", f"image {digest}")) == 1


ANNOTATE = """
import sys
from pathlib import Path
from imagegate.adapters.store_sqlite.database import Database
from imagegate.adapters.store_sqlite.objects import SqliteStore
from imagegate.ports.image_store import ObjectKey
store = SqliteStore(Database(Path(sys.argv[1])))
key = ObjectKey("image.openshift.io", "images", "", sys.argv[2])
found = store.get(key)
found["metadata"]["annotations"] = {"images.openshift.io/deny-execution": "true"}
store.update(key, found, version=found["metadata"]["resourceVersion"])
"""


def test_an_annotation_by_another_process_is_in_force_at_once(path: Path) -> None:
    store = opened(path)
    store.create(key(), stream(tags={"latest": [event(DIGEST_1, "org/app@1")]}))
    store.create(key(DIGEST_1, "", "images"), image(DIGEST_1))
    streams = StoredImageStreams(store, RegistryHosts())
    tag, own = StreamTag("test", "app", "latest"), Image(DIGEST_1)

    def annotations() -> list[Any]:
        by_tag, by_digest = streams.stream_tag(tag, deadline_s=1), streams.image(own, deadline_s=1)
        assert isinstance(by_tag, Found)
        assert isinstance(by_digest, Found)
        return [found["metadata"].get("annotations") for found in (by_tag.value["image"], by_digest.value)]

    assert annotations() == [None, None]
    subprocess.run([sys.executable, "-c", ANNOTATE, str(path), DIGEST_1], check=True)
    assert annotations() == [{"images.openshift.io/deny-execution": "true"}] * 2


class CountingStore(SqliteStore):
    reads = 0

    def get(self, key: ObjectKey) -> dict[str, Any] | None:
        self.reads += 1
        return super().get(key)


def test_repeated_questions_need_no_query_until_something_changes(path: Path) -> None:
    store = CountingStore(Database(path), terms_of=terms_of)
    store.create(key(), stream(tags={"latest": [event(DIGEST_1, "org/app@1")]}))
    store.create(key(DIGEST_1, "", "images"), image(DIGEST_1))
    streams = StoredImageStreams(store, RegistryHosts())
    question = StreamTag("test", "app", "latest")
    first = streams.stream_tag(question, deadline_s=1)
    reads = store.reads
    for _ in range(5):
        assert streams.stream_tag(question, deadline_s=1) is first
    store.create(key("pod", resource="pods", group=""), body("pod"))
    assert streams.stream_tag(question, deadline_s=1) is first, "a pod is no reason to ask again"
    assert store.reads == reads
    store.create(key("other"), body("other"))
    assert streams.stream_tag(question, deadline_s=1) == first
    assert store.reads > reads


def test_kept_answers_are_bounded(path: Path) -> None:
    streams = StoredImageStreams(opened(path), RegistryHosts(), answers_kept=10)
    for number in range(50):
        streams.image(Image(f"sha256:{number}"), deadline_s=1)
    assert len(streams._answers) == 10


def test_a_store_that_fails_is_unknown(path: Path) -> None:
    store = opened(path)
    streams = StoredImageStreams(store, RegistryHosts())
    with store.database.transaction() as connection:
        connection.execute("DROP TABLE terms")
        connection.execute("DROP TABLE objects")
    answer = streams.image(Image(DIGEST_1), deadline_s=1)
    assert isinstance(answer, Unknown)
    assert "no such table" in answer.why


def test_a_store_opened_before_a_fork_serves_parent_and_child(path: Path) -> None:
    store = opened(path)
    streams = StoredImageStreams(store, RegistryHosts())
    store.create(key(DIGEST_1, "", "images"), image(DIGEST_1))
    assert isinstance(streams.image(Image(DIGEST_1), deadline_s=1), Found)
    child = os.fork()
    if child == 0:
        try:
            is_found = isinstance(streams.image(Image(DIGEST_1), deadline_s=1), Found)
            store.create(key("by-child"), body("by-child"))
            os._exit(0 if is_found else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    assert store.get(key("by-child")) is not None


def test_a_look_up_costs_the_same_in_a_full_store(path: Path) -> None:
    """Counted in steps of SQLite's virtual machine, which do not depend on the machine."""
    store = opened(path)

    def fill(first: int, last: int) -> None:
        with store.database.transaction() as connection:
            for resource in ("imagestreams", "images"):
                connection.executemany(
                    "INSERT INTO objects (kind, namespace, name, version, body) VALUES (?, ?, ?, 1, ?)",
                    ((f"{resource}.{GROUP}", "n", f"i{n}", b'{"metadata":{}}') for n in range(first, last)),
                )

    def steps() -> int:
        counted = [0]
        connection = store.database.connection()
        connection.set_progress_handler(lambda: counted.__setitem__(0, counted[0] + 1), 1)
        store.get(key("i7", "n"))
        store.get(key("i7", "n", "images"))
        connection.set_progress_handler(None, 0)
        return counted[0]

    fill(0, 100)
    few = steps()
    fill(100, 20_000)
    assert steps() <= few * 1.5


def damaged(path: Path, *names: str) -> None:
    """Overwrite the root pages of these tables and indexes, as a disk does that goes bad."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    pages = dict(connection.execute("SELECT name, rootpage FROM sqlite_master"))
    connection.close()
    with path.open("r+b") as file:
        for name in names:
            file.seek((pages[name] - 1) * 4096)
            file.write(b"\xa5" * 4096)


def break_store(how: str, path: Path) -> None:
    """Break the file of an open store."""
    match how:
        case "damaged":
            damaged(path, "objects", "objects_by_name")
        case "truncated":
            path.write_bytes(b"")
        case "deleted":
            for each in path.parent.glob("images.db*"):
                if each.is_file():
                    each.unlink()
        case "replaced":
            other = path.with_name("other.db")
            Database(other)
            other.replace(path)
        case "tables gone":
            connection = sqlite3.connect(path)
            connection.executescript("DROP TABLE terms; DROP TABLE objects;")
            connection.close()
        case "garbage":
            path.write_bytes(b"\x5a" * path.stat().st_size)


BROKEN = ["damaged", "truncated", "deleted", "replaced", "tables gone", "garbage"]


@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize("warm", [True, False])
def test_a_broken_store_is_unknown_never_absent(path: Path, how: str, warm: bool) -> None:
    """Whoever asked before, in threads old and new: what is lost is never said not to be there.

    A connection that has read a page before may still know it; a new one knows nothing, and says so.
    """
    store = opened(path)
    store.create(ObjectKey("image.openshift.io", "images", "", DIGEST_1), image(DIGEST_1))
    streams = StoredImageStreams(store, RegistryHosts())
    question, missing = Image(DIGEST_1), Image("sha256:" + "e" * 64)
    if warm:
        assert isinstance(streams.image(question, deadline_s=1), Found)
    break_store(how, path)
    answers: list[Any] = []

    def ask(streams: StoredImageStreams) -> None:
        answers.extend(streams.image(each, deadline_s=1) for each in (question, missing))

    time.sleep(0.01)  # what was read within the last two milliseconds still holds
    ask(streams)
    for fresh in (streams, StoredImageStreams(store, RegistryHosts())):
        thread = threading.Thread(target=ask, args=(fresh,))
        thread.start()
        thread.join()
    assert len(answers) == 6
    kept, never_there = answers[::2], answers[1::2]
    assert not [each for each in kept if not isinstance(each, (Found, Unknown))]
    assert not [each for each in never_there if isinstance(each, Found)]
    with ThreadPoolExecutor(1) as new_thread, pytest.raises(StoreError):
        new_thread.submit(store.get, ObjectKey("image.openshift.io", "images", "", DIGEST_1)).result()
    assert not path.exists() or how != "deleted", "a file that is gone is made anew, empty"


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_store_says_so(path: Path, how: str) -> None:
    store = opened(path)
    store.create(ObjectKey("image.openshift.io", "images", "", DIGEST_1), image(DIGEST_1))
    assert store.database.trouble() == ""
    break_store(how, path)
    assert str(path) in store.database.trouble()


@pytest.mark.parametrize("how", ["deleted", "replaced"])
def test_nothing_is_written_into_a_file_that_is_gone(path: Path, how: str) -> None:
    store = opened(path)
    store.create(ObjectKey("image.openshift.io", "images", "", DIGEST_1), image(DIGEST_1))
    break_store(how, path)
    with pytest.raises(StoreError, match="was deleted or replaced while it was open"):
        store.create(ObjectKey("image.openshift.io", "images", "", "sha256:" + "e" * 64), image("sha256:" + "e" * 64))


def test_damage_that_a_look_up_met_is_shown_for_a_while(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(path)
    store.create(ObjectKey("image.openshift.io", "images", "", DIGEST_1), image(DIGEST_1))
    with pytest.raises(StoreError), store.database.reading_once() as connection:
        connection.execute("SELECT 1 FROM nowhere")
    assert "no such table: nowhere" in store.database.trouble()
    monkeypatch.setattr("imagegate.adapters.store_sqlite.database.FAILURE_SHOWN_S", 0.0)
    assert store.database.trouble() == ""


def test_objects_that_are_there_already_are_no_trouble(path: Path) -> None:
    store = opened(path)
    wanted = ObjectKey("image.openshift.io", "images", "", DIGEST_1)
    store.create(wanted, image(DIGEST_1))
    with pytest.raises(StoreError):
        store.create(wanted, image(DIGEST_1))
    assert store.database.trouble() == ""


def test_without_descriptors_a_store_is_unknown(path: Path) -> None:
    """As where somebody holds all connections of a worker open; its descriptors are the process's own here."""
    store = opened(path)
    store.create(ObjectKey("image.openshift.io", "images", "", DIGEST_1), image(DIGEST_1))
    script = (
        "import os, resource, sys\n"
        "from pathlib import Path\n"
        "from imagegate.adapters.store_sqlite.database import Database\n"
        "from imagegate.adapters.store_sqlite.image_streams import StoredImageStreams\n"
        "from imagegate.core.image_streams.terms import terms_of\n"
        "from imagegate.adapters.store_sqlite.objects import SqliteStore\n"
        "from imagegate.core.image_streams.questions import Image\n"
        "from imagegate.core.image_streams.stream import RegistryHosts\n"
        "store = SqliteStore(Database(Path(sys.argv[1])), terms_of=terms_of)\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n"
        "held = []\n"
        "try:\n"
        "    while True: held.append(os.open('/dev/null', os.O_RDONLY))\n"
        "except OSError: pass\n"
        "for spare in range(4):\n"
        "    streams = StoredImageStreams(store, RegistryHosts())\n"
        "    answer = streams.image(Image(sys.argv[2]), deadline_s=1)\n"
        "    print(spare, type(answer).__name__, bool(store.database.trouble()))\n"
        "    os.close(held.pop())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path), DIGEST_1], capture_output=True, text=True, check=True
    )
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == ["0", "Unknown", "True"]
    assert {kind for _, kind, _ in lines} <= {"Unknown", "Found"}


def test_a_store_that_was_emptied_is_not_taken_for_a_new_one(path: Path) -> None:
    """It would start again without the annotations on its images."""
    opened(path)
    opened(path)
    path.write_bytes(b"")
    for each in path.parent.glob("images.db-*"):
        each.unlink()
    for _ in range(2):
        with pytest.raises(StoreError, match="is empty, but was set up as a store"):
            opened(path)
    path.with_name("images.db.lock").unlink()
    opened(path)


def test_a_store_that_was_never_set_up_to_the_end_is_set_up_again(path: Path) -> None:
    """As after a kill in the middle of the very first start."""
    path.parent.mkdir()
    path.write_bytes(b"")
    path.with_name("images.db.lock").write_bytes(b"")
    assert opened(path).version() == "0"
