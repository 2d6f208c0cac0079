"""Guards the ignore-rules annotation of a namespace, and labels that choose a plug-in's mode.

The original accepts ``ignore-rules`` from everybody who may write the namespace. Here a change of it needs an access
review: verb ``override`` on ``imagepolicies`` of group ``imagegate`` (docs/spec/image-policy.md 14 row 11). So
does a change of labels after which some plug-in only warns or notes what it denied before.
One of the five plug-ins; it is small, so it is one module and not a folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from imagegate.core.admission.access_review import Access
from imagegate.core.admission.answer_reader import NOT_LOOKED_UP
from imagegate.core.admission.decision import Decision, Denial, DenialCode
from imagegate.core.admission.lookup import DeadlineExceeded, Found, Unknown
from imagegate.core.admission.plugin import Answers, Question
from imagegate.core.admission.request import AdmissionRequest, GroupKind, Phase
from imagegate.core.admission.trace import Step, Trace
from imagegate.core.image_policy.config import IGNORE_RULES_ANNOTATION
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.kube.status import Status

NAME = "namespace-guard"
NAMESPACE = GroupKind("", "Namespace")
FIELD = f"metadata.annotations[{IGNORE_RULES_ANNOTATION}]"
LABELS = "metadata.labels"

Weakness = Callable[[dict[str, str]], tuple[int, ...]]
"""From the labels of a namespace one number for each plug-in: the higher, the less its denials count."""


def _same_everywhere(labels: dict[str, str]) -> tuple[int, ...]:  # noqa: ARG001 - no mode depends on them
    return ()


class NamespaceGuard:
    """The plug-in. Validating pass only.

    Args:
        weakness: the modes of plug-ins by a namespace's labels.
        annotation: guard the ignore-rules annotation too.
    """

    __slots__ = ("_annotation", "_weakness")

    def __init__(self, weakness: Weakness = _same_everywhere, *, annotation: bool = True) -> None:
        self._weakness = weakness
        self._annotation = annotation

    @property
    def name(self) -> str:
        """``namespace-guard``."""
        return NAME

    def covers(self, request: AdmissionRequest) -> bool:
        """True for a namespace whose annotation changes, or whose new labels make a plug-in less strict."""
        return (
            request.phase is Phase.VALIDATE
            and request.kind == NAMESPACE
            and request.operation in ("CREATE", "UPDATE")
            and request.sub_resource in ("", "status", "finalize")
            and (self._overrides(request) or self._weakens(request))
        )

    def _overrides(self, request: AdmissionRequest) -> bool:
        return self._annotation and _annotation(request.object) != _annotation(request.old_object)

    def _weakens(self, request: AdmissionRequest) -> bool:
        before, after = self._weakness(_labels(request.old_object)), self._weakness(_labels(request.object))
        return any(now > then for then, now in zip(before, after, strict=True))

    def questions(self, request: AdmissionRequest, answers: Answers) -> Iterable[Question]:  # noqa: ARG002
        """The user's right to override rules for this namespace."""
        return (_question(request),)

    def decide(
        self,
        request: AdmissionRequest,
        answers: Answers,
        *,
        now: datetime,  # noqa: ARG002 - nothing depends on the time
        trace: Trace | None = None,
    ) -> Decision:
        """Allowed with the right, else 403 that names the right."""
        answer = answers.get(_question(request)) or DeadlineExceeded(NOT_LOOKED_UP)
        allowed = isinstance(answer, Found) and answer.value.allowed
        value = _annotation(request.object) if self._overrides(request) else None
        at, change = (FIELD, f"annotation {IGNORE_RULES_ANNOTATION}") if self._overrides(request) else (LABELS, _MODES)
        if trace is not None:
            trace.add(at, Step("access", request.user.name, "allowed" if allowed else "denied", f"to set {value!r}"))
        if allowed:
            return Decision(plugin=NAME, annotations={"rules-overridden": "" if value is None else str(value)})
        because = f'changing {change} needs verb "override" on imagepolicies.imagegate{_why_not(answer)}'
        code = DenialCode.LOOK_UP_FAILED if isinstance(answer, Unknown) else DenialCode.REJECTED_BY_RULE
        denial = Denial(code=code, image="", at=at, rule=NAME, because=because)
        return Decision(plugin=NAME, denials=(denial,), status=_forbidden(request, because))


_MODES = "labels by which image policies are enforced"


def _why_not(answer: object) -> str:
    if isinstance(answer, Unknown):
        return f" (could not be reviewed: {answer.why})"
    reason = answer.value.reason if isinstance(answer, Found) else ""
    return f" ({reason})" if reason else ""


def _forbidden(request: AdmissionRequest, because: str) -> Status:
    return Status(
        code=403,
        reason="Forbidden",
        message=f"namespaces {go_quote(request.name)} is forbidden: {because}",
        kind="namespaces",
        name=request.name,
    )


def _question(request: AdmissionRequest) -> Access:
    return Access(request.user, "override", "imagegate", "imagepolicies", namespace=request.name)


def _annotation(document: Mapping[str, Any] | None) -> object:
    metadata = (document or {}).get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    return annotations.get(IGNORE_RULES_ANNOTATION) if isinstance(annotations, Mapping) else None


def _labels(document: Mapping[str, Any] | None) -> dict[str, str]:
    metadata = (document or {}).get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, Mapping) else None
    return labels if isinstance(labels, dict) else {}
