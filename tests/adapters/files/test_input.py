"""What is read, and what never is: devices, sockets, pipes that were only found, and files without end."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imagegate.adapters.files import input as input_files
from imagegate.adapters.files.access_rules import load_access_rules
from imagegate.adapters.files.cluster import load_cluster_files
from imagegate.adapters.files.config import ReferencedDiskFiles, load_config
from imagegate.adapters.files.documents import DiskDocuments
from imagegate.adapters.files.image_streams import load_image_streams
from imagegate.adapters.files.input import open_stream, read_file
from imagegate.cli.lint.files import lint_paths
from imagegate.core.profile import Profile
from imagegate.errors import ConfigError
from imagegate.settings.load import load_settings
from imagegate.wiring.choices import StartupOptions

LIMIT = 100


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(input_files, "PIPE_WAIT_S", 0.2)


def test_a_file_and_a_link_to_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    for name in ("file", "link"):
        assert read_file(tmp_path / name, LIMIT) == read_file(str(tmp_path / name), LIMIT, named=True) == b"content"


@pytest.mark.parametrize("size, read", [(LIMIT, LIMIT), (LIMIT + 1, LIMIT + 1), (LIMIT * 50, LIMIT + 1)])
def test_one_byte_more_than_the_limit_at_most(tmp_path: Path, size: int, read: int) -> None:
    (tmp_path / "file").write_bytes(b"x" * size)
    assert len(read_file(tmp_path / "file", LIMIT)) == read


def test_a_file_that_grows_while_it_is_read_does_not_exceed_the_limit() -> None:
    """Files of /proc have no size before they are read."""
    assert len(read_file("/proc/self/maps", LIMIT)) == LIMIT + 1


def test_a_pipe_that_was_only_found_is_not_opened(pipe: Path) -> None:
    with pytest.raises(OSError, match="it is a pipe, not a file"):
        read_file(pipe, LIMIT)
    with pytest.raises(OSError, match="No such device or address"):
        os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)  # nobody reads: it was not opened and forgotten


def test_a_pipe_that_the_user_names_is_read_to_its_end(pipe: Path) -> None:
    def write() -> None:
        with pipe.open("wb", buffering=0) as writing:
            for part in (b"a", b"b", b"c"):
                writing.write(part)
                time.sleep(0.05)

    writer = threading.Thread(target=write)
    writer.start()
    assert read_file(pipe, LIMIT, named=True) == b"abc"
    writer.join()


def test_a_pipe_without_end_is_read_to_the_limit(pipe: Path) -> None:
    with subprocess.Popen(["sh", "-c", 'exec yes > "$0"', pipe], stderr=subprocess.DEVNULL) as writer:
        assert len(read_file(pipe, LIMIT, named=True)) == LIMIT + 1
        writer.wait(10)


@pytest.mark.usefixtures("impatient")
def test_a_pipe_that_nobody_writes_to_is_not_waited_for(pipe: Path) -> None:
    with pytest.raises(OSError, match=r"it is a pipe, and nothing was written to it for 0\.2 s"):
        read_file(pipe, LIMIT, named=True)


@pytest.mark.usefixtures("impatient")
def test_a_writer_that_stops_is_not_waited_for(pipe: Path) -> None:
    keeps_open = os.open(pipe, os.O_RDWR)
    os.write(keeps_open, b"begun")
    try:
        with pytest.raises(OSError, match="nothing was written to it"):
            read_file(pipe, LIMIT, named=True)
    finally:
        os.close(keeps_open)


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null", "/dev/tty"])
def test_devices_are_not_opened(path: str) -> None:
    for named in (False, True):
        with pytest.raises(OSError, match="it is a device, not a file"):
            read_file(path, LIMIT, named=named)


def test_sockets_are_not_opened(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        with pytest.raises(OSError, match="it is a socket, not a file"):
            read_file(tmp_path / "socket", LIMIT, named=True)


@pytest.mark.parametrize("where", ["/dev/fd/{}", "/proc/self/fd/{}"])
def test_what_a_shell_makes_of_a_command_is_read(where: str) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"from a command")
    os.close(writing)
    try:
        assert read_file(where.format(reading), LIMIT, named=True) == b"from a command"
    finally:
        os.close(reading)


def test_a_link_to_standard_input_that_was_found_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "in.yaml").symlink_to("/dev/stdin")
    reading, writing = os.pipe()
    kept = os.dup(0)
    os.dup2(reading, 0)
    try:
        with pytest.raises(OSError, match="it is a pipe, not a file"):
            read_file(tmp_path / "in.yaml", LIMIT)
    finally:
        os.dup2(kept, 0)
        for descriptor in (kept, reading, writing):
            os.close(descriptor)


LOADERS: dict[str, Callable[[Path], object]] = {
    "config": load_config,
    "settings": lambda path: load_settings(path, environ={}),
    "chosen settings": lambda path: StartupOptions(settings_file=path).settings(),
    "policies": lambda path: load_cluster_files([path]),
    "images": lambda path: load_image_streams([path]),
    "access rules": load_access_rules,
}


@pytest.fixture
def odd(tmp_path: Path) -> Iterator[Path]:
    """A folder with one of everything that is no file."""
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "device.yaml").symlink_to("/dev/zero")
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    (tmp_path / "nowhere.yaml").symlink_to("nothing")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket.yaml"))
        yield tmp_path


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("name", ["pipe.yaml", "device.yaml", "loop.yaml", "nowhere.yaml", "socket.yaml"])
@pytest.mark.parametrize("loader", LOADERS)
def test_every_loader_refuses_what_is_no_file(odd: Path, loader: str, name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name}: cannot be read: "):
        LOADERS[loader](odd / name)


@pytest.mark.usefixtures("impatient")
def test_lint_names_everything_that_is_no_file(odd: Path) -> None:
    alone = [lint_paths([path], Profile.DOCUMENTED) for path in sorted(odd.iterdir())]
    assert [(found.file, found.code) for (found,) in alone] == [
        (str(path), "unreadable") for path in sorted(odd.iterdir())
    ]
    assert {found.code for found in lint_paths([odd], Profile.DOCUMENTED)} == {"unreadable"}
    assert len(lint_paths([odd], Profile.DOCUMENTED)) == 5


def test_a_file_that_a_document_names_is_no_device(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="it is a device, not a file"):
        ReferencedDiskFiles(tmp_path).read("/dev/zero")


def test_a_pipe_is_read_once_for_all_who_want_it(pipe: Path) -> None:
    writer = threading.Thread(target=lambda: pipe.write_bytes(b"text"))
    writer.start()
    documents = DiskDocuments()
    assert [documents.read(pipe), documents.read(pipe)] == [b"text", b"text"]
    writer.join()


def test_a_service_that_reads_again_takes_files_alone(pipe: Path) -> None:
    for each in (Path("/dev/zero"), pipe):
        with pytest.raises(OSError, match="not a file"):
            DiskDocuments(keep=True).read(each)


class TestStream:
    """The same rules for files that are read piece by piece."""

    def test_a_file_of_any_size(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"line\n" * 500_000)
        with open_stream(tmp_path / "file") as stream:
            assert sum(1 for _ in stream) == 500_000

    def test_a_pipe_must_be_named(self, pipe: Path) -> None:
        with pytest.raises(OSError, match="it is a pipe, not a file"):
            open_stream(pipe)

    def test_a_named_pipe_is_read_to_its_end(self, pipe: Path) -> None:
        writer = threading.Thread(target=lambda: pipe.write_bytes(b"x" * 3_000_000))
        writer.start()
        with open_stream(pipe, named=True) as stream:
            assert len(stream.read()) == 3_000_000
        writer.join()

    @pytest.mark.usefixtures("impatient")
    def test_a_silent_pipe_is_given_up(self, pipe: Path) -> None:
        writer = os.open(pipe, os.O_RDWR)
        try:
            with open_stream(pipe, named=True) as stream, pytest.raises(OSError, match="nothing was written to it"):
                stream.read(1)
        finally:
            os.close(writer)

    @pytest.mark.parametrize("path", ["/dev/zero", "/dev/null"])
    def test_a_device_is_refused(self, path: str) -> None:
        with pytest.raises(OSError, match="it is a device, not a file"):
            open_stream(path, named=True)

    def test_an_open_descriptor(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"content")
        opened = os.open(tmp_path / "file", os.O_RDONLY)
        try:
            with open_stream(f"/dev/fd/{opened}", named=True) as stream:
                assert stream.read() == b"content"
        finally:
            os.close(opened)
