"""The documents of ``key create``."""

from __future__ import annotations

import base64

import pytest

from imagegate.core.enforcement.signing_documents import (
    key_protect_command,
    key_protect_request,
    policy_name,
    public_key_secret,
    signed_by_policy,
)


def test_secret() -> None:
    secret = public_key_secret("image-signing-public-key", "", "-----BEGIN")
    assert secret["metadata"] == {"name": "image-signing-public-key"}
    assert base64.b64decode(secret["data"]["key"]) == b"-----BEGIN"
    assert public_key_secret("s", "ns", "x")["metadata"] == {"name": "s", "namespace": "ns"}


def test_policy_of_document_002() -> None:
    policy = signed_by_policy(
        "mynamespace-cluster-image-policy",
        "private.us.icr.io/mynamespace/*",
        key_secret="image-signing-public-key",
        namespace="",
        cluster_wide=True,
        mutate_image=False,
    )
    requirements = [{"type": "signedBy", "keySecret": "image-signing-public-key"}]
    assert policy == {
        "apiVersion": "portieris.cloud.ibm.com/v1",
        "kind": "ClusterImagePolicy",
        "metadata": {"name": "mynamespace-cluster-image-policy"},
        "spec": {
            "repositories": [
                {
                    "name": "private.us.icr.io/mynamespace/*",
                    "policy": {"mutateImage": False, "simple": {"requirements": requirements}},
                }
            ]
        },
    }


@pytest.mark.parametrize("cluster_wide", [True, False])
def test_where_the_key_is_looked_up(cluster_wide: bool) -> None:
    policy = signed_by_policy("p", "r", key_secret="k", namespace="ns", cluster_wide=cluster_wide, mutate_image=True)
    requirement = policy["spec"]["repositories"][0]["policy"]["simple"]["requirements"][0]
    assert requirement.get("keySecretNamespace", "") == ("ns" if cluster_wide else "")
    assert policy["metadata"].get("namespace", "") == ("" if cluster_wide else "ns")


@pytest.mark.parametrize(
    "repository, name",
    [
        ("private.us.icr.io/mynamespace/*", "mynamespace-cluster-image-policy"),
        ("icr.io/a/b:1.2", "a-b-cluster-image-policy"),
        ("icr.io/*", "icr-io-cluster-image-policy"),
        ("*", "signed-cluster-image-policy"),
        (f"icr.io/{'x' * 100}/*", f"{'x' * 42}-cluster-image-policy"),
    ],
)
def test_policy_name(repository: str, name: str) -> None:
    assert policy_name(repository, cluster_wide=True) == name
    assert len(name) <= 63
    assert policy_name(repository, cluster_wide=False).endswith("-image-policy")


def test_key_protect() -> None:
    body = key_protect_request(b"\x95private", alias="signing")
    (resource,) = body["resources"]
    assert base64.b64decode(resource["payload"]) == b"\x95private"
    assert resource["aliases"] == ["signing"]
    assert resource["extractable"] is True
    assert resource["name"] == "image-signing-key"
    assert body["metadata"] == {"collectionType": resource["type"], "collectionTotal": 1}
    assert key_protect_request(b"x")["resources"][0]["aliases"] == []
    command = key_protect_command("body.json", region="us-south", instance="1-2")
    assert command.startswith("curl -X POST https://us-south.kms.cloud.ibm.com/api/v2/keys \\\n")
    assert "'bluemix-instance: 1-2'" in command
    assert command.endswith("--data-binary @body.json")
