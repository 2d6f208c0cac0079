"""The Pod that an object makes: what a controller will ask the API server to create."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from imagegate.core.admission.custom_resources import PODS, CustomResource, Template, pod_request, templates
from imagegate.core.admission.request import AdmissionRequest, User
from imagegate.core.admission.workload import DEPLOYMENT_CONFIGS, POD, WORKLOADS


class MadePod(NamedTuple):
    """A Pod, and the template that it comes from."""

    request: AdmissionRequest
    """Its creation, by a controller: rules that name the object's own resource do not apply, and its author's rights do
    not count. The Pod's service account has its own."""
    template: Template


def made_pod(request: AdmissionRequest) -> MadePod | None:
    """The Pod that an object of a known kind makes; None if it makes none, or is a Pod itself.

    Raises:
        InvalidObject: the template is not a pod template.
    """
    template = _template(request, request.object)
    if template is None:
        return None
    pod = replace(pod_request(request, template, None), operation="CREATE", request_resource=PODS, user=User())
    return MadePod(pod, template)


def makes_same_pod(request: AdmissionRequest) -> bool:
    """True if an update leaves the object's template as it was.

    Raises:
        InvalidObject: a template is not a pod template.
    """
    if request.operation != "UPDATE" or request.old_object is None:
        return False
    return _template(request, request.object) == _template(request, request.old_object)


def _template(request: AdmissionRequest, document: Mapping[str, Any] | None) -> Template | None:
    shape = WORKLOADS.get(request.kind)
    if shape is None or request.kind == POD:
        return None
    known = CustomResource(request.kind.group, "", request.kind.kind, pod_specs=(".".join(shape.pod_spec),))
    found = templates(known, document or {})
    return _without_triggered(request, document or {}, found[0]) if found else None


def _without_triggered(request: AdmissionRequest, document: Mapping[str, Any], template: Template) -> Template | None:
    """The template without containers whose blank image an image change trigger of a DeploymentConfig fills in.

    None if no other is left.
    """
    triggered = set(_triggered(document)) if request.kind in DEPLOYMENT_CONFIGS else set()
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
