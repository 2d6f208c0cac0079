"""``python -m bench.report``: measures, and rewrites the measured parts of ``docs/performance.md``."""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench import checking, deciding, plot, storing
from bench.__main__ import chosen, load
from bench.figures import Figure, Options, WrongAnswer
from bench.servers import ROOT

PAGE = ROOT / "docs" / "performance.md"
PLOT = ROOT / "docs" / "performance-scaling.svg"


def main(argv: Sequence[str] | None = None) -> int:
    """Measure everything and write the page; 1 if some answer was wrong."""
    parser = argparse.ArgumentParser(prog="python -m bench.report", description=__doc__)
    parser.add_argument("--only-curves", action="store_true", help="leave the table of figures as it is")
    arguments = parser.parse_args(argv)
    text = PAGE.read_text(encoding="utf-8")
    failures: list[str] = []
    if not arguments.only_curves:
        text = replaced(text, "figures", figures_table(_measure(Options(), failures)))
        text = replaced(text, "machine", machine())
    curves = scaling_curves()
    PLOT.write_text(plot.log_log("One decision or look-up", "µs of processor time", curves), encoding="utf-8")
    text = replaced(text, "curves", curves_table(curves, "µs"))
    text = replaced(text, "manifests", curves_table({"imagegate check": checking.curve(deciding.SIZES)}, "s"))
    PAGE.write_text(text, encoding="utf-8")
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


def _measure(options: Options, failures: list[str]) -> list[Figure]:
    figures: list[Figure] = []
    for place in chosen(()):
        try:
            for figure in load(place)(options):
                figures.append(figure)
                print(figure.line(), flush=True)
        except WrongAnswer as error:
            failures.append(f"{place}: {error}")
    return figures


def scaling_curves() -> dict[str, dict[int, float]]:
    """Microseconds an answer by number of entries: ours, and a linear search through the same entries."""
    found: dict[str, dict[int, float]] = {}
    for name, (ours, linear) in deciding.CURVES.items():
        found[name] = deciding.curve(ours)
        found[f"{name} (linear)"] = deciding.curve(linear)
    found["stream tags, from the file"] = storing.curve(deciding.SIZES)
    return found


def machine() -> str:
    """The date and the machine of the measurements."""
    with Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    cpus = len(os.sched_getaffinity(0))
    day = datetime.now(UTC).date().isoformat()
    return f"Measured on {day}: {cpus} processors of {model}, Linux, CPython {platform.python_version()}.\n"


def figures_table(figures: Iterable[Figure]) -> str:
    """All figures as a Markdown table."""
    lines = ["| figure | value | goal | |", "|---|---:|---:|---|"]
    for figure in figures:
        name, value, unit, goal, verdict = figure.line().split(" ")
        lines.append(f"| `{name}` | {value} {unit} | {goal} | {verdict} |")
    return "\n".join(lines) + "\n"


def curves_table(curves: Mapping[str, Mapping[int, float]], unit: str) -> str:
    """The curves as a Markdown table."""
    sizes = sorted({size for curve in curves.values() for size in curve})
    lines = [
        f"| {unit} | " + " | ".join(f"{size:,}" for size in sizes) + " |",
        "|---|" + "---:|" * len(sizes),
    ]
    for name, curve in curves.items():
        lines.append(f"| {name} | " + " | ".join(f"{curve[size]:.3g}" for size in sizes) + " |")
    return "\n".join(lines) + "\n"


def replaced(page: str, part: str, text: str) -> str:
    """The page with what stands between ``<!-- PART -->`` and ``<!-- /PART -->`` replaced."""
    opening, closing = f"<!-- {part} -->", f"<!-- /{part} -->"
    pattern = re.compile(f"{re.escape(opening)}.*?{re.escape(closing)}", re.DOTALL)
    if not pattern.search(page):
        raise ValueError(f"{PAGE.name} has no {opening} ... {closing}")
    return pattern.sub(lambda _: f"{opening}\n{text}{closing}", page)


if __name__ == "__main__":
    sys.exit(main())
