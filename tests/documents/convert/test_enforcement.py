"""Conversion between the API groups: what changes, what stays, what is lost."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from imagegate.core.enforcement.policy import Entry, PolicyGroup
from imagegate.documents.convert.enforcement import Converted, convert_policies
from imagegate.documents.image_policies import Reading, read_policies
from imagegate.errors import InvalidPolicy
from tests.support.enforcement_setup import CISE_GROUP, policy

ROOT = Path(__file__).parents[3]
SHIPPED = sorted((ROOT / "config/policies").rglob("*.yaml"))
V1, V1BETA1 = PolicyGroup.PORTIERIS, PolicyGroup.CISE
BOTH = """\
# Kept: what this file is for
apiVersion: securityenforcement.admission.cloud.ibm.com/v1beta1  # kept too
kind: ClusterImagePolicy
metadata:
  name: default
  labels: {team: "a"}
spec:
  repositories:
    # first
    - name: "icr.io/*"  # second
      policy:
        trust:
          enabled: true
        va:
          enabled: yes
    - name: "*"
      policy:
"""


def meaning(text: str) -> list[tuple[object, ...]]:
    """What the policies of a text decide, without their group."""
    found = []
    for each in read_policies(text, "p.yaml", Reading(cluster_domain="d")).policies:
        for entry in each.entries:
            found.append((each.kind, each.namespace, each.name, *requirements(entry)))
    return found


def requirements(entry: Entry) -> tuple[object, ...]:
    return entry.name, entry.mutate_image, entry.trust, entry.simple, entry.vulnerability


def convert(text: str, target: PolicyGroup = V1) -> Converted:
    return convert_policies(text, "p.yaml", target)


@pytest.mark.parametrize("target", PolicyGroup)
@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_shipped_policies_keep_their_meaning_both_ways(path: Path, target: PolicyGroup) -> None:
    text = path.read_text()
    converted = convert(text, target)
    assert meaning(converted.text) == meaning(text)
    assert {each.group for each in read_policies(converted.text, "p.yaml", Reading(cluster_domain="d")).policies} == {
        target
    }
    back = convert(converted.text, V1 if target is V1BETA1 else V1BETA1)
    assert meaning(back.text) == meaning(text)


def test_comments_and_everything_else_stay() -> None:
    expected = (
        BOTH.replace("securityenforcement.admission.cloud.ibm.com/v1beta1", "portieris.cloud.ibm.com/v1")
        .replace(
            "        va:\n          enabled: yes\n",
            "        vulnerability:\n          ICCRVA:\n            enabled: true\n",
        )
        .replace('- name: "*"\n      policy:\n', '- name: "*"\n      policy: {}\n')
    )
    assert re.sub(r" +#", "  #", convert(BOTH).text) == re.sub(r" +#", "  #", expected)  # comments keep their column


def test_what_is_of_the_target_group_already_is_not_touched() -> None:
    converted = convert(BOTH, V1BETA1)
    assert (converted.text, converted.objects) == (BOTH, 0)


def test_enabled_if_either_is() -> None:
    entry = "{name: a, policy: {va: {enabled: %s}, vulnerability: {ICCRVA: {enabled: %s}}}}"
    for group, target in ((CISE_GROUP, V1), (V1.value, V1BETA1)):
        for older, newer in (("true", "no"), ("off", "true"), ("false", "false")):
            text = policy(entry % (older, newer), group=group)
            assert meaning(convert(text, target).text) == meaning(text)


def test_account_is_kept_as_an_annotation_and_comes_back() -> None:
    text = policy("{name: a, policy: }", "{name: b, policy: {vulnerability: {ICCRVA: {enabled: true, account: acc}}}}")
    converted = convert(text, V1BETA1)
    assert [str(loss) for loss in converted.losses] == [
        (
            "p.yaml:8: spec.repositories[1].policy.vulnerability.ICCRVA.account: "
            "kept as annotation imagegate/iccrva-account.1"
        )
    ]
    assert 'imagegate/iccrva-account.1: "acc"' in converted.text
    back = convert(converted.text, V1)
    assert meaning(back.text) == meaning(text)
    assert "iccrva-account" not in back.text


def test_losses_are_listed_with_their_place() -> None:
    entry = "{name: a, policy: {mutateImage: false, simple: {requirements: [{type: reject}]}}}"
    converted = convert(policy(entry), V1BETA1)
    assert [loss.path for loss in converted.losses] == [
        "spec.repositories[0].policy.mutateImage",
        "spec.repositories[0].policy.simple",
    ]
    assert meaning(converted.text) == meaning(policy(entry))
    dropped = convert((ROOT / "config/policies/cise/ibm-system.yaml").read_text())
    assert [(loss.line, loss.path) for loss in dropped.losses] == [(25, "spec.repositories[5].policies")]
    assert "policies:" not in dropped.text


def test_other_objects_and_lists() -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: k  # the key\n"
    converted = convert(secret + policy("{name: a}", group=CISE_GROUP))
    assert converted.text.startswith(secret)
    assert converted.objects == 1
    item = f"  - apiVersion: {CISE_GROUP}\n    kind: ImagePolicy\n    metadata: {{name: a, namespace: team}}\n"
    listed = convert(f"apiVersion: {CISE_GROUP}\nkind: ImagePolicyList\nitems:\n{item}")
    assert listed.text.startswith("apiVersion: v1\nkind: List\n")
    assert meaning(listed.text) == meaning(item.replace("  - ", "    "))


def test_annotations_of_others_stay() -> None:
    text = policy("{name: a, policy: {vulnerability: {ICCRVA: {enabled: true, account: acc}}}}")
    text = text.replace("metadata: {name: p}", "metadata: {name: p, annotations: {team: a}}")
    there = convert(text, V1BETA1)
    assert "team: a" in there.text
    assert "team: a" in convert(there.text, V1).text


def test_json_stays_json() -> None:
    document = {"apiVersion": CISE_GROUP, "kind": "ClusterImagePolicy", "metadata": {"name": "p"}, "spec": None}
    assert json.loads(convert(json.dumps(document)).text) == document | {"apiVersion": V1.value}


def test_aliases_are_kept_where_that_keeps_the_meaning() -> None:
    text = policy("{name: one, policy: &base {va: {enabled: true}}}", "{name: two, policy: *base}", group=CISE_GROUP)
    assert meaning(convert(text).text) == meaning(text)


@pytest.mark.parametrize(
    "text, error",
    [
        (
            policy(
                "{name: a, policy: &base {va: {enabled: true}}}", "{name: b, policy: {<<: *base}}", group=CISE_GROUP
            ),
            r'p\.yaml:8: "<<" cannot be converted: write out what it merges',
        ),
        (policy("{name: 5}"), r"p\.yaml:7: .*expected string"),
        (
            policy("{name: a}") + policy("{name: a}", group=CISE_GROUP),
            r"p\.yaml:10: ClusterImagePolicy p is there in portieris\.cloud\.ibm\.com/v1 too \(line 2\)",
        ),
    ],
)
def test_what_cannot_be_converted(text: str, error: str) -> None:
    with pytest.raises(InvalidPolicy, match=error):
        convert(text)


PLAIN = (
    *("7e10", "1_000", "0o17", "010", "yes", "+1", "1:30", "2020-01-01", "2001-12-14t21:59:43.10-05:00", ".5", "~"),
    *("0x1F", "0b11", "-0", "1.10", "1__0", "00", "True", "NULL", "08", "=", "1e3", "&a 1", "!!str 1", "!!float 3"),
)


def test_values_of_other_objects_stay_as_they_are_written() -> None:
    """A date that Kubernetes reads as a text was written in another way once it was taken for a date."""
    lines = "".join(f"  k{number}: {value}\n" for number, value in enumerate(PLAIN))
    text = (
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata:\n{lines}  alias: *a\n---\n{policy('{name: a}')}"
    )
    converted = convert(text, V1BETA1).text
    before, after = (document.partition("---")[0].splitlines() for document in (text, converted))
    changed = [(one, two) for one, two in zip(before, after, strict=True) if one != two]
    assert changed == [  # the same in other words
        ("  k10: ~", "  k10:"),
        ("  k18: NULL", "  k18:"),
        ("  k24: !!float 3", "  k24: !!float '3'"),
    ]


@pytest.mark.parametrize(
    "account", ["on", "y", "1:30", "7e10", "~", "null", "2020-01-01", "0b1", "<<", "a: b", "a\\tb", ""]
)
def test_an_account_stays_a_text(account: str) -> None:
    text = policy(f'{{name: a, policy: {{vulnerability: {{ICCRVA: {{enabled: true, account: "{account}"}}}}}}}}')
    there = convert(text, V1BETA1).text
    back = convert(there, V1).text
    accounts = [each.entries[0].vulnerability.account for each in read_policies(back, "p").policies]
    assert accounts == [json.loads(f'"{account}"')]


def test_characters_that_json_writes_as_two_escapes() -> None:
    document = {
        "apiVersion": V1.value,
        "kind": "ClusterImagePolicy",
        "metadata": {"name": "a", "labels": {"x": "\U0001f600", "y": "\\ud83d\\ude00 \\\U0001f600"}},
        "spec": {"repositories": [{"name": "*", "policy": {}}]},
    }
    assert json.loads(convert(json.dumps(document), V1BETA1).text)["metadata"] == document["metadata"]


def test_what_would_change_something_else_is_refused() -> None:
    """A tag that Kubernetes takes for a text, and the editor writes anew."""
    beside = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: !!binary aGVsbG8=}\n---\n"
    with pytest.raises(InvalidPolicy, match="cannot be converted without changing other parts of the file"):
        convert(beside + policy("{name: a}"), V1BETA1)
    assert convert(beside.replace("!!binary ", "") + policy("{name: a}"), V1BETA1).objects == 1
