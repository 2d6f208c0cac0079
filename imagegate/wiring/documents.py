"""The policy documents, read together: if one is wrong, none of them is put in force."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from imagegate.adapters.files.access_rules import AccessRule, FileAccessReviews, load_access_rules
from imagegate.adapters.files.config import load_config
from imagegate.adapters.files.documents import DiskDocuments, listed
from imagegate.adapters.files.image_streams import ImageStreamsFromObjects, load_image_streams
from imagegate.core.admission.access_review import Access, GrantedRules, Grantees
from imagegate.core.admission.owners import Owner
from imagegate.core.admission.plugin import Question
from imagegate.core.image_streams import questions as ask
from imagegate.core.image_streams.stream import RegistryHosts
from imagegate.core.import_gate.config import ImagePolicyBlock
from imagegate.core.profile import Profile
from imagegate.core.registry.mirrors import MirrorRule
from imagegate.core.registry.pull_secrets import PullSecret
from imagegate.documents.master_config import MasterConfig
from imagegate.errors import InvalidPolicy
from imagegate.ports.documents import Documents
from imagegate.ports.image_streams import ImageStreams
from imagegate.service.evidence.joint_snapshot import JointSnapshot
from imagegate.service.evidence.layered_image_streams import Layer, LayeredImageStreams
from imagegate.service.policies.policy_set import ConfiguredPlugin, PolicySet
from imagegate.service.review.lookups import Answerer
from imagegate.settings.load import Settings
from imagegate.wiring.behaviours import integrated_registries, plugin_modes
from imagegate.wiring.choices import StartupOptions
from imagegate.wiring.completeness import check_whole, checksum_file
from imagegate.wiring.mirrors import MirrorSource, mirror_source
from imagegate.wiring.namespaces import known_labels, of_some, unmatched_selectors
from imagegate.wiring.node_credentials import node_secrets
from imagegate.wiring.plugins import configured_plugins, enforces_images
from imagegate.wiring.record_keys import RecordKeys
from imagegate.wiring.watched_policies import Renewal

if TYPE_CHECKING:
    from imagegate.adapters.files.cluster import ClusterFiles
    from imagegate.adapters.kubernetes_api.image_config import ImageConfigNow
    from imagegate.service.evidence.openshift4_image_cache import CachedImages
    from imagegate.wiring.cluster import Cluster
    from imagegate.wiring.stores import OpenedStore

_log = logging.getLogger(__name__)


class _Configured(NamedTuple):
    """Settings and configuration, as read."""

    settings: Settings
    config: MasterConfig
    image_config: ImageConfigNow | None
    """The cluster's own; None where it is not asked."""
    files: tuple[Path, ...]
    """That hold settings and policy."""
    images: tuple[Path, ...]
    """Files and folders of image streams."""


class _Judging(NamedTuple):
    """The plug-ins, and what only they need."""

    plugins: tuple[ConfiguredPlugin, ...]
    warnings: tuple[str, ...] = ()
    look_ups: Mapping[type[Question], Any] = MappingProxyType({})
    renewal: Renewal | None = None


class PolicyDocuments:
    """Reads the documents: policies, and what else they hold: image streams, namespaces, Secrets, roles."""

    def __init__(
        self,
        chosen: StartupOptions,
        store: OpenedStore | None = None,
        *,
        whole: bool = False,
        cluster: Cluster | None = None,
    ) -> None:
        """Nothing is read yet.

        Args:
            store: its image streams take precedence over those from files.
            cluster: answers what otherwise files do: namespaces, Secrets, service accounts, owners, rights of users.
            whole: be ready for everything that a later change of the settings may turn on.
        """
        self._chosen = chosen
        self._whole = whole
        self._store = store
        self._cluster = cluster
        self.hosts = RegistryHosts()
        """Of the integrated registry, as the documents name them now."""
        self.imports = ImagePolicyBlock()
        """How images are imported."""
        self.node_secrets: tuple[PullSecret, ...] = ()
        """Credentials of the nodes."""
        self._mirrors: MirrorSource = lambda: None
        self._files: tuple[Path, ...] = tuple(chosen.files())
        self._methods: Mapping[type[Question], Any] = {}
        self._streams: Layer = ImageStreamsFromObjects()
        self._record_keys = RecordKeys(chosen.environ, keeps=whole)

    def files(self) -> tuple[Path, ...]:
        """Everything whose change means reading again."""
        return self._files

    def mirrors(self) -> Sequence[MirrorRule] | None:
        """Mirrors of registries, as the documents name them now; None while they are not known."""
        return self._mirrors()

    def load(self, documents: Documents | None = None) -> PolicySet:
        """Read everything, by default from disk.

        Nothing counts before the policies ``begins``; what was read before stays.

        Raises:
            ConfigError: something is wrong.
        """
        before = self._files
        # also what turns out to be wrong, to see it repaired
        self._files = tuple(dict.fromkeys((*self._chosen.files(), *before)))
        documents = documents or DiskDocuments()
        try:
            return self._load(documents, before)
        except OSError as error:  # a folder, or a file that no reader handles
            raise InvalidPolicy(f"{error.filename}: cannot be read: {error.strerror or error}") from error

    def _load(self, documents: Documents, before: tuple[Path, ...]) -> PolicySet:
        read = self._configured(documents, before)
        settings, config = read.settings, read.config
        hosts = _hosts(settings, config)
        files = load_image_streams(read.images, hosts=hosts, documents=documents)
        streams = self._image_streams(files, hosts)
        mirrors = mirror_source(settings, self._cluster, documents)
        secrets = node_secrets(settings, documents)
        judging = self._judging(read, files, mirrors, secrets, documents)
        methods = {**self._look_ups(settings, streams, documents), **judging.look_ups}
        version = _version(settings, read.files, documents, read.image_config)
        authorities = Path(config.import_policy.additional_trusted_ca)  # PEM has an end of its own
        checked = (*(path for path in read.files if path != authorities), *read.images)
        check_whole(checked, documents, settings.documents.ending)
        for name in config.ignored_plugins:
            _log.info("admission plug-in %s is none of imagegate's", name)
        if self._cluster is not None:
            for asked in self._cluster.answerers():
                methods.pop(asked, None)

        def begins() -> None:
            self._fill(files)
            self._methods, self._streams = methods, streams
            self.hosts, self.imports = hosts or RegistryHosts(), config.import_policy
            self.node_secrets, self._mirrors = secrets, mirrors

        found = PolicySet(
            plugins=judging.plugins,
            version=version,
            warnings=(*map(str, config.warnings), *judging.warnings, *documents.passed_over()),
            memory={question: Answerer(method, immediate=True) for question, method in methods.items()},
            snapshot=streams.snapshot
            if self._cluster is None
            else JointSnapshot(streams.snapshot, self._cluster.snapshot),
            begins=begins,
            weaker_after_s=settings.documents.weaker_after_s,
            ending=settings.documents.ending,
            outdated=self._outdated(read.image_config),
            rule_places=_rule_places(config),
        )
        return found if judging.renewal is None else judging.renewal.first(found)

    def _configured(self, documents: Documents, before: tuple[Path, ...]) -> _Configured:
        """Read settings and configuration, and follow all files that they name from now on.

        Args:
            documents: where files are read.
            before: the files that were followed until now. They stay until all is read: what is wrong is seen repaired.
        """
        settings = self._chosen.settings(documents)
        images = tuple(map(Path, settings.images))
        known = _documents(self._chosen, settings, MasterConfig())
        self._files = tuple(dict.fromkeys((*known, *images, *before)))
        source = None if self._cluster is None else self._cluster.image_config
        image_config = None if source is None else source.now()
        config = _config(settings, documents, image_config)
        files = tuple(_documents(self._chosen, settings, config))
        key_file = settings.cise.record_key_file if settings.cise is not None else ""
        others = tuple(map(Path, (*settings.registry.node_credentials, *settings.registry.mirror_sets)))
        watched = (*files, *images, *others, *([Path(key_file)] if key_file else ()))
        self._files = tuple(dict.fromkeys((*watched, *map(checksum_file, watched))))
        return _Configured(settings, config, image_config, files, images)

    def _outdated(self, image_config: ImageConfigNow | None) -> Callable[[], bool]:
        """True once the cluster has another image configuration than the one that was read."""
        source = None if self._cluster is None else self._cluster.image_config
        return lambda: source is not None and source.now() is not image_config

    def _look_ups(self, settings: Settings, streams: Layer, documents: Documents) -> dict[type[Question], Any]:
        """Look-ups that files answer, whatever the plug-ins are."""
        reviews = FileAccessReviews(_access_rules(settings, documents))
        return {
            **_image_methods(settings, streams),
            Access: reviews.access,
            GrantedRules: reviews.rules,
            Grantees: reviews.holders,
        }

    def _judging(
        self,
        read: _Configured,
        files: ImageStreamsFromObjects,
        mirrors: MirrorSource,
        secrets: tuple[PullSecret, ...],
        documents: Documents,
    ) -> _Judging:
        """The plug-ins, and what only they need."""
        settings, config = read.settings, read.config
        warnings: tuple[str, ...] = ()
        if self._whole and self._cluster is None:
            objects = None if self._store is None else self._store.objects
            warnings = tuple(unmatched_selectors(plugin_modes(settings), known_labels(files, objects)))
        if not self._whole and not enforces_images(settings):
            return _Judging(configured_plugins(settings, config, mirrors=mirrors), warnings)
        cluster = _cluster_files(settings, documents)
        key = self._record_keys.of(settings, documents) if enforces_images(settings) else None
        watched = None if self._cluster is None else self._cluster.policies
        if settings.policies and watched is None and not cluster.policies.policies:
            paths = ", ".join(settings.policies)
            warnings += (f"{paths}: no ImagePolicy and no ClusterImagePolicy is there, so every image is denied",)
        return _Judging(
            configured_plugins(settings, config, cluster.policies, key, mirrors, node_secrets=secrets),
            (*warnings, *map(str, cluster.policies.warnings)),
            _cluster_methods(cluster),
            None if watched is None else Renewal(cluster.policies, watched),
        )

    def _image_streams(self, files: ImageStreamsFromObjects, hosts: RegistryHosts | None) -> Layer:
        """Image streams from files, under those of the cluster or of the store if there are any."""
        if self._cluster is not None and self._cluster.image_streams is not None:
            return LayeredImageStreams(self._cluster.image_streams, files)
        if self._store is None:
            return files
        return LayeredImageStreams(self._store.image_streams(hosts or RegistryHosts()), files)

    def _fill(self, files: ImageStreamsFromObjects) -> None:
        """Add to the store the objects from files that it lacks."""
        if self._store is None:
            return
        from imagegate.ports.image_store import StoreError  # what takes time to import is imported when used
        from imagegate.wiring.seed_store import seed_store

        try:
            seed_store(self._store.objects, files.storable())
        except StoreError as error:
            _log.warning("image streams from files do not show in the image API: %s", error)

    def answerers(self) -> dict[type[Question], Answerer]:
        """Look-ups in the documents; they always use those that were read last."""
        return {question: Answerer(self._answer, immediate=True) for question in self._methods}

    def snapshot(self) -> object | None:
        """Token of the present state of everything that is looked up in memory; see ``Answers.snapshot``."""
        return self._streams.snapshot()

    def _answer(self, question: Any, /, *, deadline_s: float) -> Any:
        return self._methods[type(question)](question, deadline_s=deadline_s)


def _cluster_files(settings: Settings, documents: Documents) -> ClusterFiles:
    """Policies, Secrets, service accounts and owners."""
    from imagegate.adapters.files.cluster import load_cluster_files  # what takes time to import is imported when used
    from imagegate.documents.image_policies import Reading

    domain = settings.cise.cluster_domain if settings.cise is not None else ""
    return load_cluster_files(map(Path, settings.policies), Reading(cluster_domain=domain), documents)


def _cluster_methods(files: ClusterFiles) -> dict[type[Question], Any]:
    """Look-ups of Secrets, service accounts and owners."""
    from imagegate.core.enforcement.questions import Secret, ServiceAccount

    return {Secret: files.secret, ServiceAccount: files.service_account, Owner: files.owner}


def _image_methods(settings: Settings, streams: Any) -> dict[type[Question], Any]:
    """Look-ups of image streams, their images and namespaces."""
    methods: dict[type[Question], Any] = {
        ask.StreamTag: streams.stream_tag,
        ask.Stream: streams.stream,
        ask.StreamImage: streams.stream_image,
        ask.Image: streams.image,
        ask.PullSpecHolders: streams.pull_spec_holders,
        ask.Namespace: of_some(streams.namespace),
    }
    if settings.profile is Profile.OPENSHIFT_4:
        from imagegate.service.evidence.openshift4_image_cache import CachedImages  # takes time: imported when used

        cached: ImageStreams | CachedImages = CachedImages(streams, time.monotonic)
        methods[ask.Image], methods[ask.StreamTag] = cached.image, cached.stream_tag
        methods[ask.StreamImage] = cached.stream_image
    return methods


def _access_rules(settings: Settings, documents: Documents) -> tuple[AccessRule, ...]:
    return load_access_rules(Path(settings.access_rules), documents) if settings.access_rules else ()


def _config(settings: Settings, documents: Documents, cluster: ImageConfigNow | None) -> MasterConfig:
    """The configuration of the file, completed by the cluster's."""
    config = MasterConfig()
    if settings.config:
        path = Path(settings.config)
        config = load_config(path, settings.profile, strict_yaml=settings.strict_yaml, documents=documents)
    if cluster is None:
        return config
    from imagegate.documents.image_config import merged, read_image_config

    unavailable = ImagePolicyBlock(unavailable=cluster.unavailable)
    own = unavailable if cluster.unavailable else read_image_config(cluster.found, settings.profile)
    if own.unavailable:
        _log.error("images cannot be imported: %s", own.unavailable)
    return replace(config, import_policy=merged(config.import_policy, own))


def _hosts(settings: Settings, config: MasterConfig) -> RegistryHosts | None:
    internal = next(iter(integrated_registries(settings, config.import_policy)), "")
    external = next(iter(config.import_policy.external_registry_hostnames), "")
    return RegistryHosts(internal, external) if internal or external else None


def _documents(chosen: StartupOptions, settings: Settings, config: MasterConfig) -> Iterator[Path]:
    """The files that hold settings and policy."""
    yield from chosen.files()
    if settings.config:
        yield Path(settings.config)
    yield from map(Path, config.located_files)
    yield from map(Path, settings.policies)
    if settings.access_rules:
        yield Path(settings.access_rules)


def _rule_places(config: MasterConfig) -> dict[str, str]:
    """File and line of each rule of a configuration."""
    lines = enumerate(config.import_policy.allowed_registry_lines)
    imports = {f"allowedRegistriesForImport[{index}]": f"{config.file}:{line}" for index, line in lines}
    return imports | {place: f"{file}:{line}" for place, (file, line) in config.places.items()}


def _version(
    settings: Settings, files: Iterable[Path], documents: Documents, image_config: ImageConfigNow | None
) -> str:
    """SHA-256 over the settings and the contents of the documents; where they lie does not matter."""
    digest = hashlib.sha256(settings.profile.encode())
    if image_config is not None:
        digest.update(repr((image_config.found, image_config.unavailable)).encode())
    for path in files:
        for each in listed([path], documents):
            content = documents.read(each)
            digest.update(f"{len(content)}\0".encode())
            digest.update(content)
    return digest.hexdigest()
