"""Writes that a request causes, as the gate composes them (docs/spec/import-gate.md 3.3, 3.4)."""

from __future__ import annotations

from typing import Any

import pytest

from imagegate.core.admission.access_review import Access, AccessAnswer
from imagegate.core.admission.lookup import Absent, Found, Lookup, Unknown
from imagegate.core.admission.plugin import KnownAnswers, Question
from imagegate.core.image_streams.questions import Image, Stream
from imagegate.core.import_gate.gate import ImportGate
from imagegate.core.import_gate.import_write import ImportWrite
from imagegate.core.import_gate.rules import AllowedRegistry
from imagegate.core.import_gate.write_parts import Refusal, Unanswered, Write
from imagegate.core.import_gate.writes import MappingWrite, StatusWrite, StreamWrite, TagWrite, read_write
from imagegate.errors import InvalidInput
from tests.support.image_objects import DIGEST_1, DIGEST_2, event, image, spec_tag, stream
from tests.support.import_gate_setup import request_of, stream_import, stream_tag

GATE = ImportGate([AllowedRegistry("quay.io")])
STORED = stream(
    "app",
    tags={"a": [event(DIGEST_2, "quay.io/a/b")]},
    spec_tags=[spec_tag("b", "a", kind="ImageStreamTag"), spec_tag("c", "b", kind="ImageStreamTag")],
    resourceVersion="1",
)
APP = Stream("test", "app")


def paths(verdict: object) -> list[str]:
    assert isinstance(verdict, Refusal)
    return [finding.error.field for finding in verdict.findings]


def verdict(write: Write, answers: dict[Question, Lookup[Any]] | None = None) -> object:
    return write.verdict(GATE, KnownAnswers(answers or {}))


@pytest.mark.parametrize(
    "resource,sub_resource,old,kind",
    [
        ("imagestreams", "", None, StreamWrite),
        ("imagestreams", "", STORED, StreamWrite),
        ("imagestreams", "status", STORED, StatusWrite),
        ("imagestreamtags", "", None, TagWrite),
        ("imagetags", "", None, TagWrite),
        ("imagestreamimports", "", None, ImportWrite),
        ("imagestreammappings", "", None, MappingWrite),
    ],
)
def test_the_write_of_a_request(
    resource: str, sub_resource: str, old: dict[str, Any] | None, kind: type[Write]
) -> None:
    request = request_of(resource, {"metadata": {"name": "app"}}, old, sub_resource=sub_resource)
    assert isinstance(read_write(request), kind)


def test_an_object_of_the_wrong_form_is_refused_when_it_is_read() -> None:
    for resource in ("imagestreams", "imagestreamimports"):
        with pytest.raises(InvalidInput, match="spec: expected an object"):
            read_write(request_of(resource, {"metadata": {"name": "app"}, "spec": 5}))
    with pytest.raises(InvalidInput, match="oldObject: required"):
        read_write(request_of("imagestreams", {"metadata": {"name": "app"}}, operation="UPDATE"))


def test_a_tag_is_checked_itself_before_the_stream_behind_it() -> None:
    write = read_write(request_of("imagestreamtags", stream_tag("app:t", "docker.io/x")))
    assert list(write.questions(GATE, KnownAnswers())) == [APP]
    assert paths(verdict(write, {APP: Found(STORED)})) == ["tag.from.name"]
    allowed = read_write(request_of("imagestreamtags", stream_tag("app:t", "quay.io/x")))
    assert verdict(allowed, {APP: Found(STORED)}) is None
    assert verdict(allowed, {APP: Absent("app", "imagestreams")}) is None


def test_a_stream_that_cannot_be_read_leaves_the_write_unanswered() -> None:
    write = read_write(request_of("imagestreamtags", stream_tag("app:t", "quay.io/x")))
    assert isinstance(verdict(write), Unanswered)
    assert isinstance(verdict(write, {APP: Unknown("timed out")}), Unanswered)
    assert isinstance(verdict(write, {APP: Found({"spec": 5})}), Unanswered)


def test_an_import_of_a_privileged_user_is_stopped_by_the_stream() -> None:
    write = read_write(request_of("imagestreamimports", stream_import("app", "docker.io/x", to="t")))
    questions = list(write.questions(GATE, KnownAnswers()))
    reviews = [question for question in questions if isinstance(question, Access)]
    assert questions[-1] == APP
    assert len(reviews) == 2
    granted: dict[Question, Lookup[Any]] = {review: Found(AccessAnswer(True)) for review in reviews}
    granted[APP] = Absent("app", "imagestreams")
    assert paths(verdict(write, granted)) == [
        "spec.tags[t].from.name", "status.tags[t].items[0].dockerImageReference"
    ]  # fmt: skip
    denied = dict(granted)
    denied.update((review, Found(AccessAnswer(False))) for review in reviews)
    assert paths(verdict(write, denied)) == ["spec.images[0].from.name"]
    only_fetched = read_write(request_of("imagestreamimports", stream_import("app", "docker.io/x", imports=False)))
    assert verdict(only_fetched, granted) is None


def mapping(reference: str, **metadata: Any) -> Write:
    pushed = {**image(DIGEST_1, metadata=metadata), "dockerImageReference": reference}
    document = {"metadata": {"name": "app"}, "tag": "a", "image": pushed}
    return read_write(request_of("imagestreammappings", document))


def test_a_pushed_image_reaches_the_tag_and_those_that_track_it() -> None:
    """One step of tracking tags, as the server writes: ``c`` tracks ``b``, which tracks ``a``."""
    found = verdict(mapping("docker.io/x"), {APP: Found(STORED)})
    assert paths(found) == [
        "status.tags[a].items[0].dockerImageReference", "status.tags[b].items[0].dockerImageReference"
    ]  # fmt: skip
    assert verdict(mapping("quay.io/x"), {APP: Found(STORED)}) is None


def test_a_managed_image_that_exists_is_named_by_the_streams_repository() -> None:
    write = mapping("docker.io/x", annotations={"openshift.io/image.managed": "true"})
    assert list(write.questions(GATE, KnownAnswers())) == [APP, Image(DIGEST_1)]
    assert isinstance(verdict(write, {APP: Found(STORED)}), Unanswered)
    local = {**STORED, "spec": {**STORED["spec"], "dockerImageRepository": "quay.io/own/app"}}
    assert verdict(write, {APP: Found(local), Image(DIGEST_1): Found(image(DIGEST_1))}) is None
    absent: dict[Question, Lookup[Any]] = {APP: Found(local), Image(DIGEST_1): Absent(DIGEST_1, "images")}
    assert isinstance(verdict(write, absent), Refusal)
