"""The result of a plug-in, as values: Decision, Denial, softened denials, PatchOp."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from imagegate.core.admission.hint import told
from imagegate.core.kube.status import Status


class DenialCode(enum.StrEnum):
    """The reason for a denial. Stable; tests, metrics and audit key on it."""

    REJECTED_BY_RULE = "rejected-by-rule"
    NO_RULE_ALLOWS = "no-rule-allows"
    UNRESOLVED = "unresolved"
    LOOK_UP_FAILED = "look-up-failed"
    INVALID_IMAGE_NAME = "invalid-image-name"
    INVALID_OBJECT = "invalid-object"
    NOT_ALWAYS_PULLED = "not-always-pulled"
    IMPORT_NOT_ALLOWED = "import-not-allowed"
    NO_POLICY = "no-policy"
    NO_MATCHING_REPOSITORY = "no-matching-repository"
    INVALID_POLICY = "invalid-policy"
    NO_PULL_SECRET = "no-pull-secret"  # noqa: S105
    TRUST = "trust"
    SIGNATURE = "signature"
    VULNERABILITY = "vulnerability"
    CONFLICT = "conflict"
    DEADLINE = "deadline"
    NOT_CONFIGURED = "not-configured"
    INTERNAL_ERROR = "internal-error"


LACK_OF_EVIDENCE = frozenset({DenialCode.LOOK_UP_FAILED, DenialCode.DEADLINE})
"""Codes for look-ups that failed (CLI exit 3), not for images found to be wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """One reason to deny. The code is stable; the sentence is for the person who ran ``oc apply``."""

    code: DenialCode
    image: str
    """As written in the object; empty where the denial is not about one image."""
    at: str
    """Field path in Kubernetes' notation: ``spec.containers[0].image``."""
    rule: str
    """The rule that decided: ``executionRules[2] no-docker-hub``; empty where no rule did."""
    because: str
    """The original's sentence."""
    hint: str = ""
    """The second sentence: the rule that comes nearest to allowing the image, and why it does not, or what to do.

    May be empty.
    """

    @property
    def text(self) -> str:
        """Everything that the user is told about this place."""
        return told(self.because, self.hint)

    def __str__(self) -> str:
        by = f" by {self.rule}" if self.rule else ""
        return f"{self.at}: {self.image} denied{by}: {self.text} [{self.code}]"


class Softened(NamedTuple):
    """A denial that one rule would have made if it were enforced."""

    mode: str
    """``warn``: shown to the user; ``audit``: only in the audit log and metrics."""
    rule: str
    """Its name, as in ``Decision.rules``."""
    denial: Denial

    @property
    def text(self) -> str:
        """The sentence for the user, or for the audit log."""
        return f"{self.denial.at}: {self.denial.text}"


class PatchOp(NamedTuple):
    """One JSON Patch operation (RFC 6902). ``path`` is a JSON Pointer; ``value`` None for ``remove``."""

    op: str
    path: str
    value: Any = None

    def to_json(self) -> dict[str, Any]:
        """The operation as JSON."""
        if self.op == "remove":
            return {"op": self.op, "path": self.path}
        return {"op": self.op, "path": self.path, "value": self.value}


@dataclass(slots=True, kw_only=True, weakref_slot=True)
class Decision:
    """The whole result of one plug-in. Every denial is listed, not only the first. Not changed once it is made.

    The same object may be the result for many requests. Not ``frozen``: see ``AdmissionRequest``.
    """

    plugin: str
    denials: tuple[Denial, ...] = ()
    status: Status | None = None
    """Set exactly when there are denials."""
    rewrites: tuple[PatchOp, ...] = ()
    warnings: tuple[str, ...] = ()
    softened: tuple[Softened, ...] = ()
    """Denials of rules in mode warn or audit; those of mode warn are in ``warnings`` too."""
    annotations: dict[str, str] = field(default_factory=dict)
    """Audit annotations, keys without a domain prefix."""
    rules: tuple[str, ...] = ()
    """Names of the rules that decided (accepting or rejecting), for metrics and logs; no duplicates."""

    def __post_init__(self) -> None:
        if self.denials and self.rewrites:
            raise ValueError("a denied object is never patched")
        if bool(self.denials) != (self.status is not None):
            raise ValueError("a denial needs a status, and only a denial has one")

    @property
    def allowed(self) -> bool:
        """True if nothing was denied."""
        return not self.denials

    @property
    def only_lacks_evidence(self) -> bool:
        """True if it denies only because look-ups failed (CLI exit 3)."""
        return bool(self.denials) and all(denial.code in LACK_OF_EVIDENCE for denial in self.denials)


@lru_cache(maxsize=4096)
def pointer(field_path: str) -> str:
    """The JSON Pointer of a field path: ``spec.containers[0].image`` -> ``/spec/containers/0/image``.

    Only for paths without dots or brackets inside keys; all places of images are such paths.
    """
    return "/" + field_path.replace("[", ".").replace("]", "").replace(".", "/")


def field_path(place: str) -> str:
    """The field path of a JSON Pointer: ``/spec/containers/0/image`` -> ``spec.containers[0].image``."""
    parts = place.removeprefix("/").split("/")
    return "".join(f"[{part}]" if part.isdecimal() else f".{part}" for part in parts).removeprefix(".")
