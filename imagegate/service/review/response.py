"""The result of a review: every plug-in's decision under its mode, combined into one response."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from imagegate.core.admission.decision import Decision, Denial, PatchOp
from imagegate.core.admission.patch import apply_patch
from imagegate.core.admission.request import AdmissionRequest
from imagegate.core.admission.trace import Trace
from imagegate.core.kube.status import Cause, Status
from imagegate.service.policies.policy_set import Mode
from imagegate.service.review.answer_size import ANNOTATION_MAX_BYTES, bounded_status, cut, joined

WARNING_MAX_CHARACTERS = 256
"""The API server may cut off longer ones (admission/v1, AdmissionResponse.warnings)."""
WARNINGS_MAX_CHARACTERS = 4096
"""The API server ignores what is beyond this, over all webhooks."""


class Verdict(NamedTuple):
    """One plug-in's decision and the mode it is taken in."""

    decision: Decision
    mode: Mode

    @property
    def denies(self) -> bool:
        """True if this refuses the request."""
        return self.mode is Mode.ENFORCE and not self.decision.allowed

    @property
    def word(self) -> str:
        """``allowed``, ``rewritten``, ``denied``, or ``warned`` and ``audited`` for denials that do not count."""
        if self.decision.denials:
            return SOFTENED[self.mode]
        return "rewritten" if self.decision.rewrites and self.mode is Mode.ENFORCE else "allowed"


class PodWarning(NamedTuple):
    """A denial that awaits a Pod of an admitted object, or the reason why its Pods could not be judged."""

    plugin: str
    """Empty: no plug-in was asked."""
    denial: Denial
    """With its place in the object, not in the Pod."""
    text: str
    """The sentence for the user."""


SOFTENED = {Mode.ENFORCE: "denied", Mode.WARN: "warned", Mode.AUDIT: "audited"}
"""The word for a denial in each mode."""


@dataclass(slots=True, kw_only=True)
class Outcome:
    """The whole response to one request. Not changed once it is made."""

    request: AdmissionRequest
    verdicts: tuple[Verdict, ...]
    policy_version: str
    allowed: bool
    """True if no plug-in in mode ``enforce`` denies."""
    patch: tuple[PatchOp, ...] = ()
    """Empty unless the mutating pass allowed the request."""
    notes: tuple[str, ...] = ()
    """Warnings of the service itself."""
    pod_warnings: tuple[PodWarning, ...] = ()
    """Warnings about the Pods that an admitted object makes."""
    trace: Trace | None = None

    @property
    def object(self) -> Mapping[str, Any] | None:
        """The object as patched by all plug-ins; the request's own if there is no patch."""
        document = self.request.object
        return apply_patch(document, self.patch) if self.patch and document is not None else document

    @property
    def denials(self) -> tuple[Denial, ...]:
        """Denials in mode ``enforce``, in the order of the plug-ins."""
        return tuple(denial for verdict in self.verdicts if verdict.denies for denial in verdict.decision.denials)

    @property
    def only_lacks_evidence(self) -> bool:
        """True if it is denied only for lack of evidence: a look-up failed (CLI exit 3)."""
        denying = [verdict.decision for verdict in self.verdicts if verdict.denies]
        return bool(denying) and all(decision.only_lacks_evidence for decision in denying)

    @property
    def status(self) -> Status | None:
        """One Status over all denials that count, within ``service.review.answer_size``; None if allowed."""
        denying = [verdict.decision for verdict in self.verdicts if verdict.denies]
        status = combine(denying)
        return None if status is None else bounded_status(status, sum(len(each.denials) for each in denying))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings for the user: those of the plug-ins, and denials in mode ``warn``."""
        found = [*self.notes, *(each.text for each in self.pod_warnings)]
        for decision, mode in self.verdicts:
            unsaid = {each.text for each in decision.softened} if mode is Mode.AUDIT else ()
            found += (warning for warning in decision.warnings if warning not in unsaid)
            if mode is Mode.WARN:
                found += (f"{decision.plugin} would deny: {_in_words(denial)}" for denial in decision.denials)
        return tuple(dict.fromkeys(found))

    @property
    def annotations(self) -> dict[str, str]:
        """Audit annotations: those of the plug-ins, and denials in mode ``audit`` as ``PLUGIN-would-deny``.

        The mode may be that of the plug-in or of a single rule.
        """
        found: dict[str, str] = {}
        for decision, mode in self.verdicts:
            found.update(decision.annotations)
            noted = list(map(_in_words, decision.denials)) if mode is Mode.AUDIT else []
            noted += (each.text for each in decision.softened if Mode.AUDIT in (mode, each.mode))
            if noted:
                found[f"{decision.plugin}-would-deny"] = joined(noted)
        return found

    def to_review(self) -> dict[str, Any]:
        """The AdmissionReview response, in the version of the request."""
        response: dict[str, Any] = {"uid": self.request.uid, "allowed": True}
        if not self.allowed:
            response["allowed"] = False
            response["status"] = status_json(self.status)
        elif self.patch:
            response["patchType"] = "JSONPatch"
            response["patch"] = _encoded(self.patch)
        if warnings := self.warnings:
            response["warnings"] = capped(warnings)
        if annotations := self.annotations:
            response["auditAnnotations"] = {key: cut(value, ANNOTATION_MAX_BYTES) for key, value in annotations.items()}
        return review_json(self.request.api_version, response)


def _encoded(patch: tuple[PatchOp, ...]) -> str:
    """A patch as JSON in base64; cached, since the pods of one workload all get the same."""
    try:
        return _encoded_once(patch)
    except TypeError:  # a value that cannot be a key of the cache
        return _encoded_once.__wrapped__(patch)


@lru_cache(maxsize=1024)
def _encoded_once(patch: tuple[PatchOp, ...]) -> str:
    operations = orjson.dumps([operation.to_json() for operation in patch])
    return base64.b64encode(operations).decode("ascii")


def review_json(api_version: str, response: dict[str, Any]) -> dict[str, Any]:
    """An AdmissionReview around ``response``."""
    return {"apiVersion": api_version, "kind": "AdmissionReview", "response": response}


def status_json(status: Status | None) -> dict[str, Any]:
    """The Status as JSON, without ``code`` and ``reason`` where the plug-in gives none."""
    if status is None:
        return {}
    found = status.to_json()
    if not status.code:
        del found["code"]
    return found


def combine(decisions: Sequence[Decision]) -> Status | None:
    """One Status that shows every denial.

    A single plug-in's Status stays as it is. With several, the first that is not a server error leads
    (asking again would not help), the messages are joined, and every denial becomes a cause as well: clients
    print ``Invalid`` errors from the causes alone.
    """
    statuses = [(decision, decision.status) for decision in decisions if decision.status is not None]
    if len(statuses) < 2:
        return statuses[0][1] if statuses else None
    by_weight = sorted(statuses, key=lambda each: (each[1].code >= 500, each[1].reason != "Invalid"))
    lead = by_weight[0][1]
    causes: dict[Cause, None] = {}
    for decision, status in by_weight:
        causes.update(dict.fromkeys(status.causes or map(_cause, decision.denials)))
    return replace(
        lead,
        message="\n".join(dict.fromkeys(status.message.strip("\n") for _, status in by_weight)),
        causes=tuple(causes),
        retry_after_s=max(status.retry_after_s for _, status in by_weight) if lead.code >= 500 else 0,
    )


def capped(warnings: Iterable[str]) -> list[str]:
    """Warnings within the limits of the API server; the last one says how many were left out."""
    shown: list[str] = []
    room = WARNINGS_MAX_CHARACTERS - WARNING_MAX_CHARACTERS
    left_out = 0
    for warning in warnings:
        text = _cut(" ".join(warning.split()), WARNING_MAX_CHARACTERS)
        if len(text) > room:
            left_out += 1
            continue
        room -= len(text)
        shown.append(text)
    if left_out:
        shown.append(f"{left_out} more warnings are not shown")
    return shown


def _cut(text: str, longest: int) -> str:
    """``text``, or as many of its clauses as fit; at least half of what fits."""
    if len(text) <= longest:
        return text
    end = text.rfind("; ", longest // 2, longest)
    return text[: end if end > 0 else longest - 1] + "…"


def _in_words(denial: Denial) -> str:
    return f"{denial.at}: {denial.text}" if denial.at else denial.text


def _cause(denial: Denial) -> Cause:
    return Cause("FieldValueForbidden", f"Forbidden: {denial.text}", denial.at)
