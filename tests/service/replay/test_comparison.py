from __future__ import annotations

import pytest

from imagegate.core.admission.decision import PatchOp
from imagegate.core.admission.request import AdmissionRequest
from imagegate.service.replay.comparison import Change, compare, judge
from imagegate.service.replay.recorded import Judged, Reason, Word
from imagegate.service.review.both_passes import creation
from tests.service.plugins import allowing, denying, reviewer, rewriting
from tests.support.audit_events import pod

ALLOWED, NONE, UNKNOWN = Judged(Word.ALLOWED), Judged(Word.NOT_RECORDED), Judged(Word.UNKNOWN)
DENIED = Judged(Word.DENIED, (Reason("image-policy", "rejected-by-rule", "no-hub", "nginx", "no"),))
REWRITTEN = Judged(Word.REWRITTEN, rewrites=(("/spec/containers/0/image", "nginx@sha256:1"),))
OTHERWISE = Judged(Word.REWRITTEN, rewrites=(("/spec/containers/0/image", "nginx@sha256:2"),))
AS_WRITTEN = Judged(Word.ALLOWED, rewrites=())


def request(*images: str) -> AdmissionRequest:
    return creation(pod(*images), uid="1")


@pytest.mark.parametrize(
    "then, now, change",
    [
        (ALLOWED, DENIED, Change.NEWLY_DENIED),
        (Judged(Word.NOT_COVERED), DENIED, Change.NEWLY_DENIED),
        (REWRITTEN, DENIED, Change.NEWLY_DENIED),
        (NONE, DENIED, Change.DENIED),
        (DENIED, DENIED, Change.SAME),
        (DENIED, ALLOWED, Change.NEWLY_ALLOWED),
        (DENIED, Judged(Word.NOT_COVERED), Change.NEWLY_ALLOWED),
        (DENIED, REWRITTEN, Change.NEWLY_ALLOWED),
        (ALLOWED, ALLOWED, Change.SAME),
        (NONE, ALLOWED, Change.SAME),
        (ALLOWED, REWRITTEN, Change.SAME),  # the record does not say how it was rewritten
        (AS_WRITTEN, REWRITTEN, Change.REWRITTEN_OTHERWISE),
        (REWRITTEN, AS_WRITTEN, Change.REWRITTEN_OTHERWISE),
        (REWRITTEN, OTHERWISE, Change.REWRITTEN_OTHERWISE),
        (REWRITTEN, REWRITTEN, Change.SAME),
        (UNKNOWN, DENIED, Change.NOT_KNOWN),
        (DENIED, UNKNOWN, Change.NOT_KNOWN),
        (ALLOWED, UNKNOWN, Change.NOT_KNOWN),
        (UNKNOWN, UNKNOWN, Change.NOT_KNOWN),
        (NONE, UNKNOWN, Change.NOT_KNOWN),
    ],
)
def test_the_change_between_two_verdicts(then: Judged, now: Judged, change: Change) -> None:
    assert compare(request("nginx"), then, now).change is change


def test_a_denial_without_images_stands_for_those_of_the_object() -> None:
    then = Judged(Word.DENIED, (Reason(because="no"),))
    found = compare(request("nginx", "redis", "nginx"), then, ALLOWED)
    assert [reason.image for reason in found.reasons] == ["nginx", "redis"]


def test_a_changed_image_is_shown_before_and_after() -> None:
    (found,) = compare(request("nginx"), AS_WRITTEN, REWRITTEN).reasons
    assert found.because == "/spec/containers/0/image: (as written) -> nginx@sha256:1"


def test_the_verdict_is_that_of_both_passes() -> None:
    assert judge(reviewer(allowing()), request("nginx")).word is Word.ALLOWED
    denied = judge(reviewer(denying("image-policy", "no")), request("nginx"))
    assert denied.word is Word.DENIED
    assert denied.reasons
    assert (
        judge(
            reviewer(rewriting("image-policy", PatchOp("replace", "/spec/containers/0/image", "nginx@sha256:1"))),
            request("nginx"),
        ).word
        is Word.REWRITTEN
    )
    assert judge(reviewer(), request("nginx")).word is Word.NOT_COVERED


@pytest.mark.parametrize("path", ["/metadata/annotations", "/metadata/annotations/a~1b", "/spec/template/metadata"])
def test_records_of_rewritten_images_are_not_compared(path: str) -> None:
    ops = (PatchOp("replace", "/spec/containers/0/image", "nginx@sha256:1"), PatchOp("add", path, {"a": "signed"}))
    document = {**pod("nginx"), "metadata": {"annotations": {"a/b": "c"}}}
    document["spec"] = {**document["spec"], "template": {"metadata": {}}}
    judged = judge(reviewer(rewriting("image-policy", *ops)), creation(document, uid="1"))
    assert judged.rewrites == (("/spec/containers/0/image", "nginx@sha256:1"),)
