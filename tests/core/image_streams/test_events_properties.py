"""Generated writes to an image stream: the store writes exactly the stream that the import gate validates."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from imagegate.core.admission.access_review import Access, AccessAnswer
from imagegate.core.admission.lookup import Absent, Found, Lookup
from imagegate.core.admission.plugin import KnownAnswers, Question
from imagegate.core.admission.request import User
from imagegate.core.image_streams.events import Derived, derive
from imagegate.core.image_streams.generations import prepared_for_create, prepared_for_update
from imagegate.core.image_streams.histories import with_histories
from imagegate.core.image_streams.objects import read_stream
from imagegate.core.image_streams.questions import Stream
from imagegate.core.image_streams.stream import RegistryHosts, status_tags
from imagegate.core.import_gate.gate import ImportGate
from imagegate.core.import_gate.writes import StreamWrite
from tests.support.image_objects import DIGEST_1, DIGEST_2, DIGEST_12, event, stream

ALICE = User("alice")
REGISTRY = "reg:5000"
NOW = "2020-01-01T00:00:00Z"
TAGS = ("a", "b", "c", "latest")
REFERENCES = ("quay.io/a/b:1", "quay.io/a/b:2", f"{REGISTRY}/test/app", f"{REGISTRY}/test/src")

_sources = st.one_of(
    st.builds(lambda name: {"kind": "DockerImage", "name": name}, st.sampled_from(REFERENCES)),
    st.builds(
        lambda kind, mark, stream_name, name, namespace: {
            "kind": kind,
            "name": f"{stream_name}{mark if stream_name else ''}{name}",
            **({"namespace": namespace} if namespace else {}),
        },
        st.just("ImageStreamTag"),
        st.just(":"),
        st.sampled_from(("", "app", "src")),
        st.sampled_from(TAGS),
        st.sampled_from(("", "", "test", "other")),
    ),
    st.builds(
        lambda stream_name, name: {"kind": "ImageStreamImage", "name": f"{stream_name}@{name}"},
        st.sampled_from(("app", "src")),
        st.sampled_from((DIGEST_1, "2", "sha256:1")),
    ),
)
_spec_tags = st.dictionaries(
    st.sampled_from(TAGS),
    st.fixed_dictionaries(
        {"from": _sources},
        optional={"reference": st.booleans(), "generation": st.sampled_from((0, 1, 2, None))},
    ),
)
_events = st.builds(
    event, st.sampled_from((DIGEST_1, DIGEST_2, DIGEST_12, "")), st.sampled_from(REFERENCES), st.integers(0, 3)
)
_histories = st.dictionaries(st.sampled_from(TAGS), st.lists(_events, max_size=3))


def streams(name: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda spec, histories, generation: stream(
            name,
            tags=histories,
            spec_tags=[{**tag, "name": key} for key, tag in sorted(spec.items())],
            generation=generation,
            resourceVersion="1",
        ),
        _spec_tags,
        _histories,
        st.integers(0, 3),
    )


def looked_up(question: Question, source: dict[str, Any]) -> Lookup[Any]:
    if isinstance(question, Access):
        return Found(AccessAnswer(True))
    assert isinstance(question, Stream)
    if question.name != "src":
        return Absent(question.name, "imagestreams")
    return Found({**source, "metadata": {**source["metadata"], "namespace": question.namespace}})


def derived_write(new: dict[str, Any], old: dict[str, Any] | None, source: dict[str, Any]) -> Derived:
    write = StreamWrite(read_stream(new), read_stream(old) if old is not None else None, ALICE, now=NOW)
    gate = ImportGate(None, integrated_registry=REGISTRY)
    questions = write.questions(gate, KnownAnswers())
    answers = KnownAnswers({question: looked_up(question, source) for question in questions})
    return write.derive(gate, answers)


@given(sent=streams("app"), old=st.none() | streams("app"), source=streams("src"))
def test_the_store_writes_the_stream_that_the_gate_validates(
    sent: dict[str, Any], old: dict[str, Any] | None, source: dict[str, Any]
) -> None:
    hosts = RegistryHosts(REGISTRY)
    new = prepared_for_create(sent, hosts) if old is None else prepared_for_update(sent, old, hosts)
    validated = derived_write(new, old, source)
    written = with_histories(new, validated.stream.status_tags)
    assert read_stream(written) == validated.stream
    assert {**written, "status": None} == {**new, "status": None}
    kept = status_tags(new)
    for name, history in status_tags(written).items():
        if history != kept.get(name):
            assert "conditions" not in history
            assert history["items"][-1:] == (kept.get(name, {}).get("items") or history["items"])[-1:] or (
                len(history["items"]) == 1  # the only event was renewed
            )


@given(old=streams("app"), source=streams("src"))
def test_a_write_that_changes_nothing_derives_nothing(old: dict[str, Any], source: dict[str, Any]) -> None:
    unchanged = prepared_for_update(old, old, RegistryHosts(REGISTRY))
    stored = prepared_for_update(unchanged, unchanged, RegistryHosts(REGISTRY))
    derived = derived_write(stored, unchanged, source)
    assert with_histories(stored, derived.stream.status_tags) == stored


def test_an_update_reaches_no_trackers() -> None:
    tags = [
        {"name": "a", "from": {"kind": "DockerImage", "name": "quay.io/a/b"}, "reference": True, "generation": 1},
        {"name": "b", "from": {"kind": "ImageStreamTag", "name": "a"}, "generation": 1},
    ]
    before = event("", "quay.io/a/b", 1)
    old = read_stream(stream(tags={"a": [before], "b": [before]}, spec_tags=tags, generation=1))
    again = [{**tags[0], "importPolicy": {"importMode": "PreserveOriginal"}, "generation": 2}, tags[1]]
    new = read_stream(stream(tags={"a": [before], "b": [before]}, spec_tags=again, generation=2))
    found = derive(new, old, KnownAnswers(), user=ALICE).stream.status_tags
    assert {name: history[0].generation for name, history in found.items()} == {"a": 2, "b": 1}
