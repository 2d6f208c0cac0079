"""``imagegate check`` beside other command lines: the same pods and rule, what they cost, whether they agree."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bench.figures import WrongAnswer, median
from bench.servers import ROOT, descendants

ALLOWED_REGISTRIES = ("docker.io", "registry.corp.example")
DENIED_REGISTRY = "quay.example"
SAMPLE_S = 0.02
"""Between two looks at the memory of all processes."""

Denied = Callable[[str], frozenset[str]]
"""The objects that a program's output denies, each as KIND/NAME."""


@dataclass(slots=True)
class Run:
    """Time, processor time and memory of one run."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    """The largest sum of the proportional set sizes (PSS) of all its processes, as far as seen."""


@dataclass(slots=True)
class Program:
    """One command line, asked about a file of pods or a folder of manifests."""

    name: str
    version: str
    command: Callable[[Path], Sequence[str | Path]]
    denied: Denied
    in_words: Sequence[str | Path] = ()
    """The command that shows its denials to a person, without the path that it is asked about."""
    runs: dict[str, list[Run]] = field(default_factory=dict)
    """By what was asked about."""

    def measure(self, manifests: Path, about: str, denied: int | None = None) -> frozenset[str]:
        """Run once, keep what it took, and return what it denies.

        Raises:
            WrongAnswer: it denies more or fewer objects than ``denied``.
        """
        output, run = _observed(self.command(manifests))
        found = self.denied(output)
        if denied is not None and len(found) != denied:
            raise WrongAnswer(f"{self.name} denies {len(found)} of {about}, not {denied}: {output[-2000:]}")
        self.runs.setdefault(about, []).append(run)
        return found

    def shown(self, manifests: Path) -> str:
        """Its output as a person reads it."""
        return _observed([*self.in_words, manifests])[0]

    def medians(self, about: str) -> Run:
        """The medians of the runs about this."""
        runs = self.runs[about]
        return Run(*(median([getattr(run, name) for run in runs]) for name in ("wall_s", "cpu_s", "peak_mib")))


def write_pods(path: Path, count: int) -> int:
    """Write ``count`` pods of two containers into one file; every second has an image that is not allowed.

    Returns:
        The number of pods to be denied.
    """
    path.write_text("---\n".join(yaml.safe_dump(_pod(number), sort_keys=False) for number in range(count)), "utf-8")
    return count // 2


def _pod(number: int) -> dict[str, Any]:
    registry = DENIED_REGISTRY if number % 2 else ALLOWED_REGISTRIES[number // 2 % 2]
    images = (
        f"docker.io/team-{number % 97}/proxy:v1",
        f"{registry}/team-{number % 97}/app-{number % 31}:v{number % 7}",
    )
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"pod-{number}", "namespace": "shop", "labels": {"app": f"app-{number % 50}"}},
        "spec": {
            "containers": [
                {
                    "name": f"part-{at}",
                    "image": image,
                    "ports": [{"containerPort": 8080 + at}],
                    "env": [{"name": "LEVEL", "value": "info"}],
                }
                for at, image in enumerate(images)
            ]
        },
    }


def _observed(command: Sequence[str | Path]) -> tuple[str, Run]:
    """The standard output of a program that exits with 0 or 1, and what it took."""
    started = time.perf_counter()
    before = os.times()
    with subprocess.Popen([*map(str, command)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        ended = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            peak = pool.submit(_peak_bytes, process.pid, ended)
            try:
                output, errors = process.communicate(timeout=900)
            finally:
                ended.set()
        wall_s = time.perf_counter() - started
    after = os.times()
    if process.returncode not in (0, 1) or (process.returncode and not output):
        raise WrongAnswer(f"{command[0]} exited {process.returncode}: {errors.decode(errors='replace')[-2000:]}")
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    return output.decode(), Run(wall_s, cpu_s, peak.result() / 2**20)


def _peak_bytes(pid: int, ended: threading.Event) -> int:
    """The largest proportional set size of a process and its children, sampled until ``ended``."""
    peak = 0
    while not ended.wait(SAMPLE_S):
        peak = max(peak, sum(_pss_bytes(each) for each in descendants(pid)))
    return peak


def _pss_bytes(pid: int) -> int:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
        return int(found[1]) * 1024 if found else 0
    return 0
