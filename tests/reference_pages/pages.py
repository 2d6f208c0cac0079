"""The pages, and what makes each."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from imagegate.settings import reference_page as settings
from tests.reference_pages import commands, diagrams, fidelity, http_endpoints, messages_page, metrics

PAGES: Mapping[str, Callable[[], str]] = {
    "settings.md": settings.document,
    "metrics.md": metrics.document,
    "commands.md": commands.document,
    "http.md": http_endpoints.document,
    "fidelity.md": fidelity.document,
    "messages.md": messages_page.document,
}


def files() -> dict[str, str]:
    """Path below ``docs`` -> contents, of every page and diagram that is made."""
    made = {name: document() for name, document in PAGES.items()}
    return made | {f"diagrams/{name}": drawing for name, drawing in diagrams.diagrams().items()}
