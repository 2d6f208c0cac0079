"""Who may do what."""

from __future__ import annotations

from typing import Protocol

from imagegate.core.admission.access_review import Access, AccessAnswer
from imagegate.core.admission.lookup import Lookup


class AccessReviews(Protocol):
    """Answers "may this user do that". Safe for threads; never raises for what is outside."""

    def access(self, question: Access, *, deadline_s: float) -> Lookup[AccessAnswer]:
        """``Found`` with yes or no, or ``Unknown`` where it cannot be told within ``deadline_s`` seconds."""
