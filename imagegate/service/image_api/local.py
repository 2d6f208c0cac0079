"""Who may do what on a machine of one's own: administrators everything, others what a project's user may."""

from __future__ import annotations

from imagegate.core.access import Access, AccessAnswer
from imagegate.core.evidence import Found, Lookup

ADMINISTRATORS = "system:masters"
_CLUSTER_WRITES = frozenset({"images", "imagestreammapping", "imagestreammappings"})


def local_access(question: Access) -> Lookup[AccessAnswer]:
    """Only administrators may create Images and mappings, and so import past the gate's first check."""
    if ADMINISTRATORS in question.user.groups:
        return Found(AccessAnswer(True, "administrator"), "local")
    if question.verb == "create" and question.resource in _CLUSTER_WRITES:
        return Found(AccessAnswer(False, f"{question.user.name} is no administrator"), "local")
    return Found(AccessAnswer(True, "local user"), "local")
