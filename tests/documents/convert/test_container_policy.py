"""policy.json from entries: a model of how nodes read it never allows what the entries deny."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagegate.core.enforcement.behaviour import CiseSettings, Profile
from imagegate.core.enforcement.image import parse_image
from imagegate.core.enforcement.selection import PolicySet, Selected, select
from imagegate.core.references.docker import DockerReference
from imagegate.core.references.overlap import overlap
from imagegate.documents.convert.container_policy import NodeFiles, container_policies
from imagegate.documents.convert.container_requirements import Keys, Requirement
from imagegate.documents.convert.losses import Effect, Loss, is_exact
from imagegate.documents.image_policies import LoadedPolicies, read_policies
from tests.support.enforcement_setup import CISE_GROUP, key_secret, policy

SETTINGS = CiseSettings.for_profile(Profile.PORTIERIS)
HEX = "a" * 64
REJECTED = [{"type": "reject"}]
OPEN = [{"type": "insecureAcceptAnything"}]


def loaded(*entries: str, text: str = "") -> LoadedPolicies:
    return read_policies(policy(*entries) + text, "p.yaml")


def convert(*entries: str, allow_wider: bool = False, text: str = "", keys: Keys | None = None) -> NodeFiles:
    return container_policies(loaded(*entries, text=text), keys or Keys({}, "/keys"), allow_wider=allow_wider)


def scopes(files: NodeFiles, name: str = "policy.json") -> dict[str, list[Requirement]]:
    found: dict[str, list[Requirement]] = json.loads(files.files[name])["transports"]["docker"]
    return found


def namespaces(reference: DockerReference) -> Iterator[str]:
    """The scopes that a node tries, the longest first: PolicyConfigurationIdentity and -Namespaces."""
    yield str(reference)
    name = reference.repository
    while True:
        yield name
        if "/" not in name:
            break
        name = name.rpartition("/")[0]
    host = name.partition(":")[0]
    while "." in host:
        host = host.partition(".")[2]
        yield f"*.{host}"
    yield ""


def by_node(files: NodeFiles, image: str) -> list[Requirement]:
    """What a node requires of an image."""
    found = scopes(files)
    reference = DockerReference.parse(image).with_default_tag()
    return next(found[scope] for scope in namespaces(reference) if scope in found)


def spellings(image: str) -> list[str]:
    names = [image]
    for long, short in (("docker.io/library/", ""), ("docker.io/library/", "docker.io/"), ("docker.io/", "")):
        if image.startswith(long):
            names.append(short + image.removeprefix(long))
    return names + [f"index.{name}" for name in names if name.startswith("docker.io/")]


def is_allowed_by(policies: PolicySet, image: str, required: list[Requirement]) -> bool:
    """True if an image that meets ``required`` is allowed by the policies under some of its names."""
    kinds = {str(each.get("keyPath", "")) for each in required}
    for name in spellings(image):
        found = select(policies, "default", name, parse_image(name), SETTINGS)
        if not isinstance(found, Selected):
            continue
        simple = found.entry.simple.requirements
        if any(each.type == "reject" for each in simple) or found.entry.trust.enabled:
            continue
        if {f"/keys/k.{each.key_secret}.gpg" for each in simple if each.key_secret} <= kinds:
            return True
    return False


hosts = st.sampled_from(
    ["r.corp", "r.corp:5000", "x.r.corp", "docker.io", "index.docker.io", "*.corp", "*.r.corp", "r*", "*", "*:5000"]
)
paths = st.sampled_from(
    ["*", "a", "a/*", "a/b", "a/b/*", "a*", "a/b:1", "a:*", "a/b:*", "*b", "*/b", "a/b*", "library/a", "library/*",
     f"a@sha256:{HEX}", "a/b/c"]
)  # fmt: skip
names = st.one_of(
    st.sampled_from(["*", "*/*", "a", "a/b", "a*", "a:1", "library/a"]), st.builds("{}/{}".format, hosts, paths)
)
requirements = st.sampled_from(
    [
        "{}",
        "{trust: {enabled: true}}",
        "{simple: {requirements: [{type: reject}]}}",
        "{simple: {requirements: [{type: insecureAcceptAnything}]}}",
        *(
            f"{{simple: {{requirements: [{{type: signedBy, keySecret: {key}, keySecretNamespace: k}}]}}}}"
            for key in ("one", "two")
        ),
    ]
)
entries = st.lists(st.builds('{{name: "{}", policy: {}}}'.format, names, requirements), max_size=6)
image_hosts = st.sampled_from(["r.corp", "r.corp:5000", "x.r.corp", "x.r.corp:5000", "docker.io", "other.io"])
image_paths = st.sampled_from(["a", "a/b", "a/b/c", "ab", "a/bc", "library/a", "library/ab", "c/a/b", "b"])
endings = st.sampled_from([":1", ":2", ":latest", f"@sha256:{HEX}", f"@sha256:{'b' * 64}"])
images = st.builds("{}/{}{}".format, image_hosts, image_paths, endings)


@settings(max_examples=1500, deadline=None)
@given(entries, st.lists(images, min_size=1, max_size=12))
def test_no_node_allows_what_the_policies_deny(written: list[str], asked: list[str]) -> None:
    policies = loaded(*written)
    files = container_policies(policies, Keys({}, "/keys"))
    in_force = PolicySet(policies.policies)
    for image in asked:
        if str(DockerReference.parse(image)) != image or (image.startswith("docker.io/") and image.count("/") != 2):
            continue  # no full name
        required = by_node(files, image)
        if required != REJECTED:
            assert is_allowed_by(in_force, image, required), (image, required)


@given(st.text("ab*", max_size=6), st.text("ab*", max_size=6), st.text("ab", max_size=6))
def test_overlap_is_symmetric_and_finds_every_common_string(one: str, other: str, text: str) -> None:
    assert overlap(one, other) == overlap(other, one)
    if overlap(one, text) and overlap(other, text):
        assert overlap(one, other)


@pytest.mark.parametrize(
    "one, other, expected",
    [
        ("", "", True), ("a", "a", True), ("a", "b", False), ("a*", "*b", True), ("a*c", "ab*", True),
        ("*.corp", "x.corp", True), ("*.corp", "corp", False), ("a*b*c", "a*d*c", True), ("ab", "a*b*c", False),
        ("*", "", True), ("**", "", True), ("a", "", False),
    ],
)  # fmt: skip
def test_overlap(one: str, other: str, expected: bool) -> None:
    assert overlap(one, other) is expected
    assert overlap(other, one) is expected


def effects(losses: list[Loss]) -> dict[str, str]:
    return {loss.path: str(loss.effect) for loss in losses}


def test_requirements_that_cannot_be_said_reject() -> None:
    files = convert(
        '{name: "r.corp/*", policy: {trust: {enabled: true}}}',
        '{name: "s.corp/*", policy: {vulnerability: {ICCRVA: {enabled: true}}}}',
        '{name: "t.corp/*", policy: {simple: {requirements: [{type: signedBy, keySecret: k}]}}}',
        '{name: "*"}',
    )
    assert scopes(files) == {"": OPEN, "r.corp": REJECTED, "s.corp": REJECTED, "t.corp": REJECTED}
    assert effects(files.losses) == {
        "spec.repositories[0].policy.trust": "narrower",
        "spec.repositories[1].policy.vulnerability": "narrower",
        "spec.repositories[2].policy.simple.requirements[0]": "narrower",
    }
    older = read_policies(policy('{name: "*", policy: {va: {enabled: true}}}', group=CISE_GROUP), "p.yaml")
    (loss,) = container_policies(older, Keys({}, "/keys")).losses
    assert loss.path == "spec.repositories[0].policy.va"


def test_docker_hub_has_one_name_for_nodes() -> None:
    files = convert(
        '{name: "docker.io/postgres"}', '{name: "nginx"}', '{name: "docker.io/team/*"}', '{name: "bitnami/git"}'
    )
    assert set(scopes(files)) == {
        "", "docker.io/library/postgres", "docker.io/library/nginx", "docker.io/team", "docker.io/bitnami/git"
    }  # fmt: skip
    assert is_exact(files.losses)
    assert by_node(files, "postgres:16") == by_node(files, "docker.io/library/nginx:1") == OPEN


def test_a_pattern_without_a_scope_makes_what_is_around_it_stricter() -> None:
    signed = "{simple: {requirements: [{type: signedBy, keySecret: one, keySecretNamespace: k}]}}"
    files = convert('{name: "r.corp/*"}', f'{{name: "r.corp/team-*", policy: {signed}}}')
    assert [each["type"] for each in by_node(files, "r.corp/other:1")] == ["signedBy"]
    assert {loss.effect for loss in files.losses} == {Effect.NARROWER}


def test_keys_of_given_secrets_are_in_the_file() -> None:
    text = key_secret("signer1", "signer2", name="one", namespace="k")
    item = json.loads(text.removeprefix("---\n"))["stringData"]["key"].encode()
    entry = (
        '{name: "*", policy: {simple: {storeURL: "https://s.corp/x", storeSecret: s, requirements: '
        "[{type: signedBy, keySecret: one, keySecretNamespace: k, signedIdentity: {type: matchExactRepository, "
        "dockerRepository: r.corp/a}}]}}}"
    )
    files = convert(entry, keys=Keys({("k", "one"): item}, "/keys"))
    (requirement,) = scopes(files)[""]
    assert len(requirement.pop("keyData")) > 100
    identity = {"type": "exactRepository", "dockerRepository": "r.corp/a"}
    assert requirement == {"type": "signedBy", "keyType": "GPGKeys", "signedIdentity": identity}
    assert files.files["registries.d/imagegate.yaml"] == 'default-docker:\n  lookaside: "https://s.corp/x"\n'
    assert effects(files.losses) == {"spec.repositories[0].policy.simple.storeSecret": "narrower"}
    broken = convert(entry, keys=Keys({("k", "one"): b"no key"}, "/keys"))
    assert scopes(broken)[""] == REJECTED


def test_two_stores_for_one_scope() -> None:
    entry = '{{name: "{}", policy: {{simple: {{storeURL: "https://{}.corp", requirements: [{{type: reject}}]}}}}}}'
    other = policy(entry.format("r.corp/*", "two"), namespace="team")
    files = convert(entry.format("r.corp/*", "one"), text=other)
    assert '"https://one.corp"' in files.files["registries.d/imagegate.yaml"]
    assert [loss.text for loss in files.losses] == ["registries.d has one store for r.corp: https://one.corp"]


def test_no_cluster_policy_is_said() -> None:
    files = container_policies(read_policies(policy('{name: "*"}', namespace="team"), "p.yaml"), Keys({}, "/keys"))
    assert scopes(files) == {"": REJECTED}
    assert scopes(files, "policies/team.json") == {"": OPEN}
    assert [loss.effect for loss in files.losses] == [Effect.NOTE]
