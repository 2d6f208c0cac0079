"""OpenShift 4's ClusterImagePolicy: what can be said, and that nothing else goes without a word."""

from __future__ import annotations

from typing import Any

import yaml

from imagegate.documents.convert.container_policy import container_policies
from imagegate.documents.convert.container_requirements import Keys
from imagegate.documents.convert.losses import Effect
from imagegate.documents.convert.sigstore_policies import KEY_FOLDER, SigstorePolicies, sigstore_policies
from imagegate.documents.image_policies import read_policies
from tests.support.enforcement_setup import policy

PEM = b"-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----\n"


def convert(text: str, **keys: bytes) -> SigstorePolicies:
    files = container_policies(read_policies(text, "p.yaml"), Keys({}, KEY_FOLDER)).files
    return sigstore_policies(files, {("k", name): pem for name, pem in keys.items()})


def signed(name: str, identity: str = "", *, key: str = "one", namespace: str = "k") -> str:
    more = f", signedIdentity: {identity}" if identity else ""
    requirement = f"{{type: signedBy, keySecret: {key}, keySecretNamespace: {namespace}{more}}}"
    return f'{{name: "{name}", policy: {{simple: {{requirements: [{requirement}]}}}}}}'


def objects(made: SigstorePolicies) -> list[dict[str, Any]]:
    return [yaml.safe_load(document) for document in made.documents]


def test_a_signed_registry() -> None:
    made = convert(policy(signed("r.corp/*"), '{name: "*"}'), one=PEM)
    (found,) = objects(made)
    assert found == {
        "apiVersion": "config.openshift.io/v1",
        "kind": "ClusterImagePolicy",
        "metadata": {"name": "r-corp"},
        "spec": {
            "scopes": ["r.corp"],
            "policy": {
                "rootOfTrust": {
                    "policyType": "PublicKey",
                    "publicKey": {
                        "keyData": "LS0tLS1CRUdJTiBQVUJMSUMgS0VZLS0tLS0KTUZrdwotLS0tLUVORCBQVUJMSUMgS0VZLS0tLS0K"
                    },
                },
                "signedIdentity": {"matchPolicy": "MatchRepoDigestOrExact"},
            },
        },
    }
    assert [(loss.path, loss.effect) for loss in made.losses] == [("scope r.corp", Effect.NARROWER)]


def test_identities() -> None:
    kinds = {
        "{type: matchRepository}": {"matchPolicy": "MatchRepository"},
        "{type: matchExactRepository, dockerRepository: a.corp/b}": {
            "matchPolicy": "ExactRepository", "exactRepository": {"repository": "a.corp/b"}
        },
        "{type: remapIdentity, prefix: r.corp, signedPrefix: s.corp}": {
            "matchPolicy": "RemapIdentity", "remapIdentity": {"prefix": "r.corp", "signedPrefix": "s.corp"}
        },
    }  # fmt: skip
    for written, expected in kinds.items():
        (found,) = objects(convert(policy(signed("r.corp/*", written)), one=PEM))
        assert found["spec"]["policy"]["signedIdentity"] == expected
    exact = convert(policy(signed("r.corp/*", "{type: matchExact}")), one=PEM)
    assert exact.documents == []
    assert {loss.effect for loss in exact.losses} == {Effect.UNENFORCED}


def test_what_cannot_be_said_is_listed_and_not_written() -> None:
    made = convert(
        policy(
            signed("r.corp/*"),
            '{name: "open.corp/*"}',
            '{name: "no.corp/*", policy: {trust: {enabled: true}}}',
            '{name: "r.corp/a:1"}',
        ),
        one=PEM,
    )
    assert [each["spec"]["scopes"] for each in objects(made)] == [["r.corp"]]
    assert {(loss.path, str(loss.effect)) for loss in made.losses} == {
        ("scope of all images", "unenforced"),
        ("scope no.corp", "unenforced"),
        ("scope r.corp", "narrower"),
        ("scope r.corp/a:1", "narrower"),
    }
    without_key = convert(policy(signed("r.corp/*"), signed("*")))
    assert without_key.documents == []
    assert {loss.effect for loss in without_key.losses} == {Effect.UNENFORCED}


def test_a_namespace_has_objects_of_its_own() -> None:
    text = policy('{name: "*"}') + policy(signed("r.corp/*", namespace="team"), namespace="team")
    files = container_policies(read_policies(text, "p.yaml"), Keys({}, KEY_FOLDER)).files
    made = sigstore_policies({**files, "registries.d/imagegate.yaml": ""}, {("team", "one"): PEM})
    (found,) = objects(made)
    assert (found["kind"], found["metadata"]) == ("ImagePolicy", {"name": "r-corp", "namespace": "team"})


def test_an_object_of_the_cluster_wins_over_those_of_namespaces() -> None:
    """openshift/api: a scope of both, or nested in one of the cluster's, follows the ClusterImagePolicy."""
    text = policy(signed("r.corp/*")) + policy(
        signed("r.corp/team/app:1", namespace="team"), signed("s.corp/*", namespace="team"), namespace="team"
    )
    files = container_policies(read_policies(text, "p.yaml"), Keys({}, KEY_FOLDER)).files
    made = sigstore_policies(files, {("team", "one"): PEM, ("k", "one"): PEM})
    assert [(each["kind"], each["spec"]["scopes"]) for each in objects(made)] == [
        ("ClusterImagePolicy", ["r.corp"]),
        ("ImagePolicy", ["s.corp"]),
    ]
    own = {(loss.path, str(loss.effect)) for loss in made.losses if loss.file == "namespace team"}
    assert own == {
        ("scope of all images", "unenforced"),
        ("scope r.corp", "narrower"),
        ("scope r.corp/team/app:1", "unenforced"),
        ("scope s.corp", "narrower"),
    }
