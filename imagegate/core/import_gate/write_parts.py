"""A write of the image API as the import gate checks it: its protocol and verdicts, and what all writes are made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple, Protocol

from imagegate.core.admission.lookup import Absent, Found
from imagegate.core.admission.plugin import Answers, Question
from imagegate.core.admission.request import AdmissionRequest
from imagegate.core.image_streams.objects import Metadata, StreamObject, read_stream
from imagegate.core.image_streams.questions import Stream
from imagegate.core.import_gate.findings import Finding
from imagegate.core.import_gate.gate import ImportGate
from imagegate.errors import InvalidInput

NOT_IN_TIME = "it was not looked up in time"


class Refusal(NamedTuple):
    """The errors of one object."""

    kind: str
    name: str
    findings: tuple[Finding, ...]


class Unanswered(NamedTuple):
    """A look-up that the verdict needs failed."""

    what: str
    why: str


Verdict = Refusal | Unanswered | None


class Write(Protocol):
    """The writes of one request. Call ``questions`` until all are answered, then ``verdict``."""

    def questions(self, gate: ImportGate, answers: Answers) -> Iterable[Question]:
        """Look-ups still needed, given these answers."""

    def verdict(self, gate: ImportGate, answers: Answers) -> Verdict:
        """The errors of the request, or None."""


def refusal_of(kind: str, metadata: Metadata, findings: list[Finding]) -> Refusal | None:
    """The findings about one object as a refusal; None without any."""
    return Refusal(kind, metadata.name, tuple(findings)) if findings else None


def stored_stream(answers: Answers, question: Stream) -> StreamObject | Unanswered | None:
    """The stored stream; None if it does not exist."""
    answer = answers.get(question)
    what = f"image stream {question.namespace}/{question.name}"
    if isinstance(answer, Absent):
        return None
    if not isinstance(answer, Found):
        return Unanswered(what, answer.why if answer is not None else NOT_IN_TIME)
    try:
        return read_stream(answer.value)
    except InvalidInput as error:
        return Unanswered(what, str(error))


def new_stream(namespace: str, name: str) -> StreamObject:
    """An image stream without tags."""
    raw = {"name": name, "namespace": namespace}
    metadata = Metadata(name=name, namespace=namespace, annotations={}, raw=raw)
    return StreamObject(metadata=metadata, spec_tags={}, status_tags={})


def completed_metadata(metadata: Metadata, request: AdmissionRequest) -> Metadata:
    """The metadata with what the API server fills in: the namespace, and a name for ``generateName``."""
    prefix = metadata.raw.get("generateName")
    name = metadata.name
    if not name and isinstance(prefix, str) and prefix:
        name = f"{prefix}00000"
    return replace(metadata, namespace=metadata.namespace or request.namespace, name=name)
