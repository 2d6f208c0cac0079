"""The import gate over plain objects: requests as an API server would send them, answered by the file adapters."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from imagegate.adapters.files.access_rules import FileAccessReviews, read_access_rules
from imagegate.adapters.files.image_streams import ImageStreamsFromObjects
from imagegate.core.admission.access_review import Access
from imagegate.core.admission.decision import Decision
from imagegate.core.admission.lookup import Lookup, Unknown
from imagegate.core.admission.plugin import Question
from imagegate.core.admission.request import AdmissionRequest, Phase
from imagegate.core.admission.trace import Trace
from imagegate.core.image_streams.questions import Image, Stream
from imagegate.core.image_streams.stream import RegistryHosts
from imagegate.core.import_gate.behaviour import DOCUMENTED, GateBehaviour
from imagegate.core.import_gate.gate import ImportGate
from imagegate.core.import_gate.plugin import ImportGatePlugin
from imagegate.core.import_gate.rules import AllowedRegistry
from tests.support.answering import answered

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KINDS = {
    "imagestreams": "ImageStream",
    "imagestreamtags": "ImageStreamTag",
    "imagetags": "ImageTag",
    "imagestreamimports": "ImageStreamImport",
    "imagestreammappings": "ImageStreamMapping",
}
MANUAL = (
    AllowedRegistry("registry.access.redhat.com"),
    AllowedRegistry("*.mydomain.com", insecure=True),
    AllowedRegistry("local.registry.corp:5000"),
)
"""The list of the manual's example."""
MANUAL_LISTED = '"local.registry.corp:5000", "*.mydomain.com:80", "registry.access.redhat.com:443"'


@dataclass
class ImportSetup:
    """A list, stored image streams and images, and who may do what."""

    registries: tuple[AllowedRegistry, ...] | None = MANUAL
    integrated: str = ""
    behaviour: GateBehaviour = DOCUMENTED
    stored: list[dict[str, Any]] = field(default_factory=list)
    access: str = ""
    """Text of a file of access rules; empty: nobody may do anything."""
    failing: frozenset[type[Question]] = frozenset()
    """Questions that cannot be answered."""
    asked: list[Question] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gate = ImportGate.configured(
            self.registries, integrated_registry=self.integrated, behaviour=self.behaviour
        )
        self.plugin = ImportGatePlugin(self.gate)
        rules = read_access_rules(self.access, "access.yaml") if self.access else ()
        self._reviews = FileAccessReviews(rules)
        self._streams = ImageStreamsFromObjects(
            image_streams=[each for each in self.stored if each["kind"] == "ImageStream"],
            images=[each for each in self.stored if each["kind"] == "Image"],
            hosts=RegistryHosts(self.integrated) if self.integrated else None,
        )

    def decide(self, request: AdmissionRequest, trace: Trace | None = None) -> Decision:
        """The plug-in's decision; allowed if it does not cover the request."""
        if not self.plugin.covers(request):
            return Decision(plugin=self.plugin.name)
        answers = answered(self.plugin, request, self._answer, self.asked)
        return self.plugin.decide(request, answers, now=NOW, trace=trace)

    def _answer(self, question: Question) -> Lookup[Any]:
        if type(question) in self.failing:
            return Unknown("connection refused")
        match question:
            case Access():
                return self._reviews.access(question, deadline_s=1)
            case Stream():
                return self._streams.stream(question, deadline_s=1)
            case Image():
                return self._streams.image(question, deadline_s=1)
        raise AssertionError(f"unexpected question: {question}")


def review_of(
    resource: str,
    document: dict[str, Any] | None,
    old: dict[str, Any] | None = None,
    *,
    sub_resource: str = "",
    namespace: str = "test",
    user: str = "alice",
    operation: str = "",
) -> dict[str, Any]:
    """An AdmissionReview for a write; an update if there is an old object."""
    kind = {"group": "image.openshift.io", "version": "v1", "kind": KINDS.get(resource, "Other")}
    metadata = (document or {}).get("metadata", {})
    name = metadata.get("name", "") if isinstance(metadata, dict) else ""
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "11111111-2222-3333-4444-555555555555",
            "kind": kind,
            "resource": {"group": "image.openshift.io", "version": "v1", "resource": resource},
            "subResource": sub_resource,
            "name": name if isinstance(name, str) else "",
            "namespace": namespace,
            "operation": operation or ("UPDATE" if old is not None else "CREATE"),
            "userInfo": {"username": user, "groups": ["system:authenticated"]},
            "object": document,
            "oldObject": old,
        },
    }


def request_of(resource: str, document: dict[str, Any] | None, *arguments: Any, **options: Any) -> AdmissionRequest:
    """The same, parsed, in the validating pass."""
    return AdmissionRequest.parse(review_of(resource, document, *arguments, **options), Phase.VALIDATE)


def docker_tag(name: str, source: str, *, insecure: bool = False, **fields: Any) -> dict[str, Any]:
    """A spec tag from a registry."""
    tag: dict[str, Any] = {"name": name, "from": {"kind": "DockerImage", "name": source}, **fields}
    if insecure:
        tag["importPolicy"] = {"insecure": True}
    return tag


def stream(name: str, *tags: dict[str, Any], namespace: str = "test", **fields: Any) -> dict[str, Any]:
    """An ImageStream as a client sends it."""
    return {
        "kind": "ImageStream",
        "apiVersion": "image.openshift.io/v1",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"tags": list(tags)},
        **fields,
    }


def history(tag: str, *references: str) -> dict[str, Any]:
    """A status tag with an event for each reference, newest first."""
    items = [{"dockerImageReference": each, "image": f"sha256:{index:064x}"} for index, each in enumerate(references)]
    return {"tag": tag, "items": items}


def stream_tag(name: str, source: str, *, insecure: bool = False, namespace: str = "test") -> dict[str, Any]:
    """An ImageStreamTag as ``oc tag`` sends it (docs/spec/import-gate.md 8.2)."""
    return {
        "kind": "ImageStreamTag",
        "apiVersion": "image.openshift.io/v1",
        "metadata": {"name": name, "namespace": namespace, "creationTimestamp": None},
        "tag": {
            "name": name.partition(":")[2],
            "annotations": None,
            "from": {"kind": "DockerImage", "name": source},
            "generation": 0,
            "importPolicy": {"insecure": insecure, "importMode": "Legacy"},
            "referencePolicy": {"type": "Source"},
        },
        "generation": 0,
        "lookupPolicy": {"local": False},
        "image": {"metadata": {"creationTimestamp": None}, "dockerImageMetadata": None},
    }


def stream_import(
    name: str, source: str, *, to: str = "latest", insecure: bool = False, imports: bool = True
) -> dict[str, Any]:
    """An ImageStreamImport as ``oc import-image`` sends it (docs/spec/import-gate.md 8.1)."""
    return {
        "kind": "ImageStreamImport",
        "apiVersion": "image.openshift.io/v1",
        "metadata": {"name": name, "namespace": "test"},
        "spec": {
            "import": imports,
            "images": [
                {
                    "from": {"kind": "DockerImage", "name": source},
                    "to": {"name": to},
                    "importPolicy": {"insecure": insecure, "importMode": "Legacy"},
                    "referencePolicy": {"type": "Source"},
                }
            ],
        },
        "status": {},
    }


def printed(decision: Decision) -> list[str]:
    """The decision as ``oc`` and ``kubectl`` print an Invalid status; empty if allowed.

    From k8s.io/kubectl ``pkg/cmd/util/helpers.go``: one cause on the line itself, several as a list, equal ones once.
    """
    status = decision.status
    if status is None:
        return []
    if status.reason != "Invalid":
        return [f"Error from server ({status.reason}): {status.message}"]
    lines = list(dict.fromkeys(f"{cause.field}: {cause.message}" for cause in status.causes))
    subject = f'The {status.kind} "{status.name}" is invalid: '
    return [subject + lines[0]] if len(lines) == 1 else [subject, *(f"* {line}" for line in lines)]
