"""IBM Vulnerability Advisor: the question for an image's status, and the meaning of the answer.

Source: docs/spec/enforcement.md 14.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from imagegate.core.admission.lookup import Unknown
from imagegate.core.admission.plugin import Question
from imagegate.core.registry.manifest import bounded_json_object
from imagegate.core.registry.pull_secrets import PullSecret
from imagegate.errors import Malformed

SERVICE = "Vulnerability Advisor for IBM Cloud Container Registry"
ALLOWING = frozenset({"OK", "WARN", "UNSUPPORTED"})
"""Statuses with which an image may run: no issues; issues that exemptions cover; a system that cannot be scanned."""
STATUS_MAX_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class AdvisorStatus(Question):
    """The status that Vulnerability Advisor gives an image: ``Found`` of a string, one of ``ALLOWING`` or another.

    Failures are ``AdvisorUnauthorized``, ``NoAdvisorCredentials`` or another ``Unknown``, whose ``why`` is the text
    after the colon in the message.
    """

    registry: str
    """``HOST[:PORT]`` of the image's registry."""
    repository: str
    """Path of the repository; chooses among the credentials."""
    reference: str
    """The image as written, with ``:latest`` where it has neither tag nor digest."""
    account: str
    """IBM Cloud account whose exemptions apply, or empty."""
    secrets: tuple[PullSecret, ...] = ()
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Computed once, because every look-up of a review hashes it; a frozen dataclass can be set in no other way.
        fields = (self.registry, self.repository, self.reference, self.account, self.secrets)
        object.__setattr__(self, "_hash", hash(fields))

    def __hash__(self) -> int:
        return self._hash


@dataclass(frozen=True, slots=True)
class NoAdvisorCredentials(Unknown):
    """The pull secrets have no credential for the image, so nothing was requested."""


@dataclass(frozen=True, slots=True)
class AdvisorUnauthorized(Unknown):
    """Every credential was refused (401, 403)."""


def read_status(body: bytes) -> str:
    """``status`` of a 200 answer; empty where it has none. Other members are ignored.

    Raises:
        Malformed, TooLarge: the answer is not a JSON object, or its status not a string.
    """
    status = bounded_json_object(body, "the answer").get("status")
    if status is None:
        return ""
    if not isinstance(status, str):
        raise Malformed("the answer's status is not a string")
    return status
