"""Settings of the image API behind a cluster's API server."""

# ruff: noqa: RUF009 - `section` is `dataclasses.field`, with a description

from __future__ import annotations

from dataclasses import dataclass

from imagegate.settings.schema import flag, section, text, texts


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestHeaderSettings:
    """The API server's client certificate, and the headers in which it names users: flags of kube-apiserver."""

    client_ca_file: str = text(
        "",
        "PEM bundle, as `--requestheader-client-ca-file`; empty: this and the settings below come from the ConfigMap "
        "`kube-system/extension-apiserver-authentication`.",
        key="clientCAFile",
    )
    allowed_names: tuple[str, ...] = texts("Common names of the API server's certificate; empty: every one of that CA.")
    username_headers: tuple[str, ...] = texts("Headers with the user's name.", default=("X-Remote-User",))
    group_headers: tuple[str, ...] = texts("Headers with a group each.", default=("X-Remote-Group",))
    extra_header_prefixes: tuple[str, ...] = texts(
        "Beginnings of headers with what else is known of the user.", default=("X-Remote-Extra-",)
    )
    uid_headers: tuple[str, ...] = texts("Headers with the user's UID.")


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregationSettings:
    """The API aggregation layer."""

    enabled: bool = flag(
        False,
        "Serve `image.openshift.io` to the cluster's API server: its users, its RBAC, its namespaces. Needs `cluster` "
        "and TLS. Not on OpenShift, which serves this API itself.",
    )
    request_header: RequestHeaderSettings = section(RequestHeaderSettings, key="requestHeader")
    client_ca_file: str = text(
        "",
        "PEM bundle of the CA of users' client certificates, for callers that come directly; with "
        "`requestHeader.clientCAFile`. Empty: none are accepted.",
        key="clientCAFile",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageApiSettings:
    """The image API."""

    aggregation: AggregationSettings = section(AggregationSettings, key="aggregation")
