"""The documents that set up signed images: Secret, policy, and a request that stores the private key in a vault.

Names and fields are those of IBM's Garage page on Portieris and simple signing.
"""

from __future__ import annotations

import base64
import re
from shlex import quote
from typing import Any

from imagegate.core.enforcement.policy import CLUSTER_IMAGE_POLICY, IMAGE_POLICY, PolicyGroup
from imagegate.core.signing.key_ring import SECRET_ITEM

KEY_PROTECT_TYPE = "application/vnd.ibm.kms.key+json"
KEY_PROTECT_NAME = "image-signing-key"

_NOT_IN_A_NAME = re.compile(r"[^a-z0-9]+")
NAME_MAX_LENGTH = 63


def public_key_secret(name: str, namespace: str, armored: str) -> dict[str, Any]:
    """The Secret for a ``signedBy`` requirement; ``namespace`` may be empty."""
    metadata = {"name": name, "namespace": namespace} if namespace else {"name": name}
    data = {SECRET_ITEM: base64.b64encode(armored.encode()).decode()}
    return {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata, "data": data}


def signed_by_policy(
    name: str,
    repository: str,
    *,
    key_secret: str,
    namespace: str,
    cluster_wide: bool,
    mutate_image: bool,
    store_url: str = "",
) -> dict[str, Any]:
    """A policy that requires images of ``repository`` to be signed.

    Args:
        repository: pattern, ``icr.io/team/*``.
        namespace: of the Secret; of the policy too if it is not cluster-wide. Empty: the Secret is looked up
            in each workload's namespace.
        store_url: of a lookaside store; empty: the registry stores the signatures.
    """
    requirement = {"type": "signedBy", "keySecret": key_secret}
    metadata = {"name": name}
    if namespace and cluster_wide:
        requirement["keySecretNamespace"] = namespace
    elif namespace:
        metadata["namespace"] = namespace
    simple: dict[str, Any] = {"storeURL": store_url} if store_url else {}
    simple["requirements"] = [requirement]
    entry = {"name": repository, "policy": {"mutateImage": mutate_image, "simple": simple}}
    return {
        "apiVersion": PolicyGroup.PORTIERIS.value,
        "kind": CLUSTER_IMAGE_POLICY if cluster_wide else IMAGE_POLICY,
        "metadata": metadata,
        "spec": {"repositories": [entry]},
    }


def policy_name(repository: str, *, cluster_wide: bool) -> str:
    """A name for the policy of a repository: ``icr.io/mynamespace/*`` -> ``mynamespace-cluster-image-policy``."""
    end = "-cluster-image-policy" if cluster_wide else "-image-policy"
    parts = [_NOT_IN_A_NAME.sub("-", part.lower()).strip("-") for part in repository.partition(":")[0].split("/")]
    named = [part for part in parts[1:] if part] or [part for part in parts if part] or ["signed"]
    return f"{'-'.join(named)[: NAME_MAX_LENGTH - len(end)].strip('-')}{end}"


def key_protect_request(private_key: bytes, *, name: str = KEY_PROTECT_NAME, alias: str = "") -> dict[str, Any]:
    """The body that stores ``private_key`` in Key Protect or Hyper Protect Crypto Services as an extractable key."""
    resource = {
        "type": KEY_PROTECT_TYPE,
        "name": name,
        "aliases": [alias] if alias else [],
        "description": "Private key for signing container images",
        "payload": base64.b64encode(private_key).decode(),
        "extractable": True,
    }
    metadata = {"collectionType": KEY_PROTECT_TYPE, "collectionTotal": 1}
    return {"metadata": metadata, "resources": [resource]}


def key_protect_command(body_file: str, *, region: str = "<region>", instance: str = "<instance_ID>") -> str:
    """The ``curl`` that sends the body in ``body_file``, quoted for a shell.

    The IAM token is taken from the environment. ``region`` becomes part of the host that receives it: callers check it.
    """
    return " \\\n  ".join(
        (
            f"curl -X POST {quote(f'https://{region}.kms.cloud.ibm.com/api/v2/keys')}",
            '-H "authorization: Bearer $IAM_TOKEN"',
            f"-H {quote(f'bluemix-instance: {instance}')}",
            f"-H {quote(f'content-type: {KEY_PROTECT_TYPE}')}",
            f"--data-binary {quote(f'@{body_file}')}",
        )
    )
