"""The image API behind a cluster's API server: who calls, and what the cluster serves already."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from imagegate.adapters.files.input import read_file
from imagegate.adapters.kubernetes_api.authentication import read_published
from imagegate.adapters.kubernetes_api.connection import ApiError
from imagegate.adapters.kubernetes_api.token_reviews import ClusterTokenReviews
from imagegate.core.admission.lookup import Found, Lookup, Unknown
from imagegate.core.admission.request_headers import DelegatedAuthentication, InvalidRequestHeaders, RequestHeaders
from imagegate.errors import InvalidSettings
from imagegate.ports.access import TokenReviews
from imagegate.service.health import Check
from imagegate.service.image_api.authentication import FollowedAuthentication
from imagegate.settings.aggregation import AggregationSettings
from imagegate.settings.load import Settings
from imagegate.wiring.cluster import Cluster

API_SERVICE = "/apis/apiregistration.k8s.io/v1/apiservices/v1.image.openshift.io"
OPENSHIFT = "openshift-apiserver"
"""Namespace of the server that answers for image.openshift.io on OpenShift."""
LOOK_S = 5.0
BUNDLE_MAX_BYTES = 1024 * 1024
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Aggregation:
    """Authentication of callers of the image API."""

    authentication: FollowedAuthentication
    tokens: TokenReviews

    def start(self) -> None:
        """Follow the configuration, in a process that serves; once in each, after the fork."""
        self.authentication.start()

    def checks(self) -> list[Check]:
        """For ``/readyz``. They do not stop: admission does not depend on the image API's callers."""
        return [Check("image API callers", self.authentication.problem)]


def aggregation(settings: Settings, cluster: Cluster | None) -> Aggregation:
    """The authentication of callers that the settings ask for.

    Raises:
        InvalidSettings: something that it needs is not set, or the cluster serves this API itself.
    """
    chosen = settings.image_api.aggregation
    if cluster is None:
        raise InvalidSettings("imageApi.aggregation.enabled: users and rights come from the cluster: set `cluster`")
    if settings.server.worker != "event-loop":
        raise InvalidSettings("imageApi.aggregation.enabled: needs server.worker: event-loop")
    if chosen.client_ca_file and not chosen.request_header.client_ca_file:
        raise InvalidSettings(
            "imageApi.aggregation.clientCAFile: belongs to requestHeader.clientCAFile; without it both CAs come from "
            "the cluster's ConfigMap"
        )
    _check_not_served(cluster)
    followed = FollowedAuthentication(
        (lambda: _read_files(chosen))
        if chosen.request_header.client_ca_file
        else lambda: read_published(cluster.connection())
    )
    followed.look()
    return Aggregation(followed, ClusterTokenReviews(cluster.connection, ttl_s=cluster.cache_s))


def _check_not_served(cluster: Cluster) -> None:
    """Check that the cluster does not have this API from OpenShift: then it is left to the platform.

    Raises:
        InvalidSettings: it has.
    """
    try:
        spec = cluster.connection().get(API_SERVICE, deadline_s=LOOK_S).get("spec")
    except ApiError as error:
        if error.status != 404:
            _log.warning("APIService v1.image.openshift.io cannot be looked at: %s", error)
        return
    service = spec.get("service") if isinstance(spec, dict) else None
    if isinstance(service, dict) and service.get("namespace") == OPENSHIFT:
        raise InvalidSettings(
            f"imageApi.aggregation.enabled: this cluster serves image.openshift.io itself, by the Service "
            f"{OPENSHIFT}/{service.get('name')}: turn it off, and leave the API to the platform"
        )


def _read_files(chosen: AggregationSettings) -> Lookup[DelegatedAuthentication]:
    """The present content of the settings and their files."""
    headers = chosen.request_header
    names = RequestHeaders(
        headers.allowed_names,
        headers.username_headers,
        headers.group_headers,
        headers.extra_header_prefixes,
        headers.uid_headers,
    )
    try:
        return Found(DelegatedAuthentication(names, _bundle(headers.client_ca_file), _bundle(chosen.client_ca_file)))
    except (OSError, UnicodeDecodeError, InvalidRequestHeaders) as error:
        return Unknown(f"imageApi.aggregation: {error}")


def _bundle(path: str) -> str:
    return read_file(Path(path), BUNDLE_MAX_BYTES, named=True).decode("ascii") if path else ""
