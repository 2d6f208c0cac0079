"""ClusterImagePolicy and ImagePolicy of both API groups, as values (docs/spec/enforcement.md 2 to 4).

One entry type serves both groups; ``source`` says where an entry was written, for messages and traces.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

IMAGE_POLICY = "ImagePolicy"
CLUSTER_IMAGE_POLICY = "ClusterImagePolicy"


class PolicyGroup(enum.Enum):
    """An API group that holds both kinds; the value is the ``apiVersion``."""

    PORTIERIS = "portieris.cloud.ibm.com/v1"
    CISE = "securityenforcement.admission.cloud.ibm.com/v1beta1"


DEFAULT_GROUPS = (PolicyGroup.PORTIERIS, PolicyGroup.CISE)
"""Order in which entries of the groups are merged; matters for ties only."""


class RequirementType(enum.StrEnum):
    """``simple.requirements[].type``."""

    INSECURE_ACCEPT_ANYTHING = "insecureAcceptAnything"
    REJECT = "reject"
    SIGNED_BY = "signedBy"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIdentity:
    """Identity that a signature may name (docs/spec/enforcement.md 13.6); fields as written, empty where not given."""

    type: str = ""
    docker_reference: str = ""
    docker_repository: str = ""
    prefix: str = ""
    signed_prefix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimpleRequirement:
    """One of ``simple.requirements``."""

    type: str
    """A ``RequirementType``, or any other string as written, which a review refuses in the original's words."""
    key_secret: str = ""
    key_secret_namespace: str = ""
    """Empty: the workload's namespace."""
    signed_identity: SignedIdentity = SignedIdentity()


@dataclass(frozen=True, slots=True, kw_only=True)
class SimplePolicy:
    """Red Hat simple signing. Off without requirements; all of them must hold."""

    requirements: tuple[SimpleRequirement, ...] = ()
    store_url: str = ""
    store_secret: str = ""

    @property
    def enabled(self) -> bool:
        """True if signatures are required."""
        return bool(self.requirements)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustPolicy:
    """Docker Content Trust."""

    enabled: bool = False
    trust_server: str = ""
    signer_secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VulnerabilityPolicy:
    """Vulnerability Advisor: ``vulnerability.ICCRVA`` or ``va``, enabled if either is."""

    enabled: bool = False
    account: str = ""


class EntrySource(NamedTuple):
    """The document and position of an entry."""

    group: PolicyGroup
    kind: str
    namespace: str
    """Empty for a ClusterImagePolicy."""
    policy: str
    position: int
    """Index in ``repositories``, from 0."""

    def __str__(self) -> str:
        place = f"{self.namespace}/{self.policy}" if self.namespace else self.policy
        return f"{self.kind} {place} repositories[{self.position}]"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Entry:
    """One of ``repositories``: a name pattern and requirements for the images it matches.

    Two entries are never equal: each is a place in a document.
    """

    name: str
    source: EntrySource
    mutate_image: bool | None = None
    """None: not given, which means true."""
    trust: TrustPolicy = TrustPolicy()
    simple: SimplePolicy = SimplePolicy()
    vulnerability: VulnerabilityPolicy = VulnerabilityPolicy()
    broken: str = ""
    """Why its requirements cannot be read; then every image that it decides is denied with this sentence."""

    @property
    def requires(self) -> bool:
        """True if it requires more than a matching name."""
        return bool(self.broken) or self.trust.enabled or self.simple.enabled or self.vulnerability.enabled

    @property
    def rewrites(self) -> bool:
        """True if a verified image is rewritten to its digest."""
        return self.mutate_image is not False and (self.trust.enabled or self.simple.enabled)

    @property
    def rule(self) -> str:
        """The entry in denials, metrics and traces."""
        return _rule(self)


@lru_cache(maxsize=1024)
def _rule(entry: Entry) -> str:
    return f"{entry.source} {entry.name}" if entry.name else str(entry.source)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePolicyObject:
    """One ClusterImagePolicy or ImagePolicy."""

    group: PolicyGroup
    kind: str
    name: str
    namespace: str = ""
    entries: tuple[Entry, ...] = ()
    broken: str = ""
    """Why its entries are not known; then every image is denied where the object is in force."""
