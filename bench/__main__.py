"""``python -m bench``: one line a figure, exit 0 also where a goal is missed, 1 where an answer was wrong."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import cast

from bench.figures import Benchmark, Figure, Options, WrongAnswer

BENCHMARKS = {
    "mutate_vs_flask_noop": "bench.mutating:mutate",
    "mutate_sizes": "bench.mutating:mutate_sizes",
    "cise_pattern_vs_flask_noop": "bench.enforcing:cise",
    "simple_cold": "bench.enforcing:simple",
    "merge_lookups": "bench.enforcing:merge",
    "granian_vs_gunicorn": "bench.mutating:granian",
    "burst_200": "bench.mutating:bursts",
    "stream_scale": "bench.storing:stream_scale",
    "check_vs_parse": "bench.checking:check_vs_parse",
    "ready": "bench.lifetime:ready",
    "rss_worker": "bench.lifetime:rss_worker",
    "soak": "bench.lifetime:soak",
    "rules_scale_registries": "bench.deciding:rules_scale_registries",
    "rules_scale_imports": "bench.deciding:rules_scale_imports",
    "rules_scale_cise": "bench.deciding:rules_scale_cise",
}
"""Every benchmark by the name of its first figure, and the function that measures it."""
NOT_BY_DEFAULT = frozenset({"soak"})


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what is named, or everything but what takes half an hour."""
    arguments = _parser().parse_args(argv)
    names = list(dict.fromkeys(arguments.names)) or [name for name in BENCHMARKS if name not in NOT_BY_DEFAULT]
    options = Options(arguments.rounds, arguments.seconds, arguments.minutes, arguments.profile)
    figures: list[Figure] = []
    failed = False
    for name in names:
        try:
            for figure in load(name)(options):
                figures.append(figure)
                if not arguments.json:
                    print(figure.line(), flush=True)
        except WrongAnswer as error:
            failed = True
            print(f"{name}: wrong answer, not measured: {error}", file=sys.stderr)
    if arguments.json:
        print(json.dumps([figure.to_json() for figure in figures], indent=2))
    return 1 if failed else 0


def load(name: str) -> Benchmark:
    """The function that measures ``name``."""
    module, _, function = BENCHMARKS[name].partition(":")
    return cast(Callable[[Options], list[Figure]], getattr(import_module(module), function))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measures imagegate beside references.")
    parser.add_argument("names", nargs="*", choices=[[], *BENCHMARKS], metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--rounds", type=int, default=3, help="alternating rounds, of which the median counts (3)")
    parser.add_argument("--seconds", type=int, default=3, help="of load in a round (3)")
    parser.add_argument("--minutes", type=int, default=30, help="of load in the soak (30)")
    parser.add_argument("--profile", type=Path, metavar="DIR", help="write flame graphs (SVG) of the server there")
    parser.add_argument("--json", action="store_true", help="one JSON list instead of lines")
    return parser


if __name__ == "__main__":
    sys.exit(main())
