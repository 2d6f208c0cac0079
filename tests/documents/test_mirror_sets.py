"""OpenShift's mirror objects as rules: what they mean, how they are merged, and what is refused."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from imagegate.core.registry.mirrors import MirrorRule, MirrorUse
from imagegate.documents.mirror_sets import KINDS, merged, read_mirror_sets, read_stored_mirrors, rules_of
from imagegate.errors import InvalidPolicy

OBJECTS = """
apiVersion: config.openshift.io/v1
kind: ImageDigestMirrorSet
metadata: {name: digests}
spec:
  imageDigestMirrors:
  - {source: quay.io/team, mirrors: [one.example.com/team, two.example.com/team]}
  - {source: registry.redhat.io, mirrors: [one.example.com/redhat], mirrorSourcePolicy: NeverContactSource}
---
apiVersion: config.openshift.io/v1
kind: ImageTagMirrorSet
metadata: {name: tags}
spec:
  imageTagMirrors:
  - {source: quay.io/team, mirrors: [tags.example.com/team], mirrorSourcePolicy: AllowContactingSource}
---
apiVersion: v1
kind: List
items:
- apiVersion: operator.openshift.io/v1alpha1
  kind: ImageContentSourcePolicy
  metadata: {name: older}
  spec:
    repositoryDigestMirrors:
    - {source: quay.io/team, mirrors: [three.example.com/team, one.example.com/team]}
- {apiVersion: v1, kind: Secret}
---
apiVersion: config.openshift.io/v1
kind: Image
spec: {imageDigestMirrors: [{source: 1}]}
"""


def test_all_three_kinds_are_read_and_sets_of_one_source_are_merged() -> None:
    assert read_mirror_sets(OBJECTS, "m.yaml") == [
        MirrorRule(
            "quay.io/team", ("one.example.com/team", "two.example.com/team", "three.example.com/team"), MirrorUse.DIGEST
        ),
        MirrorRule("registry.redhat.io", ("one.example.com/redhat",), MirrorUse.DIGEST, True),
        MirrorRule("quay.io/team", ("tags.example.com/team",), MirrorUse.TAG),
    ]


def test_the_strictest_source_policy_of_a_merged_source_counts() -> None:
    mild, strict = MirrorRule("a.io", ("b.io",)), MirrorRule("a.io", ("c.io",), never_contact_source=True)
    for rules in ((mild, strict), (strict, mild)):
        (found,) = merged(rules)
        assert found.never_contact_source


def test_an_unknown_source_policy_forbids_the_source() -> None:
    text = OBJECTS.replace("AllowContactingSource", "SomethingNewer")
    assert [rule.never_contact_source for rule in read_mirror_sets(text, "m.yaml")] == [False, True, True]


@pytest.mark.parametrize(
    "spec, why",
    [
        ([], ""),
        ("x", "spec: expected an object"),
        ({"imageDigestMirrors": {}}, ""),
        ({"imageDigestMirrors": {"a": 1}}, "spec.imageDigestMirrors: expected a list"),
        ({"imageDigestMirrors": [1]}, "spec.imageDigestMirrors[0]: expected an object"),
        ({"imageDigestMirrors": [{"mirrors": ["a"]}]}, "[0].source: expected a registry or repository"),
        ({"imageDigestMirrors": [{"source": "/a"}]}, "[0].source: expected a registry or repository"),
        ({"imageDigestMirrors": [{"source": "a.io", "mirrors": "b.io"}]}, "[0].mirrors: expected a list"),
        ({"imageDigestMirrors": [{"source": "a.io", "mirrors": [""]}]}, "[0].mirrors: expected a list"),
        (
            {"imageDigestMirrors": [{"source": "a.io", "mirrorSourcePolicy": [1]}]},
            "[0].mirrorSourcePolicy: expected a string",
        ),
    ],
)
def test_what_is_not_of_its_kinds_form_is_refused_with_its_place(spec: object, why: str) -> None:
    document = {"apiVersion": KINDS[0].api_version, "kind": KINDS[0].kind, "spec": spec}
    text = yaml.safe_dump(document)
    if not why:
        assert read_mirror_sets(text, "m.yaml") == []
        return
    with pytest.raises(InvalidPolicy) as caught:
        read_mirror_sets(text, "m.yaml")
    assert str(caught.value).startswith("m.yaml:1: ImageDigestMirrorSet: ")
    assert why in str(caught.value)


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["source", "mirrors", "x"]), inner),
    max_leaves=8,
)


@given(ANY)
def test_whatever_an_entry_is_it_is_a_rule_or_refused(entry: object) -> None:
    document = json.loads(json.dumps({"spec": {KINDS[0].entries: [entry]}}))
    stored = read_stored_mirrors(document, KINDS[0])
    try:
        (rule,) = rules_of(document, KINDS[0])
    except InvalidPolicy:
        assert stored.broken
        assert all(each.never_contact_source and not each.mirrors for each in stored.rules)
        return
    assert (stored.rules, stored.broken) == ((rule,), "")
    assert rule.source
    assert all(rule.mirrors)


def test_an_object_of_the_cluster_is_never_refused_and_what_cannot_be_read_closes_its_source() -> None:
    entries = [{"source": "a.io", "mirrors": 1}, {"source": "b.io", "mirrors": ["c.io"]}, {"mirrors": []}, 1]
    document = {"metadata": {"name": "set"}, "spec": {"imageDigestMirrors": entries}}
    found = read_stored_mirrors(document, KINDS[0])
    assert found.rules == (MirrorRule("a.io", (), never_contact_source=True), MirrorRule("b.io", ("c.io",)))
    assert found.broken.startswith("ImageDigestMirrorSet set: spec.imageDigestMirrors[0].mirrors: expected a list")
    assert read_stored_mirrors({"spec": []}, KINDS[0]).rules == ()
    assert read_stored_mirrors({"spec": "x"}, KINDS[0]).broken == "ImageDigestMirrorSet : spec: expected an object"
