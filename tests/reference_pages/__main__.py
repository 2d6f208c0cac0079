"""Write the pages of ``docs`` that are made from the code: ``python -m tests.reference_pages``."""

from __future__ import annotations

from tests.reference_pages.pages import files
from tests.support.service import ROOT

for name, text in files().items():
    (ROOT / "docs" / name).write_text(text, encoding="utf-8")
