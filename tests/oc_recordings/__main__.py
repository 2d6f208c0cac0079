"""``python -m tests.oc_recordings OC [SCENARIO ...]``: record the commands anew with this ``oc``.

``python -m tests.oc_recordings accept [SCENARIO ...]`` needs no ``oc``: it sends the recorded requests, prints how the
answers differ, and writes those of now. Read what it prints: a command may depend on what changed.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.oc_recordings.record import read_scenarios, record
from tests.oc_recordings.replay import Replay, exchanges, write
from tests.oc_recordings.setup import importing_api
from tests.support.image_api import Api


def main(arguments: list[str]) -> int:
    """0 if nothing differs, or every command ended as ``commands.yaml`` says."""
    oc, *names = arguments
    chosen = [scenario for scenario in read_scenarios() if not names or scenario["name"] in names]
    problems = []
    for scenario in chosen:
        with tempfile.TemporaryDirectory() as folder, importing_api(Path(folder)) as api:
            found = accept(scenario["name"], api) if oc == "accept" else record(scenario, api, Path(oc), Path(folder))
        print(f"{scenario['name']}: {len(found)} differ", flush=True)
        problems += found
    print("\n".join(problems))
    return 1 if problems else 0


def accept(scenario: str, api: Api) -> list[str]:
    """Write the answers of now; the differences."""
    replay, accepted, problems = Replay(api), [], []
    for exchange in exchanges(scenario):
        now, differences = replay.accepted(exchange)
        accepted.append(now)
        problems += [f"{exchange['command']}: {exchange['method']} {exchange['path']}: {each}" for each in differences]
    write(scenario, accepted)
    return problems


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
