"""The facts about one image that execution rules are evaluated on, and why there may be none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from imagegate.core.references.openshift import ImageReference


class Doubt(NamedTuple):
    """The facts about an image that are not known because a look-up failed."""

    because: str
    name: bool = False
    """The name may resolve to another one."""
    image: bool = False
    """There may be an Image object, with any labels and annotations."""
    integrated: bool = False
    """It may be in the integrated registry even if ``Attributes.integrated`` is false."""


class Attributes(NamedTuple):
    """The known facts about one image: the input of the execution rules."""

    name: ImageReference
    image: Mapping[str, Any] | None = None
    """The Image object whose labels and annotations count; None if the image could not be resolved."""
    integrated: bool = False
    local_rewrite: bool = False
    doubt: Doubt | None = None
    """Facts that are not known: a rule that depends on them gives no certain result."""


@dataclass(frozen=True, slots=True)
class Unresolved:
    """The reason why an image could not be resolved; ``because`` is the original's sentence."""

    because: str
    not_found: bool = False
    """The API answered 404, whose message the original loses."""
    failed: bool = False
    """A look-up failed (time-out, 5xx): neither a no nor a permission."""
    integrated: bool = False
    """The reference certainly names the integrated registry."""
    elsewhere: bool = False
    """A tag of another registry, about which nothing is known here and nothing was looked up."""
