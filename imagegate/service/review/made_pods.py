"""The Pods that an object makes, judged before they are made: a pipeline must not be green for what will be refused."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from imagegate.core.admission.custom_resources import Template
from imagegate.core.admission.decision import Denial
from imagegate.core.admission.made_pod import made_pod, makes_same_pod
from imagegate.core.admission.request import AdmissionRequest
from imagegate.core.admission.trace import Trace
from imagegate.core.admission.workload import InvalidObject
from imagegate.errors import InvalidInput
from imagegate.service.review.both_passes import SoftDenial, TwoPassResult, review_manifest
from imagegate.service.review.reviewer import Reviewer


class PodResult(NamedTuple):
    """The result for the Pods of one template, with places as they are in the object."""

    result: TwoPassResult
    template: Template

    @property
    def denials(self) -> tuple[tuple[str, Denial], ...]:
        """Plug-in and denial."""
        return tuple((plugin, self._moved(denial)) for plugin, denial in self.result.denials)

    @property
    def soft_denials(self) -> tuple[SoftDenial, ...]:
        """Denials that are only reported."""
        return tuple(each._replace(denial=self._moved(each.denial)) for each in self.result.soft_denials)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings of the plug-ins, such as those of rules in mode ``warn``, with their places in the object."""
        return tuple(map(self.template.field, self.result.warnings))

    def _moved(self, denial: Denial) -> Denial:
        at = self.template.field(denial.at) if denial.at else self.template.place
        return replace(denial, at=at, because=f"{denial.because} (decided as the Pod that this object makes)")


def judge_made_pods(reviewer: Reviewer, request: AdmissionRequest, *, trace: Trace | None = None) -> PodResult | None:
    """The result for the Pods of an object of a known kind.

    None if it makes none, is a Pod itself, or if an update leaves the template as it was: then no Pod is made anew.

    Args:
        trace: gets the steps, with places as they are in the Pod.

    Raises:
        InvalidInput: the template is not a pod template; an API server would not accept the object.
    """
    if request.sub_resource or request.object is None:
        return None
    try:
        made = None if makes_same_pod(request) else made_pod(request)
    except InvalidObject as error:
        raise InvalidInput(str(error)) from error
    if made is None:
        return None
    return PodResult(review_manifest(reviewer, made.request, trace=trace), made.template)
