"""The gate itself: transports, inherited repositories, messages and what settings change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.core.import_gate.behaviour import DOCUMENTED, OPENSHIFT_4, GateBehaviour, behaviour_of
from imagegate.core.import_gate.gate import ImportGate, RecordingGate, canonical_repositories
from imagegate.core.import_gate.rules import AllowedRegistry
from imagegate.core.import_gate.transport import Transport
from imagegate.core.profile import Profile
from imagegate.core.references.openshift import ImageReference
from tests.support.import_gate_setup import MANUAL

REGISTRIES = st.builds(
    AllowedRegistry,
    st.sampled_from(["docker.io", "*", "*:*", "*.io", "quay.io:5*", "registry-1.docker.io", "localhost:5000", ""]),
    st.booleans(),
)
REFERENCES = st.builds(
    ImageReference,
    st.sampled_from(["", "docker.io", "index.docker.io", "quay.io", "quay.io:5000", "localhost:5000", "a:b:c", "x:"]),
    st.just("a"),
    st.just("b"),
)
TRANSPORTS = st.sampled_from(Transport)
BEHAVIOURS = st.sampled_from([DOCUMENTED, OPENSHIFT_4])


def gate(*domains: str, **settings: bool) -> ImportGate:
    behaviour = GateBehaviour(**settings)  # type: ignore[arg-type]  # only the switches are used here
    return ImportGate([AllowedRegistry(domain) for domain in domains], behaviour=behaviour)


def error(of: ImportGate, text: str, transport: Transport = Transport.SECURE) -> str:
    return of.admit(ImageReference.parse(text), transport).error


@given(st.lists(REGISTRIES, max_size=5), REGISTRIES, REFERENCES, TRANSPORTS, BEHAVIOURS)
def test_a_further_rule_never_forbids(
    entries: list[AllowedRegistry],
    entry: AllowedRegistry,
    reference: ImageReference,
    transport: Transport,
    behaviour: GateBehaviour,
) -> None:
    if ImportGate(entries, behaviour=behaviour).admit(reference, transport).allowed:
        assert ImportGate([*entries, entry], behaviour=behaviour).admit(reference, transport).allowed


@given(st.permutations([*MANUAL, AllowedRegistry("docker.io"), AllowedRegistry("*:5000")]), REFERENCES, TRANSPORTS)
def test_the_order_of_rules_never_changes_the_verdict(
    entries: list[AllowedRegistry], reference: ImageReference, transport: Transport
) -> None:
    ordered = ImportGate(sorted(entries)).admit(reference, transport)
    assert ImportGate(entries).admit(reference, transport).allowed == ordered.allowed


@given(st.lists(REGISTRIES, max_size=5), REFERENCES, TRANSPORTS, BEHAVIOURS)
def test_asking_changes_nothing(
    entries: list[AllowedRegistry], reference: ImageReference, transport: Transport, behaviour: GateBehaviour
) -> None:
    asked = ImportGate(entries, integrated_registry="r:5000", behaviour=behaviour)
    before = asked.rules
    first = asked.admit(reference, transport)
    assert (asked.admit(reference, transport), asked.rules) == (first, before)


def test_the_integrated_registry_is_allowed_and_only_by_its_own_port() -> None:
    integrated = ImportGate([], integrated_registry="registry.svc:5000")
    assert integrated.admit(ImageReference(registry="registry.svc:5000"), Transport.SECURE).allowed
    assert not integrated.admit(ImageReference(registry="registry.svc"), Transport.SECURE).allowed
    without_port = ImportGate([], integrated_registry="registry.svc")
    assert without_port.admit(ImageReference(registry="registry.svc"), Transport.SECURE).allowed


def test_an_unreadable_integrated_registry_is_left_out() -> None:
    assert ImportGate([], integrated_registry="a:b:c").rules == ()


def test_a_listed_integrated_registry_is_one_rule() -> None:
    entries = [AllowedRegistry("quay.io"), AllowedRegistry("registry.svc:5000")]
    listed = ImportGate(entries, integrated_registry="registry.svc:5000", behaviour=OPENSHIFT_4)
    assert [rule.position for rule in listed.rules] == [0, 1]
    assert error(listed, "a.io/x").endswith('whitelist: "quay.io:443", "registry.svc:5000"')


@pytest.mark.parametrize("behaviour,allowed", [(DOCUMENTED, False), (OPENSHIFT_4, True)])
def test_an_empty_list_in_the_file(behaviour: GateBehaviour, allowed: bool) -> None:
    gate = ImportGate.configured([], behaviour=behaviour)
    assert gate.admit(ImageReference(registry="a.io"), Transport.SECURE).allowed is allowed
    assert ImportGate.configured(None, behaviour=behaviour).allows_all
    assert not ImportGate.configured(MANUAL, behaviour=behaviour).allows_all


def test_the_profiles() -> None:
    assert behaviour_of(Profile.DOCUMENTED) == DOCUMENTED
    assert behaviour_of(Profile.OPENSHIFT_4) == OPENSHIFT_4


def test_repositories_of_the_old_object_are_allowed_whatever_tag_or_digest() -> None:
    old = frozenset(canonical_repositories(["quay.io/a/b:c", "BAD", "busybox"]).values())
    asked = gate("x.y")

    def allowed(text: str) -> bool:
        return asked.admit(ImageReference.parse(text), Transport.SECURE, repositories=old).allowed

    assert allowed("quay.io/a/b:other")
    assert allowed("docker.io/library/busybox:1")
    assert not allowed("quay.io/a/c")
    assert not allowed("index.docker.io/library/busybox")


def test_messages_as_settings_have_them() -> None:
    assert error(gate("a.io"), "b.io/x") == 'registry "b.io" not allowed by whitelist: "a.io:443"'
    assert error(gate("a.io", lists_rules=False), "b.io/x") == 'registry "b.io" is not allowed for import'
    modern = 'registry "b.io" not allowed by list of allowed registries: "a.io:443"'
    assert error(gate("a.io", modern_words=True), "b.io/x") == modern
    assert error(gate(modern_words=True), "b.io/x") == 'registry "b.io" not allowed by empty list of allowed registries'


def test_hostile_rules_are_quoted_in_messages() -> None:
    said = error(gate('"\\', "a b", "[x]", "bücher", "\x00"), "b.io/x")
    assert said == (
        r'registry "b.io" not allowed by whitelist: "\x00:443", "bücher:443", "[x]:443", "a b:443", "\"\\:443"'
    )


def test_a_host_that_cannot_be_split_is_no_host() -> None:
    assert gate("*").admit(ImageReference("a:b:c", "", "x"), Transport.SECURE).allowed  # as the original
    assert error(gate("b.io"), "foo.com:5000/x") == 'registry "foo.com:5000" not allowed by whitelist: "b.io:443"'
    assert not gate("b.io").admit(ImageReference("a:b:c", "", "x"), Transport.SECURE).allowed


def test_a_recording_gate_asks_once_a_registry() -> None:
    asked: list[str] = []

    class Counting(ImportGate):
        __slots__ = ()

        def host_and_port(self, registry: str, transport: Transport) -> tuple[str, str]:
            asked.append(registry)
            return super().host_and_port(registry, transport)

    class CountingRecording(RecordingGate, Counting):
        __slots__ = ()

    recording = CountingRecording(Counting(MANUAL))
    for number in range(100):
        path = f"spec.tags[{number}].from.name"
        recording.admit_at(path, ImageReference.parse(f"quay.io/a/b{number}"), Transport.SECURE)
    assert asked == ["quay.io"]
    assert len(recording.asked) == 100
    assert not any(each.admission.allowed for each in recording.asked)


@pytest.mark.parametrize(
    "text,allowed",
    [
        ("quay.io/org/app:v1", True),
        ("quay.io/org/team/app", True),
        ("quay.io/other/app", False),
        ("quay.io/app", False),
        ("busybox", True),
        ("docker.io/library/busybox", True),
        ("docker.io/busybox", True),
        ("docker.io/evil/busybox", False),
    ],
)
def test_rules_for_some_repositories(text: str, allowed: bool) -> None:
    entries = [AllowedRegistry("quay.io", repository="org/*"), AllowedRegistry("docker.io", repository="library/*")]
    limited = ImportGate(entries)
    recording = RecordingGate(limited)
    for transport in (Transport.SECURE, Transport.ANY):
        assert limited.admit(ImageReference.parse(text), transport).allowed is allowed
        assert recording.admit(ImageReference.parse(text), transport).allowed is allowed


def test_a_recording_gate_tells_repositories_apart_where_a_rule_does() -> None:
    recording = RecordingGate(ImportGate([AllowedRegistry("quay.io", repository="org/*")]))
    assert recording.admit(ImageReference.parse("quay.io/org/app"), Transport.SECURE).allowed
    refused = recording.admit(ImageReference.parse("quay.io/other/app"), Transport.SECURE)
    assert refused.error == 'registry "quay.io" not allowed by whitelist: "quay.io:443/org/*"'
