"""The tables of docs/spec/import-gate.md 3 and 9, row by row, and the manual's example word for word."""

from __future__ import annotations

from typing import Any

import pytest

from imagegate.core.admission.request import AdmissionRequest
from imagegate.core.import_gate.behaviour import OPENSHIFT_4, behaviour_of
from imagegate.core.import_gate.gate import ImportGate
from imagegate.core.import_gate.rules import AllowedRegistry
from imagegate.core.import_gate.transport import Transport
from imagegate.core.profile import Profile
from imagegate.core.references.openshift import ImageReference
from imagegate.errors import InvalidPolicy
from tests.support.import_gate_setup import (
    MANUAL,
    MANUAL_LISTED,
    ImportSetup,
    docker_tag,
    printed,
    request_of,
    stream,
    stream_import,
    stream_tag,
)
from tests.support.vectors import vectors

CASES = vectors("import_gate")
CONSEQUENCES = [case for case in CASES if str(case.id).startswith("consequences/")]
WORKED = [case for case in CASES if str(case.id).startswith("worked_cases/")]


def registries(given: dict[str, Any]) -> tuple[AllowedRegistry, ...] | None:
    listed = given["registries"]
    if listed is None:
        return None
    return tuple(AllowedRegistry(each["domainName"], each.get("insecure", False)) for each in listed)


def request(given: dict[str, Any]) -> AdmissionRequest:
    user = given.get("user", "alice")
    old = given.get("old")
    if "stream_tag" in given:
        return request_of("imagestreamtags", stream_tag(**given["stream_tag"]), user=user)
    if "import" in given:
        return request_of("imagestreamimports", stream_import(**given["import"]), user=user)
    if "status_of" in given:
        return request_of("imagestreams", given["status_of"], old, sub_resource="status", user=user)
    if "mapping" in given:
        sent = given["mapping"]
        image = {"metadata": {"name": sent["image"]}, "dockerImageReference": sent["reference"]}
        document = {"metadata": {"name": sent["name"], "namespace": "test"}, "image": image, "tag": sent["tag"]}
        return request_of("imagestreammappings", document, user=user)
    sent = given["stream"]
    document = stream(sent["name"], *sent["tags"])
    if "resourceVersion" in sent:
        document["metadata"]["resourceVersion"] = sent["resourceVersion"]
    return request_of("imagestreams", document, old, user=user)


@pytest.mark.parametrize("given,expect", CONSEQUENCES)
def test_which_transport_admits_what(given: dict[str, Any], expect: dict[str, bool]) -> None:
    gate = ImportGate(registries(given))
    for text in given["references"]:
        reference = ImageReference.parse(text)
        answers = {name: gate.admit(reference, Transport(name)).allowed for name in ("secure", "any")}
        assert answers == expect, text


@pytest.mark.parametrize("given,expect", WORKED)
def test_worked_case(given: dict[str, Any], expect: list[str]) -> None:
    world = ImportSetup(
        registries(given),
        integrated=given.get("integrated", ""),
        behaviour=behaviour_of(Profile(given.get("profile", "documented"))),
        stored=given.get("stored", []),
        access=given.get("access", ""),
    )
    assert printed(world.decide(request(given))) == [line.replace("<L>", MANUAL_LISTED) for line in expect]


def test_too_many_colons_stop_the_start() -> None:
    with pytest.raises(InvalidPolicy, match=r'^failed to parse allowed registry "0:1:2:3": too many colons$'):
        ImportGate([AllowedRegistry("0:1:2:3")])
    assert ImportGate([AllowedRegistry("0:1")]).rules[0].label == "0:1"


def test_the_manuals_output_word_for_word() -> None:
    document = stream("bar", docker_tag("latest", "local.registry.corp/bar", reference=True))
    assert "\n".join(printed(ImportSetup(MANUAL).decide(request_of("imagestreams", document)))) == (
        'The ImageStream "bar" is invalid: \n'
        '* spec.tags[latest].from.name: Forbidden: registry "local.registry.corp" not allowed by whitelist: '
        '"local.registry.corp:5000", "*.mydomain.com:80", "registry.access.redhat.com:443"\n'
        '* status.tags[latest].items[0].dockerImageReference: Forbidden: registry "local.registry.corp" '
        'not allowed by whitelist: "local.registry.corp:5000", "*.mydomain.com:80", "registry.access.redhat.com:443"'
    )


def test_openshift_4_lists_in_file_order_with_the_integrated_registry_first() -> None:
    gate = ImportGate(MANUAL, integrated_registry="registry.example.svc:5000", behaviour=OPENSHIFT_4)
    admission = gate.admit(ImageReference.parse("local.registry.corp/bar"), Transport.SECURE)
    assert admission.error == (
        'registry "local.registry.corp" not allowed by whitelist: "registry.example.svc:5000", '
        '"registry.access.redhat.com:443", "*.mydomain.com:80", "local.registry.corp:5000"'
    )
