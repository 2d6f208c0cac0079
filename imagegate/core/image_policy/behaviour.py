"""The image policy's choices where the manual, the original's code and safety disagree.

One field per choice; the two profiles are presets, and a setting changes single fields. The rows are those of
docs/spec/image-policy.md 14.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from imagegate.core.admission.workload import Extent


class ControllerOwned(enum.StrEnum):
    """Treatment of objects with an owner reference that says ``controller: true``.

    Source: docs/spec/image-policy.md 14 row 1.
    """

    VALIDATE = "validate"
    """Rules are evaluated, nothing is rewritten."""
    TRUSTED = "trusted"
    """Admitted if a listed controller account sends it and the owner exists with that UID and the same images."""
    SKIP = "skip"
    """Admitted without a look, as the original does."""


class NamespaceOverride(enum.StrEnum):
    """Rules that a namespace's ignore-rules annotation may switch off (docs/spec/image-policy.md 14 row 11)."""

    OPEN = "open"
    """Every rule that does not forbid it with ``ignoreNamespaceOverride``."""
    RESTRICTED = "restricted"
    """Only rules with ``allowNamespaceOverride``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """All choices; the defaults are profile ``documented``."""

    integrated_registries: tuple[str, ...] = ()
    """Names of the integrated registry, ``host[:port]``; the configured one first, then aliases.

    Source: docs/spec/image-policy.md 14 row 4.
    """
    external_registries: tuple[str, ...] = ()
    """Names of the integrated registry outside the cluster: used only where they can reject."""
    controller_owned: ControllerOwned = ControllerOwned.VALIDATE
    trusted_controllers: frozenset[str] = frozenset()
    namespace_override: NamespaceOverride = NamespaceOverride.OPEN
    default_registry: str = "docker.io"
    """Registry that nodes pull unqualified names from; reject rules compare with it.

    Source: docs/spec/image-policy.md 14 row 8.
    """
    unqualified_is_docker_hub: bool = False
    """Accept rules for ``docker.io`` also match unqualified names (docs/spec/image-policy.md 14 row 8, opt-in)."""
    require_known_repository: bool = False
    """A digest resolves only if an image stream event names its repository (opt-in).

    Source: docs/spec/image-policy.md 14 row 20.
    """
    exempt_namespaces: frozenset[str] = frozenset()
    exempt_service_accounts: frozenset[str] = frozenset()
    """``system:serviceaccount:NS:NAME`` user names (docs/spec/image-policy.md 14 row 27, opt-in)."""
    extent: Extent = field(default_factory=Extent)
    """Ephemeral containers and image volumes, Dockerfiles of builds, custom deployers.

    Source: docs/spec/image-policy.md 14 rows 6, 7.
    """

    fold_groups: bool = True
    """``builds`` without a group means ``builds.build.openshift.io`` (docs/spec/image-policy.md 7.2)."""
    wildcard_resources: bool = True
    """``*`` in onResources is a wildcard (docs/spec/image-policy.md 14 row 14)."""
    integrated_by_name: bool = True
    """matchIntegratedRegistry compares the registry part and pull specs of tag events.

    Source: docs/spec/image-policy.md 14 row 2 and 8.3.
    """
    cache_forgets_integrated: bool = False
    """A digest answered from the cache does not count as integrated (docs/spec/image-policy.md 14 row 3)."""
    canonical_rejects: bool = True
    """Reject rules compare canonical hosts, accept rules for docker.io take its aliases.

    Source: docs/spec/image-policy.md 14 row 8.
    """
    image_object_conditions: bool = True
    """Annotations and labels are read from the Image, not from the tag's merged view.

    Source: docs/spec/image-policy.md 14 row 5.
    """
    lenient_metadata: bool = False
    """Undecodable metadata makes a rule match; metadata without Config is a crash.

    Source: docs/spec/image-policy.md 14 rows 15, 16.
    """
    labels_from_bytes: bool = True
    """Docker labels are read from the Image's own manifest and configuration; unknown does not mean absent."""
    cross_namespace_review: bool = True
    """Streams of another namespace need an access review (docs/spec/image-policy.md 14 row 17)."""
    canonical_integrated: bool = True
    """The integrated registry's names are compared in any spelling; reject rules know further names.

    Source: docs/spec/image-policy.md 14 row 4.
    """
    ambiguous_is_failure: bool = True
    """An ambiguous image id denies where a rule depends on it, as any failed look-up does.

    Source: docs/spec/image-policy.md 14 row 18.
    """
    dotted_names: bool = True
    """``my.image:1.0`` is a name, not a registry (docs/spec/image-policy.md 14 row 21)."""
    keep_tag_beside_digest: bool = True
    """No rewrite whose only effect is to drop a tag (docs/spec/image-policy.md 14 row 22)."""
    report_all: bool = True
    """Every place with a denied image is reported (docs/spec/image-policy.md 14 row 10)."""
    trim_ignored_rules: bool = True
    """Blanks and empty items of the ignore-rules annotation are dropped (docs/spec/image-policy.md 4 step 6)."""
    judges_what_is_pulled: bool = True
    """A local name that is not rewritten is also evaluated as written, because that is what a node pulls."""
    refuse_inconsistent: bool = True
    """A request without object, or whose kind, resource and object disagree, is denied."""
    refuses_bad_names: bool = True
    """An invalid image reference is denied even where rules accept it: a node may read it in any way."""
    template_optional: bool = True
    """A replication controller or deployment config without a template is admitted (docs/spec/image-policy.md 3)."""
    pins_ephemeral: bool = True
    """A container that ``kubectl debug`` adds is rewritten to a digest too, even in a controlled pod."""
    restores_pinned: bool = True
    """An immutable image keeps its stored digest where the tag still resolves to it."""
    names_nearest_rule: bool = False
    """A denial also tells the rule that comes nearest to allowing the image, and why it does not.

    Off here, where texts are the original's; on by the setting ``messages.nearestRule``.
    """
    upstream_messages: bool = False
    """Messages do not name the rule (docs/spec/image-policy.md 10.1, first table)."""
    go_type_names: bool = False
    """Kinds are printed as Go types."""
    dedupe_by_rewritten_reference: bool = False
    """Decisions are reused under the reference after a rewrite (docs/spec/image-policy.md 6.1)."""

    @property
    def integrated_registry(self) -> str:
        """The configured name; empty if there is none."""
        return self.integrated_registries[0] if self.integrated_registries else ""


def openshift_4(integrated_registry: str = "") -> Behaviour:
    """The behaviour of the current original, defects included."""
    return Behaviour(
        integrated_registries=(integrated_registry,) if integrated_registry else (),
        controller_owned=ControllerOwned.SKIP,
        extent=Extent(ephemeral_containers=False, image_volumes=False, dockerfiles=False, deployers=False),
        fold_groups=False,
        wildcard_resources=False,
        integrated_by_name=False,
        cache_forgets_integrated=True,
        canonical_rejects=False,
        image_object_conditions=False,
        lenient_metadata=True,
        labels_from_bytes=False,
        cross_namespace_review=False,
        canonical_integrated=False,
        ambiguous_is_failure=False,
        dotted_names=False,
        keep_tag_beside_digest=False,
        report_all=False,
        trim_ignored_rules=False,
        judges_what_is_pulled=False,
        refuse_inconsistent=False,
        refuses_bad_names=False,
        template_optional=False,
        pins_ephemeral=False,
        restores_pinned=False,
        upstream_messages=True,
        go_type_names=True,
        dedupe_by_rewritten_reference=True,
    )
