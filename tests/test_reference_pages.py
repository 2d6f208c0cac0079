"""Pages made from the code are those that the code makes."""

from __future__ import annotations

import pytest

from tests.reference_pages.pages import PAGES
from tests.support.service import ROOT


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_the_one_that_the_code_makes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == PAGES[name](), "run: make pages"


def test_the_pages_list_something() -> None:
    for name in ("metrics.md", "http.md"):
        assert (ROOT / "docs" / name).read_text(encoding="utf-8").count("\n| `") > 20
