"""Where the artefacts made by real programs are; ``README.md`` there says what each is."""

from __future__ import annotations

from pathlib import Path

SAMPLES = Path(__file__).resolve().parent.parent / "data" / "samples"
TOOLS = SAMPLES / "tools"
