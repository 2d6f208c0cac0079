"""The entry that a refusal names: the parts said differ, and changing just those admits the reference."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.core.import_gate.behaviour import DOCUMENTED
from imagegate.core.import_gate.gate import ImportGate
from imagegate.core.import_gate.nearest import NearestEntries, Place, mismatches
from imagegate.core.import_gate.rules import AllowedRegistry
from imagegate.core.import_gate.transport import Transport
from imagegate.core.references.openshift import ImageReference

TOLD = replace(DOCUMENTED, names_nearest_rule=True)
HOSTS = ("docker.io", "quay.io", "registry.corp", "mirror.registry.corp")
PORTS = ("", ":80", ":443", ":5000")

entries = st.builds(
    AllowedRegistry,
    st.builds("{}{}".format, st.sampled_from(HOSTS), st.sampled_from(PORTS)),
    st.booleans(),
    st.sampled_from(("", "team/app", "org/*")),
)


def hint(entries: list[AllowedRegistry], reference: str, transport: Transport = Transport.SECURE) -> str:
    return ImportGate(entries, behaviour=TOLD).admit(ImageReference.parse(reference), transport).hint


@given(
    st.lists(entries, min_size=1, max_size=5),
    st.builds("{}{}/{}".format, st.sampled_from(HOSTS), st.sampled_from(PORTS), st.sampled_from(("team/app", "x/y"))),
    st.sampled_from((Transport.SECURE, Transport.ANY)),
)
def test_changing_just_the_parts_that_differ_admits_it(
    listed: list[AllowedRegistry], reference: str, transport: Transport
) -> None:
    gate = ImportGate(listed, behaviour=TOLD)
    parsed = ImageReference.parse(reference)
    if gate.admit(parsed, transport).allowed:
        return
    place = gate.place(parsed, transport)
    found = NearestEntries(gate.rules, gate.folded).nearest(place)
    assert found is not None
    for each in found.unmet:
        part = each.partition(" ")[0]
        assert part in ("host", "port", "without", "repository")
    differ = {each.partition(" ")[0] for each in found.unmet}
    changed = Place(
        (found.rule.host,) if "host" in differ else place.hosts,
        found.rule.port if differ & {"port", "without"} else place.port,
        found.rule.repository.replace("*", "x") if "repository" in differ else place.repository,
    )
    assert mismatches(found.rule, changed, gate.folded) == ()
    registry = f"{changed.hosts[-1]}:{changed.port}" if changed.port else changed.hosts[-1]
    again = ImageReference.parse(f"{registry}/{changed.repository}")
    assert gate.admit(again, Transport.SECURE if changed.port else Transport.ANY).allowed


@pytest.mark.parametrize(
    "reference, transport, told",
    [
        (
            "registry.corp/a/b",
            Transport.SECURE,
            '[0] registry.corp:5000 would allow it, but port 443 does not match "5000"',
        ),
        (
            "old.corp/a/b",
            Transport.SECURE,
            '[1] old.corp:80 would allow it, but port 443 does not match "80" (that of imports marked insecure)',
        ),
        ("regitsry.corp:5000/a/b", Transport.SECURE, 'host "regitsry.corp" does not match "registry.corp"'),
        ("quay.io/other/app", Transport.SECURE, 'repository "other/app" does not match "org/*"'),
        ("registry.corp/a/b", Transport.ANY, 'rules for port 80, 443 or * count, and this one is for "5000"'),
        ("mysql", Transport.SECURE, 'host "docker.io" does not match "registry.corp"'),
    ],
)
def test_the_part_that_differs_is_named(reference: str, transport: Transport, told: str) -> None:
    listed = [
        AllowedRegistry("registry.corp:5000"),
        AllowedRegistry("old.corp", insecure=True),
        AllowedRegistry("quay.io", repository="org/*"),
    ]
    text = hint(listed, reference, transport)
    assert text.startswith("nearest rule: allowedRegistriesForImport")
    assert told in text


def test_an_empty_list_and_one_that_is_not_shown_name_nothing() -> None:
    assert hint([], "quay.io/a/b") == ""
    hidden = replace(TOLD, lists_rules=False)
    assert (
        ImportGate([AllowedRegistry("quay.io")], behaviour=hidden)
        .admit(ImageReference.parse("docker.io/a"), Transport.SECURE)
        .text
        == 'registry "docker.io" is not allowed for import'
    )
