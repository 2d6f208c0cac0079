"""The image policy over plain objects: one request through both passes, as an API server would send it."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from imagegate.adapters.files.image_streams import ImageStreamsFromObjects
from imagegate.core.admission.access_review import Access, AccessAnswer
from imagegate.core.admission.decision import Decision
from imagegate.core.admission.lookup import Absent, Found, Lookup, Unknown
from imagegate.core.admission.owners import Owner
from imagegate.core.admission.patch import apply_patch
from imagegate.core.admission.plugin import Question
from imagegate.core.admission.request import AdmissionRequest, GroupKind, GroupResource, Phase, User
from imagegate.core.admission.trace import Trace
from imagegate.core.image_policy.behaviour import Behaviour
from imagegate.core.image_policy.plugin import ImagePolicyPlugin
from imagegate.core.image_streams.questions import Image, Namespace, PullSpecHolders, Stream, StreamImage, StreamTag
from imagegate.core.image_streams.stream import RegistryHosts
from imagegate.documents.image_policy_config import load_image_policy
from tests.support.answering import answered

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class PolicySetup:
    """A policy and the objects it can see."""

    policy: str
    behaviour: Behaviour
    objects: list[dict[str, Any]] = field(default_factory=list)
    """ImageStream, ImageStreamTag, Image, Namespace objects, and owners of any other kind."""
    may_use: frozenset[tuple[str, str]] = frozenset()
    """Who (user name) may use image streams of which namespace."""
    failing: frozenset[str] = frozenset()
    """Names of questions that cannot be answered."""
    asked: list[Question] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.plugin = ImagePolicyPlugin(load_image_policy(self.policy, "policy.yaml").config, self.behaviour)
        registry = self.behaviour.integrated_registry
        self._streams = ImageStreamsFromObjects(
            image_streams=self._of("ImageStream"),
            image_stream_tags=self._of("ImageStreamTag"),
            image_stream_images=self._of("ImageStreamImage"),
            images=self._of("Image"),
            namespaces=self._of("Namespace"),
            hosts=RegistryHosts(registry) if registry else None,
        )

    def _of(self, kind: str) -> list[dict[str, Any]]:
        return [each for each in self.objects if each["kind"] == kind]

    def decide(self, request: AdmissionRequest, trace: Trace | None = None) -> Decision:
        """The decision of one pass."""
        if not self.plugin.covers(request):
            return Decision(plugin=self.plugin.name)
        answers = answered(self.plugin, request, self.answer, self.asked)
        return self.plugin.decide(request, answers, now=NOW, trace=trace)

    def both_passes(self, request: AdmissionRequest) -> tuple[Decision, dict[str, Any] | None, Decision | None]:
        """The mutating pass, the object it leaves, and the validating pass over that (None if denied before)."""
        mutated = self.decide(request)
        if not mutated.allowed or request.object is None:
            return mutated, None, None
        left = apply_patch(copy.deepcopy(dict(request.object)), mutated.rewrites)
        return mutated, left, self.decide(review_of(request, left, Phase.VALIDATE))

    def answer(self, question: Question) -> Lookup[Any]:
        if type(question).__name__ in self.failing:
            return Unknown("connection timed out")
        match question:
            case Image():
                return self._streams.image(question, deadline_s=1)
            case StreamTag():
                return self._streams.stream_tag(question, deadline_s=1)
            case StreamImage():
                return self._streams.stream_image(question, deadline_s=1)
            case Stream():
                return self._streams.stream(question, deadline_s=1)
            case Namespace():
                return self._streams.namespace(question, deadline_s=1)
            case PullSpecHolders():
                return self._streams.pull_spec_holders(question, deadline_s=1)
            case Access():
                allowed = (question.user.name, question.namespace) in self.may_use
                return Found(AccessAnswer(allowed, "" if allowed else "no rule grants it"))
            case Owner():
                return self._owner(question)
        raise TypeError(f"the plug-in asked {question}")

    def _owner(self, question: Owner) -> Lookup[Any]:
        for each in self.objects:
            metadata = each["metadata"]
            if (each["kind"], metadata.get("namespace", ""), metadata["name"]) == (
                question.kind,
                question.namespace,
                question.name,
            ):
                return Found(each)
        return Absent(f'{question.kind} "{question.name}" not found')


def review_of(request: AdmissionRequest, document: dict[str, Any], phase: Phase) -> AdmissionRequest:
    """The same request for another pass, with the object as it is by then."""
    fields = {name: getattr(request, name) for name in request.__dataclass_fields__}
    return AdmissionRequest(**{**fields, "object": document, "phase": phase})


RESOURCES = {
    "Pod": GroupResource("", "pods"),
    "PodTemplate": GroupResource("", "podtemplates"),
    "ReplicationController": GroupResource("", "replicationcontrollers"),
    "Deployment": GroupResource("apps", "deployments"),
    "ReplicaSet": GroupResource("apps", "replicasets"),
    "DaemonSet": GroupResource("apps", "daemonsets"),
    "StatefulSet": GroupResource("apps", "statefulsets"),
    "Job": GroupResource("batch", "jobs"),
    "CronJob": GroupResource("batch", "cronjobs"),
    "Build": GroupResource("build.openshift.io", "builds"),
    "BuildConfig": GroupResource("build.openshift.io", "buildconfigs"),
    "DeploymentConfig": GroupResource("apps.openshift.io", "deploymentconfigs"),
    "ConfigMap": GroupResource("", "configmaps"),
}


def request_for(
    document: dict[str, Any],
    *,
    phase: Phase = Phase.MUTATE,
    operation: str = "CREATE",
    old: dict[str, Any] | None = None,
    user: str = "alice",
    sub_resource: str = "",
    namespace: str = "default",
) -> AdmissionRequest:
    """An admission request for ``document``; group and resource follow from its kind."""
    resource = RESOURCES[document["kind"]]
    group = document.get("apiVersion", "v1").rpartition("/")[0]
    resource = GroupResource(group or resource.group, resource.resource)
    kind = GroupKind(resource.group, document["kind"])
    return AdmissionRequest(
        uid="1",
        phase=phase,
        operation=operation,
        kind=kind,
        request_kind=kind,
        resource=resource,
        request_resource=resource,
        sub_resource=sub_resource,
        namespace=namespace,
        name=document["metadata"].get("name", ""),
        object=document,
        old_object=old,
        user=User(user, "", ("system:authenticated",)),
    )
