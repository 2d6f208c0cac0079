"""Guards the namespace annotation that switches execution rules off.

The original honours ``ignore-rules`` from whoever can write the namespace. Here a change of it needs an access
review: verb ``override`` on ``imagepolicies`` of group ``imagegate`` (spec image-policy section 14, row 11).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from imagegate.core.access import Access
from imagegate.core.admission import AdmissionRequest, GroupKind, Phase
from imagegate.core.decision import Decision, Denial, DenialCode, Status
from imagegate.core.evidence import Found, Unknown
from imagegate.core.go_quote import go_quote
from imagegate.core.image_policy_config import IGNORE_RULES_ANNOTATION
from imagegate.core.plugin import Answers, Question
from imagegate.core.trace import Step, Trace

NAME = "namespace-guard"
NAMESPACE = GroupKind("", "Namespace")
FIELD = f"metadata.annotations[{IGNORE_RULES_ANNOTATION}]"


class NamespaceGuard:
    """The plug-in. Validating pass only."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """``namespace-guard``."""
        return NAME

    def covers(self, request: AdmissionRequest) -> bool:
        """A namespace whose annotation is set, changed or removed."""
        return (
            request.phase is Phase.VALIDATE
            and request.kind == NAMESPACE
            and request.operation in ("CREATE", "UPDATE")
            and request.sub_resource in ("", "status", "finalize")
            and _annotation(request.object) != _annotation(request.old_object)
        )

    def questions(self, request: AdmissionRequest, answers: Answers) -> Iterable[Question]:  # noqa: ARG002
        """May the user override rules for this namespace?"""
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
        answer = answers.get(_question(request), Unknown("it was not looked up in time"))
        allowed = isinstance(answer, Found) and answer.value.allowed
        value = _annotation(request.object)
        if trace is not None:
            trace.add(FIELD, Step("access", request.user.name, "allowed" if allowed else "denied", f"to set {value!r}"))
        if allowed:
            return Decision(plugin=NAME, annotations={"rules-overridden": "" if value is None else str(value)})
        because = (
            f'changing annotation {IGNORE_RULES_ANNOTATION} needs verb "override" on imagepolicies.imagegate'
            f"{_why_not(answer)}"
        )
        code = DenialCode.LOOK_UP_FAILED if isinstance(answer, Unknown) else DenialCode.REJECTED_BY_RULE
        denial = Denial(code=code, image="", at=FIELD, rule=NAME, because=because)
        return Decision(plugin=NAME, denials=(denial,), status=_forbidden(request, because))


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
