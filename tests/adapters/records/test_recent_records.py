from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from imagegate.adapters.records.recent_records import KEPT, RecentRecords
from tests.support.processes import wait_until


def record(second: int, uid: str = "u") -> list[bytes]:
    return [b'{"time":"2026-01-02T03:04:%02d.000+00:00","uid":"%b"}\n' % (second, uid.encode())]


def uids(records: RecentRecords) -> list[object]:
    return [each["uid"] for each in records.latest()]


def test_the_newest_come_first() -> None:
    records = RecentRecords()
    for second in (1, 3, 2):
        records.append(record(second, f"u{second}"))
    assert uids(records) == ["u3", "u2", "u1"]
    assert [each["uid"] for each in records.latest(1)] == ["u3"]


def test_only_so_many_are_kept() -> None:
    records = RecentRecords()
    for number in range(KEPT + 5):
        records.append([b'{"time":"%05d","uid":"%d"}\n' % (number, number)])
    assert len(records.latest()) == KEPT
    assert uids(records)[0] == str(KEPT + 4)


def test_records_of_another_process_are_seen(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys; from imagegate.adapters.records.recent_records import RecentRecords\n"
        "records = RecentRecords(pathlib.Path(sys.argv[1]))\n"
        'records.append([b\'{"time":"2026-01-02T03:04:01","uid":"theirs"}\\n\']); records.share()'
    )
    subprocess.run([sys.executable, "-c", program, tmp_path], check=True, timeout=60)
    own = RecentRecords(tmp_path)
    own.append(record(2, "ours"))
    own.share()
    assert uids(own) == ["ours", "theirs"]


def test_nothing_new_is_not_written_again(tmp_path: Path) -> None:
    records = RecentRecords(tmp_path)
    records.share()
    assert not list(tmp_path.iterdir())
    records.append(record(1))
    records.share()
    (file,) = tmp_path.iterdir()
    file.unlink()
    records.share()
    assert not list(tmp_path.iterdir())


def test_a_thread_keeps_sharing(tmp_path: Path) -> None:
    records = RecentRecords(tmp_path)
    records.append(record(1, "of the parent"))
    records.start()
    records.append(record(2, "own"))
    wait_until(lambda: bool(list(tmp_path.glob("recent-*"))), "the shared file")
    assert uids(records) == ["own"]


def test_news_of_this_process_and_of_others(tmp_path: Path) -> None:
    own, other = RecentRecords(tmp_path), RecentRecords(tmp_path)
    before = own.news()
    assert own.news() == before
    own.append(record(1))
    ours = own.news()
    assert ours != before
    other.append(record(2))
    assert own.news() == ours, "the other process has not shared it yet"
    other.share()
    assert own.news() != ours
    assert RecentRecords(tmp_path / "gone").news() == RecentRecords().news()


def test_what_is_shown_here_is_known_everywhere(tmp_path: Path) -> None:
    """A live view shows a decision at once; its link may be answered by another process."""
    records = RecentRecords(tmp_path)
    records.append(record(1, "shown"))
    assert uids(records) == ["shown"]
    program = (
        "import pathlib, sys; from imagegate.adapters.records.recent_records import RecentRecords\n"
        "sys.exit([each['uid'] for each in RecentRecords(pathlib.Path(sys.argv[1])).latest()] != ['shown'])"
    )
    subprocess.run([sys.executable, "-c", program, tmp_path], check=True, timeout=60)


def test_records_are_shared_once_the_folder_can_be_written(tmp_path: Path) -> None:
    folder = tmp_path / "later"
    records = RecentRecords(folder)
    records.append(record(1, "kept"))
    assert uids(records) == ["kept"]
    folder.mkdir()
    records.share()
    assert [path.read_bytes() for path in folder.iterdir()] == record(1, "kept")
