"""The message a user is shown for all denials of one object (docs/spec/enforcement.md 16.1)."""

from __future__ import annotations

from collections.abc import Sequence

DOCUMENTED = (
    "Deny, no image policies or cluster polices for ",
    "The Vulnerability Advisor image scan assessment found issues with the container image",
    "Deny, failed to get content trust information: ",
    "Trust is not supported for images from this registry",
)
"""Beginnings of the four CISE messages, shown on the API server's line (docs/spec/enforcement.md 16.1)."""


def status_message(texts: Sequence[str]) -> str:
    """All texts, one a line, in the order of the containers; the same sentence is said once.

    As in Portieris the message begins with a newline, unless every text is one of the four CISE messages.
    """
    distinct = list(dict.fromkeys(texts))
    message = "\n".join(distinct)
    return message if all(text.startswith(DOCUMENTED) for text in distinct) else f"\n{message}"
