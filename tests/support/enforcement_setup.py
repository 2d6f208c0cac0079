"""The CISE plug-in over policies as YAML, as the service runs it: real files, real OpenPGP, a registry in memory."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from imagegate.adapters.files.cluster import ClusterFiles
from imagegate.adapters.signing.lookaside import LookasideFiles
from imagegate.adapters.signing.openpgp import OpenPgpVerifier
from imagegate.core.admission.decision import Decision
from imagegate.core.admission.lookup import Absent, Found, Lookup, Unknown
from imagegate.core.admission.owners import Owner
from imagegate.core.admission.patch import apply_patch
from imagegate.core.admission.plugin import Question
from imagegate.core.admission.request import AdmissionRequest, GroupKind, GroupResource, Phase
from imagegate.core.admission.trace import Trace
from imagegate.core.content_trust.question import TrustedDigest, TrustedImage
from imagegate.core.enforcement.behaviour import CiseSettings, Profile
from imagegate.core.enforcement.plugin import CHECKS, CisePlugin, Hook
from imagegate.core.enforcement.questions import ManifestDigest, NeedsCredentials, Secret, ServiceAccount
from imagegate.core.enforcement.requirement import Check
from imagegate.core.enforcement.selection import PolicySet
from imagegate.core.references.openshift import ImageReference
from imagegate.core.registry.manifest import Manifest
from imagegate.core.signing.requirements import ImageSignatures
from imagegate.core.vulnerabilities.advisor import AdvisorStatus
from imagegate.core.vulnerabilities.rules import ImageScan
from imagegate.core.vulnerabilities.verdict import ScanVerdict
from imagegate.documents.image_policies import Reading
from imagegate.documents.yaml.source import read_source
from imagegate.ports.registry import ANONYMOUS, RegistryAccess
from imagegate.service.evidence.signatures import SignatureReader
from tests.support.answering import answered
from tests.support.samples import SAMPLES

NOW = datetime(2026, 11, 22, tzinfo=UTC)
KEY = b"a key that all replicas share"
SIGNING = SAMPLES / "simple-signing"
SIGNED_IMAGE = "127.0.0.1:5000/signed/app:v1"
SIGNED_DIGEST = "sha256:0d4c6b3d5d3fb55fd4e0637bb6f973f608cb94836e75fc9b81d2c87e933b141a"
OTHER_DIGEST = "sha256:" + "ab" * 32

KINDS = {
    "Pod": ("", "v1", "pods"),
    "ReplicationController": ("", "v1", "replicationcontrollers"),
    "Deployment": ("apps", "v1", "deployments"),
    "ReplicaSet": ("apps", "v1", "replicasets"),
    "DaemonSet": ("apps", "v1", "daemonsets"),
    "StatefulSet": ("apps", "v1", "statefulsets"),
    "Job": ("batch", "v1", "jobs"),
    "CronJob": ("batch", "v1", "cronjobs"),
}


def key_secret(*signers: str, name: str = "key", namespace: str = "default") -> str:
    """A Secret with public keys of the samples, as a YAML document."""
    keys = "".join((SIGNING / f"keys/{signer}.asc").read_text() for signer in signers)
    document = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "stringData": {"key": keys},
    }
    return f"---\n{json.dumps(document)}\n"


def policy(*entries: str, namespace: str = "", name: str = "p", group: str = "portieris.cloud.ibm.com/v1") -> str:
    """A policy of these entries (YAML or JSON flow mappings), as a YAML document."""
    kind = "ImagePolicy" if namespace else "ClusterImagePolicy"
    metadata = f"{{name: {name}, namespace: {namespace}}}" if namespace else f"{{name: {name}}}"
    listed = "".join(f"  - {entry}\n" for entry in entries)
    return (
        f"---\napiVersion: {group}\nkind: {kind}\nmetadata: {metadata}\nspec:\n  repositories:\n{listed or '    []'}\n"
    )


CISE_GROUP = "securityenforcement.admission.cloud.ibm.com/v1beta1"
SIGNED_ENTRY = (
    '{name: "127.0.0.1:5000/*", policy: {simple: {storeURL: "https://signatures.example.com", '
    "requirements: [{type: signedBy, keySecret: key}]}}}"
)


@dataclass
class MemoryRegistry:
    """The registry port over manifests in memory; without the signature extension."""

    digests: Mapping[str, str]
    """By ``HOST/PATH:TAG`` or ``HOST/PATH@DIGEST``."""

    def manifest(
        self, image: ImageReference, *, access: RegistryAccess = ANONYMOUS, deadline_s: float
    ) -> Lookup[Manifest]:
        found = self.digests.get(str(image))
        if found is None:
            return Absent(f"manifest unknown: {image}")
        return Found(Manifest("application/vnd.oci.image.manifest.v1+json", found, b"{}"), "memory")

    def config(
        self, image: ImageReference, manifest: Manifest, *, access: RegistryAccess = ANONYMOUS, deadline_s: float
    ) -> Lookup[bytes]:
        return Absent("no configuration")

    def tags(
        self, repository: ImageReference, *, access: RegistryAccess = ANONYMOUS, deadline_s: float
    ) -> Lookup[tuple[str, ...]]:
        return Found(())

    def signatures(
        self, image: ImageReference, digest: str, *, access: RegistryAccess = ANONYMOUS, deadline_s: float
    ) -> Lookup[tuple[bytes, ...]]:
        return Absent("no signature extension")


@dataclass
class CiseSetup:
    """Policies and what they can see."""

    documents: str
    """Policies, Secrets, service accounts and owners."""
    settings: CiseSettings = field(default_factory=lambda: CiseSettings.for_profile(Profile.PORTIERIS))
    digests: dict[str, str] = field(default_factory=dict)
    record_key: bytes = KEY
    key_lasts: bool = True
    hook: Hook = Hook.ANY
    checks: tuple[Check, ...] = CHECKS
    failing: Mapping[type[Question], Unknown] = field(default_factory=dict)
    """Questions that are answered so."""
    statuses: Mapping[str, str] = field(default_factory=dict)
    """Statuses of Vulnerability Advisor by reference."""
    trusted: Mapping[str, Lookup[TrustedDigest]] = field(default_factory=dict)
    """Answers of the trust servers by repository."""
    scans: Mapping[str, ScanVerdict] = field(default_factory=dict)
    """Verdicts of scanners' reports by digest."""
    asked: list[Question] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.files = ClusterFiles()
        self.files.add(read_source(self.documents, "documents.yaml").documents, "documents.yaml", Reading())
        policies = PolicySet(self.files.policies.policies, self.settings.groups)
        self.plugin = CisePlugin(
            policies, self.settings, self.record_key, self.hook, self.checks, key_lasts=self.key_lasts
        )
        tags = {SIGNED_IMAGE: SIGNED_DIGEST, **self.digests}
        by_digest = {f"{name.rpartition(':')[0]}@{digest}": digest for name, digest in tags.items() if "@" not in name}
        self.digests = tags | by_digest
        self._registry = MemoryRegistry(self.digests)
        self._reader = SignatureReader(
            self._registry, LookasideFiles(SIGNING / "lookaside"), OpenPgpVerifier(lambda: NOW), now=lambda: NOW
        )

    def decide(self, request: AdmissionRequest, trace: Trace | None = None) -> Decision:
        """The decision of one pass."""
        if not self.plugin.covers(request):
            return Decision(plugin=self.plugin.name, annotations={"skipped": "not-covered"})
        answers = answered(self.plugin, request, self._answer, self.asked)
        return self.plugin.decide(request, answers, now=NOW, trace=trace)

    def texts(self, request: AdmissionRequest) -> list[str]:
        """What each denial says."""
        return [denial.because for denial in self.decide(request).denials]

    def message(self, request: AdmissionRequest) -> str:
        """What the user is shown; empty if allowed."""
        status = self.decide(request).status
        return "" if status is None else status.message

    def both_passes(self, request: AdmissionRequest) -> tuple[Decision, dict[str, Any], Decision]:
        """The mutating pass, the object it leaves, and the validating pass over that."""
        mutated = self.decide(request)
        left = apply_patch(copy.deepcopy(dict(request.object or {})), mutated.rewrites)
        return mutated, left, self.decide(again(request, left, Phase.VALIDATE))

    def _answer(self, question: Question) -> Lookup[Any]:
        if type(question) in self.failing:
            return self.failing[type(question)]
        match question:
            case Secret():
                return self.files.secret(question, deadline_s=1)
            case ServiceAccount():
                return self.files.service_account(question, deadline_s=1)
            case Owner():
                return self.files.owner(question, deadline_s=1)
            case ManifestDigest():
                return self._manifest_digest(question)
            case ImageSignatures():
                return self._reader.ask(question, deadline_s=5)
            case TrustedImage():
                return self.trusted.get(question.gun, Unknown("not asked", retryable=False))
            case AdvisorStatus():
                status = self.statuses.get(question.reference)
                return Unknown("Not found", retryable=False) if status is None else Found(status, "memory")
            case ImageScan():
                verdict = self.scans.get(question.image.id)
                return Unknown("reports are down") if verdict is None else Found(verdict, "memory")
        raise TypeError(f"the plug-in asked {question}")

    def _manifest_digest(self, question: ManifestDigest) -> Lookup[str]:
        if question.image.registry == "private.example.com" and not question.secrets:
            return NeedsCredentials("401 Unauthorized", retryable=False)
        answer = self._registry.manifest(question.image, deadline_s=1)
        return Found(answer.value.digest) if isinstance(answer, Found) else answer


def containers(*images: str) -> list[dict[str, Any]]:
    """Containers ``c0``, ``c1``... of these images."""
    return [{"name": f"c{index}", "image": image} for index, image in enumerate(images)]


def pod(*images: str, **spec: Any) -> dict[str, Any]:
    """A Pod; ``spec`` adds fields to its spec."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "app", "namespace": "default"},
        "spec": {"containers": containers(*images), **spec},
    }


def workload(kind: str, *images: str, **spec: Any) -> dict[str, Any]:
    """An object of ``kind`` with a pod template."""
    document = pod(*images, **spec)
    if kind == "Pod":
        return document
    template = {"metadata": {"labels": {"app": "app"}}, "spec": document["spec"]}
    inner: dict[str, Any] = {"template": template}
    if kind == "CronJob":
        inner = {"schedule": "* * * * *", "jobTemplate": {"spec": inner}}
    group, version, _ = KINDS[kind]
    api_version = f"{group}/{version}" if group else version
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "app", "namespace": "default"}, "spec": inner}


def request(
    document: dict[str, Any],
    *,
    phase: Phase = Phase.MUTATE,
    operation: str = "CREATE",
    old: dict[str, Any] | None = None,
    namespace: str = "default",
    sub_resource: str = "",
    resource: GroupResource | None = None,
) -> AdmissionRequest:
    """The request an API server would make of an object."""
    group, _, plural = KINDS.get(document["kind"], ("", "v1", document["kind"].lower() + "s"))
    found = resource or GroupResource(group, plural)
    kind = GroupKind(found.group, document["kind"])
    return AdmissionRequest(
        uid="u",
        phase=phase,
        operation=operation,
        kind=kind,
        resource=found,
        request_kind=kind,
        request_resource=found,
        object=document,
        old_object=old,
        namespace=namespace,
        sub_resource=sub_resource,
        name="app",
    )


def again(request: AdmissionRequest, document: dict[str, Any] | None, phase: Phase) -> AdmissionRequest:
    """The same request for another pass, with the object as it is by then."""
    fields = {name: getattr(request, name) for name in request.__dataclass_fields__}
    return AdmissionRequest(**{**fields, "object": document, "phase": phase})
