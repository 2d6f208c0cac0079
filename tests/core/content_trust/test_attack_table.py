"""docs/content-trust-attacks.md names tests that exist, and every attack that is tested."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
ATTACKS = "tests/core/content_trust/test_attacks.py"
_CELL = re.compile(r"`(?:(?P<file>tests/[a-z_/]+\.py)::)?(?P<same>::)?(?P<test>test_\w+)`")


def cited() -> set[tuple[str, str]]:
    """File and name of each test in the table; ``::`` alone means the file named before."""
    found = set()
    for line in (ROOT / "docs/content-trust-attacks.md").read_text(encoding="utf-8").splitlines():
        file = ATTACKS
        for cell in _CELL.finditer(line):
            if cell["file"]:
                file = cell["file"]
            elif not cell["same"]:
                file = ATTACKS
            found.add((file, cell["test"]))
    return found


def defined(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_every_test_in_the_table_exists() -> None:
    missing = {(file, test) for file, test in cited() if test not in defined(file)}
    assert cited()
    assert missing == set()


def test_every_attack_is_in_the_table() -> None:
    assert defined(ATTACKS) - {test for file, test in cited() if file == ATTACKS} == set()
