"""What a family's ``run`` gets besides the case."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(slots=True)
class Context:
    """One run over one directory of vectors."""

    directory: Path
    """Where the vectors are; catalogues are read from here too."""
    memo: dict[str, Any] = field(default_factory=dict)
    """What a family keeps between its cases: compiled catalogues, keys. Keys begin with the family's name."""

    def json(self, name: str) -> Any:
        """The JSON document ``name`` of the directory, read once; treat it as read-only."""
        key = f"json:{name}"
        if key not in self.memo:
            self.memo[key] = json.loads((self.directory / name).read_text(encoding="utf-8"))
        return self.memo[key]


def differences(expected: dict[str, Any], got: dict[str, Any]) -> str | None:
    """None if equal, else each differing key with what was expected and what came."""
    if expected == got:
        return None
    lines = [
        f"{key}: expected {_show(expected, key)}, got {_show(got, key)}"
        for key in sorted(expected.keys() | got.keys())
        if key not in expected or key not in got or expected[key] != got[key]
    ]
    return "; ".join(lines)


def _show(values: dict[str, Any], key: str) -> str:
    return json.dumps(values[key], ensure_ascii=False) if key in values else "nothing"
