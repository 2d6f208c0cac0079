"""Settings of the CISE path that influence decisions (docs/spec/enforcement.md 1 and 22)."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from imagegate.core.enforcement.policy import DEFAULT_GROUPS, PolicyGroup
from imagegate.core.enforcement.trust_servers import TRUST_SERVERS, TrustServer
from imagegate.core.registry.pull_secrets import PullSecret
from imagegate.core.vulnerabilities.rules import ScanRules


class Profile(enum.StrEnum):
    """The product whose defaults apply."""

    CISE = "cise"
    CLOUDPAK = "cloudpak"
    PORTIERIS = "portieris"


class Dialect(enum.StrEnum):
    """The wording of denials."""

    AUTO = "auto"
    """The wording of the API group of the entry that decided."""
    PORTIERIS = "portieris"
    CISE = "cise"


class Parents(enum.StrEnum):
    """Treatment of owner references (docs/spec/enforcement.md 10.3)."""

    EXAMINE = "examine"
    """Ignored: children are examined like everything else."""
    VERIFY = "verify"
    """A child is admitted unread if its controller exists, was examined itself, and has the same images."""
    TRUST = "trust"
    """Trusted as written, as upstream does: the author of the object decides. Never a default."""


class Rewriting(enum.StrEnum):
    """Objects that are rewritten to digests. A GitOps tool sees a rewritten object as drift."""

    ALL = "all"
    PODS = "pods"
    """Only Pods: what a GitOps tool applies stays as written, what runs has a digest."""
    NEVER = "never"
    """Validate only."""


CLOUDPAK_RESERVED_NAMESPACES = frozenset(
    {
        "ibm-common-services",
        "kube-system",
        "management-monitoring",
        "management-infrastructure-management",
        "management-security-services",
        "management-operations",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CiseSettings:
    """How policies are applied. ``for_profile`` gives a profile's defaults."""

    profile: Profile = Profile.CISE
    groups: tuple[PolicyGroup, ...] = DEFAULT_GROUPS
    messages: Dialect = Dialect.AUTO
    reserved_namespaces: frozenset[str] = frozenset()
    """Namespaces whose objects are not examined."""
    digest_fallback: bool = True
    normalize_image_names: bool = False
    parents: Parents = Parents.EXAMINE
    pods_only: bool = True
    """True if only Pods are sent here; the Pods of a controller are then examined, not the controller."""
    report_all: bool = False
    rewriting: Rewriting = Rewriting.ALL
    keep_tag: bool = False
    """Rewrite ``NAME:TAG`` to ``NAME:TAG@DIGEST`` instead of ``NAME@DIGEST``."""
    names_nearest_rule: bool = False
    """Denials also tell the entry that comes nearest to the image, or the one that decides it and what it requires.

    Off here, where texts are the originals'; on by the setting ``messages.nearestRule``.
    """
    advisor_account: str = ""
    """IBM Cloud account for entries that name none (docs/spec/enforcement.md 14.2)."""
    scan_rules: ScanRules | None = None
    """Rules for scanners' reports; None: Vulnerability Advisor decides."""
    node_secrets: tuple[PullSecret, ...] = ()
    """Credentials with which the nodes pull; tried after those of the workload (docs/spec/enforcement.md 10.4)."""
    simple_key_namespaces: frozenset[str] = frozenset()
    """Other namespaces whose key Secrets an ImagePolicy may reference."""
    trust_servers: tuple[TrustServer, ...] = TRUST_SERVERS
    """For images whose entry names no trust server; the first that covers the image's registry."""
    trust_allow_http: bool = False
    """Also use trust servers without TLS."""
    signer_key_must_sign: bool = True
    """A signer's key must have signed; False: being listed for the signer's role is enough, as for upstream."""

    @classmethod
    def for_profile(cls, profile: Profile) -> CiseSettings:
        """The defaults of a profile (docs/spec/enforcement.md 1)."""
        return cls(
            profile=profile,
            reserved_namespaces=CLOUDPAK_RESERVED_NAMESPACES if profile is Profile.CLOUDPAK else frozenset(),
            parents=Parents.VERIFY if profile is Profile.PORTIERIS else Parents.EXAMINE,
            pods_only=profile is Profile.CISE,
        )
