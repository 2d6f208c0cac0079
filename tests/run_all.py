"""``python -m tests.run_all PARALLEL [ARGUMENT ...]``: all tests and conformance; exit 0 only if all pass.

Two processes run the tests beside each other, with hundreds of servers. A test that fails then may only have waited too
long; it may also have met a race of the product. So it is run again alone, and named at the end if it passes then.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

EXCUSED_MAX = 20
"""More failures are no accident, and are not run again."""
SOME_FAILED = 1
"""pytest's exit code."""
CACHE = Path(".pytest_cache/v")
LAST_FAILED = CACHE / "cache/lastfailed"
FAILURES = "imagegate/failures"
"""Key in pytest's cache: the text of each failure of the last run, by test."""
TEXT_LINES = 25
"""Lines of an excused failure that are printed again; the last ones say what was wrong."""


def main(parallel: str, *arguments: str) -> int:
    """Run everything.

    Args:
        parallel: options of pytest for the run beside each other, in one text.
        arguments: options of pytest for both runs.
    """
    code = run("pytest", "-q", *shlex.split(parallel), *arguments)
    failed = failed_tests() if code == SOME_FAILED else []
    texts = failure_texts() if failed else {}
    excused: list[str] = []
    if len(failed) > EXCUSED_MAX:
        _say(f"{len(failed)} tests failed: too many to be run again")
    elif failed:
        _say(f"{len(failed)} failed beside other tests; what fails is run again, alone")
        code = run("pytest", "-q", "--last-failed", "--last-failed-no-failures=none", *arguments)
        excused = sorted(set(failed) - set(failed_tests()))
    conformance = run("tests.conformance")  # also where a test failed: which of the two is wrong is then plain at once
    for name in excused:
        _say("\n".join([f"\n{name} had failed:", *texts.get(name, "").splitlines()[-TEXT_LINES:]]))
    for name in excused:
        _say(f"failed beside others and passed alone, look for a race: {name}")
    return code or conformance


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def run(module: str, *arguments: str) -> int:
    """The exit code of ``python -m MODULE ARGUMENTS``."""
    return subprocess.run([sys.executable, "-m", module, *arguments], check=False).returncode


def failed_tests() -> list[str]:
    """The tests that pytest remembers as failed."""
    return sorted(json.loads(LAST_FAILED.read_text())) if LAST_FAILED.exists() else []


def failure_texts() -> dict[str, str]:
    """How each test of the last run failed, by test."""
    file = CACHE / FAILURES
    found: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    return found


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
