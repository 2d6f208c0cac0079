"""Recorded verdicts: for every policy one letter a Pod, in the order of the corpus."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
POLICIES = HERE / "policies"
RECORDINGS = HERE.parent / "vectors" / "peers"
PROGRAMS = ("gatekeeper", "kyverno")
ALLOWED, DENIED, ERROR = "a", "d", "e"
"""``e``: the program could not decide; an admission webhook with failurePolicy Fail denies."""


class Recording(NamedTuple):
    """What one program said."""

    version: str
    corpus: str
    verdicts: dict[str, str]
    """By name of the policy's file."""


def policy_files(program: str) -> list[Path]:
    """The policies of one program, without what they need beside them."""
    return sorted(each for each in (POLICIES / program).glob("*.yaml") if not each.stem.endswith(".template"))


def read(program: str) -> Recording:
    """The recording of one program."""
    found = json.loads((RECORDINGS / f"{program}.json").read_text(encoding="utf-8"))
    return Recording(found["version"], found["corpus"], found["verdicts"])


def write(program: str, recording: Recording) -> None:
    """Replace the recording of one program."""
    text = json.dumps({"command": "python -m tests.peers.record GATOR KYVERNO", **recording._asdict()}, indent=1)
    (RECORDINGS / f"{program}.json").write_text(f"{text}\n", encoding="utf-8")
