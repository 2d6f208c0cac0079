"""``python -m tests.conformance``: one line a family, exit 0 only if every case passes."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.conformance.context import Context
from tests.conformance.runner import BadVectors, FamilyResult, default_directory, families_in, run_family

EXIT_DIFFERENCES = 1
EXIT_BAD_VECTORS = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the chosen families; 0 all pass, 1 some case differs, 2 vectors or family unusable."""
    arguments = _parser().parse_args(argv)
    context = Context(arguments.vectors)
    results: list[FamilyResult] = []
    errors: list[str] = []
    try:
        families = families_in(arguments.vectors, arguments.family)
    except BadVectors as error:
        families, errors = [], [str(error)]
    for family in families:
        try:
            result = run_family(family, context)
        except BadVectors as error:
            errors.append(str(error))
            continue
        results.append(result)
        if not arguments.json:
            _print_result(result, arguments.show)
    if arguments.json:
        print(json.dumps(_document(results, errors, arguments.show), indent=2, ensure_ascii=False))
    for error_text in errors:
        print(f"error: {error_text}", file=sys.stderr)
    if errors:
        return EXIT_BAD_VECTORS
    return EXIT_DIFFERENCES if any(result.differing for result in results) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("--vectors", type=Path, default=default_directory(), metavar="DIR", help="default: %(default)s")
    parser.add_argument("--family", action="append", default=[], metavar="NAME", help="may be given several times")
    parser.add_argument("--show", type=int, default=5, metavar="N", help="differing cases to print (%(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of lines")
    return parser


def _print_result(result: FamilyResult, show: int) -> None:
    print(f"{result.family} {result.passed}/{result.total}", flush=True)
    for difference in result.differing[:show]:
        print(f"  {difference.id}: {difference.text}")
    if len(result.differing) > show:
        print(f"  and {len(result.differing) - show} more")


def _document(results: Sequence[FamilyResult], errors: Sequence[str], show: int) -> dict[str, object]:
    return {
        "families": [
            {
                "family": result.family,
                "passed": result.passed,
                "total": result.total,
                "differing": [{"id": item.id, "text": item.text} for item in result.differing[:show]],
            }
            for result in results
        ],
        "errors": list(errors),
    }


if __name__ == "__main__":
    sys.exit(main())
