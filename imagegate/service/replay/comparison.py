"""The change between two verdicts on one request."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from imagegate.core.admission.patch import changes_annotations
from imagegate.core.admission.request import AdmissionRequest
from imagegate.core.admission.workload import EVERYTHING, WORKLOADS, InvalidObject, bounded, dig, pod_images
from imagegate.service.replay.recorded import Judged, Reason, Word
from imagegate.service.review.both_passes import TwoPassResult, review_manifest
from imagegate.service.review.reviewer import Reviewer

Rewrites = tuple[tuple[str, str], ...]
NOT_CHANGED = "(as written)"


class Change(enum.StrEnum):
    """The difference between two verdicts."""

    NEWLY_DENIED = "newly denied"
    DENIED = "denied, nothing recorded"
    """Denied now; the record has no verdict."""
    NEWLY_ALLOWED = "newly allowed"
    REWRITTEN_OTHERWISE = "rewritten otherwise"
    """Allowed by both policies, with other images."""
    NOT_KNOWN = "not known"
    """One of the verdicts depends on something that could not be looked up."""
    SAME = "same"


class Difference(NamedTuple):
    """The change of one request, with the reasons of the verdict that refuses, or the changed images."""

    change: Change
    reasons: tuple[Reason, ...] = ()


def judge(reviewer: Reviewer, request: AdmissionRequest) -> Judged:
    """The verdict of both passes over ``request``, a request of the mutating pass."""
    both = review_manifest(reviewer, request)
    reasons = () if both.allowed else tuple(_reasons(both))
    rewrites = tuple((op.path, str(op.value)) for op in both.patch if not changes_annotations(op.path))
    return Judged(_word(both), reasons, rewrites)


def compare(request: AdmissionRequest, then: Judged, now: Judged) -> Difference:
    """The difference between the verdict ``then`` and the one ``now``."""
    if Word.UNKNOWN in (now.word, then.word):
        return Difference(Change.NOT_KNOWN, now.reasons or then.reasons)
    if now.word is Word.DENIED:
        if then.word is Word.DENIED:
            return _SAME
        return Difference(Change.DENIED if then.word is Word.NOT_RECORDED else Change.NEWLY_DENIED, now.reasons)
    if then.word is Word.DENIED:
        return Difference(Change.NEWLY_ALLOWED, tuple(_with_images(request, then.reasons)))
    if then.rewrites is not None and now.rewrites is not None and then.rewrites != now.rewrites:
        return Difference(Change.REWRITTEN_OTHERWISE, tuple(_rewritten(then.rewrites, now.rewrites)))
    return _SAME


_SAME = Difference(Change.SAME)


def _word(both: TwoPassResult) -> Word:
    if not both.allowed:
        return Word.UNKNOWN if both.only_lacks_evidence else Word.DENIED
    if not both.covered:
        return Word.NOT_COVERED
    return Word.REWRITTEN if both.patch else Word.ALLOWED


def _reasons(both: TwoPassResult) -> Iterator[Reason]:
    for plugin, denial in both.denials:
        yield Reason(plugin, denial.code.value, denial.rule, denial.image, f"{denial.at}: {denial.text}")


def _with_images(request: AdmissionRequest, reasons: Sequence[Reason]) -> Iterator[Reason]:
    """The reasons; one that names no image stands for every image of the object."""
    for reason in reasons:
        if reason.image:
            yield reason
        else:
            yield from (reason._replace(image=image) for image in _images(request) or ("",))


def _images(request: AdmissionRequest) -> tuple[str, ...]:
    """The images of an object with a pod spec; empty for others, and where they cannot be read."""
    shape = WORKLOADS.get(request.kind)
    try:
        spec = None if shape is None or request.object is None else dig(request.object, shape.pod_spec)
        uses = () if spec is None else bounded(pod_images(spec, "", EVERYTHING))
    except InvalidObject:
        return ()
    return tuple(dict.fromkeys(use.name for use in uses))


def _rewritten(then: Rewrites, now: Rewrites) -> Iterator[Reason]:
    before, after = dict(then), dict(now)
    for path in dict.fromkeys((*before, *after)):
        if before.get(path) != after.get(path):
            text = f"{path}: {before.get(path, NOT_CHANGED)} -> {after.get(path, NOT_CHANGED)}"
            yield Reason(image=after.get(path) or before[path], because=text)
