"""Image streams: fields that the server sets, derives and checks on a write; layers and secrets.

Rule: docs/spec/import-gate.md 3, 4, 6.2.2 and 6.3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from imagegate.core.admission.access_review import Access, AccessQuestion, GrantedRules, Grantees, PathAccess
from imagegate.core.admission.lookup import Absent, Found, Lookup
from imagegate.core.admission.plugin import Answers, KnownAnswers, Question
from imagegate.core.image_api.resources import STREAMS
from imagegate.core.image_api.stored_forms import repaired
from imagegate.core.image_policy.marks import Marks
from imagegate.core.image_streams.generations import (
    normalized,
    prepared_for_create,
    prepared_for_status_update,
    prepared_for_update,
)
from imagegate.core.image_streams.histories import with_histories
from imagegate.core.image_streams.limits import grows, image_excess, stream_excess
from imagegate.core.image_streams.objects import Metadata, StreamObject, read_stream
from imagegate.core.image_streams.questions import Image, Stream
from imagegate.core.image_streams.stream import RegistryHosts, with_computed_status
from imagegate.core.image_streams.views import layers
from imagegate.core.import_gate.findings import Finding
from imagegate.core.import_gate.gate import ImportGate
from imagegate.core.import_gate.write_parts import Refusal, Unanswered, Verdict, Write
from imagegate.core.import_gate.writes import StatusWrite, StreamWrite
from imagegate.core.kube import field_errors
from imagegate.core.kube.status import IMAGE_GROUP, Status, StatusError, bad_request, forbidden, invalid, not_found
from imagegate.errors import InvalidInput
from imagegate.ports.host_cluster import HostCluster
from imagegate.ports.image_store import ImageStore, ObjectKey
from imagegate.service.image_api.host_cluster import LOOK_UP_S, StoredCluster, pull_secrets_of
from imagegate.service.image_api.request import ApiRequest, JsonObject, list_of
from imagegate.service.policies.policy_set import Mode

ReviewAccess = Callable[[AccessQuestion], Lookup[Any]]


@dataclass(frozen=True, slots=True)
class GateInForce:
    """The import gate and the effect of its refusals in a namespace."""

    gate: ImportGate
    mode: Mode = Mode.ENFORCE


class ImageObjects:
    """Shared parts of the image API: store, gate, clock and access reviews.

    Args:
        store: of all objects.
        hosts: names of the integrated registry, called on every use since policies may be reloaded.
        gate: the import gate in force for a namespace.
        access: performs access reviews.
        now: the clock.
        cluster: has the namespaces and the pull secrets; None: they are in the store.
        marks: keys of Images' metadata that policies in force read, called on every use.
    """

    def __init__(
        self,
        store: ImageStore,
        *,
        hosts: Callable[[], RegistryHosts],
        gate: Callable[[str], GateInForce],
        access: ReviewAccess,
        now: Callable[[], datetime],
        cluster: HostCluster | None = None,
        marks: Callable[[], Marks] = Marks,
    ) -> None:
        self.store = store
        self.marks = marks
        self.cluster = cluster or StoredCluster(store)
        self.hosts = hosts
        self.gate = gate
        self._access = access
        self._now = now

    def now(self) -> str:
        """The time as Kubernetes writes it."""
        return self._now().strftime("%Y-%m-%dT%H:%M:%SZ")

    def image(self, digest: str) -> JsonObject | None:
        """The Image of a digest."""
        found = self.store.get(ObjectKey(IMAGE_GROUP, "images", "", digest))
        return None if found is None else repaired("Image", found)

    def stream(self, namespace: str, name: str) -> JsonObject | None:
        """The stream as it is read."""
        found = self.store.get(ObjectKey(IMAGE_GROUP, "imagestreams", namespace, name))
        return None if found is None else with_computed_status(repaired("ImageStream", found), self.hosts())

    def required_stream(self, namespace: str, name: str, *, asked: str = STREAMS.name) -> JsonObject:
        """The stream as it is read.

        Args:
            namespace: of the stream.
            name: of the stream.
            asked: the resource of the request, which the original names.

        Raises:
            StatusError: 404.
        """
        found = self.stream(namespace, name)
        if found is None:
            raise StatusError(not_found(asked, name))
        return found

    def answers(self, questions: Iterable[Question]) -> dict[Question, Lookup[Any]]:
        """Results of look-ups in the store, and of access reviews."""
        return {question: self._answer(question) for question in questions}

    def _answer(self, question: Question) -> Lookup[Any]:
        match question:
            case Access() | PathAccess() | GrantedRules() | Grantees():
                return self._access(question)
            case Stream(namespace, name):
                found = self.stream(namespace, name)
                return Absent(name, "imagestreams") if found is None else Found(found)
            case Image(digest):
                image = self.image(digest)
                return Absent(digest, "images") if image is None else Found(image)
        raise TypeError(f"the image API does not look up {type(question).__name__}")

    def check_write(self, request: ApiRequest, write: Write) -> None:
        """Validate a write, the import gate included.

        Raises:
            StatusError: 422 with every cause, 500 if a look-up failed.
        """
        in_force = self.gate(request.namespace)
        verdict = write.verdict(in_force.gate, self._look_up(write, in_force.gate))
        self.refuse(request, verdict, in_force.mode, is_update=isinstance(write, StatusWrite))

    def checked_stream(self, request: ApiRequest, write: StreamWrite, *, is_update: bool) -> StreamObject:
        """The stream with its derived events, validated: exactly this object is to be stored.

        Raises:
            StatusError: as for ``check_write``.
        """
        in_force = self.gate(request.namespace)
        derived = write.derive(in_force.gate, self._look_up(write, in_force.gate))
        self.refuse(request, write.validate(in_force.gate, derived), in_force.mode, is_update=is_update)
        return derived.stream

    def _look_up(self, write: Write, gate: ImportGate) -> Answers:
        """Results of all look-ups that a write needs; some are known only after others."""
        answers = KnownAnswers()
        while missing := [question for question in write.questions(gate, answers) if question not in answers]:
            answers.update(self.answers(missing))
        return answers

    def limit_ranges(self, namespace: str) -> tuple[JsonObject, ...]:
        """The LimitRanges of a namespace.

        Raises:
            StatusError: 503, they cannot be listed.
        """
        found = self.cluster.limit_ranges(namespace, deadline_s=LOOK_UP_S)
        if isinstance(found, Found):
            return tuple(found.value)
        why = f"the limits for images in namespace {namespace!r} cannot be looked up: {found.why}"
        raise StatusError(Status(code=503, reason="ServiceUnavailable", message=why, retry_after_s=1))

    def check_limits(self, stream: JsonObject, old: JsonObject | None, *, is_status: bool = False) -> None:
        """Check a stream, as it would be stored, against the limits of its namespace.

        Raises:
            StatusError: 422, it exceeds one and has more than before; 503, they cannot be looked up.
        """
        if not grows(stream, old):
            return
        name = stream["metadata"]["name"]
        excess = _read_limit(stream_excess, stream, self.limit_ranges(stream["metadata"]["namespace"]))
        if excess:
            why = forbidden("ImageStream", name, excess).message
            error = field_errors.forbidden("imageStream", why) if is_status else field_errors.internal_error("[]", why)
            raise StatusError(invalid("ImageStream", name, [error]))

    def check_image_limits(self, resource: str, request: ApiRequest, name: str, image: JsonObject) -> None:
        """Check the size of a pushed image against the limits of the namespace, before anything else.

        Raises:
            StatusError: 403, it is larger; 503, they cannot be looked up.
        """
        excess = _read_limit(image_excess, image, self.limit_ranges(request.namespace))
        if excess:
            raise StatusError(forbidden(resource, name, excess))

    def refuse(self, request: ApiRequest, verdict: Verdict, mode: Mode, *, is_update: bool = False) -> None:
        """Raise the errors of a verdict; in mode warn, a refusal by the list alone becomes a warning."""
        if isinstance(verdict, Unanswered):
            raise StatusError(
                Status(
                    code=500, reason="InternalError", message=f"Internal error occurred: {verdict.what}: {verdict.why}"
                )
            )
        if isinstance(verdict, Refusal):
            findings = in_update(verdict.findings) if is_update else verdict.findings
            self.refuse_findings(request, verdict.kind, verdict.name, findings, mode)

    def refuse_findings(
        self, request: ApiRequest, kind: str, name: str, findings: Iterable[Finding], mode: Mode | None = None
    ) -> None:
        """Raise 422 with these findings, unless the mode ignores all of them.

        Raises:
            StatusError: 422.
        """
        mode = mode or self.gate(request.namespace).mode
        counting = []
        for finding in findings:
            if finding.refused and mode is not Mode.ENFORCE:
                if mode is Mode.WARN:
                    request.warnings.append(f"import-gate would deny: {finding.told}")
                continue
            counting.append(finding.told)
        if counting:
            raise StatusError(invalid(kind, name, counting))


def _read_limit(
    excess_of: Callable[[JsonObject, Iterable[JsonObject]], str], found: JsonObject, limit_ranges: Iterable[JsonObject]
) -> str:
    """``excess_of``; a limit that cannot be read is exceeded."""
    try:
        return excess_of(found, limit_ranges)
    except InvalidInput as error:
        return f"a LimitRange of the namespace cannot be read: {error}"


def in_update(findings: Iterable[Finding]) -> list[Finding]:
    """The findings of an update as an API server lists them.

    It checks metadata itself, and the kind's own rules do so once more: each error is a cause twice.
    """
    listed = list(findings)
    return [*(each for each in listed if each.error.field.startswith("metadata.") and not _is_of_stream(each)), *listed]


def _is_of_stream(finding: Finding) -> bool:
    """True for the form of a stream's name, which only the kind's own rules check."""
    return finding.error.field in ("metadata.name", "metadata.generateName") and finding.error.detail.startswith("must")


def metadata_of(found: JsonObject) -> Metadata:
    """The metadata as a value for validation; its types must have been checked."""
    metadata = found.get("metadata") or {}
    return Metadata(
        name=metadata.get("name") or "",
        namespace=metadata.get("namespace") or "",
        annotations=metadata.get("annotations") or {},
        raw=metadata,
    )


class StreamRules:
    """Rules for writing an image stream."""

    unconditional_updates = False
    named_late = False

    def __init__(self, objects: ImageObjects) -> None:
        self._objects = objects

    def shown(self, found: JsonObject) -> JsonObject:
        """The stream with its computed status."""
        return with_computed_status(found, self._objects.hosts())

    def defaulted(self, found: JsonObject) -> JsonObject:
        """The stream as it is written, with the defaults of its tags."""
        return normalized(found)

    def created(self, request: ApiRequest, new: JsonObject) -> JsonObject:
        """A new stream: the sent status is dropped, and every tag has generation 1."""
        return self._checked(request, prepared_for_create(new, self._objects.hosts()), None)

    def updated(self, request: ApiRequest, new: JsonObject, old: JsonObject) -> JsonObject:
        """The changed stream: the old status, with events for changed tags."""
        return self._checked(request, prepared_for_update(new, old, self._objects.hosts()), old)

    def deleted(self, request: ApiRequest, old: JsonObject) -> None:
        """Nothing to do: images stay."""

    def _checked(self, request: ApiRequest, stream: JsonObject, old: JsonObject | None) -> JsonObject:
        before = read_stream(old) if old is not None else None
        write = StreamWrite(_read_stream(stream), before, request.user, now=self._objects.now())
        checked = self._objects.checked_stream(request, write, is_update=old is not None)
        stored = with_histories(stream, checked.status_tags)
        self._objects.check_limits(stored, old)
        return stored


class StreamStatusRules(StreamRules):
    """Rules for writing ``imagestreams/status``."""

    def shown(self, found: JsonObject) -> JsonObject:
        """The stream with the status that is stored: repositories are those of the last write, or as they were sent."""
        status = found.get("status") or {}
        return {**found, "status": {**status, "dockerImageRepository": status.get("dockerImageRepository") or ""}}

    def created(self, request: ApiRequest, new: JsonObject) -> JsonObject:
        """Never called: a subresource cannot be created."""
        raise NotImplementedError

    def updated(self, request: ApiRequest, new: JsonObject, old: JsonObject) -> JsonObject:
        """The changed status with the old spec; new references must pass the gate."""
        stream = prepared_for_status_update(new, old)
        self._objects.check_write(request, StatusWrite(_read_stream(stream), read_stream(old)))
        self._objects.check_limits(stream, old, is_status=True)
        return stream


def _read_stream(stream: JsonObject) -> StreamObject:
    try:
        return read_stream(stream)
    except InvalidInput as error:
        raise StatusError(bad_request(str(error))) from error


def stream_layers(objects: ImageObjects, request: ApiRequest, name: str) -> JsonObject:
    """``imagestreams/NAME/layers``."""
    return layers(objects.required_stream(request.namespace, name), objects.image)


def pull_secrets(objects: ImageObjects, request: ApiRequest) -> JsonObject:
    """``imagestreams/NAME/secrets``: the pull secrets of the namespace. The stream does not matter.

    Raises:
        StatusError: 503, they cannot be listed.
    """
    found = pull_secrets_of(objects.cluster, request.namespace)
    if not isinstance(found, Found):
        raise StatusError(Status(code=503, reason="ServiceUnavailable", message=found.why, retry_after_s=1))
    return list_of("Secret", STREAMS.api_version, found.value, objects.store.version())
