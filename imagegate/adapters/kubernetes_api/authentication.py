"""The ConfigMap in which an API server publishes how servers behind it authenticate its requests."""

from __future__ import annotations

from imagegate.adapters.kubernetes_api.connection import ApiError, Connection
from imagegate.core.admission.lookup import Absent, Found, Lookup, Unknown
from imagegate.core.admission.request_headers import (
    DelegatedAuthentication,
    InvalidRequestHeaders,
    read_delegated_authentication,
)

NAME = "extension-apiserver-authentication"
PATH = f"/api/v1/namespaces/kube-system/configmaps/{NAME}"
READ_S = 5.0


def read_published(connection: Connection) -> Lookup[DelegatedAuthentication]:
    """The content of the ConfigMap now. Never raises."""
    try:
        data = connection.get(PATH, deadline_s=READ_S).get("data")
    except ApiError as error:
        why = f"ConfigMap kube-system/{NAME}: {error}"
        return Absent(why) if error.status == 404 else Unknown(why)
    if not isinstance(data, dict):
        return Unknown(f"ConfigMap kube-system/{NAME} has no data")
    try:
        return Found(read_delegated_authentication(data))
    except InvalidRequestHeaders as error:
        return Unknown(f"ConfigMap kube-system/{NAME}: {error}")
