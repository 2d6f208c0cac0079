"""Reasons why no policy looks at an object, and what will be judged later."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from imagegate.cli.lint.start import IMPORT_ONLY
from imagegate.core.admission.made_pod import makes_same_pod
from imagegate.core.admission.request import AdmissionRequest, GroupKind
from imagegate.core.admission.workload import BUILDS, POD, WORKLOADS
from imagegate.core.openshift_templates.processing import GROUP as TEMPLATE_GROUP
from imagegate.core.words import counted

IMAGE_GROUP = "image.openshift.io"
_OWN_GROUPS = (".k8s.io", ".openshift.io")
_BUILT_IN = frozenset(("", "apps", "autoscaling", "batch", "events", "extensions", "policy"))
_STREAMS = frozenset(("ImageStream", "ImageStreamImport", "ImageStreamMapping", "ImageStreamTag", "ImageTag"))


def unjudged(objects: Iterable[tuple[str, str]]) -> Iterator[str]:
    """An error if there are Pods, or objects that make some: no plug-in would look at them even in the cluster.

    Args:
        objects: API version and kind of those that no policy covers, where nothing judges Pods.
    """
    kinds = [GroupKind(version.rpartition("/")[0], kind) for version, kind in objects]
    count = sum(kind == POD or kind in WORKLOADS for kind in kinds)
    if count:
        yield f"{counted(count, 'object')} with Pods: {IMPORT_ONLY}"


def why_not_covered(request: AdmissionRequest, api_version: str, *, templates: bool) -> str:
    """The reason why nothing is decided about a request.

    Args:
        api_version: of its object.
        templates: the Pods that objects make were judged, too.
    """
    if request.operation == "DELETE":
        return "policies decide about objects that are created or changed"
    if templates and makes_same_pod(request):
        return "the update leaves its pod template as it was"
    return why_kind_not_covered(api_version, request.kind.kind, templates=templates)


def why_kind_not_covered(api_version: str, kind: str, *, templates: bool) -> str:
    """The reason for an object of ``kind``.

    Args:
        templates: the Pods that objects make were judged, too.
    """
    group = api_version.rpartition("/")[0]
    group_kind = GroupKind(group, kind)
    if group_kind == POD:
        return "no rule covers pods here"
    if group_kind in WORKLOADS:
        return (
            f"no rule covers this {kind}, or pods"
            if templates
            else "its Pods are judged when they are created; --templates judges them here"
        )
    if group_kind in BUILDS:
        return "no rule covers builds; its output is judged when a Pod runs it"
    if kind in _STREAMS and group in ("", IMAGE_GROUP):
        return "no import list (allowedRegistriesForImport) covers it; its images are judged when a Pod runs them"
    if kind in ("Template", "TemplateInstance") and group in ("", TEMPLATE_GROUP):
        return "it makes no objects"
    if group in _BUILT_IN or (group.endswith(_OWN_GROUPS) and not group.endswith(".x-k8s.io")):
        return "holds no images"
    return (
        f"{group_kind} is not known: if it makes Pods, list it in imagePolicy.extraResources; they are judged when they"
        " are created"
    )
