"""Write the pages of ``docs`` that are made from the code: ``python -m tests.reference_pages``."""

from __future__ import annotations

from tests.reference_pages.pages import PAGES
from tests.support.service import ROOT

for name, document in PAGES.items():
    (ROOT / "docs" / name).write_text(document(), encoding="utf-8")
