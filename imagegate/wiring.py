"""Settings to a running service: the one place that knows every concrete class."""

from __future__ import annotations

import hashlib
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from imagegate.adapters.config_files import load_config
from imagegate.adapters.file_watch import FileWatch
from imagegate.adapters.files import ImageStreamsFromObjects, load_image_streams
from imagegate.adapters.json_lines import JsonLines
from imagegate.core import image_questions as ask
from imagegate.core.always_pull import AlwaysPullPlugin
from imagegate.core.image_policy_behaviour import Behaviour, openshift_4
from imagegate.core.image_policy_plugin import ImagePolicyPlugin
from imagegate.core.image_streams import RegistryHosts
from imagegate.core.plugin import Plugin, Question
from imagegate.core.profile import Profile
from imagegate.errors import InvalidPolicy
from imagegate.policy.master_config import MasterConfig
from imagegate.service.audit import DecisionLog
from imagegate.service.look_up import Answerer, Count, LookUp
from imagegate.service.policy_set import ConfiguredPlugin, Modes, PolicyHolder, PolicySet
from imagegate.service.review import Recorder, Reviewer

SAMPLES = Path(__file__).resolve().parent.parent / "config"
"""Where the samples are: beside the package."""

_log = logging.getLogger(__name__)


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where everything comes from that decides."""

    config: Path | None = None
    """A master-config.yaml or a stand-alone ImagePolicyConfig."""
    images: tuple[Path, ...] = ()
    """image.openshift.io objects and namespaces."""
    settings: tuple[Path, ...] = ()
    """Other files whose change means reading again."""
    profile: Profile = Profile.DOCUMENTED
    strict_yaml: bool = False
    behaviour: Mapping[str, Any] = field(default_factory=dict)
    """Fields of ``Behaviour`` that differ from the profile's."""
    modes: Mapping[str, Modes] = field(default_factory=dict)
    """By plug-in name; ``enforce`` where nothing is said."""
    watch_every_s: float = 1.0


@dataclass(slots=True)
class Service:
    """What entry points need of the whole."""

    sources: Sources
    policies: PolicyHolder
    look_up: LookUp
    reviewer: Reviewer
    watch: FileWatch

    def not_ready(self) -> list[str]:
        """What the service still waits for; empty once it can answer."""
        return []


class _Inputs:
    """Reads the documents; keeps what was read that is not policy."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._located: tuple[str, ...] = ()
        self.images = ImageStreamsFromObjects()

    def files(self) -> Iterator[Path]:
        """Everything whose change means reading again."""
        sources = self._sources
        if sources.config is not None:
            yield sources.config
        yield from sources.images
        yield from sources.settings
        yield from map(Path, self._located)

    def load(self) -> PolicySet:
        """Read everything; nothing is kept unless all of it is good.

        Raises:
            ConfigError: a document is wrong.
        """
        sources = self._sources
        config = _config(sources)
        self._located = config.located_files
        images = load_image_streams(sources.images, hosts=_hosts(config)) if sources.images else self.images
        plugins = tuple(
            ConfiguredPlugin(plugin, sources.modes.get(plugin.name, Modes())) for plugin in _plugins(config, sources)
        )
        for name in config.ignored_plugins:
            _log.info("admission plug-in %s is none of imagegate's", name)
        self.images = images
        return PolicySet(
            plugins=plugins, version=_version(self.files()), warnings=tuple(str(remark) for remark in config.warnings)
        )

    def answerers(self) -> dict[type[Question], Answerer]:
        """Who answers what."""
        names = {
            ask.StreamTag: "stream_tag",
            ask.Stream: "stream",
            ask.StreamImage: "stream_image",
            ask.Image: "image",
            ask.PullSpecHolders: "pull_spec_holders",
            ask.Namespace: "namespace",
        }
        return {kind: Answerer(self._from_images(name), immediate=True) for kind, name in names.items()}

    def _from_images(self, name: str) -> Any:
        def answer(question: Any, *, deadline_s: float) -> Any:
            return getattr(self.images, name)(question, deadline_s=deadline_s)

        return answer


def build(
    sources: Sources, *, recorders: Sequence[Recorder] = (), count: Count | None = None, log_decisions: bool = True
) -> Service:
    """Everything, built and loaded; no thread is started.

    Raises:
        ConfigError: a document is wrong.
    """
    inputs = _Inputs(sources)
    policies = PolicyHolder(inputs.load, now)
    look_up = LookUp(inputs.answerers(), count=count)
    if log_decisions:
        recorders = (DecisionLog(JsonLines(sys.stderr.fileno()), now), *recorders)
    reviewer = Reviewer(policies, look_up, clock=now, recorders=recorders)
    watch = FileWatch(inputs.files, policies.reload, every_s=sources.watch_every_s)
    return Service(sources, policies, look_up, reviewer, watch)


def _config(sources: Sources) -> MasterConfig:
    if sources.config is None:
        return MasterConfig()
    return load_config(sources.config, sources.profile, strict_yaml=sources.strict_yaml)


def _hosts(config: MasterConfig) -> RegistryHosts | None:
    block = config.import_policy
    if not block.internal_registry_hostname and not block.external_registry_hostnames:
        return None
    return RegistryHosts(block.internal_registry_hostname, (block.external_registry_hostnames or ("",))[0])


def _plugins(config: MasterConfig, sources: Sources) -> Iterator[Plugin]:
    """Those that are configured, in the order of the mutating pass."""
    if config.image_policy is not None:
        yield ImagePolicyPlugin(config.image_policy, _behaviour(config, sources))
    if config.always_pull:
        yield AlwaysPullPlugin()


def _behaviour(config: MasterConfig, sources: Sources) -> Behaviour:
    name = config.import_policy.internal_registry_hostname
    if sources.profile is Profile.OPENSHIFT_4:
        preset = openshift_4(name)
    else:
        preset = Behaviour(integrated_registries=(name,) if name else ())
    return replace(preset, **sources.behaviour)


def _version(files: Iterator[Path]) -> str:
    """SHA-256 over names and contents of the documents."""
    digest = hashlib.sha256()
    for path in files:
        inside = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
        for each in inside:
            try:
                content = each.read_bytes()
            except OSError as error:
                raise InvalidPolicy(f"{each}: cannot be read: {error.strerror or error}") from error
            digest.update(f"{each.name}\0{len(content)}\0".encode())
            digest.update(content)
    return digest.hexdigest()


def sources_from(
    *,
    config: Path | None = None,
    policies: Sequence[Path] = (),
    images: Sequence[Path] = (),
    settings: Path | None = None,
    profile: str | None = None,
    samples: bool = False,
) -> Sources:
    """What is named, over settings file and environment.

    Raises:
        ConfigError: the settings file is wrong.
    """
    if config is None and samples:
        config = SAMPLES / "master-config.yaml"
    return Sources(config=config, images=tuple(images), profile=Profile(profile or Profile.DOCUMENTED))
