"""The import gate as an admission plug-in, in front of an API that serves image.openshift.io/v1.

Rule: docs/spec/import-gate.md 3.4 and 5.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from imagegate.core.admission.decision import Decision, Denial, DenialCode
from imagegate.core.admission.plugin import Answers, Question
from imagegate.core.admission.request import AdmissionRequest, Phase
from imagegate.core.admission.trace import HINT, Step, Trace
from imagegate.core.import_gate.gate import Asked, ImportGate, RecordingGate
from imagegate.core.import_gate.messages import internal_error, not_read
from imagegate.core.kube import status as api_status
from imagegate.core.kube.field_errors import ErrorType
from imagegate.core.kube.status import IMAGE_GROUP
from imagegate.errors import InvalidInput

if TYPE_CHECKING:  # imported when an image-stream object is written: reading pods must start quickly
    from imagegate.core.import_gate.write_parts import Refusal, Unanswered, Write

NAME = "import-gate"
RULE = "allowedRegistriesForImport"
SUB_RESOURCES = {
    "imagestreams": ("", "status"),
    "imagestreamtags": ("",),
    "imagetags": ("",),
    "imagestreamimports": ("",),
    "imagestreammappings": ("",),
}
"""Resources of image.openshift.io that the gate checks, with their subresources."""


class ImportGatePlugin:
    """The plug-in, made from one list of allowed registries. Immutable; shared by all threads."""

    __slots__ = ("_last", "gate")

    def __init__(self, gate: ImportGate) -> None:
        self.gate = gate
        self._last: tuple[AdmissionRequest, Write] | None = None
        """The request read last: each is needed several times. Lock-free: a thread that finds another's reads again."""

    @property
    def name(self) -> str:
        """``import-gate``."""
        return NAME

    def covers(self, request: AdmissionRequest) -> bool:
        """True if the request writes an image-stream object; only in the validating pass, where objects are final."""
        return (
            request.phase is Phase.VALIDATE
            and request.operation in ("CREATE", "UPDATE")
            and request.resource.group in (IMAGE_GROUP, "")  # without a group: 3.x served them so, too
            and request.sub_resource in SUB_RESOURCES.get(request.resource.resource, ())
            and not self.gate.allows_all
        )

    def questions(self, request: AdmissionRequest, answers: Answers) -> Iterable[Question]:
        """Look-ups of the image stream behind the object, of streams it points to, and of the user's rights."""
        try:
            write = _read_write(request) if (known := self._known_write(request)) is None else known
            self._last = (request, write)
            return tuple(write.questions(self.gate, answers))
        except InvalidInput:
            return ()  # ``decide`` reports the error

    def decide(
        self,
        request: AdmissionRequest,
        answers: Answers,
        *,
        now: datetime,  # noqa: ARG002 - no rule depends on the time
        trace: Trace | None = None,
    ) -> Decision:
        """Check every reference that the write would add to an image stream against the list."""
        from imagegate.core.import_gate.write_parts import Unanswered

        gate = RecordingGate(self.gate)
        try:
            write = _read_write(request) if (known := self._known_write(request)) is None else known
            self._last = None
            verdict = write.verdict(gate, answers)
        except InvalidInput as error:
            return _unreadable_decision(str(error))
        if trace is not None:
            for asked in gate.asked:
                trace.add(asked.path, _trace_step(asked))
                if asked.admission.hint:
                    trace.add(asked.path, Step(HINT, RULE, "told", asked.admission.hint))
        if isinstance(verdict, Unanswered):
            return _unanswered_decision(verdict)
        if verdict is None:
            admitted = dict.fromkeys(asked.admission.rule for asked in gate.asked if asked.admission.rule is not None)
            return Decision(plugin=NAME, rules=tuple(rule.name for rule in admitted))
        return _refused_decision(verdict)

    def _known_write(self, request: AdmissionRequest) -> Write | None:
        last = self._last
        return last[1] if last is not None and last[0] is request else None


def _read_write(request: AdmissionRequest) -> Write:
    from imagegate.core.import_gate.writes import read_write

    return read_write(request)


def _refused_decision(refusal: Refusal) -> Decision:
    denials = tuple(
        Denial(
            code=_denial_code(finding.refused, finding.is_unknown),
            image=finding.image,
            at=finding.error.field,
            rule=RULE if finding.refused else "",
            because=finding.error.detail if finding.error.type is ErrorType.FORBIDDEN else finding.error.body,
            hint=finding.hint,
        )
        for finding in refusal.findings
    )
    status = api_status.invalid(refusal.kind, refusal.name, [finding.told for finding in refusal.findings])
    return Decision(plugin=NAME, denials=denials, status=status, rules=(RULE,) if any(d.rule for d in denials) else ())


def _denial_code(refused: bool, is_unknown: bool) -> DenialCode:
    if is_unknown:
        return DenialCode.LOOK_UP_FAILED
    return DenialCode.IMPORT_NOT_ALLOWED if refused else DenialCode.INVALID_OBJECT


def _unreadable_decision(why: str) -> Decision:
    denial = Denial(code=DenialCode.INVALID_OBJECT, image="", at=why.partition(":")[0], rule="", because=why)
    return Decision(plugin=NAME, denials=(denial,), status=api_status.bad_request(why))


def _unanswered_decision(unanswered: Unanswered) -> Decision:
    """A 500 that may be retried: a look-up that the decision needs failed."""
    because = not_read(unanswered.what, unanswered.why)
    denial = Denial(code=DenialCode.LOOK_UP_FAILED, image="", at="", rule="", because=because)
    return Decision(plugin=NAME, denials=(denial,), status=internal_error(because))


def _trace_step(asked: Asked) -> Step:
    admission = asked.admission
    subject = asked.reference.exact or asked.reference.registry or "docker.io"
    if not admission.allowed:
        return Step("import-rule", subject, "not-matched", admission.error, {"transport": asked.transport.value})
    if admission.rule is None:
        because = "its repository was in the object before"
        return Step("import-rule", subject, "inherited", because, {"transport": asked.transport.value})
    because = f"admitted by {admission.rule.name}"
    return Step("import-rule", subject, "matched", because, {"transport": asked.transport.value})
