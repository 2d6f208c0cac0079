"""Evaluates all requirements of an entry for one image (docs/spec/enforcement.md 11.1 and 15.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from imagegate.core.admission.answer_reader import AnswerReader
from imagegate.core.admission.decision import DenialCode
from imagegate.core.enforcement.behaviour import CiseSettings
from imagegate.core.enforcement.image import CiseImage
from imagegate.core.enforcement.messages import broken_policy_text
from imagegate.core.enforcement.policy import Entry
from imagegate.core.enforcement.requirement import (
    Check,
    ImageUnderPolicy,
    PullSource,
    Refused,
    RequirementResult,
    Verified,
)

REPORTED_ORDER = ("vulnerability", "simple", "trust")
"""Order of refusals with ``reportAll``, as in Portieris."""


@dataclass(frozen=True, slots=True)
class RequirementsResult:
    """The result of an entry's requirements for one image."""

    entry: Entry
    digest: str
    """64 hex digits that were verified; empty where the entry verifies none, or on a refusal."""
    refused: tuple[Refused, ...]
    tried: tuple[tuple[str, RequirementResult], ...] = ()
    """Every check that ran, for the trace."""


def evaluate_requirements(
    entry: Entry,
    checks: Sequence[Check],
    reader: AnswerReader,
    *,
    namespace: str,
    written: str,
    image: CiseImage,
    pinned: str,
    pulls: PullSource,
    settings: CiseSettings,
) -> RequirementsResult | None:
    """Run the checks that the entry requires, in order; the first refusal ends it unless ``report_all`` is set.

    Args:
        written: the image string in the object.
        image: decides selection and identity: ``written``, or the original image of a rewrite.
        pinned: 64 hex digits of the digest in ``written``, or empty.

    Returns:
        None while answers are awaited.
    """
    if entry.broken:
        refused = Refused(DenialCode.INVALID_POLICY, broken_policy_text(written, entry.broken))
        return RequirementsResult(entry, "", (refused,), (("policy", refused),))
    if not entry.requires:
        return RequirementsResult(entry, "", ())
    subject = ImageUnderPolicy(namespace, written, image, pinned, entry, pulls, settings)
    tried: list[tuple[str, RequirementResult]] = []
    pending = False
    for check in checks:
        if not check.applies(entry):
            continue
        outcome = check.evaluate(subject, reader)
        if outcome is None:
            pending = True
            if not settings.report_all:
                return None
            continue
        tried.append((check.kind, outcome))
        if isinstance(outcome, Refused) and not settings.report_all:
            break
        if isinstance(outcome, Verified) and outcome.digest:
            subject = replace(subject, verified=outcome.digest)
    if pending:
        return None
    return _combined_result(entry, pinned, tried)


def _combined_result(entry: Entry, pinned: str, tried: Sequence[tuple[str, RequirementResult]]) -> RequirementsResult:
    if len(tried) == 1:
        ((_, only),) = tried
        if isinstance(only, Refused):
            return RequirementsResult(entry, "", (only,), tuple(tried))
        if not pinned or only.digest in ("", pinned):
            return RequirementsResult(entry, only.digest, (), tuple(tried))
    refused = [(kind, outcome) for kind, outcome in tried if isinstance(outcome, Refused)]
    refused.sort(key=lambda each: REPORTED_ORDER.index(each[0]))
    digests = {kind: outcome.digest for kind, outcome in tried if isinstance(outcome, Verified) and outcome.digest}
    conflict = _digest_conflict(digests, pinned) if not refused else None
    texts = (conflict,) if conflict is not None else tuple(outcome for _, outcome in refused)
    digest = "" if texts else next(iter(digests.values()), "")
    return RequirementsResult(entry, digest, texts, tuple(tried))


def _digest_conflict(digests: dict[str, str], pinned: str) -> Refused | None:
    """The refusal where trust and signatures verify different digests, or another one than the image names."""
    trust, simple = digests.get("trust"), digests.get("simple")
    if trust is not None and simple is not None and trust != simple:
        return Refused(DenialCode.CONFLICT, f"Notary signs conflicting digest: {trust} simple: {simple}")
    for verified in digests.values():
        if pinned and verified != pinned:
            text = f"imagegate: sha256:{verified} was verified, but the image names sha256:{pinned}"
            return Refused(DenialCode.CONFLICT, text)
    return None
