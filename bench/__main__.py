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

BENCHMARKS: dict[str, tuple[str, ...]] = {
    "bench.mutating:mutate": (
        "mutate_vs_flask_noop",
        "mutate_vs_wsgi_noop",
        "mutate_vs_same_noop",
        "mutate_p99_vs_noop",
    ),
    "bench.enforcing:cise": (
        "cise_pattern_vs_flask_noop",
        "cise_signed_warm_vs_flask_noop",
        "cise_trust_warm_vs_flask_noop",
    ),
    "bench.deciding:rules_scale_registries": ("rules_scale_registries",),
    "bench.deciding:rules_scale_imports": ("rules_scale_imports",),
    "bench.deciding:rules_scale_cise": ("rules_scale_cise",),
    "bench.storing:stream_scale": ("stream_scale",),
    "bench.trusting:trust_chain": ("trust_chain",),
    "bench.enforcing:merge": ("merge_lookups",),
    "bench.mutating:bursts": ("burst_200", "burst_500"),
    "bench.disturbing:slow_clients": ("slow_clients",),
    "bench.disturbing:bulkhead": ("bulkhead",),
    "bench.watching:watches": ("watches", "watches_idle"),
    "bench.checking:check_vs_parse": ("check_vs_parse",),
    "bench.enforcing:simple": ("simple_cold", "simple_warm"),
    "bench.lifetime:rss_worker": ("rss_worker",),
    "bench.lifetime:ready": ("ready",),
    "bench.mutating:mutate_sizes": ("mutate_sizes",),
    "bench.mutating:granian": ("granian_vs_gunicorn",),
    "bench.workers:workers": ("workers",),
    "bench.lifetime:soak": ("soak",),
    "bench.admissions:admissions": ("admissions_vs_no_webhook", "admission_cpu"),
}
"""Each function that measures, and the names it is asked for by: those of its figures that have a goal."""
NOT_BY_DEFAULT = frozenset({"bench.lifetime:soak", "bench.workers:workers", "bench.admissions:admissions"})
"""Half an hour of load, other servers, and what needs a Kubernetes that is built for ten minutes."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what is named, or everything but what takes half an hour or a cluster."""
    arguments = _parser().parse_args(argv)
    try:
        places = chosen(arguments.names)
    except KeyError as error:
        print(f"bench: no figure {error}; there are: {', '.join(NAMES)}", file=sys.stderr)
        return 2
    options = Options(arguments.rounds, arguments.seconds, arguments.minutes, arguments.profile)
    figures: list[Figure] = []
    failed = False
    for place in places:
        try:
            for figure in load(place)(options):
                figures.append(figure)
                if not arguments.json:
                    print(figure.line(), flush=True)
        except WrongAnswer as error:
            failed = True
            print(f"{', '.join(BENCHMARKS[place])}: not measured: {error}", file=sys.stderr)
    if arguments.json:
        print(json.dumps([figure.to_json() for figure in figures], indent=2))
    return 1 if failed else 0


NAMES = tuple(name for names in BENCHMARKS.values() for name in names)


def chosen(names: Sequence[str]) -> list[str]:
    """The functions that measure the named figures, each once; without names all but ``NOT_BY_DEFAULT``.

    Raises:
        KeyError: a name that is no figure's.
    """
    if not names:
        return [place for place in BENCHMARKS if place not in NOT_BY_DEFAULT]
    by_name = {name: place for place, names in BENCHMARKS.items() for name in names}
    return list(dict.fromkeys(by_name[name] for name in names))


def load(place: str) -> Benchmark:
    """The function at ``MODULE:FUNCTION``."""
    module, _, function = place.partition(":")
    return cast(Callable[[Options], list[Figure]], getattr(import_module(module), function))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measures imagegate beside references.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--rounds", type=int, default=3, help="alternating rounds, of which the median counts (3)")
    parser.add_argument("--seconds", type=int, default=3, help="of load in a round (3)")
    parser.add_argument("--minutes", type=int, default=30, help="of load in the soak (30)")
    parser.add_argument("--profile", type=Path, metavar="DIR", help="write flame graphs (SVG) of the server there")
    parser.add_argument("--json", action="store_true", help="one JSON list instead of lines")
    return parser


if __name__ == "__main__":
    sys.exit(main())
