"""A plug-in that also judges the pod templates of custom resources, each as the Pod that it becomes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from imagegate.core.admission.custom_resources import CustomResource, Template, pod_request, templates
from imagegate.core.admission.decision import (
    LACK_OF_EVIDENCE,
    Decision,
    Denial,
    PatchOp,
    pointer,
)
from imagegate.core.admission.object_faults import fault_denials, faults
from imagegate.core.admission.plugin import Answers, Plugin, Question
from imagegate.core.admission.request import AdmissionRequest
from imagegate.core.admission.trace import Trace
from imagegate.core.admission.workload import InvalidObject
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.kube.status import Cause, Status

RETRY_AFTER_S = 1


@dataclass(frozen=True, slots=True)
class TemplatePlugin:
    """A plug-in and the resources whose templates it judges too.

    Everything else goes to ``plugin`` as it is.
    """

    plugin: Plugin
    judge: Plugin
    """The same plug-in as it judges templates."""
    resources: tuple[CustomResource, ...]
    judges_images: bool = True
    """False: images that are not in a container do not matter to it."""

    @property
    def name(self) -> str:
        """The plug-in's own."""
        return self.plugin.name

    def covers(self, request: AdmissionRequest) -> bool:
        """True for one of the resources, and for all that the plug-in covers."""
        resource = self._resource(request)
        if resource is None:
            return self.plugin.covers(request)
        return not request.sub_resource and request.operation in ("CREATE", "UPDATE")

    def questions(self, request: AdmissionRequest, answers: Answers) -> Iterable[Question]:
        """Those of all templates."""
        resource = self._resource(request)
        if resource is None:
            return self.plugin.questions(request, answers)
        try:
            pods = self._pods(request, resource)
        except InvalidObject:
            return ()
        return tuple(question for pod, _ in pods for question in self.judge.questions(pod, answers))

    def decide(
        self, request: AdmissionRequest, answers: Answers, *, now: datetime, trace: Trace | None = None
    ) -> Decision:
        """Allowed if every template is."""
        resource = self._resource(request)
        if resource is None:
            return self.plugin.decide(request, answers, now=now, trace=trace)
        try:
            pods = self._pods(request, resource)
        except InvalidObject as error:
            found = faults(error, lambda document: templates(resource, document), request.object or {})
            denials = fault_denials(found)
            return Decision(plugin=self.name, denials=denials, status=_status(request, denials))
        decided: list[tuple[Template, Decision]] = []
        for pod, template in pods:
            own = None if trace is None else Trace()
            decided.append((template, self.judge.decide(pod, answers, now=now, trace=own)))
            if trace is not None and own is not None:
                for at, step in own.steps:
                    trace.add(template.field(at), step)
        return _joined(self.name, request, decided)

    def _resource(self, request: AdmissionRequest) -> CustomResource | None:
        return next((each for each in self.resources if each.covers(request)), None)

    def _pods(self, request: AdmissionRequest, resource: CustomResource) -> Sequence[tuple[AdmissionRequest, Template]]:
        """Templates to judge: those that the plug-in covers; none where an update leaves all as they are.

        Raises:
            InvalidObject: they cannot be read, or there is none.
        """
        if not self.judge.covers(pod_request(request, Template("", {}, {}), None)):
            return ()  # no rule is about it, or the namespace is exempt
        new = templates(resource, request.object or {})
        old = _old_templates(resource, request)
        if old is not None and new == tuple(old.values()):
            return ()
        if not new and not resource.optional:
            paths = ", ".join((*resource.pod_specs, *resource.images))
            raise InvalidObject(f"no pod template and no image is at the paths of imagePolicy.extraResources: {paths}")
        judged = (each for each in new if self.judges_images or not each.is_image)
        return [(pod_request(request, each, (old or {}).get(each.place)), each) for each in judged]


def _old_templates(resource: CustomResource, request: AdmissionRequest) -> dict[str, Template] | None:
    """Templates of the old object by their places; None where there is none, or it cannot be read."""
    if request.operation != "UPDATE" or request.old_object is None:
        return None
    try:
        return {each.place: each for each in templates(resource, request.old_object)}
    except InvalidObject:
        return None


def _joined(plugin: str, request: AdmissionRequest, found: Sequence[tuple[Template, Decision]]) -> Decision:
    """One decision about all templates, at their places in the object."""
    denials = tuple(_moved(denial, template) for template, decision in found for denial in decision.denials)
    softened = [
        (each.text, each._replace(denial=_moved(each.denial, template)))
        for template, decision in found
        for each in decision.softened
    ]
    texts = {before: each.text for before, each in softened}
    warnings = dict.fromkeys(texts.get(text, text) for _, decision in found for text in decision.warnings)
    return Decision(
        plugin=plugin,
        denials=denials,
        status=_status(request, denials) if denials else None,
        rewrites=() if denials else tuple(op for each in found for op in _rewrites(*each)),
        warnings=tuple(warnings),
        softened=tuple(each for _, each in softened),
        annotations={key: text for _, decision in found for key, text in decision.annotations.items()},
        rules=tuple(dict.fromkeys(rule for _, decision in found for rule in decision.rules)),
    )


def _moved(denial: Denial, template: Template) -> Denial:
    return replace(denial, at=template.field(denial.at) if denial.at else template.place)


def _rewrites(template: Template, decision: Decision) -> Iterator[PatchOp]:
    """The patch, at the template's place.

    Raises:
        ValueError: it changes more than the pod spec.
    """
    place = pointer(template.place)
    for op in decision.rewrites:
        if template.is_image and op.path == _IMAGE:
            yield op._replace(path=place)
        elif op.path.startswith(_SPEC) and not template.is_image:
            yield op._replace(path=f"{place}/{op.path.removeprefix(_SPEC)}")
        else:
            raise ValueError(f"a patch of a pod template at {op.path}")


_SPEC, _IMAGE = "/spec/", "/spec/containers/0/image"


def _status(request: AdmissionRequest, denials: Sequence[Denial]) -> Status:
    """403 with a cause for each place; 500, so that clients try again, if only look-ups failed."""
    kind, failed = request.kind, all(denial.code in LACK_OF_EVIDENCE for denial in denials)
    told = "; ".join(f"{denial.at}: {denial.text}" if denial.at else denial.text for denial in denials)
    return Status(
        code=500 if failed else 403,
        reason="InternalError" if failed else "Forbidden",
        message=f"{kind} {go_quote(request.name)} is forbidden: {told}",
        group=kind.group,
        kind=kind.kind,
        name=request.name,
        causes=tuple(Cause("FieldValueForbidden", f"Forbidden: {each.text}", each.at) for each in denials),
        retry_after_s=RETRY_AFTER_S if failed else 0,
    )
