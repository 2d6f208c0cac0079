"""What lint says of image policies, and what it has nothing to say of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from imagegate.core.enforcement.entry_index import NameIndex
from imagegate.documents.image_policies import LoadedPolicies, Reading, read_policies
from imagegate.documents.lint.findings import Severity
from imagegate.documents.lint.image_policies import lint_cise
from imagegate.documents.lint.one_policy import LINTED_ENTRIES_MAX, lint_policy_object
from tests.support.enforcement_setup import CISE_GROUP, policy

ROOT = Path(__file__).parents[3]


SIGNED = "{type: signedBy, keySecret: k, keySecretNamespace: security}"


def codes(text: str) -> list[str]:
    return [finding.code for finding in lint_cise(read_policies(text, "p.yaml")) if finding.code != "no-cluster-policy"]


def names(*entries: str) -> str:
    return policy(*(f'{{name: "{name}"}}' for name in entries))


@pytest.mark.parametrize(
    "entries, shadowed",
    [
        (("icr.io/a", "icr.io/a"), [1]),
        (("icr.io/a/*", "icr.io/a/**"), [1]),
        (("icr.io/a/**", "icr.io/a/*"), [1]),
        (("icr.io/*", "icr.io/a/*"), []),
        (("icr.io/a", "icr.io/a:*"), []),
        (("*", "icr.io/*"), []),
        (("icr.io/*/a", "icr.io/a/*"), []),
    ],
)
def test_entries_that_never_decide(entries: tuple[str, ...], shadowed: list[int]) -> None:
    found = [finding for finding in lint_cise(read_policies(names(*entries), "p.yaml")) if finding.code == "shadowed"]
    assert [finding.path for finding in found] == [f"spec.repositories[{position}]" for position in shadowed]


def test_a_shadowed_entry_names_the_one_that_decides_and_its_line() -> None:
    (finding,) = lint_cise(read_policies(names("icr.io/a", "icr.io/a"), "p.yaml"))
    assert str(finding) == (
        'p.yaml:8: warning: spec.repositories[1]: "icr.io/a" never decides: '
        'ClusterImagePolicy p repositories[0] "icr.io/a" (p.yaml:7) does wherever it matches [shadowed]'
    )


def test_shadowed_over_two_objects_and_groups() -> None:
    loaded = LoadedPolicies()
    loaded.add(read_policies(policy('{name: "icr.io/a"}', group=CISE_GROUP), "older.yaml"))
    loaded.add(read_policies(names("icr.io/a"), "newer.yaml"))
    assert [(finding.file, finding.code) for finding in lint_cise(loaded)] == [("older.yaml", "shadowed")]


def test_shadowed_entries_really_never_decide() -> None:
    """Against every image over a small alphabet."""
    entries = ["a/*", "a/**", "a/b", "*/b", "a/b:*", "a/b"]
    found = {
        finding.path for finding in lint_cise(read_policies(names(*entries), "p.yaml")) if finding.code == "shadowed"
    }
    assert found == {"spec.repositories[1]", "spec.repositories[5]"}
    index = NameIndex(entries)
    images = [f"{host}/{path}{tag}" for host in "ab" for path in ("a", "b", "ab", "a/b") for tag in ("", ":1", ":b")]
    assert not {index.best(image) for image in images} & {1, 5}


@pytest.mark.parametrize(
    "name, expected",
    [
        ("icr.io*", ["load"]),
        ("*icr.io*", ["load"]),
        ("icr.io*/a", ["unanchored-host"]),
        ("*icr.io/a", ["unanchored-host"]),
        ("*.icr.io/*", []),
        ("*/a", []),
        ("registry*.bluemix.net/*", []),
        ("docker.io/alpine*", ["unanchored-path"]),
        ("docker.io/alpine:*", []),
        ("docker.io/alpine/*", []),
        ("quay.io/openshift-release-*", []),
        ("icr.io", ["registry-only"]),
        ("nginx", []),
        ("", ["load"]),
        ("https://icr.io/*", ["matches-nothing"]),
        ("icr.io/App", ["matches-nothing"]),
        ("icr.io/a b", ["matches-nothing"]),
        ("icr.io/", ["matches-nothing"]),
        ("icr.io/a?", ["matches-nothing"]),
        ("icr.io/a@sha256:12", ["matches-nothing"]),
        ("icr.io/a@sha256:*", []),
        ("icr.io/a:V1", []),
        ("*", []),
        ("*:5000/*", []),
    ],
)
def test_names(name: str, expected: list[str]) -> None:
    assert codes(names(name)) == expected


@pytest.mark.parametrize(
    "name, requirements, group, expected",
    [
        ("quay.io/*", "va: {enabled: true}", CISE_GROUP, ["va-registry"]),
        ("us.icr.io/*", "va: {enabled: true}", CISE_GROUP, []),
        ("*", "va: {enabled: true}", CISE_GROUP, ["va-registry"]),
        ("quay.io/*", "trust: {enabled: true}", CISE_GROUP, ["trust-registry"]),
        ("quay.io/*", "trust: {enabled: true}", "portieris.cloud.ibm.com/v1", []),
        ("r.example.com/*", "trust: {enabled: true}", "portieris.cloud.ibm.com/v1", ["trust-registry"]),
        ("r.example.com/*", "trust: {enabled: true, trustServer: 'https://n.example.com'}", CISE_GROUP, []),
        ("us.icr.io/*", "trust: {enabled: true}", CISE_GROUP, []),
        ("r.example.com/*", "trust: {enabled: false}", CISE_GROUP, []),
        ("a/*", "mutateImage: true", CISE_GROUP, ["no-effect"]),
        ("a/*", "mutateImage: false", CISE_GROUP, []),
        ("a/*", "simple: {requirements: [{type: reject}]}", CISE_GROUP, ["always-denies"]),
        ("a/*", f"simple: {{requirements: [{SIGNED}]}}", CISE_GROUP, ["no-store"]),
        ("us.icr.io/*", f"simple: {{requirements: [{SIGNED}]}}", CISE_GROUP, []),
        (
            "a/*",
            f"simple: {{storeURL: 'https://s.example.com', requirements: [{SIGNED}]}}",
            CISE_GROUP,
            [],
        ),
    ],
)
def test_requirements(name: str, requirements: str, group: str, expected: list[str]) -> None:
    assert codes(policy(f'{{name: "{name}", policy: {{{requirements}}}}}', group=group)) == expected


def test_keys_of_another_namespace() -> None:
    entry = (
        "{name: a, policy: {simple: {storeURL: 'https://s.example.com', "
        "requirements: [{type: signedBy, keySecret: k, keySecretNamespace: %s}]}}}"
    )
    assert codes(policy(entry % "other", namespace="team")) == ["foreign-keys"]
    assert codes(policy(entry % "team", namespace="team")) == []
    assert codes(policy(entry % "other")) == []


def test_policies_that_deny_everything() -> None:
    assert codes(policy(namespace="team")) == ["denies-everything"]
    assert codes(policy(namespace="team") + policy("{name: a}", namespace="team", name="q")) == []
    (finding,) = lint_cise(read_policies(policy("{name: a}", namespace="team"), "p.yaml"))
    assert finding.text == "there is no ClusterImagePolicy here: without one, every image outside of team is denied"
    assert lint_cise(LoadedPolicies()) == []


def test_default_list_of_document_000() -> None:
    """Its names that reach further than they look, and nothing else."""
    text = (ROOT / "config/policies/cloudpak/cluster-image-policy.yaml").read_text()
    assert set(codes(text)) == {"load", "unanchored-path"}
    assert len(codes(text)) == 8


@pytest.mark.parametrize(
    "kind, namespace, secret, expected",
    [
        ("ClusterImagePolicy", "", "keySecret: k", ["tenant-keys"]),
        ("ClusterImagePolicy", "", "keySecret: k, keySecretNamespace: security", []),
        ("ImagePolicy", "namespace: shop, ", "keySecret: k", []),
    ],
)
def test_a_key_that_tenants_can_choose(kind: str, namespace: str, secret: str, expected: list[str]) -> None:
    simple = f"simple: {{storeURL: 'https://s.example.com', requirements: [{{type: signedBy, {secret}}}]}}"
    text = (
        f"apiVersion: portieris.cloud.ibm.com/v1\nkind: {kind}\nmetadata: {{{namespace}name: p}}\n"
        f"spec: {{repositories: [{{name: 'a/*', policy: {{{simple}}}}}]}}\n"
    )
    assert codes(text) == expected


@pytest.mark.parametrize(
    "requirements, text",
    [
        ("simple: {requirements: [{type: signedBy}]}", "KeySecret missing in signedBy requirement"),
        ("simple: {storeURL: x, requirements: [{type: reject}]}", "expecting https:// or http:// URL, got: x"),
        ("trust: {enabled: true, trustServer: x}", "expecting https:// or http:// URL, got: x"),
        (
            "simple: {requirements: [{type: signedBy, keySecret: k, signedIdentity: {type: remapIdentity}}]}",
            'prefix "" is not valid',
        ),
    ],
)
def test_what_no_image_can_pass_loads_and_is_an_error_of_lint(requirements: str, text: str) -> None:
    loaded = read_policies(policy(f'{{name: "a/*", policy: {{{requirements}}}}}'), "p.yaml")
    assert [each.text for each in lint_cise(loaded) if each.severity is Severity.ERROR] == [text]


@pytest.mark.parametrize(
    "requirements",
    [
        "simple: {requirements: [{type: reject, signedIdentity: {type: remapIdentity}}]}",
        "simple: {storeURL: x}",
        "trust: {enabled: false, trustServer: x}",
    ],
)
def test_what_nobody_asks_is_no_error_of_lint(requirements: str) -> None:
    loaded = read_policies(policy(f'{{name: "a/*", policy: {{{requirements}}}}}'), "p.yaml")
    assert [each for each in lint_cise(loaded) if each.severity is Severity.ERROR] == []


def test_errors_of_a_large_object_are_found() -> None:
    entries: list[dict[str, Any]] = [{"name": f"a{number}/*"} for number in range(LINTED_ENTRIES_MAX)]
    entries.append({"name": "b/*", "policy": {"simple": {"requirements": [{"type": "signedBy"}]}}})
    document = yaml.safe_load(policy("{name: a}"))
    document["spec"]["repositories"] = entries
    findings, _ = lint_policy_object(document, Reading())
    assert [each.severity for each in findings] == [Severity.ERROR, Severity.WARNING]
