"""``imagegate check`` of many manifests beside a program that only parses them."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import yaml

from bench import program
from bench.figures import Figure, Options, WrongAnswer, median
from bench.servers import BIN, ROOT

MANIFESTS = 10_000
PER_FOLDER = 500
_PARSE = """
import pathlib, sys, yaml
count = 0
for path in sorted(pathlib.Path(sys.argv[1]).rglob("*.yaml")):
    count += sum(1 for _ in yaml.load_all(path.read_text(encoding="utf-8"), yaml.CSafeLoader))
print(count)
"""


def write_manifests(directory: Path, count: int = MANIFESTS) -> None:
    """``count`` pods of about 435 bytes, one a file, 500 a folder."""
    for number in range(count):
        folder = directory / f"team-{number // PER_FOLDER}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"pod-{number}.yaml").write_text(manifest(number), encoding="utf-8")


def manifest(number: int) -> str:
    """One pod as people write it."""
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": f"pod-{number}",
                "namespace": program.NAMESPACE,
                "labels": {"app": f"app-{number % 50}"},
            },
            "spec": {
                "containers": [
                    {
                        "name": "main",
                        "image": f"docker.io/team-{number % 97}/app-{number % 31}:v{number % 7}",
                        "ports": [{"containerPort": 8080}],
                        "env": [{"name": "LEVEL", "value": "info"}, {"name": "REGION", "value": "eu"}],
                        "resources": {"limits": {"cpu": "500m", "memory": "256Mi"}},
                    }
                ],
                "restartPolicy": "Always",
            },
        },
        sort_keys=False,
    )


def check_vs_parse(options: Options) -> Iterable[Figure]:
    """Wall time on all processors, medians of alternating rounds, interpreter start included on both sides."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        directory = Path(name)
        write_manifests(directory)
        parse = [sys.executable, "-c", _PARSE, str(directory)]
        check = [str(BIN / "imagegate"), "check", "--config", str(program.POLICY), "-o", "json", str(directory)]
        seconds: dict[str, list[float]] = {"parse": [], "check": []}
        for _ in range(options.rounds):
            parsed, took = _timed(parse)
            seconds["parse"].append(took)
            program.must(parsed.strip() == str(MANIFESTS), f"parsed {parsed.strip()} manifests")
            checked, took = _timed(check)
            seconds["check"].append(took)
            seen = checked.count('"pod-')
            program.must(seen >= MANIFESTS, f"check speaks of {seen} manifests")
        yield Figure("check_vs_parse", median(seconds["check"]) / median(seconds["parse"]), "ratio", 1.0)
        yield Figure("check_10000", median(seconds["check"]), "s")
        yield Figure("parse_10000", median(seconds["parse"]), "s")


def _timed(command: Sequence[str]) -> tuple[str, float]:
    started = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    took = time.perf_counter() - started
    if done.returncode != 0:
        raise WrongAnswer(f"{command[0]} exited {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout, took


def curve(sizes: Sequence[int]) -> dict[int, float]:
    """Seconds of ``imagegate check`` for so many manifests."""
    found = {}
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            write_manifests(Path(name), size)
            command = [str(BIN / "imagegate"), "check", "--config", str(program.POLICY), "-o", "json", name]
            found[size] = median([_timed(command)[1] for _ in range(3)])
    return found
