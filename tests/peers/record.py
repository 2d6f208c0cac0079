"""Records the verdicts of Gatekeeper's gator and Kyverno's CLI on the corpus.

Both are Go programs: ``go build github.com/open-policy-agent/gatekeeper/v3/cmd/gator`` and
``./cmd/cli/kubectl-kyverno`` of github.com/kyverno/kyverno.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from tests.peers.corpus import corpus, digest
from tests.peers.recordings import ALLOWED, DENIED, ERROR, POLICIES, Recording, policy_files, write

_WITHIN_S = 300


def gator_verdicts(program: Path, policy: Path, pods: Path, names: list[str]) -> str:
    """One letter for each Pod."""
    templates = sorted((POLICIES / "gatekeeper").glob("*.template.yaml"))
    files = [argument for each in (*templates, policy, pods) for argument in ("-f", str(each))]
    ran = _run([str(program), "test", *files, "-o", "json"])
    denied = {each["violatingObject"]["metadata"]["name"] for each in json.loads(ran) or ()}
    return "".join(DENIED if name in denied else ALLOWED for name in names)


def kyverno_verdicts(program: Path, policy: Path, pods: Path, names: list[str]) -> str:
    """One letter for each Pod; one that no rule matches has no result and is allowed."""
    command = [str(program), "apply", str(policy), "--resource", str(pods), "--policy-report"]
    ran = _run([*command, "--output-format", "json"])
    start = ran.find("{")
    if start < 0:
        raise SystemExit(f"{policy}: no report:\n{ran}")
    words: dict[str, set[str]] = {}
    for result in json.loads(ran[start:]).get("results") or []:
        for each in result["resources"]:
            words.setdefault(each["name"], set()).add(result["result"])
    return "".join(_letter(words.get(name, set())) for name in names)


def _letter(words: Iterable[str]) -> str:
    found = set(words)
    unknown = found - {"pass", "fail", "warn", "error", "skip"}
    if unknown:
        raise SystemExit(f"unknown results: {unknown}")
    return ERROR if "error" in found else DENIED if found & {"fail", "warn"} else ALLOWED


def _run(command: list[str]) -> str:
    ran = subprocess.run(command, capture_output=True, text=True, timeout=_WITHIN_S, check=False)
    if ran.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(command)}: exit code {ran.returncode}\n{ran.stdout}{ran.stderr}")
    return ran.stdout


def version(program: Path) -> str:
    """Of its main module; a program that was built in its own tree has its version in its file's name."""
    ran = _run(["go", "version", "-m", str(program.resolve())])
    found = re.search(r"^\s*mod\s+\S+\s+(v\S+)", ran, re.MULTILINE)
    named = re.search(r"v\d+\.\d+\.\d+", program.resolve().name)
    if found is None and named is None:
        raise SystemExit(f"{program}: which version? Name the file so: kyverno-v1.18.2")
    return found[1] if found is not None else named[0]  # type: ignore[index]


def main() -> None:
    """Record both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gator", type=Path)
    parser.add_argument("kyverno", type=Path)
    given = parser.parse_args()
    tested = corpus()
    names = [each.name for each in tested]
    documents: list[dict[str, Any]] = [each.pod for each in tested]
    with tempfile.TemporaryDirectory() as folder:
        pods = Path(folder) / "pods.yaml"
        pods.write_text(yaml.safe_dump_all(documents, allow_unicode=True), encoding="utf-8")
        for label, program, ask in (
            ("gatekeeper", given.gator, gator_verdicts),
            ("kyverno", given.kyverno, kyverno_verdicts),
        ):
            verdicts = {each.name: ask(program, each, pods, names) for each in policy_files(label)}
            write(label, Recording(version(program), digest(tested), verdicts))
            sys.stdout.write(f"{label}: {len(verdicts)} policies, {len(names)} pods\n")


if __name__ == "__main__":
    main()
