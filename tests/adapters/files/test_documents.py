"""Documents as they are read from disk, and as they are kept."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import threading
import zlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from imagegate.adapters.files import input as input_files
from imagegate.adapters.files.documents import DiskDocuments
from imagegate.adapters.files.kept_policies import PolicyFolder
from imagegate.adapters.records.process_notes import ProcessNotes
from imagegate.ports.documents import DamagedState

NOW = datetime(2026, 11, 27, 6, 0, tzinfo=UTC)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "documents" / "p.yaml"
    path.parent.mkdir()
    path.write_bytes(b"one")
    return path


class TestDisk:
    def test_a_file_is_read_once(self, file: Path) -> None:
        documents = DiskDocuments(keep=True)
        assert documents.read(file) == b"one"
        file.write_bytes(b"two")
        assert documents.read(file) == b"one", "what was decided about is what is kept"
        assert not documents.unchanged()

    @pytest.mark.parametrize("how", ["written", "same size and time", "replaced", "removed", "another file"])
    def test_what_changes_while_it_is_read_is_noticed(self, file: Path, how: str) -> None:
        documents = DiskDocuments(keep=True)
        documents.below(file.parent)
        documents.read(file)
        assert documents.unchanged()
        times = file.stat()
        match how:
            case "written":
                file.write_bytes(b"more")
            case "same size and time":
                file.write_bytes(b"two")
                os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
            case "replaced":
                (file.parent.parent / "x").write_bytes(b"one")
                (file.parent.parent / "x").replace(file)
            case "removed":
                file.unlink()
            case "another file":
                (file.parent / "q.yaml").write_bytes(b"one")
        assert not documents.unchanged()

    def test_a_pipe_is_no_document_of_a_service_and_never_hangs(
        self, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file.unlink()
        os.mkfifo(file)
        with pytest.raises(OSError, match="it is a pipe, not a file"):
            DiskDocuments(keep=True).read(file)
        monkeypatch.setattr(input_files, "PIPE_WAIT_S", 0.1)
        with pytest.raises(OSError, match=r"nothing was written to it for 0\.1 s"):
            DiskDocuments().read(file)

    def test_a_command_reads_what_a_pipe_delivers(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        reading, writing = os.pipe()

        def deliver() -> None:
            os.write(writing, b"x" * 5000)
            os.close(writing)

        thread = threading.Timer(0.2, deliver)
        thread.start()
        assert DiskDocuments().read(Path(f"/dev/fd/{reading}")) == b"x" * 5000
        thread.join()
        os.close(reading)
        reading, writing = os.pipe()
        monkeypatch.setattr(input_files, "PIPE_WAIT_S", 0.1)
        with pytest.raises(OSError, match="nothing was written to it"):
            DiskDocuments().read(Path(f"/dev/fd/{reading}"))
        os.close(reading)
        os.close(writing)

    def test_no_more_is_read_than_is_asked_for(self, file: Path) -> None:
        with file.open("r+b") as huge:
            huge.truncate(1 << 40)
        assert len(DiskDocuments().read(file, at_most=5000)) == 5001


@pytest.fixture
def folder(tmp_path: Path) -> PolicyFolder:
    return PolicyFolder(tmp_path / "kept")


def read(*files: Path) -> DiskDocuments:
    documents = DiskDocuments(keep=True)
    for each in files:
        documents.is_folder(each)
        documents.read(each)
        documents.below(each.parent)
    return documents


def kept_content(folder: PolicyFolder, file: Path) -> bytes | DamagedState:
    """What is kept of a file, or why it is refused."""
    try:
        kept = folder.newest()
        assert kept is not None
        return kept.documents.read(file)
    except DamagedState as error:
        return error


class TestKept:
    def test_what_was_kept_is_read(self, folder: PolicyFolder, file: Path) -> None:
        assert folder.newest() is None
        documents = read(file)
        folder.keep(documents, version="v1", at=NOW)
        kept = folder.newest()
        assert kept is not None
        assert (kept.generation, kept.version, kept.at) == (1, "v1", NOW)
        assert kept.documents.index() == documents.index()
        assert kept.documents.read(file) == b"one"
        assert kept.documents.below(file.parent) == [file]
        assert not kept.documents.is_folder(file)
        with pytest.raises(FileNotFoundError):
            kept.documents.read(file.with_name("q.yaml"))

    def test_generations_only_grow_and_old_contents_go(self, folder: PolicyFolder, file: Path) -> None:
        stamps = {folder.stamp()}
        for number in range(1, 6):
            file.write_bytes(b"%d" % number)
            assert folder.keep(read(file), version="v", at=NOW).generation == number
            stamps.add(folder.stamp())
        assert len(stamps) == 6
        assert len(list((folder.folder / "contents").iterdir())) == 1

    def test_names_may_be_any_bytes(self, folder: PolicyFolder, file: Path) -> None:
        odd = Path(os.fsdecode(bytes(file.parent) + b"/\xff\n\x1b.yaml"))
        odd.write_bytes(b"odd")
        folder.keep(read(odd), version="v", at=NOW)
        kept = folder.newest()
        assert kept is not None
        assert kept.documents.read(odd) == b"odd"

    def test_only_its_owner_may_read_it(self, folder: PolicyFolder, file: Path) -> None:
        folder.keep(read(file), version="v", at=NOW)
        modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.folder.rglob("*") if path.is_file()}
        assert modes == {0o600}
        assert stat.S_IMODE(folder.folder.stat().st_mode) == 0o700

    @pytest.mark.parametrize("part", ["newest", "contents/*"])
    def test_every_changed_byte_is_noticed(self, folder: PolicyFolder, file: Path, part: str) -> None:
        folder.keep(read(file), version="v", at=NOW)
        (path,) = folder.folder.glob(part)
        content = path.read_bytes()
        for position in range(len(content)):
            for wrong in (
                content[:position],
                content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :],
            ):
                path.write_bytes(wrong)
                found = kept_content(folder, file)
                assert isinstance(found, DamagedState) or (found == b"one" and part != "newest")  # or zlib's own sum
        path.write_bytes(content)
        kept = folder.newest()
        assert kept is not None
        assert kept.documents.read(file) == b"one"

    def test_a_content_that_unpacks_to_more_than_it_says_is_not_unpacked(
        self, folder: PolicyFolder, file: Path
    ) -> None:
        folder.keep(read(file), version="v", at=NOW)
        (path,) = (folder.folder / "contents").iterdir()
        path.write_bytes(zlib.compress(b"\0" * (1 << 30), 9)[:900])
        kept = folder.newest()
        assert kept is not None
        with pytest.raises(DamagedState, match="the content is not that of its SHA-256"):
            kept.documents.read(file)

    def test_a_damaged_content_is_written_anew(self, folder: PolicyFolder, file: Path) -> None:
        for damage in (
            lambda path: path.write_bytes(b"x"),
            lambda path: (path.unlink(), path.symlink_to("/etc/passwd")),
        ):
            folder.keep(read(file), version="v", at=NOW)
            (path,) = (folder.folder / "contents").iterdir()
            damage(path)
            kept = folder.keep(read(file), version="v", at=NOW)
            assert kept.documents.read(file) == b"one"

    def test_a_list_of_another_format_is_refused_with_its_reason(self, folder: PolicyFolder, file: Path) -> None:
        folder.keep(read(file), version="v", at=NOW)
        listed = folder.folder / "newest"
        for change in (
            {"format": 2},
            {"generation": None},
            {"documents": [["p", "../../../etc/passwd", 3]]},
            {"at": "x"},
        ):
            rest = json.dumps({**json.loads(listed.read_bytes().partition(b"\n")[2]), **change}).encode()
            listed.write_bytes(hashlib.sha256(rest).hexdigest().encode() + b"\n" + rest)
            with pytest.raises(DamagedState, match="cannot be understood by this version"):
                folder.newest()
            folder.forget()
            folder.keep(read(file), version="v", at=NOW)


class TestProcesses:
    def test_one_leads_until_it_ends(self, tmp_path: Path) -> None:
        notes = ProcessNotes(tmp_path)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(writing, b"1" if ProcessNotes(tmp_path).lead() else b"0")
            os.close(writing)
            threading.Event().wait(60)
            os._exit(0)
        os.close(writing)
        try:
            assert os.read(reading, 1) == b"1"
            assert not notes.lead()
        finally:
            os.kill(child, 9)
            os.waitpid(child, 0)
            os.close(reading)
        assert notes.lead()
        assert notes.lead()

    def test_a_fork_does_not_lead_for_its_parent(self, tmp_path: Path) -> None:
        notes = ProcessNotes(tmp_path)
        assert notes.lead()
        child = os.fork()
        if child == 0:
            os._exit(1 if notes.lead() else 0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
