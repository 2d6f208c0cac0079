"""``python -m tests.image_api_pairs``: one line an area, exit 0 only if every answer agrees but the intended ones."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.image_api_pairs.intended import read_intended
from tests.image_api_pairs.outcome import Outcome, run_pairs
from tests.image_api_pairs.pairs import VECTORS, read_pairs


def main(argv: Sequence[str] | None = None) -> int:
    """Replay the chosen pairs; 0 all agree, 1 some differ, 2 unusable arguments."""
    arguments = _parser().parse_args(argv)
    pairs = read_pairs(arguments.pairs)
    if arguments.sequence and arguments.sequence not in {pair.sequence for pair in pairs}:
        print(f"error: {arguments.pairs} has no sequence {arguments.sequence}", file=sys.stderr)
        return 2
    outcome = run_pairs(pairs, read_intended(VECTORS / "intended.yaml"), sequence=arguments.sequence)
    _print(outcome, arguments.show)
    return 0 if outcome.agrees else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.image_api_pairs", description=__doc__)
    parser.add_argument("--pairs", type=Path, default=VECTORS / "pairs.jsonl", metavar="FILE", help="%(default)s")
    parser.add_argument("--sequence", default="", metavar="S", help="only this one, after the one that it continues")
    parser.add_argument("--show", type=int, default=0, metavar="N", help="differing answers to print (%(default)s)")
    return parser


def _print(outcome: Outcome, show: int) -> None:
    for area, (equal, same_status, total) in outcome.areas().items():
        print(f"{area} {equal}/{total} (status {same_status}/{total})")
    equal, same_status, total = outcome.sum()
    print(f"all {equal}/{total} (status {same_status}/{total}), {len(outcome.intended_ids)} intended differences")
    for result in outcome.unexpected[:show]:
        pair = result.pair
        print(f"\n{pair.id} {pair.area} {pair.note}: {pair.method} {pair.path} {dict(pair.headers) or ''}")
        for text in result.differences:
            print(f"  {text}")
    for id_ in outcome.stale:
        print(f"error: {id_} agrees now, or is not there: remove it from intended.yaml")


if __name__ == "__main__":
    sys.exit(main())
