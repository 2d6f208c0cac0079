"""Differences that stay, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml


def read_intended(path: Path) -> Mapping[str, str]:
    """The reason of each request (``s4#2``) whose answer is meant to differ.

    Raises:
        ValueError: a request is listed twice, or a reason is missing.
    """
    found: dict[str, str] = {}
    for entry in yaml.safe_load(path.read_text(encoding="utf-8")) or ():
        if not entry["why"]:
            raise ValueError(f"{path}: an entry has no reason")
        for id_ in entry["requests"]:
            if id_ in found:
                raise ValueError(f"{path}: {id_} is listed twice")
            found[id_] = entry["why"]
    return found
