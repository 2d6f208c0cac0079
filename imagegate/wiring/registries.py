"""Clients of registries and signature stores, and the look-ups that use them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from imagegate.adapters.http.circuits import CircuitLimits, Circuits
from imagegate.adapters.http.client import HttpClient, HttpLimits
from imagegate.adapters.http.tls import CertificateUnusable, HostCertificates, HostFiles, TlsContexts
from imagegate.adapters.registry.auth import TokenRealms
from imagegate.adapters.registry.cache import CachedRegistry
from imagegate.adapters.registry.client import HttpRegistry, RegistrySettings
from imagegate.adapters.registry.place import RegistryLimits
from imagegate.adapters.signing.lookaside import LookasideHttp
from imagegate.adapters.signing.openpgp import OpenPgpVerifier
from imagegate.core.admission.plugin import Question
from imagegate.core.content_trust.question import TrustedImage
from imagegate.core.enforcement.questions import ManifestDigest
from imagegate.core.registry.egress import AddressPolicy
from imagegate.core.signing.requirements import ImageSignatures
from imagegate.core.vulnerabilities.advisor import AdvisorStatus
from imagegate.core.vulnerabilities.rules import ImageScan
from imagegate.errors import InvalidSettings, Malformed
from imagegate.ports.content_trust import TrustStates
from imagegate.ports.registry import Registry
from imagegate.service.evidence.digests import DigestLimits, ManifestDigests
from imagegate.service.evidence.signatures import SignatureLimits, SignatureReader
from imagegate.service.review.lookup_shares import Shares
from imagegate.service.review.lookups import Answerer
from imagegate.settings.enforcement import VulnerabilitySettings
from imagegate.settings.load import Settings
from imagegate.wiring.content_trust import trust_answerer
from imagegate.wiring.mirrors import MirrorSource, settings_mirrors
from imagegate.wiring.proxies import proxy_rules
from imagegate.wiring.vulnerabilities import advisor_answerer, scan_answerer


def http_client(
    settings: Settings, *, more_ca_files: tuple[str, ...] = (), circuits: Circuits | None = None
) -> HttpClient:
    """HTTP to registries and signature stores, within what the settings permit.

    One for each set of authorities is enough for a process: making it reads the system's certificates (26 ms).

    Args:
        more_ca_files: PEM bundles trusted beside the system's and ``registry.caFile``.
        circuits: of another client, to be shared with it; None: new ones.

    Raises:
        InvalidSettings: a host, a file of certificates or a proxy cannot be used.
    """
    given = settings.registry
    try:
        addresses = AddressPolicy.of_texts(given.allow_private_addresses, blocked=given.blocked)
    except ValueError as error:
        raise InvalidSettings(f"registry.allowPrivateAddresses, registry.blocked: {error}") from error
    certificates = _host_certificates(settings)
    ca_files = ((given.ca_file,) if given.ca_file else ()) + more_ca_files
    try:
        return HttpClient(
            addresses=addresses,
            ca_files=ca_files,
            certificates=certificates,
            proxies=proxy_rules(given.proxy, os.environ),
            limits=HttpLimits(attempts=given.attempts, connect_timeout_s=given.connect_timeout_s),
            circuits=circuits or Circuits(circuit_limits(settings)),
            told_hosts=frozenset(host.lower() for host in settings.tracing.propagate_to),
        )
    except OSError as error:  # an ssl.SSLError is one
        raise InvalidSettings(f"{', '.join(ca_files)}: cannot be used as CA certificates: {error}") from error


def _host_certificates(settings: Settings) -> HostCertificates:
    """The files of the setting `registry.certificates`, which must be usable at the start, and the folders.

    Raises:
        InvalidSettings: a host, a file or a folder cannot be used.
    """
    given = settings.registry
    hosts = {
        host: HostFiles(
            (files.ca_file,) if files.ca_file else (), ((files.cert_file, files.key_file),) if files.cert_file else ()
        )
        for host, files in given.certificates.items()
    }
    try:
        named = HostCertificates.of(hosts)
        contexts = TlsContexts(verify=False, certificates=named) if named.hosts else None
        for host, port in named.hosts:
            if contexts is not None:
                contexts.get(host, port, show_certificate=True)
    except (CertificateUnusable, Malformed) as error:
        raise InvalidSettings(f"registry.certificates: {error}") from error
    for folder in given.certificate_folders:
        if not Path(folder).is_dir():
            raise InvalidSettings(f"registry.certificateFolders: {folder} is not a folder")
    return replace(named, folders=tuple(map(Path, given.certificate_folders)))


def circuit_limits(settings: Settings) -> CircuitLimits:
    """When circuits open, and for how long."""
    given = settings.registry.circuit
    return CircuitLimits(failures=given.failures, open_s=given.open_s, open_max_s=max(given.open_s, given.open_max_s))


def look_up_shares(settings: Settings) -> Shares:
    """Limits of concurrent look-ups."""
    given = settings.registry.look_ups
    return Shares(
        threads=given.threads,
        known_threads=given.known_threads,
        per_host=given.per_host,
        per_new_host=min(given.per_host, given.per_new_host),
        reserved=given.threads // 3,
        waiting_per_host=given.waiting_per_host,
    )


TAG_KEPT_S = 10.0
"""Seconds that a tag's digest is cached for reviews. A rewritten image runs as the digest that was verified."""


def registry(settings: Settings, http: HttpClient, mirrors: MirrorSource | None = None) -> Registry:
    """The client of image registries; responses for a digest never change and are cached.

    Args:
        mirrors: None: those that the settings name.

    Raises:
        InvalidSettings: a file of mirrors cannot be used.
    """
    return CachedRegistry(_upstream(settings, http, mirrors))


def _upstream(settings: Settings, http: HttpClient, mirrors: MirrorSource | None) -> HttpRegistry:
    given = settings.registry
    limits = replace(
        RegistryLimits(),
        manifest_max_bytes=given.limits.manifest_max_bytes,
        config_max_bytes=given.limits.config_max_bytes,
        tags_max=given.limits.tags_max,
    )
    return HttpRegistry(
        http,
        settings=RegistrySettings(
            insecure=frozenset(given.insecure),
            blocked=frozenset(given.blocked),
            watched_mirrors=mirrors or settings_mirrors(settings),
            realms=TokenRealms.with_known(given.token_realms),
        ),
        limits=limits,
    )


def evidence_answerers(
    settings: Settings,
    http: HttpClient,
    trust_states: TrustStates | None = None,
    *,
    first_use: Callable[[], None] = lambda: None,
    mirrors: MirrorSource | None = None,
) -> dict[type[Question], Answerer]:
    """Digests, signatures, trust data and vulnerabilities of images.

    Args:
        trust_states: remembers what was trusted; None: this process alone, until it ends.
        first_use: called when a repository's trust data is trusted without a pin.
        mirrors: of registries; None: those that the settings name.

    Raises:
        InvalidSettings: a pinned CA or a file of mirrors cannot be used.
    """
    cached = settings.cise is None or settings.cise.cache
    upstream = _upstream(settings, http, mirrors)
    images = CachedRegistry(upstream)
    digests = ManifestDigests(images, limits=DigestLimits(tag_s=TAG_KEPT_S) if cached else None)
    limits = SignatureLimits() if cached else SignatureLimits(accepted_s=0, refused_s=0)
    signatures = SignatureReader(images, LookasideHttp(http), OpenPgpVerifier(), limits=limits)
    advisor = settings.cise.va if settings.cise is not None else VulnerabilitySettings()
    found: dict[type[Question], Answerer] = {
        ManifestDigest: Answerer(
            digests.ask,
            cached=digests.cached,
            host=_registry_of_digest,
            refusal=lambda question: upstream.not_answering(question.image),
        ),
        AdvisorStatus: advisor_answerer(advisor, http, cached=cached),
        ImageSignatures: Answerer(signatures.ask, cached=signatures.cached, host=_registry_of_signatures),
        TrustedImage: trust_answerer(settings, http, trust_states, first_use=first_use),
    }
    if settings.scanner is not None:
        found[ImageScan] = scan_answerer(settings.scanner, images, upstream, http, cached=cached)
    return found


def _registry_of_digest(question: ManifestDigest) -> str:
    return question.image.with_docker_defaults().registry.lower()


def _registry_of_signatures(question: ImageSignatures) -> str:
    # The registry is asked before the signature store. The store is named by a policy and serves many registries:
    # a registry that hangs must not use up the store's share.
    return question.image.domain.lower()
