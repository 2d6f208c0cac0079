"""Makes each plug-in's behaviour from profile and settings; a setting overrides the profile."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from imagegate.core.enforcement.behaviour import CiseSettings, Dialect, Parents, Rewriting
from imagegate.core.enforcement.behaviour import Profile as CiseProfile
from imagegate.core.enforcement.policy import PolicyGroup
from imagegate.core.enforcement.trust_servers import TRUST_SERVERS, TrustServer
from imagegate.core.image_policy.behaviour import Behaviour, ControllerOwned, NamespaceOverride, openshift_4
from imagegate.core.import_gate.behaviour import GateBehaviour, Grandfather, behaviour_of
from imagegate.core.import_gate.config import ImagePolicyBlock
from imagegate.core.profile import Profile
from imagegate.core.registry.manifest import Platform
from imagegate.core.vulnerabilities.report import Severity
from imagegate.core.vulnerabilities.rules import ScanRules
from imagegate.errors import InvalidSettings
from imagegate.service.policies.policy_set import Mode, Modes
from imagegate.settings.enforcement import CisePathSettings, TrustSettings
from imagegate.settings.load import Settings
from imagegate.settings.modes import NamespaceMode
from imagegate.settings.scanner import ScannerSettings

UPSTREAM, MODERN = "upstream", "modern"
ALLOW = "allow"


def integrated_registries(settings: Settings, block: ImagePolicyBlock) -> tuple[str, ...]:
    """All names of the integrated registry: the file's, else the setting's; then the aliases."""
    named = settings.integrated_registry
    names = (block.internal_registry_hostname or named.hostname, *named.aliases)
    return tuple(dict.fromkeys(name for name in names if name))


def image_policy_behaviour(settings: Settings, block: ImagePolicyBlock) -> Behaviour:
    """The behaviour of the image policy."""
    given = settings.image_policy
    preset = openshift_4() if settings.profile is Profile.OPENSHIFT_4 else Behaviour()
    changes: dict[str, Any] = {"names_nearest_rule": names_nearest_rule(settings)}
    if given.controller_owned is not None:
        changes["controller_owned"] = ControllerOwned(given.controller_owned)
    if settings.messages.style is not None:
        changes["upstream_messages"] = settings.messages.style == UPSTREAM
    return replace(
        preset,
        integrated_registries=integrated_registries(settings, block),
        external_registries=block.external_registry_hostnames,
        trusted_controllers=frozenset(given.trusted_controllers),
        namespace_override=NamespaceOverride(given.namespace_override),
        default_registry=given.default_registry,
        unqualified_is_docker_hub=given.unqualified_accepted_as_docker_hub,
        require_known_repository=given.require_known_repository,
        exempt_namespaces=frozenset(given.exempt_namespaces),
        exempt_service_accounts=frozenset(given.exempt_service_accounts),
        **changes,
    )


def names_nearest_rule(settings: Settings) -> bool:
    """True if denials tell more than the originals' sentences."""
    words = settings.messages
    return words.nearest_rule and words.style != UPSTREAM and settings.profile is not Profile.OPENSHIFT_4


def import_gate_behaviour(settings: Settings) -> GateBehaviour:
    """The behaviour of the import gate."""
    given = settings.import_gate
    preset = behaviour_of(settings.profile)
    return replace(
        preset,
        grandfather=Grandfather(given.grandfather),
        insecure_import_falls_back=given.insecure_fallback == "both",
        reviews_mappings=given.review_mappings,
        bypass_is_full=given.privileged_import_bypass == "full",
        lists_rules=settings.messages.list_rules,
        names_nearest_rule=names_nearest_rule(settings),
        modern_words=settings.messages.style == MODERN,
    )


def cise_behaviour(given: CisePathSettings, scanner: ScannerSettings | None = None) -> CiseSettings:
    """The behaviour of ClusterImagePolicy and ImagePolicy (Container Image Security Enforcement, Portieris).

    Raises:
        InvalidSettings: a rule of ``scanner`` cannot be read.
    """
    preset = CiseSettings.for_profile(CiseProfile(given.profile))
    changes: dict[str, Any] = {}
    if given.reserved_namespaces is not None:
        changes["reserved_namespaces"] = frozenset(given.reserved_namespaces)
    if given.parents is not None:
        changes["parents"] = Parents(given.parents)
    if given.pods_only is not None:
        changes["pods_only"] = given.pods_only
    return replace(
        preset,
        groups=tuple(PolicyGroup(group) for group in given.groups),
        messages=Dialect(given.messages),
        digest_fallback=given.digest_fallback,
        normalize_image_names=given.normalize_image_names,
        report_all=given.report_all,
        rewriting=Rewriting(given.rewriting),
        keep_tag=given.keep_tag,
        advisor_account=given.va.account,
        scan_rules=None if scanner is None else scan_rules(scanner),
        simple_key_namespaces=frozenset(given.simple.key_namespaces),
        trust_servers=_trust_servers(given.trust),
        trust_allow_http=given.trust.allow_http,
        signer_key_must_sign=given.trust.signer_key_must_sign,
        **changes,
    )


def _trust_servers(given: TrustSettings) -> tuple[TrustServer, ...]:
    """The rows of the settings before the well-known ones.

    Raises:
        InvalidSettings: a server's URL cannot be used.
    """
    allowed = ("https://", "http://") if given.allow_http else ("https://",)
    for registry, url in given.servers.items():
        if not url.startswith(allowed):
            raise InvalidSettings(f"cise.trust.servers: {registry}: {url!r} does not start with {' or '.join(allowed)}")
    return (*(TrustServer(registry, url) for registry, url in given.servers.items()), *TRUST_SERVERS)


def scan_rules(given: ScannerSettings) -> ScanRules:
    """The rules.

    Raises:
        InvalidSettings: a platform cannot be read.
    """
    return ScanRules(
        severity=Severity.of(given.severity),
        fixable_only=given.fixable_only,
        unknown_severity_denies=given.unknown_severity != ALLOW,
        unknown_allows=given.unknown == ALLOW,
        end_of_life_allows=given.end_of_life == ALLOW,
        unproven_allows=given.without_proof == ALLOW,
        places_name_images=given.places_name_images,
        max_age=timedelta(days=given.max_age_days),
        platforms=tuple(map(_platform, given.platforms)),
        accepted=given.allow,
    )


def _platform(text: str) -> Platform:
    parts = text.split("/")
    if len(parts) not in (2, 3) or not all(parts):
        raise InvalidSettings(f"scanner.platforms: {text[:80]!r} is not OS/ARCHITECTURE[/VARIANT]")
    return Platform(parts[1], parts[0], parts[2] if len(parts) == 3 else "")


def plugin_modes(settings: Settings) -> dict[str, Modes]:
    """The modes of every plug-in, by its name."""
    modes = {
        "image-policy": _modes(settings.image_policy.mode, settings.image_policy.namespaces),
        "always-pull": _modes(settings.always_pull.mode, settings.always_pull.namespaces),
        "import-gate": _modes(settings.import_gate.mode, settings.import_gate.namespaces),
    }
    if settings.cise is not None:
        modes["cise"] = _modes(settings.cise.mode, settings.cise.namespaces)
    return modes


def _modes(mode: str, namespaces: tuple[NamespaceMode, ...]) -> Modes:
    return Modes(Mode(mode), tuple((each.selector, Mode(each.mode)) for each in namespaces))
