"""The section ``cise``: image enforcement policies, content trust, signatures, Vulnerability Advisor."""

# ruff: noqa: RUF009 - `section` and `custom` are `dataclasses.field`, with a description

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from imagegate.core.enforcement.policy import DEFAULT_GROUPS
from imagegate.core.kube.field_errors import not_supported
from imagegate.documents.yaml.fields import Fields
from imagegate.settings.maps import NO_LISTS, NO_TEXTS, list_map, text_map
from imagegate.settings.modes import NamespaceMode, mode_of, modes_by_namespace
from imagegate.settings.schema import (
    choice,
    custom,
    flag,
    optional_text,
    section,
    text,
    texts,
)

_IBM_TOKEN_URL = "https://iam.cloud.ibm.com/identity/token"  # noqa: S105 - an address

_GROUPS = tuple(group.value for group in DEFAULT_GROUPS)


def _groups(fields: Fields, name: str) -> tuple[str, ...]:
    groups = fields.texts(name)
    if groups is None:
        return _GROUPS
    for group in groups:
        if group not in _GROUPS:
            fields.error(name, not_supported(name, group, _GROUPS).body)
    return groups


@dataclass(frozen=True, slots=True, kw_only=True)
class PinningSettings:
    """Accepted trust roots."""

    certs: Mapping[str, tuple[str, ...]] = custom(
        NO_LISTS,
        "Image name, or prefix and `*`: accepted key IDs of root certificates.",
        "map of lists",
        list_map,
    )
    ca: Mapping[str, str] = custom(
        NO_TEXTS,
        "Prefix of image names: file of CA certificates that the root must chain to.",
        "map of strings",
        text_map,
    )
    tofu: bool = flag(True, "Trust the first root of an image; later roots must be signed by it.")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustSettings:
    """Docker Content Trust."""

    servers: Mapping[str, str] = custom(
        NO_TEXTS,
        "Registry (`HOST`, `HOST:PORT`, `*.DOMAIN`): URL of its trust server; `{hostname}` is replaced by the host."
        " They come before the known registries.",
        "map of strings",
        text_map,
        shown_default="the known registries",
    )
    allow_http: bool = flag(False, "Allow trust servers without TLS.", key="allowHTTP")
    store: str = text(
        "",
        "Folder for trust anchors and known versions, shared by replicas; empty: in `store.path`.",
    )
    pinning: PinningSettings = section(PinningSettings, key="pinning")
    signer_key_must_sign: bool = flag(True, "Require a signature by a signer's key; a listed key is not enough.")


@dataclass(frozen=True, slots=True, kw_only=True)
class SimpleSettings:
    """Simple signing."""

    key_namespaces: tuple[str, ...] = texts("Other namespaces whose key Secrets an ImagePolicy may reference.")


@dataclass(frozen=True, slots=True, kw_only=True)
class VulnerabilitySettings:
    """IBM Vulnerability Advisor."""

    api_version: str = choice("v4", ("v3", "v4"), "Version of the Vulnerability Advisor API.")
    account: str = text("", "Account for entries that do not set one.")
    base_url: str = text("", "URL of Vulnerability Advisor; empty: the image's registry.", key="baseURL")
    iam_url: str = text(_IBM_TOKEN_URL, "URL that issues tokens.", key="iamURL")


@dataclass(frozen=True, slots=True, kw_only=True)
class CisePathSettings:
    """Policies of Container Image Security Enforcement and Portieris. A ``cise`` block turns them on."""

    mode: str = mode_of("the image enforcement policies")
    namespaces: tuple[NamespaceMode, ...] = modes_by_namespace()
    profile: str = choice("cise", ("cise", "cloudpak", "portieris"), "Product whose defaults apply.")
    groups: tuple[str, ...] = custom(
        _GROUPS,
        "API groups to read, in the order in which their policies are merged.",
        "list of strings",
        _groups,
        shown_default=", ".join(_GROUPS),
    )
    messages: str = choice(
        "auto", ("auto", "portieris", "cise"), "Product whose messages denials use; `auto`: by `cise.profile`."
    )
    reserved_namespaces: tuple[str, ...] | None = custom(
        None,
        "Namespaces whose objects are not checked.",
        "list of strings",
        lambda fields, name: fields.texts(name),
        shown_default="by cise.profile",
    )
    cluster_domain: str = text("", "Replaces `<<CLUSTER DOMAIN>>` in the default policies.")
    digest_fallback: bool = flag(True, "Let an entry without a tag also match digests of its repository.")
    normalize_image_names: bool = flag(False, "Also match names with `:latest` and without `library/`.")
    parents: str | None = optional_text(
        "Treatment of owner references: ignore them, verify the owner, or trust them as upstream does.",
        ("examine", "verify", "trust"),
        "by cise.profile",
    )
    pods_only: bool | None = custom(
        None,
        "Check pods only, not the objects that create them.",
        "bool",
        lambda fields, name: fields.flag(name) if fields.has(name) else fields.ignore(name),
        shown_default="by cise.profile",
    )
    report_all: bool = flag(False, "Report every violation, not only the first.")
    rewriting: str = choice("all", ("all", "pods", "never"), "Objects whose images are rewritten to digests.")
    keep_tag: bool = flag(False, "Rewrite to `NAME:TAG@DIGEST` instead of `NAME@DIGEST`.")
    record_key_file: str = text(
        "",
        "File with the key of the records of rewritten images, the same for all replicas; empty: created once,"
        " beside the store.",
    )
    record_key_secret: str = text(
        "",
        "Secret in imagegate's namespace with that key, made by the first replica; needs a `cluster` block.",
    )
    cache: bool = flag(True, "Cache results of verification.")
    trust: TrustSettings = section(TrustSettings, key="trust")
    simple: SimpleSettings = section(SimpleSettings, key="simple")
    va: VulnerabilitySettings = section(VulnerabilitySettings, key="va")
