"""The Pods that an object makes, judged before they are made: a pipeline must not be green for what will be refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from imagegate.core.admission.custom_resources import CustomResource, Template, pod_request, templates
from imagegate.core.admission.decision import Denial
from imagegate.core.admission.request import AdmissionRequest
from imagegate.core.admission.workload import DEPLOYMENT_CONFIGS, POD, WORKLOADS, InvalidObject
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


def judge_made_pods(reviewer: Reviewer, request: AdmissionRequest) -> PodResult | None:
    """The result for the Pods of an object of a known kind; None if it makes none, or is a Pod itself.

    Raises:
        InvalidInput: the template is not a pod template; an API server would not accept the object.
    """
    shape = WORKLOADS.get(request.kind)
    if shape is None or request.kind == POD:
        return None
    known = CustomResource(request.kind.group, "", request.kind.kind, pod_specs=(".".join(shape.pod_spec),))
    try:
        found = templates(known, request.object or {})
    except InvalidObject as error:
        raise InvalidInput(str(error)) from error
    if not found:
        return None
    template = _without_triggered(request, found[0])
    if template is None:
        return None
    return PodResult(review_manifest(reviewer, pod_request(request, template, None)), template)


def _without_triggered(request: AdmissionRequest, template: Template) -> Template | None:
    """The template without containers whose blank image an image change trigger of a DeploymentConfig fills in.

    None if no other is left.
    """
    triggered = set(_triggered(request.object or {})) if request.kind in DEPLOYMENT_CONFIGS else set()
    if not triggered:
        return template
    spec = dict(template.spec)
    rest = [each for each in _containers(spec) if not (_is_blank(each) and each.get("name") in triggered)]
    if len(rest) == len(_containers(spec)):
        return template
    return template._replace(spec={**spec, "containers": rest}) if rest else None


def _triggered(document: Mapping[str, Any]) -> Iterator[str]:
    spec = document.get("spec")
    triggers = spec.get("triggers") if isinstance(spec, Mapping) else None
    for trigger in triggers if isinstance(triggers, Sequence) else ():
        change = trigger.get("imageChangeParams") if isinstance(trigger, Mapping) else None
        names = change.get("containerNames") if isinstance(change, Mapping) else None
        yield from (name for name in (names if isinstance(names, Sequence) else ()) if isinstance(name, str))


def _containers(spec: Mapping[str, Any]) -> list[Any]:
    found = spec.get("containers")
    return found if isinstance(found, list) else []


def _is_blank(container: Any) -> bool:
    return isinstance(container, Mapping) and not str(container.get("image") or "").strip()
