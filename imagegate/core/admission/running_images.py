"""The question which images run in a namespace."""

from __future__ import annotations

from dataclasses import dataclass

from imagegate.core.admission.plugin import Question


@dataclass(frozen=True, slots=True)
class RunningImages(Question):
    """The images of all pods of a namespace as written: ``Found(tuple[str, ...])``, sorted, each once."""

    namespace: str
