"""May somebody do something: a SubjectAccessReview as a question."""

from __future__ import annotations

from dataclasses import dataclass

from imagegate.core.plugin import Question


@dataclass(frozen=True, slots=True)
class Access(Question):
    """May ``user`` do ``verb`` on this resource? Answered by ``Found(AccessAnswer)``.

    An empty ``namespace`` asks for the whole cluster, an empty ``name`` for every object.
    """

    user: str
    groups: tuple[str, ...]
    verb: str
    group: str
    resource: str
    subresource: str = ""
    namespace: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class AccessAnswer:
    """What the authorizer said. ``reason`` and ``evaluation_error`` are shown to the user."""

    allowed: bool
    reason: str = ""
    evaluation_error: str = ""
