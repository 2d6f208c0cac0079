"""The message shown to the user for all denials of one object (docs/spec/enforcement.md 16.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from imagegate.core.admission.hint import told
from imagegate.core.kube.go_quote import go_quote

DOCUMENTED = (
    "Deny, no image policies or cluster polices for ",
    "The Vulnerability Advisor image scan assessment found issues with the container image",
    "Deny, failed to get content trust information: ",
    "Trust is not supported for images from this registry",
)
"""Beginnings of the four CISE messages, printed on the API server's own line (docs/spec/enforcement.md 16.1)."""


class Sentence(NamedTuple):
    """The text of one denial."""

    image: str
    """Empty: it is about the whole object."""
    text: str
    """The original's sentence."""
    hint: str = ""
    """See ``Denial.hint``."""


def status_message(sentences: Sequence[Sentence], *, one_image: bool = True) -> str:
    """All sentences, one on each line, in the order of the containers; each once for an image.

    As in Portieris the message begins with a newline, unless every sentence is one of the four CISE messages. Those
    stand alone, as documented, where the object has one image; every other sentence has its image in it or in front.

    Args:
        sentences: those of all denials.
        one_image: the object has no other image.
    """
    documented = all(each.text.startswith(DOCUMENTED) for each in sentences)
    named = [each.text if documented and one_image else _with_image(each.image, each.text) for each in sentences]
    lines = (told(text, each.hint) for text, each in zip(named, sentences, strict=True))
    message = "\n".join(dict.fromkeys(lines))
    return message if documented else f"\n{message}"


def _with_image(image: str, text: str) -> str:
    """The sentence, behind the image where it does not name it: a Pod has several."""
    return text if not image.strip() or image in text else f"{go_quote(image)}: {text}"


def broken_policy_text(image: str, why: str) -> str:
    """The message where an object that is in force cannot be read."""
    return f"Deny {go_quote(image)}, {why}"
