"""The service account that this service speaks as: the owner of what it makes, removed together with it.

The manifests of an installation do not hold what the service makes while it runs. An owner reference has the cluster's
garbage collector remove it together with the account.
"""

from __future__ import annotations

from imagegate.adapters.kubernetes_api.connection import ApiError, Connection, JsonObject

PATH = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
DEADLINE_S = 5.0
_PREFIX = "system:serviceaccount:"


def owner_references(connection: Connection, namespace: str) -> list[JsonObject]:
    """References for objects in ``namespace``; empty for a user who is no service account of it, or not known."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    try:
        status = connection.post(PATH, body, deadline_s=DEADLINE_S).get("status")
    except ApiError:  # without an owner the object is made all the same, and stays
        return []
    user = status.get("userInfo") if isinstance(status, dict) else None
    if not isinstance(user, dict):
        return []
    name, uid = user.get("username"), user.get("uid")
    if not isinstance(name, str) or not isinstance(uid, str) or not uid:
        return []
    own_namespace, _, account = name.removeprefix(_PREFIX).partition(":")
    if not name.startswith(_PREFIX) or own_namespace != namespace or not account:
        return []
    return [{"apiVersion": "v1", "kind": "ServiceAccount", "name": account, "uid": uid}]
