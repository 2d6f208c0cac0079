"""ImageStreamImports: the gate first, then the registries, then Images and stream.

Rule: docs/spec/import-gate.md 3.3, 6.1, 6.2 and 10 row 7: an import that the stream's validation would refuse in the
end is refused before anything is fetched.
"""

from __future__ import annotations

import threading
import uuid

from imagegate.core.admission.access_review import Access, is_granted
from imagegate.core.admission.request import AdmissionRequest, GroupKind, GroupResource, Phase, User
from imagegate.core.image_api.resources import STREAM_IMPORTS, STREAMS
from imagegate.core.image_streams.objects import read_stream
from imagegate.core.image_streams.shown_images import nested
from imagegate.core.import_gate.import_write import ImportWrite
from imagegate.core.import_gate.transport import Transport
from imagegate.core.import_gate.validation import NOTHING_INHERITED, inherited, validate_stream, validate_stream_update
from imagegate.core.imports.outcome import Fetch, not_listed
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.kube.status import Status, StatusError
from imagegate.service.image_api.bodies import checked_body
from imagegate.service.image_api.host_cluster import check_namespace
from imagegate.service.image_api.local import is_administrator
from imagegate.service.image_api.request import ApiRequest, JsonObject
from imagegate.service.image_api.streams import ImageObjects
from imagegate.service.imports.fetcher import Progress
from imagegate.service.imports.importer import Importer, ImportTarget, StoredImage, StoredTarget
from imagegate.service.policies.policy_set import Mode

IMPORTS_AT_ONCE = 4
"""Concurrent imports of one process. An import may hold a thread for minutes; admission needs threads too."""

_TOO_MANY = Status(
    code=429,
    reason="TooManyRequests",
    message=f"this server is doing {IMPORTS_AT_ONCE} imports already, please try again later",
    retry_after_s=2,
)
_NOT_CONFIGURED = Status(
    code=503, reason="ServiceUnavailable", message="imports are not possible: no registry client is configured"
)


class Imports:
    """Creates ImageStreamImports, which are not stored: they exist only as a response."""

    resource = STREAM_IMPORTS

    def __init__(self, objects: ImageObjects, importer: Importer | None) -> None:
        self._objects = objects
        self._importer = importer
        self._free = threading.BoundedSemaphore(IMPORTS_AT_ONCE)

    def create(self, request: ApiRequest, body: JsonObject, progress: Progress | None = None) -> JsonObject:
        """Import or, with ``spec.import`` false, only fetch.

        Raises:
            StatusError: 422 from validation and gate, 404 and 409 if the stream is not the one in the request,
                429 if too many imports are running.
        """
        new = checked_body(self.resource, request, body)
        new = {key: value for key, value in new.items() if key != "status"}
        check_namespace(self._objects.cluster, self.resource, request.namespace, new["metadata"].get("name") or "")
        self._objects.check_write(request, ImportWrite.of(new, _request(request, new)))
        if self._importer is None:
            raise StatusError(_NOT_CONFIGURED)
        kind = _TrialTarget if request.dry_run else _Target
        target = kind(self._objects, request, new["metadata"]["name"])
        with_secrets = self._may_use_secrets(request, new)
        if not self._free.acquire(blocking=False):
            raise StatusError(_TOO_MANY)
        try:
            answer = self._importer.run(
                new,
                request.namespace,
                target,
                progress=progress,
                with_secrets=with_secrets,
            )
        finally:
            self._free.release()
        if not with_secrets and _is_unauthorized(answer["status"]):
            request.warnings.append(
                f"the pull secrets of namespace {request.namespace} were not used: user "
                f"{go_quote(request.user.name)} may not get imagestreams/secrets there"
            )
        return {**answer, "status": _shown_status(answer["status"])}

    def _may_use_secrets(self, request: ApiRequest, wanted: JsonObject) -> bool:
        """True if the user may use the namespace's pull secrets; an import sends them to registries of its choice."""
        name = wanted["metadata"]["name"]
        asked = Access(request.user, "get", STREAMS.group, STREAMS.name, "secrets", request.namespace, name)
        return is_administrator(asked) or is_granted(self._objects.answers((asked,))[asked])

    def controller_target(self, namespace: str, name: str) -> ImportTarget:
        """The target of imports without a user: registries that the list does not allow get no request.

        Source: docs/spec/import-gate.md 6.5.
        """
        return _ControllerTarget(self._objects, ApiRequest(_CONTROLLER, namespace), name)


def _is_unauthorized(status: JsonObject) -> bool:
    """True if a registry gave an image or the list of tags to nobody without a credential."""
    repository = status.get("repository") or {}
    results = [*(status.get("images") or ()), repository, *(repository.get("images") or ())]
    return any((result.get("status") or {}).get("reason") == "Unauthorized" for result in results)


def _shown_status(status: JsonObject) -> JsonObject:
    """The status with objects as they are inside others: without kind and API version."""
    shown = dict(status)
    if "import" in shown:
        shown["import"] = {key: value for key, value in shown["import"].items() if key not in ("kind", "apiVersion")}
    if "images" in shown:
        shown["images"] = [_shown_result(each) for each in shown["images"]]
    if "images" in (shown.get("repository") or {}):
        repository = shown["repository"]
        shown["repository"] = {**repository, "images": [_shown_result(each) for each in repository["images"]]}
    return shown


def _shown_result(result: JsonObject) -> JsonObject:
    shown = dict(result)
    if shown.get("image"):
        shown["image"] = nested(shown["image"])
    if shown.get("manifests"):
        shown["manifests"] = [nested(each) for each in shown["manifests"]]
    return shown


_CONTROLLER = User("system:imagegate:import-controller", "", ("system:masters", "system:authenticated"))


class _Target(StoredTarget):
    """The store, written under the gate."""

    def __init__(self, objects: ImageObjects, request: ApiRequest, name: str) -> None:
        super().__init__(objects.store, request.namespace, name, hosts=objects.hosts(), check=self._pass_gate)
        self._objects = objects
        self._request = request

    def _pass_gate(self, stream: JsonObject, old: JsonObject | None) -> None:
        in_force = self._objects.gate(self._request.namespace)
        read = read_stream(stream)
        if old is None:
            check_namespace(self._objects.cluster, STREAMS, self._request.namespace, read.metadata.name)
            findings = validate_stream(in_force.gate, read)
        else:
            versioned = {**stream, "metadata": {**stream["metadata"], "resourceVersion": _version_of(old)}}
            findings = validate_stream_update(in_force.gate, read_stream(versioned), read_stream(old))
        self._objects.refuse_findings(self._request, "ImageStream", read.metadata.name, findings, in_force.mode)
        self._objects.check_limits(stream, old)


class _TrialTarget(_Target):
    """Checks everything and writes nothing: for dry runs."""

    def create_stream(self, stream: JsonObject) -> JsonObject:
        """See ``ImportTarget``."""
        return self._as_stored(self._checked(stream, None))

    def update_stream(self, stream: JsonObject, old: JsonObject) -> JsonObject:
        """See ``ImportTarget``."""
        return self._as_stored(self._checked(stream, old))

    def create_image(self, image: JsonObject) -> StoredImage:
        """See ``ImportTarget``."""
        kept = self._objects.image(image["metadata"]["name"])
        return StoredImage(self._as_stored(image), is_new=True) if kept is None else StoredImage(kept, is_new=False)

    def _as_stored(self, found: JsonObject) -> JsonObject:
        made = {"uid": str(uuid.uuid4()), "creationTimestamp": self._objects.now()}
        version = {"resourceVersion": self._objects.store.version()}
        return {**found, "metadata": {**made, **found["metadata"], **version}}


class _ControllerTarget(_Target):
    """Checks the gate before every fetch: a registry that left the list gets neither request nor pull secret."""

    def source_refusal(self, source: Fetch, stream: JsonObject | None) -> Status | None:
        """See ``ImportTarget``."""
        in_force = self._objects.gate(self._request.namespace)
        if in_force.mode is not Mode.ENFORCE:
            return None
        transport = Transport.ANY if source.insecure else Transport.SECURE
        repositories = NOTHING_INHERITED.repositories
        if in_force.gate.behaviour.schedule_inherits and stream is not None:
            old = read_stream(stream)
            kept = inherited(in_force.gate, [*old.spec_references, *old.status_references])
            if source.image.exact in kept.texts:
                return None
            repositories = kept.repositories
        admission = in_force.gate.admit(source.image, transport, repositories=repositories)
        return None if admission.allowed else not_listed(admission.text)


def _version_of(stream: JsonObject) -> str:
    version: str = stream["metadata"]["resourceVersion"]
    return version


def _request(request: ApiRequest, new: JsonObject) -> AdmissionRequest:
    kind = GroupKind(STREAM_IMPORTS.group, STREAM_IMPORTS.kind)
    resource = GroupResource(STREAM_IMPORTS.group, STREAM_IMPORTS.name)
    return AdmissionRequest(
        uid=str(uuid.uuid4()),
        phase=Phase.VALIDATE,
        operation="CREATE",
        kind=kind,
        resource=resource,
        object=new,
        request_kind=kind,
        request_resource=resource,
        namespace=request.namespace,
        name=new["metadata"].get("name") or "",
        user=request.user,
        dry_run=request.dry_run,
    )
