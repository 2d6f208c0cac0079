"""Servers under test, pinned to one processor, and the processor time that they use."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.figures import WrongAnswer

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
SERVER_CPU, LOAD_CPU = 0, 1
START_TIMEOUT_S = 20.0
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Server:
    """A running server and all its processes."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    ready_s: float
    """From start to the first accepted connection."""
    scheme: str = "http"

    def pids(self) -> list[int]:
        """The processes of the server: master, workers, and whatever they started."""
        return sorted(descendants(self.process.pid))

    def cpu_s(self) -> float:
        """User and system time that all processes of the server have used, ended ones included."""
        return sum(_cpu_s(pid) for pid in self.pids())

    def worker_rss_mib(self) -> float:
        """Resident memory of the largest worker, in MiB."""
        workers = [pid for pid in self.pids() if pid != self.process.pid] or [self.process.pid]
        return max(_rss_bytes(pid) for pid in workers) / 2**20


@contextlib.contextmanager
def running(
    name: str,
    command: Sequence[str | Path],
    *,
    port: int,
    env: Mapping[str, str] | None = None,
    cpus: Sequence[int] | None = (SERVER_CPU,),
    log: Path,
) -> Iterator[Server]:
    """Start a server on the given processors (None: all), wait for its port, end it afterwards.

    Raises:
        WrongAnswer: it ended, or does not listen in time; with its log.
    """
    pin = [] if cpus is None else ["taskset", "-c", ",".join(map(str, cpus))]
    started = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*pin, *map(str, command)],
            cwd=ROOT,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        while not listens(port):
            if process.poll() is not None or time.perf_counter() - started > START_TIMEOUT_S:
                raise WrongAnswer(f"{name} did not start:\n{log.read_text(errors='replace')[-4000:]}")
            time.sleep(0.005)
        yield Server(name, port, process, time.perf_counter() - started)
    finally:
        _end(process)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on just now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def listens(port: int) -> bool:
    """True if a program accepts connections on the port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    for how, wait_s in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(wait_s)
            return


def descendants(pid: int) -> set[int]:
    """A process, its children, theirs, and so on."""
    found = {pid}
    children = Path(f"/proc/{pid}/task/{pid}/children")
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for child in children.read_text().split():
            found |= descendants(int(child))
    return found


def _cpu_s(pid: int) -> float:
    """User and system time, with that of waited-for children (fields 14 to 17 of /proc/PID/stat)."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / _TICKS_PER_S
    return 0.0


def _rss_bytes(pid: int) -> int:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    return 0
