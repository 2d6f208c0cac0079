"""The recorded requests and answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VECTORS = Path(__file__).resolve().parents[1] / "vectors" / "image_api"


@dataclass(frozen=True, slots=True)
class Pair:
    """One request and the answer of the original."""

    sequence: str
    number: int
    area: str
    note: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: Any
    """An object or list: JSON. A string: as it was sent, protobuf in base64. None: no body."""
    status: int
    response_headers: Mapping[str, str]
    response: Any

    @property
    def id(self) -> str:
        """``s4#2``: sequence and number."""
        return f"{self.sequence}#{self.number}"


def read_pairs(path: Path) -> list[Pair]:
    """Every pair of a JSON Lines file, in order."""
    with path.open(encoding="utf-8") as lines:
        return [_pair(json.loads(line)) for line in lines if line.strip()]


def _pair(line: Mapping[str, Any]) -> Pair:
    return Pair(
        sequence=line["seq"],
        number=line["n"],
        area=line["area"],
        note=line["note"] or "",
        method=line["method"],
        path=line["path"],
        headers=line["headers"] or {},
        body=line["body"],
        status=line["status"],
        response_headers=line["responseHeaders"] or {},
        response=line["response"],
    )
