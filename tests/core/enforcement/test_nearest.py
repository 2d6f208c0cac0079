"""The entry that a denial names: the part said differs, and changing just that makes it match."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.core.admission.decision import DenialCode
from imagegate.core.admission.plugin import KnownAnswers
from imagegate.core.enforcement.behaviour import CiseSettings
from imagegate.core.enforcement.evaluate import RequirementsResult
from imagegate.core.enforcement.nearest import NearestEntries, failed_hint, mismatch
from imagegate.core.enforcement.patterns import compare_image_ref
from imagegate.core.enforcement.plugin import CisePlugin
from imagegate.core.enforcement.policy import (
    CLUSTER_IMAGE_POLICY,
    IMAGE_POLICY,
    Entry,
    EntrySource,
    ImagePolicyObject,
    PolicyGroup,
    RequirementType,
    SimplePolicy,
    SimpleRequirement,
)
from imagegate.core.enforcement.requirement import Refused
from imagegate.core.enforcement.selection import PolicySet
from imagegate.service.review.both_passes import creation

NAMES = st.builds(
    "{}{}".format,
    st.sampled_from(("docker.io/", "*.corp/", "registry.corp:5000/", "us.icr.io/")),
    st.sampled_from(("*", "team/*", "team/app", "team/app:1", "library/nginx")),
)
IMAGES = st.builds(
    "{}{}".format,
    st.sampled_from(("", "docker.io/", "registry.corp/", "registry.corp:5000/", "evil.example/")),
    st.sampled_from(("team/app:1", "nginx", "other/app:2")),
)


def entry(name: str, position: int = 0) -> Entry:
    return Entry(name=name, source=EntrySource(PolicyGroup.PORTIERIS, CLUSTER_IMAGE_POLICY, "", "default", position))


@given(st.lists(NAMES, min_size=1, max_size=6), IMAGES)
def test_changing_just_the_part_that_differs_makes_it_match(names: list[str], image: str) -> None:
    entries = [entry(name, position) for position, name in enumerate(names)]
    if any(compare_image_ref(name, image) for name in names):
        return
    found = NearestEntries(entries).nearest(image)
    assert found is not None
    host_pattern, _, path_pattern = found.entry.name.partition("/")
    host, slash, path = image.partition("/")
    if found.unmet.startswith("path "):
        changed = f"{host}/{path_pattern.replace('*', 'x')}"
    elif found.unmet.startswith("host "):
        changed = f"{host_pattern.replace('*', 'x')}/{path}"
        if not compare_image_ref(found.entry.name, changed):  # then the path differs as well, and is said next
            assert mismatch(found.entry.name, changed).startswith("path ")
            return
    else:
        assert not slash
        assert found.unmet == f"{image} has no / and so no host part"
        return
    assert compare_image_ref(found.entry.name, changed)


@pytest.mark.parametrize(
    "image, name, unmet",
    [
        ("registry.corp/team/app:2", "registry.corp/team/app:1", "path team/app:2 does not match team/app:1"),
        ("registry.corp/other/x", "registry.corp/ops/*", "path other/x does not match ops/*"),
        ("a.icr.io/x/y", "*.icr.io/ns/*", "path x/y does not match ns/*"),
        ("registry.crop/ops/x", "registry.corp/ops/*", "host registry.crop does not match registry.corp"),
        ("nginx", "docker.io/library/*", "nginx has no / and so no host part"),
    ],
)
def test_the_host_first_then_the_likest_path(image: str, name: str, unmet: str) -> None:
    names = ("docker.io/library/*", "registry.corp/ops/*", "registry.corp/team/app:1", "*.icr.io/ns/*")
    found = NearestEntries([entry(each, at) for at, each in enumerate(names)]).nearest(image)
    assert found is not None
    assert (found.entry.name, found.unmet) == (name, unmet)


def test_without_entries_nothing_is_near() -> None:
    assert NearestEntries([]).nearest("quay.io/a/b") is None


SIGNED = Entry(
    name="r.io/*",
    source=EntrySource(PolicyGroup.PORTIERIS, CLUSTER_IMAGE_POLICY, "", "default", 0),
    simple=SimplePolicy(requirements=(SimpleRequirement(type=RequirementType.SIGNED_BY, key_secret="team-key"),)),
)
REJECTING = replace(SIGNED, simple=SimplePolicy(requirements=(SimpleRequirement(type=RequirementType.REJECT),)))
BY = "decided by ClusterImagePolicy default repositories[0] r.io/*, which "


@pytest.mark.parametrize(
    "decided, kind, code, said",
    [
        (SIGNED, "simple", DenialCode.SIGNATURE, "requires signatures"),
        (SIGNED, "trust", DenialCode.TRUST, "requires content trust"),
        (SIGNED, "vulnerability", DenialCode.VULNERABILITY, "requires vulnerability reports"),
        (REJECTING, "simple", DenialCode.SIGNATURE, "rejects every image that it matches"),
        (SIGNED, "simple", DenialCode.LOOK_UP_FAILED, "requires signatures; a look-up for it failed: try again"),
        (SIGNED, "trust", DenialCode.DEADLINE, "requires content trust; looking it up took too long: try again"),
        (
            SIGNED,
            "simple",
            DenialCode.NO_PULL_SECRET,
            "requires signatures; the registry wants credentials: name a Secret for its host in imagePullSecrets",
        ),
    ],
)
def test_the_requirement_that_fails_is_named_and_no_secret(
    decided: Entry, kind: str, code: DenialCode, said: str
) -> None:
    refused = Refused(code, "no")
    result = RequirementsResult(decided, "", (refused,), ((kind, refused),))
    assert failed_hint(result, refused) == BY + said
    assert "team-key" not in failed_hint(result, refused)


def test_a_conflict_and_a_policy_that_cannot_be_read() -> None:
    conflict, broken = Refused(DenialCode.CONFLICT, "no"), Refused(DenialCode.INVALID_POLICY, "no")
    assert failed_hint(RequirementsResult(SIGNED, "", (conflict,)), conflict) == (
        f"{BY}accepts one digest only: sign the digest that is used"
    )
    assert failed_hint(RequirementsResult(SIGNED, "", (broken,), (("policy", broken),)), broken) == ""


def test_policies_of_other_namespaces_are_never_named() -> None:
    def policy(kind: str, namespace: str) -> ImagePolicyObject:
        source = EntrySource(PolicyGroup.PORTIERIS, kind, namespace, "secretive", 0)
        named = Entry(name=f"{namespace or 'cluster'}.corp/*", source=source)
        return ImagePolicyObject(
            group=PolicyGroup.PORTIERIS, kind=kind, name="secretive", namespace=namespace, entries=(named,)
        )

    policies = PolicySet(
        [policy(IMAGE_POLICY, "shop"), policy(IMAGE_POLICY, "other"), policy(CLUSTER_IMAGE_POLICY, "")]
    )
    plugin = CisePlugin(policies, replace(CiseSettings(), names_nearest_rule=True))
    for namespace, near in (("shop", "shop.corp"), ("other", "other.corp"), ("third", "cluster.corp")):
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "p", "namespace": namespace},
            "spec": {"containers": [{"name": "a", "image": "x.other.corp/a:1"}]},
        }
        decision = plugin.decide(creation(pod, uid="u"), KnownAnswers(), now=datetime(2026, 1, 1, tzinfo=UTC))
        (denial,) = decision.denials
        assert near in denial.hint
        for hidden in {"shop.corp", "other.corp", "cluster.corp"} - {near}:
            assert hidden not in denial.hint.replace("x.other.corp", "")
