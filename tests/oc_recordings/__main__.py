"""``python -m tests.oc_recordings OC [SCENARIO ...]``: record the commands anew with this ``oc``."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.oc_recordings.record import read_scenarios, record
from tests.oc_recordings.setup import importing_api


def main(arguments: list[str]) -> int:
    """0 if every command ended as ``commands.yaml`` says."""
    oc, *names = arguments
    problems = []
    for scenario in read_scenarios():
        if names and scenario["name"] not in names:
            continue
        with tempfile.TemporaryDirectory() as folder, importing_api(Path(folder)) as api:
            found = record(scenario, api, Path(oc), Path(folder))
        print(f"{scenario['name']}: {len(scenario['commands'])} commands, {len(found)} not as expected", flush=True)
        problems += found
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
