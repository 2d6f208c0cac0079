"""Steps of the CISE plug-in for ``explain``: entries, spellings, records and requirements."""

from __future__ import annotations

import pytest

from imagegate.core.admission.trace import Trace
from imagegate.core.enforcement.selection import PolicySet
from tests.core.enforcement.test_plugin import ALLOW_REGISTRY, BAD, SIGNED_POLICY, simple
from tests.support.enforcement_setup import (
    OTHER_DIGEST,
    SIGNED_ENTRY,
    SIGNED_IMAGE,
    CiseSetup,
    key_secret,
    pod,
    policy,
    request,
)


def test_every_entry_and_every_requirement() -> None:
    documents = policy('{name: "*"}', SIGNED_ENTRY, '{name: "quay.io/*"}') + key_secret("signer1")
    trace = Trace()
    CiseSetup(documents).decide(request(pod(SIGNED_IMAGE)), trace)
    steps = [(step.what, step.subject, step.outcome) for at, step in trace.steps if at]
    assert steps == [
        ("policy-entry", "ClusterImagePolicy p repositories[0] *", "matched"),
        ("policy-entry", "ClusterImagePolicy p repositories[1] 127.0.0.1:5000/*", "decides"),
        ("policy-entry", "ClusterImagePolicy p repositories[2] quay.io/*", "not-matched"),
        ("requirement", "simple", "holds"),
    ]
    assert [step.because for _, step in trace.steps][:4] == [
        "3 entries",
        "less specific than ClusterImagePolicy p repositories[1]",
        "the most specific match",
        "host 127.0.0.1:5000 does not match quay.io",
    ]


@pytest.mark.parametrize(
    "name, image, because",
    [
        ("nginx", "nginy", "nginy is not nginx"),
        ("n*x", "nginy", "nginy does not match n*x"),
        ("docker.io/*", "nginx", "nginx has no / and so no host part"),
        ("docker.io/a*", "docker.io/b", "path b does not match a*"),
    ],
)
def test_what_does_not_match(name: str, image: str, because: str) -> None:
    trace = Trace()
    CiseSetup(policy(f'{{name: "{name}"}}')).decide(request(pod(image)), trace)
    assert [step.because for _, step in trace.steps if step.what == "policy-entry"] == [because]


@pytest.mark.parametrize("documents, outcome", [("", "none"), (ALLOW_REGISTRY, "ClusterImagePolicy")])
def test_which_policies_are_in_force(documents: str, outcome: str) -> None:
    trace = Trace()
    world = CiseSetup(documents)
    world.decide(request(pod(BAD)), trace)
    assert (trace.steps[0][1].what, trace.steps[0][1].outcome) == ("policies", outcome)
    trace = Trace()
    object.__setattr__(world.plugin, "policies", PolicySet((), unavailable="no API"))
    world.decide(request(pod(BAD)), trace)
    assert (trace.steps[0][1].outcome, trace.steps[0][1].because) == ("unavailable", "no API")


def test_records_and_refused_requirements() -> None:
    world = CiseSetup(SIGNED_POLICY)
    _, left, _ = world.both_passes(request(pod(SIGNED_IMAGE)))
    trace = Trace()
    world.decide(request(left), trace)
    (record,) = [step for _, step in trace.steps if step.what == "record"]
    assert record.because == f"was {SIGNED_IMAGE} before it was rewritten"
    trace = Trace()
    CiseSetup(simple("{type: reject}")).decide(request(pod(SIGNED_IMAGE)), trace)
    assert [step.outcome for _, step in trace.steps if step.what == "requirement"] == ["refused"]


def test_ties_and_spellings() -> None:
    trace = Trace()
    image = f"icr.io/a/a@{OTHER_DIGEST}"
    CiseSetup(policy('{name: "icr.io/a/a"}')).decide(request(pod(image)), trace)
    assert [(step.what, step.outcome) for at, step in trace.steps if at][1:] == [
        ("spelling", "matched"),
        ("requirement", "holds"),
    ]
    trace = Trace()
    CiseSetup(policy('{name: "icr.io/*/a"}', '{name: "icr.io/a/*"}')).decide(request(pod("icr.io/a/a")), trace)
    assert trace.steps[2][1].because == "as specific as ClusterImagePolicy p repositories[0], which comes first"


def test_refusals() -> None:
    trace = Trace()
    CiseSetup(ALLOW_REGISTRY).decide(request(pod(BAD, "Bad")), trace)
    assert [(at, step.outcome) for at, step in trace.steps if step.what == "image"] == [
        ("spec.containers[0].image", "denied"),
        ("spec.containers[1].image", "invalid"),
        ("spec.containers[1].image", "denied"),
    ]
