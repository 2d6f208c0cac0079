"""``python -m tests.walkthrough``: every walk-through, shown as it goes. Exit 1 if one goes another way."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.walkthrough import document_004
from tests.walkthrough.terminal import UnexpectedOutcome


def main() -> int:
    """All walk-throughs."""
    with tempfile.TemporaryDirectory(prefix="imagegate-") as directory:
        try:
            document_004.walk(Path(directory), say)
        except UnexpectedOutcome as error:
            print(f"\nNot as documented: {error}", file=sys.stderr)
            return 1
    print("\nAll as documented.")
    return 0


def say(text: str) -> None:
    """Show a line at once."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
