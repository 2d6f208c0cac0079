"""ClusterImagePolicy and ImagePolicy documents: what loads, what is refused and where, what is only warned of."""

from __future__ import annotations

from textwrap import dedent, indent

import pytest

from imagegate.core.enforcement.policy import Entry, SignedIdentity, SimpleRequirement
from imagegate.documents.image_policies import LoadedPolicies, Reading, read_policies
from imagegate.errors import InvalidPolicy

V1 = "portieris.cloud.ibm.com/v1"
V1BETA1 = "securityenforcement.admission.cloud.ibm.com/v1beta1"


def document(entries: str, kind: str = "ClusterImagePolicy", api_version: str = V1) -> str:
    head = f"apiVersion: {api_version}\nkind: {kind}\nmetadata:\n  name: p\nspec:\n  repositories:\n"
    return head + indent(dedent(entries), "  ")


def entry(text: str, api_version: str = V1) -> Entry:
    (policy,) = read_policies(document(text, api_version=api_version), "p.yaml").policies
    (found,) = policy.entries
    return found


def refused(text: str, **reading: bool) -> str:
    with pytest.raises(InvalidPolicy) as caught:
        read_policies(text, "p.yaml", Reading(**reading))  # type: ignore[arg-type]
    return str(caught.value)


def warnings(text: str, reading: Reading | None = None) -> list[str]:
    return [str(remark) for remark in read_policies(text, "p.yaml", reading).warnings]


class TestExamplesOfSection22:
    def test_allow_one_registry(self) -> None:
        found = entry('- name: "icr.io/*"\n  policy:\n')
        assert (found.name, found.trust.enabled, found.simple.enabled, found.vulnerability.enabled) == (
            "icr.io/*",
            False,
            False,
            False,
        )
        assert found.mutate_image is None
        assert not found.rewrites

    def test_no_mutation(self) -> None:
        found = entry("""
            - name: "private.us.icr.io/mynamespace/*"
              policy:
                mutateImage: false
                simple:
                  requirements:
                  - type: "signedBy"
                    keySecret: image-signing-public-key
            """)
        assert found.simple.requirements == (SimpleRequirement(type="signedBy", key_secret="image-signing-public-key"),)
        assert found.mutate_image is False
        assert not found.rewrites

    def test_custom_trust_server(self) -> None:
        found = entry('- name: "icr.io/*"\n  policy: {trust: {enabled: true, trustServer: "https://icr.io:4443"}}\n')
        assert (found.trust.enabled, found.trust.trust_server) == (True, "https://icr.io:4443")
        assert found.rewrites

    def test_two_signers(self) -> None:
        found = entry("""
            - name: a
              policy: {simple: {requirements: [{type: signedBy, keySecret: one}, {type: signedBy, keySecret: two}]}}
            """)
        assert [requirement.key_secret for requirement in found.simple.requirements] == ["one", "two"]

    @pytest.mark.parametrize(
        "identity, expected",
        [
            (
                "{type: matchExactRepository, dockerRepository: icr.io/ibm/db2/db2manager}",
                SignedIdentity(type="matchExactRepository", docker_repository="icr.io/ibm/db2/db2manager"),
            ),
            (
                '{type: remapIdentity, prefix: "registry.myco.com:5000/mymirror/ibmdb2", signedPrefix: "icr.io/db2"}',
                SignedIdentity(
                    type="remapIdentity", prefix="registry.myco.com:5000/mymirror/ibmdb2", signed_prefix="icr.io/db2"
                ),
            ),
            ("{type: matchRepoDigestOrExact}", SignedIdentity(type="matchRepoDigestOrExact")),
        ],
    )
    def test_relocated_images(self, identity: str, expected: SignedIdentity) -> None:
        text = "- name: a\n  policy: {simple: {requirements: [{type: signedBy, keySecret: k, signedIdentity: %s}]}}\n"
        assert entry(text % identity).simple.requirements[0].signed_identity == expected
        assert warnings(document(text % identity)) == []

    def test_lookaside_store(self) -> None:
        found = entry("""
            - name: a
              policy:
                simple:
                  storeURL: https://server.another.com/signatures
                  storeSecret: another-secret
                  requirements: [{type: insecureAcceptAnything}]
            """)
        assert (found.simple.store_url, found.simple.store_secret) == (
            "https://server.another.com/signatures",
            "another-secret",
        )

    def test_vulnerability(self) -> None:
        found = entry("""
            - name: "uk.icr.io/*"
              policy: {vulnerability: {ICCRVA: {enabled: true, account: "an-IBM-Cloud-account-id"}}}
            """)
        assert (found.vulnerability.enabled, found.vulnerability.account) == (True, "an-IBM-Cloud-account-id")


@pytest.mark.parametrize("api_version", [V1, V1BETA1])
@pytest.mark.parametrize(
    "fields, enabled",
    [
        ("va: {enabled: true}", True),
        ("va: {enabled: false}", False),
        ("va: null", False),
        ("va: {enabled: true}, vulnerability: {ICCRVA: {enabled: false}}", True),
        ("va: {enabled: false}, vulnerability: {ICCRVA: {enabled: true}}", True),
        ("vulnerability: {ICCRVA: {}}", False),
    ],
)
def test_va_counts_in_both_groups(api_version: str, fields: str, enabled: bool) -> None:
    """Portieris' guide shows ``va`` for v1, where it was dropped silently: a check that never ran."""
    assert entry(f"- {{name: a, policy: {{{fields}}}}}\n", api_version).vulnerability.enabled is enabled


@pytest.mark.parametrize("policy", ["", "policy:", "policy: null", "policy: {}", "policy: {trust: , simple: , va: }"])
def test_missing_and_null_mean_no_requirements(policy: str) -> None:
    found = entry(f"- name: a\n  {policy}\n")
    assert not (found.trust.enabled)
    assert not (found.simple.enabled)
    assert not (found.vulnerability.enabled)


@pytest.mark.parametrize(
    "spec", ["", "spec:\n", "spec: {}\n", "spec: {repositories: }\n", "spec: {repositories: []}\n"]
)
def test_empty_policy_loads_and_has_no_entry(spec: str) -> None:
    text = f"apiVersion: {V1}\nkind: ImagePolicy\nmetadata: {{name: p, namespace: team}}\n{spec}"
    (policy,) = read_policies(text, "p.yaml").policies
    assert (policy.namespace, policy.entries) == ("team", ())


def test_policies_with_no_value_is_one_warning() -> None:
    """The ibm-system policy of docs/spec/enforcement.md 7.1 ends with it."""
    text = document("- name: registry.bluemix.net/kubectl\n  policies:\n", api_version=V1BETA1)
    assert warnings(text) == ['p.yaml:8: unknown field "policies" in repository entry "registry.bluemix.net/kubectl"']


@pytest.mark.parametrize(
    "entries, text",
    [
        (
            "- name: a\n  policies: {trust: {enabled: true}}\n",
            "p.yaml:8: spec.repositories[0].policies: unknown field; known here: name, policy",
        ),
        (
            "- name: a\n  policy: {simpel: {}}\n",
            'p.yaml:8: spec.repositories[0].policy.simpel: unknown field; did you mean "simple"?',
        ),
        (
            "- name: a\n  policy: {trust: {enable: true}}\n",
            'p.yaml:8: spec.repositories[0].policy.trust.enable: unknown field; did you mean "enabled"?',
        ),
        (
            '- name: a\n  policy: {trust: {enabled: "true"}}\n',
            'p.yaml:8: spec.repositories[0].policy.trust.enabled: expected bool, got "true"',
        ),
        (
            "- name: a\n  policy: {mutateImage: no-thanks}\n",
            'p.yaml:8: spec.repositories[0].policy.mutateImage: expected bool, got "no-thanks"',
        ),
        ("- name: 5\n", "p.yaml:7: spec.repositories[0].name: expected string, got number 5; quote it"),
        ("- \n", "p.yaml:7: spec.repositories[0]: is null, which matches nothing"),
        (
            "- name: a\n  policy: {simple: {requirements: [{keySecret: k}]}}\n",
            "p.yaml:8: spec.repositories[0].policy.simple.requirements[0].type: required",
        ),
        (
            "- name: a\n  policy: {trust: {signerSecrets: [{}]}}\n",
            "p.yaml:8: spec.repositories[0].policy.trust.signerSecrets[0].name: required",
        ),
    ],
)
def test_wrong_entries_are_refused_with_their_place(entries: str, text: str) -> None:
    assert refused(document(entries)) == text


def test_wrong_types_of_requirement_and_identity_name_the_choices() -> None:
    text = refused(document("- {name: a, policy: {simple: {requirements: [{type: signed}]}}}\n"))
    assert text.endswith('requirements[0].type: expected one of insecureAcceptAnything, reject, signedBy, got "signed"')
    text = refused(
        document("- {name: a, policy: {simple: {requirements: [{type: reject, signedIdentity: {type: exact}}]}}}\n")
    )
    assert "signedIdentity.type: expected one of matchExact, " in text


@pytest.mark.parametrize(
    "head, text",
    [
        (f"apiVersion: {V1}", "p.yaml:1: kind: required"),
        ("kind: ImagePolicy", "p.yaml:1: apiVersion: required"),
        (
            "apiVersion: portieris.cloud.ibm.com/v1beta1\nkind: ImagePolicy",
            f'p.yaml:1: apiVersion: expected {V1} or {V1BETA1}, got "portieris.cloud.ibm.com/v1beta1"',
        ),
        (
            f"apiVersion: {V1}\nkind: ImagePolcy",
            f'p.yaml:2: kind: expected ClusterImagePolicy or ImagePolicy in {V1}, got "ImagePolcy"',
        ),
        (
            "apiVersion: v1\nkind: ImagePolicy",
            f'p.yaml:1: apiVersion: expected {V1} or {V1BETA1} for ImagePolicy, got "v1"',
        ),
        (f"apiVersion: {V1}\nkind: ImagePolicy", "p.yaml:1: metadata.name: required"),
        ("- a", "p.yaml:1: expected an object with apiVersion and kind"),
    ],
)
def test_wrong_heads(head: str, text: str) -> None:
    assert refused(head + "\n") == text


def test_other_objects_are_left_alone_and_namesakes_of_other_products_are_named() -> None:
    text = (
        "apiVersion: v1\nkind: Secret\nmetadata: {name: k}\n---\n"
        "apiVersion: policy.sigstore.dev/v1beta1\nkind: ClusterImagePolicy\nmetadata: {name: s}\n"
    )
    loaded = read_policies(text, "p.yaml")
    assert loaded.policies == []
    (warning,) = loaded.warnings
    assert (warning.line, warning.path) == (5, "apiVersion")
    assert (
        warning.text == "ClusterImagePolicy of policy.sigstore.dev/v1beta1 belongs to another product and is not read"
    )


def test_all_errors_come_at_once_in_the_order_of_lines() -> None:
    lines = refused(document("- name: 5\n- name: b\n  polcy: {}\n")).splitlines()
    assert [line.split(": ")[0] for line in lines] == ["p.yaml:7", "p.yaml:9"]


def test_lists_and_many_documents() -> None:
    item = f"apiVersion: {V1}\n  kind: ImagePolicy\n  metadata: {{name: %s, namespace: team}}"
    text = f"apiVersion: v1\nkind: List\nitems:\n- {item % 'a'}\n- {item % 'b'}\n---\n\n---\n" + document("- name: a\n")
    loaded = read_policies(text, "p.yaml")
    assert [policy.name for policy in loaded.policies] == ["a", "b", "p"]
    assert read_policies(f"apiVersion: {V1}\nkind: ImagePolicyList\nitems:\n", "p.yaml").policies == []


def test_a_cluster_policy_with_a_namespace_is_one_of_the_whole_cluster() -> None:
    text = document("- name: a\n").replace("name: p\n", "name: p\n  namespace: team\n")
    loaded = read_policies(text, "p.yaml")
    assert loaded.policies[0].namespace == ""
    assert [remark.path for remark in loaded.warnings] == ["metadata.namespace"]


def test_a_list_whose_items_are_none() -> None:
    assert refused(f"apiVersion: {V1}\nkind: ImagePolicyList\nitems: x\n") == "p.yaml:3: items: expected a list"


def test_an_object_written_twice_is_refused_in_one_file_and_over_two() -> None:
    text = document("- name: a\n")
    assert refused(text + "---\n" + text) == "p.yaml:9: ClusterImagePolicy p is written twice (first in p.yaml:1)"
    loaded = LoadedPolicies()
    loaded.add(read_policies(text, "one.yaml"))
    loaded.add(read_policies(document("- name: a\n", api_version=V1BETA1), "other-group.yaml"))
    with pytest.raises(InvalidPolicy, match=r"two\.yaml:1: ClusterImagePolicy p is written twice"):
        loaded.add(read_policies(text, "two.yaml"))


def test_cluster_domain_is_never_installed_literally() -> None:
    text = document('- name: "<<CLUSTER DOMAIN>>:8500/*"\n- name: b\n')
    (policy,) = read_policies(text, "p.yaml", Reading(cluster_domain="mycluster.icp")).policies
    assert [found.name for found in policy.entries] == ["mycluster.icp:8500/*", "b"]
    (policy,) = read_policies(text, "p.yaml").policies
    assert [(found.name, found.source.position) for found in policy.entries] == [("b", 1)]
    assert "is left out: the cluster's domain is not set" in warnings(text)[0]


@pytest.mark.parametrize(
    "name, warned",
    [("*icr.io*", True), ("icr.io*", True), ("*", False), ("nginx*", False), ("icr.io/*", False), ("", True)],
)
def test_names_that_reach_further_than_they_look(name: str, warned: bool) -> None:
    assert bool(warnings(document(f'- name: "{name}"\n'))) is warned


@pytest.mark.parametrize(
    "policy, text",
    [
        ("simple: {requirements: [{type: signedBy}]}", "KeySecret missing in signedBy requirement"),
        (
            "simple: {storeURL: file:///x, requirements: [{type: reject}]}",
            "expecting https:// or http:// URL, got: file:///x",
        ),
        (
            (
                "simple: {requirements: [{type: signedBy, keySecret: k, signedIdentity: "
                "{type: matchExactReference, dockerReference: icr.io/a}}]}"
            ),
            'dockerReference "icr.io/a" contains neither a tag nor digest',
        ),
    ],
)
def test_what_a_review_would_deny_is_a_warning(policy: str, text: str) -> None:
    (warning,) = warnings(document(f"- {{name: a, policy: {{{policy}}}}}\n"))
    assert warning.endswith(text)


def test_lenient_reading_keeps_what_a_cluster_has_stored() -> None:
    text = document("- {name: a, policy: {later: 1, simple: {requirements: [{type: sigstoreSigned}]}}}\n")
    loaded = read_policies(text, "p.yaml", Reading(lenient=True))
    assert loaded.policies[0].entries[0].simple.requirements[0].type == "sigstoreSigned"
    assert len(loaded.warnings) == 2
