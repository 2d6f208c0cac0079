"""Which rule admits a reference, and why the others do not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.core.import_gate.behaviour import GateBehaviour
from imagegate.core.import_gate.explain import IMPORTING, TAGGING, explain_import, is_admitted
from imagegate.core.import_gate.gate import ImportGate
from imagegate.core.import_gate.rules import AllowedRegistry
from imagegate.core.import_gate.transport import Transport
from imagegate.core.references.openshift import ImageReference
from imagegate.errors import InvalidReference
from tests.support.import_gate_setup import MANUAL, MANUAL_LISTED, ImportSetup, request_of, stream_import, stream_tag


def steps(gate: ImportGate, text: str, way: str, *, insecure: bool = False) -> list[tuple[str, str, str]]:
    trace = explain_import(gate, text, insecure=insecure)
    return [(step.subject, step.outcome, step.because) for at, step in trace.steps if at == way]


def test_an_image_that_a_rule_admits() -> None:
    assert steps(ImportGate(MANUAL), "reg.mydomain.com/app:v1", TAGGING, insecure=True) == [
        (
            "reg.mydomain.com/app:v1",
            "asked",
            "reg.mydomain.com: no port is written, and insecure transport is allowed beside secure",
        ),
        (
            "allowedRegistriesForImport[0] registry.access.redhat.com:443",
            "not-matched",
            'host "reg.mydomain.com" does not match "registry.access.redhat.com"',
        ),
        (
            "allowedRegistriesForImport[1] *.mydomain.com:80",
            "matched",
            'matches "*.mydomain.com:80"',
        ),
        (
            "allowedRegistriesForImport[2] local.registry.corp:5000",
            "not-matched",
            'host "reg.mydomain.com" does not match "local.registry.corp"',
        ),
        ("reg.mydomain.com/app:v1", "allowed", "by allowedRegistriesForImport[1] *.mydomain.com:80"),
    ]


def test_an_image_that_no_rule_admits() -> None:
    found = steps(ImportGate(MANUAL), "local.registry.corp/bar", TAGGING)
    assert found[0][2] == "local.registry.corp:443: the port of secure registries"
    assert found[3][1:] == ("not-matched", 'port 443 does not match "5000"')
    refused = f'registry "local.registry.corp" not allowed by whitelist: {MANUAL_LISTED}'
    assert found[4] == ("local.registry.corp/bar", "denied", refused)


def test_an_import_fills_in_the_port() -> None:
    found = steps(ImportGate(MANUAL), "registry.access.redhat.com/ubi8", IMPORTING, insecure=True)
    assert found[0][2] == "registry.access.redhat.com:80: an import fills in the port before the list is asked"
    assert found[1][1:] == ("not-matched", 'port 80 does not match "443"')
    assert found[-1][1] == "denied"


@pytest.mark.parametrize(
    "rule,text,insecure,because",
    [
        (
            "quay.io/org",
            "quay.io/org/x",
            False,
            '"quay.io/org" has a path or a scheme, only the registry\'s host is compared',
        ),
        (
            "foo.com:4*",
            "foo.com/x",
            True,
            'without a port only rules for port 80, 443 or * count, and this one is for "4*"',
        ),
    ],
)
def test_mistakes_are_explained(rule: str, text: str, insecure: bool, because: str) -> None:
    found = steps(ImportGate([AllowedRegistry(rule)]), text, TAGGING, insecure=insecure)
    assert found[1][1:] == ("not-matched", because)


@pytest.mark.parametrize(
    "text,asked",
    [
        ("busybox", "docker.io:443: no registry is written, which means Docker Hub"),
        ("quay.io:5000/x", "quay.io:5000: the port as written"),
    ],
)
def test_how_host_and_port_came_about(text: str, asked: str) -> None:
    assert steps(ImportGate(MANUAL), text, TAGGING)[0][2] == asked


def test_without_a_list_everything_is_allowed() -> None:
    found = steps(ImportGate(None), "quay.io/x", IMPORTING)
    assert found == [("quay.io/x", "allowed", "no allowedRegistriesForImport: everything may be imported")]


def test_what_is_no_reference() -> None:
    with pytest.raises(InvalidReference, match="invalid reference format"):
        explain_import(ImportGate(MANUAL), "Bad Reference")


@pytest.mark.parametrize("text", ["quay.io/x", "registry.access.redhat.com/x"])
def test_the_fall_back_of_insecure_imports(text: str) -> None:
    gate = ImportGate(MANUAL, behaviour=GateBehaviour(insecure_import_falls_back=True))
    trace = explain_import(gate, text, insecure=True)
    hosts = [step for at, step in trace.steps if step.what == "import-host" and at == IMPORTING]
    asked = [step.because.partition(": ")[0] for step in hosts]
    host = text.partition("/")[0]
    assert asked == [f"{host}:80", f"{host}:443"]
    assert is_admitted(trace, IMPORTING) is (host == "registry.access.redhat.com")


RULES = st.lists(
    st.builds(AllowedRegistry, st.sampled_from(["docker.io", "*", "*:*", "a.*", "a.io:5*", "a.io:8*"]), st.booleans()),
    max_size=4,
)
TEXTS = st.sampled_from(["x", "docker.io/x", "index.docker.io/x", "a.io/x", "a.io:5000/x", "A.io/x"])


@given(RULES, TEXTS, st.booleans())
def test_the_explanation_says_what_the_gate_does(rules: list[AllowedRegistry], text: str, insecure: bool) -> None:
    gate = ImportGate(rules)
    trace = explain_import(gate, text, insecure=insecure)
    transport = Transport.ANY if insecure else Transport.SECURE
    assert is_admitted(trace, TAGGING) is gate.admit(ImageReference.parse(text), transport).allowed
    for way in (TAGGING, IMPORTING):
        matched = any(step.outcome == "matched" for at, step in trace.steps if at == way)
        assert matched is is_admitted(trace, way)
    world = ImportSetup(tuple(rules))
    tag = request_of("imagestreamtags", stream_tag("app:a", text, insecure=insecure))
    assert is_admitted(trace, TAGGING) is world.decide(tag).allowed
    dry_run = request_of("imagestreamimports", stream_import("app", text, insecure=insecure, imports=False))
    assert is_admitted(trace, IMPORTING) is world.decide(dry_run).allowed


def test_a_rule_for_some_repositories() -> None:
    gate = ImportGate([AllowedRegistry("docker.io", repository="library/*")])
    assert steps(gate, "busybox", TAGGING)[1:] == [
        ("allowedRegistriesForImport[0] docker.io:443/library/*", "matched", 'matches "docker.io:443/library/*"'),
        ("busybox", "allowed", "by allowedRegistriesForImport[0] docker.io:443/library/*"),
    ]
    because = 'repository "evil/busybox" does not match "library/*"'
    assert steps(gate, "evil/busybox", IMPORTING)[1][1:] == ("not-matched", because)
