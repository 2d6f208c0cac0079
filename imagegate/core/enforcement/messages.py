"""The message shown to the user for all denials of one object (docs/spec/enforcement.md 16.1)."""

from __future__ import annotations

from collections.abc import Sequence

from imagegate.core.kube.go_quote import go_quote

DOCUMENTED = (
    "Deny, no image policies or cluster polices for ",
    "The Vulnerability Advisor image scan assessment found issues with the container image",
    "Deny, failed to get content trust information: ",
    "Trust is not supported for images from this registry",
)
"""Beginnings of the four CISE messages, printed on the API server's own line (docs/spec/enforcement.md 16.1)."""


def status_message(texts: Sequence[str]) -> str:
    """All sentences, one on each line, in the order of the containers; each sentence once.

    As in Portieris the message begins with a newline, unless every sentence is one of the four CISE messages.
    """
    distinct = list(dict.fromkeys(texts))
    message = "\n".join(distinct)
    return message if all(text.startswith(DOCUMENTED) for text in distinct) else f"\n{message}"


def broken_policy_text(image: str, why: str) -> str:
    """The message where an object that is in force cannot be read."""
    return f"Deny {go_quote(image)}, {why}"
