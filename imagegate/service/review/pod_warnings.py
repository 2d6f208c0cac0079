"""Warnings about the Pods that an admitted object makes, as Pod Security gives them."""

from __future__ import annotations

from dataclasses import replace

from imagegate.core.admission.decision import LACK_OF_EVIDENCE, Decision, Denial, DenialCode
from imagegate.core.admission.made_pod import MadePod, made_pod, makes_same_pod
from imagegate.core.admission.owners import controller_reference
from imagegate.core.admission.request import AdmissionRequest, Phase
from imagegate.core.admission.workload import InvalidObject
from imagegate.service.policies.policy_set import Mode
from imagegate.service.review.response import PodWarning

_NOT_JUDGED = LACK_OF_EVIDENCE | {DenialCode.INTERNAL_ERROR}


def warned_pod(request: AdmissionRequest) -> MadePod | None:
    """The Pod to judge for warnings, as its mutating pass will see it; None if there is nothing to warn of.

    An update that leaves the template as it was changes no Pod. A controller reads no warnings. An object that cannot
    be read is refused by the API server, or makes no Pods.
    """
    if controller_reference(request.object or {}) is not None:
        return None
    try:
        made = None if makes_same_pod(request) else made_pod(request)
    except InvalidObject:
        return None
    return None if made is None else made._replace(request=replace(made.request, phase=Phase.MUTATE))


def warnings_about_pod(pod: MadePod, kind: str, decision: Decision, mode: Mode) -> tuple[PodWarning, ...]:
    """One warning for each image that a plug-in would deny, or could not judge, in the Pods of this ``kind``."""
    if mode is Mode.AUDIT:
        return ()
    return tuple(dict.fromkeys(_warning(pod, kind, decision.plugin, denial) for denial in decision.denials))


def not_judged(request: AdmissionRequest, because: str) -> PodWarning:
    """The warning that the Pods of an object could not be judged at all."""
    denial = Denial(code=DenialCode.INTERNAL_ERROR, image="", at="", rule="", because=because)
    return PodWarning("", denial, f"the Pods of this {request.kind.kind} could not be judged: {because}")


def _warning(pod: MadePod, kind: str, plugin: str, denial: Denial) -> PodWarning:
    verb = "could not judge" if denial.code in _NOT_JUDGED else "would deny"
    at = pod.template.field(denial.at) if denial.at else pod.template.place
    image = f"{denial.image}: " if denial.image.strip() and denial.image not in denial.because else ""
    text = f"{plugin} {verb} the Pods of this {kind}: {at}: {image}{denial.text}"
    return PodWarning(plugin, replace(denial, at=at), text)
