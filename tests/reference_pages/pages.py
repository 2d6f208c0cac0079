"""The pages, and what makes each."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from imagegate.settings import reference_page as settings
from tests.reference_pages import http_endpoints, metrics

PAGES: Mapping[str, Callable[[], str]] = {
    "settings.md": settings.document,
    "metrics.md": metrics.document,
    "http.md": http_endpoints.document,
}
