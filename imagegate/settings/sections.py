"""The sections of the settings. ``None``: the profile decides; names end with units."""

# ruff: noqa: RUF009 - `section` and `custom` are `dataclasses.field`, with a description

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from imagegate.core.admission.custom_resources import CustomResource, is_path
from imagegate.core.admission.workload import has_images
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.registry.mirrors import MirrorRule, MirrorUse
from imagegate.documents.yaml.fields import Fields
from imagegate.settings.certificate import CertificateSettings
from imagegate.settings.maps import NO_LISTS, list_map
from imagegate.settings.modes import NamespaceMode, mode_of, modes_by_namespace
from imagegate.settings.proxy import ProxySettings
from imagegate.settings.registry_certificates import NO_CERTIFICATES, RegistryCertificate, registry_certificates
from imagegate.settings.schema import (
    choice,
    custom,
    flag,
    integer,
    optional_seconds,
    optional_text,
    seconds,
    section,
    text,
    texts,
)


def _extra_resources(fields: Fields, name: str) -> tuple[CustomResource, ...]:
    found = fields.each(name, _extra_resource) or ()
    for position, each in enumerate(found):
        if any(each.group_resource == other.group_resource for other in found[:position]):
            fields.error(name, f"{each.group_resource} is listed twice")
    return found


def _extra_resource(fields: Fields) -> CustomResource:
    group, resource, kind = (fields.text(name) for name in ("group", "resource", "kind"))
    for required in ("group", "resource", "kind"):
        if not fields.has(required):
            fields.error(required, "Required value")
    pod_specs, images = (fields.texts(name) or () for name in ("podSpecs", "images"))
    if not pod_specs and not images:
        fields.error("podSpecs", "Required value, unless there are images")
    for name, paths in (("podSpecs", pod_specs), ("images", images)):
        for path in paths:
            if not is_path(path):
                fields.error(name, f"{go_quote(path)} is no path: write fields joined by dots, [*] for every item")
    found = CustomResource(group, resource, kind, pod_specs, images, fields.flag("optional"))
    if has_images(found.group_kind):
        fields.error("kind", f"{found.group_kind} has its images judged without this")
    return found


def _mirrors(fields: Fields, name: str) -> tuple[MirrorRule, ...]:
    return fields.each(name, _mirror) or ()


def _mirror(fields: Fields) -> MirrorRule:
    for required in ("source", "mirrors"):
        if not fields.has(required):
            fields.error(required, "Required value")
    uses = tuple(MirrorUse)
    return MirrorRule(
        fields.text("source"),
        fields.texts("mirrors") or (),
        MirrorUse(fields.choice("use", uses, MirrorUse.DIGEST)),
        fields.flag("neverContactSource"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentSettings:
    """Conditions for changed documents (settings, configuration, policies, images) to take effect."""

    ending: str = choice(
        "optional",
        ("optional", "marker", "checksum"),
        "Proof that a document is complete: none, a last line `# imagegate: end`, or a file `FILE.sha256`.",
    )
    weaker_after_s: float = seconds(
        60,
        "Time that changed files must stay unchanged before weaker policies take effect; SIGHUP does not wait.",
        minimum=0,
        maximum=86400,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSettings:
    """Messages of denials."""

    style: str | None = optional_text(
        "Messages of denials: OpenShift's plus the name of the rule; exactly OpenShift's; or in modern wording.",
        ("documented", "upstream", "modern"),
        "by profile",
    )
    list_rules: bool = flag(True, "Denied imports list the allowed registries, which may be internal host names.")
    nearest_rule: bool = flag(
        True,
        "Denials name the nearest rule that would have allowed the image, and why it did not. Its registries and labels"
        " are shown to everybody whose images are denied. Never in profile `openshift-4`, or with style `upstream`.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegratedRegistrySettings:
    """Names of the integrated registry. ``internalRegistryHostname`` of the master-config comes first."""

    hostname: str = text("", "`host[:port]` of the integrated registry; `internalRegistryHostname` of `config` wins.")
    aliases: tuple[str, ...] = texts("Other names of it, such as its service name and its external route.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePolicySettings:
    """The execution policy."""

    mode: str = mode_of("the execution policy")
    namespaces: tuple[NamespaceMode, ...] = modes_by_namespace()
    controller_owned: str | None = optional_text(
        "Objects of controllers: check without rewriting, allow those of trusted controllers, or allow all.",
        ("validate", "trusted", "skip"),
        "`validate`; `skip` in openshift-4",
    )
    trusted_controllers: tuple[str, ...] = texts("User names of controllers, for `controllerOwned: trusted`.")
    default_registry: str = text(
        "docker.io", "Registry from which nodes pull unqualified names; reject rules compare with it."
    )
    namespace_override: str = choice(
        "open",
        ("open", "restricted"),
        "Rules that a namespace's ignore-rules annotation may turn off: all, or only those that allow it.",
    )
    require_known_repository: bool = flag(False, "Resolve a digest only if its repository is known for that image.")
    unqualified_accepted_as_docker_hub: bool = flag(
        False, "Let accept rules for docker.io also match unqualified names."
    )
    exempt_namespaces: tuple[str, ...] = texts("Namespaces whose objects are not checked.")
    exempt_service_accounts: tuple[str, ...] = texts("User names whose requests are not checked.")
    extra_resources: tuple[CustomResource, ...] = custom(
        (),
        "Custom resources whose pod specs and images are judged as Pods, by every plug-in and by `check`:"
        " [custom resources](image-policy.md#custom-resources).",
        "list of `{group, resource, kind, podSpecs, images, optional}`",
        _extra_resources,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AlwaysPullSettings:
    """AlwaysPullImages; the master-config turns it on."""

    mode: str = mode_of("AlwaysPullImages")
    namespaces: tuple[NamespaceMode, ...] = modes_by_namespace()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportGateSettings:
    """allowedRegistriesForImport; the list itself is in the master-config."""

    mode: str = mode_of("the import gate")
    namespaces: tuple[NamespaceMode, ...] = modes_by_namespace()
    grandfather: str = choice(
        "repository",
        ("repository", "exact", "none"),
        "Old references of a stream that stay allowed after the list is tightened: by repository, exact, or none.",
    )
    insecure_fallback: str = choice(
        "none", ("none", "both"), "Let insecure imports also match rules for port 443 (`both`)."
    )
    privileged_import_bypass: str = choice(
        "import",
        ("import", "full"),
        "Users who may create image stream mappings skip the check of imports, or all checks.",
    )
    review_mappings: bool = flag(False, "Also accept the right to create `imagestreammappings` in the namespace.")
    check_mirrors: bool = flag(
        False, "Require every mirror that an import may be fetched from to be on the list as well."
    )


BY_STORE, STORE_LOCK, LEASE = "auto", "store", "lease"
"""How it is agreed who works in the background."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSettings:
    """The cluster whose API is asked. A ``cluster`` block, even an empty one, turns it on; read at the start."""

    kubeconfig: str = text("", "Path of a kubeconfig; empty: the service account of the pod that imagegate runs in.")
    context: str = text("", "Context of the kubeconfig; empty: its current one.")
    policies: bool = flag(
        False, "Watch the cluster's ClusterImagePolicy and ImagePolicy objects. Turns image enforcement on."
    )
    image_streams: bool = flag(
        False, "Watch the platform's image streams and Images (OpenShift), in place of those of the store."
    )
    image_config: bool = flag(
        False,
        "Watch `image.config.openshift.io/cluster` (OpenShift): allowed registries and names of the integrated "
        "registry, where `config` has none.",
    )
    events: bool = flag(
        False,
        "Write an Event for the owner of a denied object, such as the ReplicaSet of a Pod, and for the workload above:"
        " [Events](operating.md#events).",
    )
    cache_s: float = seconds(
        10.0,
        "How long a Secret, a service account, an owner or an access review is cached.",
        minimum=0,
        maximum=300,
        key="cacheSeconds",
    )
    leader_election: str = choice(
        BY_STORE,
        (BY_STORE, STORE_LOCK, LEASE),
        "How one process is chosen for work in the background: of those with the store's file open (`store`), or of "
        "all replicas, by a Lease (`lease`); `auto`: as the store needs; [leader election](cluster.md#leader-election)",
    )
    lease_s: float = seconds(
        15.0,
        "After so long without the leader another replica takes over; the leader itself stops after two thirds of it.",
        minimum=3,
        maximum=300,
        key="leaseSeconds",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryLimitSettings:
    """Limits of responses."""

    manifest_max_bytes: int = integer(4 * 2**20, "Size of one manifest.", minimum=1024, maximum=64 * 2**20)
    config_max_bytes: int = integer(8 * 2**20, "Size of one image configuration.", minimum=1024, maximum=64 * 2**20)
    tags_max: int = integer(100_000, "Number of tags of one repository.", minimum=1, maximum=10_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitSettings:
    """Circuit breakers of registries and other servers, one for each server in each worker."""

    failures: int = integer(
        5, "Failures in a row after which a server is not contacted for a while; 0: never.", minimum=0, maximum=1000
    )
    open_s: float = seconds(5, "Pause before the next attempt; doubled after each failure.", minimum=0.1, maximum=3600)
    open_max_s: float = seconds(30, "Longest pause.", minimum=0.1, maximum=3600)


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUpSettings:
    """Limits of concurrent look-ups per worker. Beyond them a review that needs a look-up is denied at once."""

    threads: int = integer(96, "Look-ups at a time, at all hosts.", minimum=4, maximum=1024)
    known_threads: int = integer(
        32, "Additional look-ups at a time, only at hosts that answered within the last hour.", minimum=1, maximum=1024
    )
    per_host: int = integer(8, "Look-ups of one kind at a time at one host.", minimum=1, maximum=256)
    per_new_host: int = integer(
        2, "Look-ups of one kind at a time at a host that did not answer within the last hour.", minimum=1, maximum=256
    )
    waiting_per_host: int = integer(
        64, "Look-ups of one kind that wait for their turn at one host.", minimum=0, maximum=4096
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrySettings:
    """Connections to registries and other servers."""

    allow_private_addresses: tuple[str, ...] = texts(
        "Hosts (`host` or `host:port`) and networks (CIDR) that may be reached at private addresses."
    )
    insecure: tuple[str, ...] = texts("`host[:port]` that may be used without TLS or with any certificate.")
    blocked: tuple[str, ...] = texts(
        "`host[:port]` that are never contacted, in any spelling, even by redirect; without a port: all ports."
    )
    ca_file: str = text("", "PEM bundle trusted in addition to the system's.")
    certificates: Mapping[str, RegistryCertificate] = custom(
        NO_CERTIFICATES,
        "Registry (`host[:port]`): PEM files of an authority trusted for it and of a client certificate shown to it.",
        "map of `{caFile, certFile, keyFile}`",
        registry_certificates,
    )
    certificate_folders: tuple[str, ...] = texts(
        "Folders in the layout of `/etc/containers/certs.d`: `HOST[:PORT]/` with `*.crt`, `*.cert` and `*.key`."
    )
    mirrors: tuple[MirrorRule, ...] = custom(
        (), "Mirrors of a registry's images.", "list of `{source, mirrors, use, neverContactSource}`", _mirrors
    )
    mirror_sets: tuple[str, ...] = texts(
        "Files and folders of ImageDigestMirrorSet, ImageTagMirrorSet and ImageContentSourcePolicy objects."
    )
    node_credentials: tuple[str, ...] = texts(
        "Docker configuration files with the credentials of the nodes, used after the pull secrets of a workload or of"
        " an import's namespace."
    )
    cluster_mirrors: bool = flag(
        False, "Watch the mirror objects of the cluster as well (OpenShift); needs a `cluster` block."
    )
    token_realms: Mapping[str, tuple[str, ...]] = custom(
        NO_LISTS,
        "Registry: other token servers that may receive its credentials, in addition to the known ones.",
        "map of lists",
        list_map,
    )
    proxy: ProxySettings = section(ProxySettings, key="proxy")
    connect_timeout_s: float = seconds(5, "Time to open one connection.", minimum=0.1, maximum=60)
    attempts: int = integer(3, "Maximum attempts per request.", minimum=1, maximum=10)
    limits: RegistryLimitSettings = section(RegistryLimitSettings, key="limits")
    circuit: CircuitSettings = section(CircuitSettings, key="circuit")
    look_ups: LookUpSettings = section(LookUpSettings, key="lookUps")


EMBEDDED, KUBERNETES = "embedded", "kubernetes"
"""Kinds of the store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """The store of image streams and images. Read at the start."""

    kind: str = choice(
        EMBEDDED,
        (EMBEDDED, KUBERNETES),
        "Where the objects of the image API are: in a file of this machine, or in custom resources of the cluster, "
        "which all replicas share and which need a `cluster` block. `store: kubernetes` is short for it: "
        "[stores](store.md).",
    )
    path: str = text("", "SQLite file of the embedded store; empty: in the user's state directory.")
    namespace: str = text("", "Namespace of the custom resources; empty: that of imagegate.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """The service."""

    host: str = text("127.0.0.1", "Address to listen at.")
    port: int = integer(8080, "Port to listen at; 0: a free one.", minimum=0, maximum=65535)
    body_max_bytes: int = integer(8 * 2**20, "Maximum size of a request body.", minimum=65536, maximum=256 * 2**20)
    default_timeout_s: float = seconds(
        10, "Time for a review whose request sets none; look-ups get 80% of it.", minimum=0.5, maximum=60
    )
    unconfigured: str = choice(
        "deny", ("deny", "allow"), "Answer at a path of a plug-in that is not configured, to a CREATE or UPDATE."
    )
    workers: int = integer(0, "Worker processes; 0: one per processor, at most four.", minimum=0, maximum=64)
    threads: int = integer(
        16, "Threads per worker; with `event-loop`, for requests other than reviews.", minimum=1, maximum=512
    )
    worker: str = choice(
        "event-loop",
        ("event-loop", "gthread"),
        "Serve connections by an event loop, or by a thread each, which slow clients can exhaust.",
    )
    request_timeout_s: float = seconds(
        15, "Time for a request to arrive, from its first byte to its last.", minimum=1, maximum=300
    )
    handshake_timeout_s: float = seconds(10, "Time for a TLS handshake.", minimum=1, maximum=300)
    connections_per_client: int = integer(
        1024,
        "Connections of one address with an incomplete request, per worker; beyond it the oldest is closed.",
        minimum=8,
        maximum=65536,
    )
    buffered_max_bytes: int = integer(
        64 * 2**20,
        "Total size of request bodies in a worker; beyond it the largest incomplete one is dropped.",
        minimum=2**20,
        maximum=2**34,
    )
    drain_s: float | None = optional_seconds(
        "After SIGTERM: time in which new connections are still accepted, while `/readyz` reports not ready and "
        "responses close their connections.",
        minimum=0,
        maximum=20,
        shown_default="5 in a cluster, else 0",
    )
    client_ca_file: str = text(
        "",
        "PEM bundle of the CA that issued the API server's client certificate: reviews of other callers are refused. "
        "Other paths need no certificate.",
        key="clientCAFile",
    )
    callers: tuple[str, ...] = texts(
        "Common names of client certificates that may send reviews; empty: every one of `server.clientCAFile`."
    )
    certificate: CertificateSettings = section(CertificateSettings, key="certificate")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """Log lines."""

    level: str = choice("info", ("debug", "info", "warning", "error"), "Least severe lines to write.")
