"""What the page for operators shows is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from imagegate.core.enforcement.behaviour import CiseSettings
from imagegate.core.enforcement.image import parse_image
from imagegate.core.enforcement.selection import PolicySet, Selected, select
from imagegate.documents.image_policies import read_policies
from tests.support.enforcement_setup import policy

PAGE = (Path(__file__).parents[2] / "docs/enforcement.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \| (match|no match)", PAGE, re.MULTILINE)


@pytest.mark.parametrize("image, name, expected", ROWS)
def test_table_of_matches(image: str, name: str, expected: str) -> None:
    image = image.replace("…", "ab" * 32)
    policies = PolicySet(read_policies(policy(f'{{name: "{name}"}}'), "p").policies)
    found = select(policies, "default", image, parse_image(image), CiseSettings())
    assert isinstance(found, Selected) is (expected == "match")


def test_the_table_was_found() -> None:
    assert len(ROWS) == 9


def test_policies_shown_load() -> None:
    blocks = [block for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if "ImagePolicy\n" in block]
    assert len(blocks) == 1
    for block in blocks:
        loaded = read_policies(block, "docs/enforcement.md")
        assert loaded.warnings == []
        assert [entry.name for entry in loaded.policies[0].entries] == ["icr.io/shop/*", "quay.io/*"]
