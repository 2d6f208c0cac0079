"""The second sentence of a denial: the rule that comes nearest to allowing the image, and why it does not; or advice.

The one wording for all who show denials. It names a rule of a policy that is in force for the object, with its
conditions; never a file, a Secret, or a policy of another namespace.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

NAME_MAX = 100
"""Characters of a rule, a registry or a label in a hint."""
HINT_MAX = 400
"""Characters of a hint: messages of thousands of images, and clients, cut what is long."""
NAMED_MAX = 3
"""Values of a condition that a hint names."""


def nearest_rule_hint(rule: str, unmet: Iterable[str], requires: Sequence[str] = ()) -> str:
    """``nearest rule: RULE would allow it, but WHY; WHY``.

    Args:
        rule: as in ``Denial.rule``.
        unmet: a clause for each condition that keeps it from matching.
        requires: what it requires of the images that it matches.
    """
    wanted = f" with {' and '.join(requires)}" if requires else ""
    return short(f"nearest rule: {short(rule)} would allow it{wanted}, but {'; '.join(unmet)}", HINT_MAX)


def rejected_hint(met: Iterable[str]) -> str:
    """``it rejects the image because WHY and WHY``: the conditions of the reject rule that the denial names."""
    return short(f"it rejects this image because {' and '.join(met)}", HINT_MAX)


def decided_hint(rule: str, what: str) -> str:
    """``decided by RULE, which requires signatures``: what the rule does that refuses the image."""
    return short(f"decided by {short(rule)}, which {what}", HINT_MAX)


def told(because: str, hint: str) -> str:
    """The original's sentence, and the hint after it."""
    if not hint:
        return because
    return f"{because} {as_sentence(hint)}" if because.endswith(".") else f"{because}; {hint}"


def as_sentence(text: str) -> str:
    """A clause as a sentence."""
    return f"{text[:1].upper()}{text[1:]}."


def some(names: Sequence[str]) -> str:
    """The first few names, and the number of the others."""
    shown = ", ".join(map(short, names[:NAMED_MAX]))
    return f"{shown} and {len(names) - NAMED_MAX} more" if len(names) > NAMED_MAX else shown


def short(text: str, longest: int = NAME_MAX) -> str:
    """``text`` in at most ``longest`` characters."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
