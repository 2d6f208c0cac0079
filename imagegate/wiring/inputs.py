"""The documents that decide, read together: all of them are good, or none of them counts."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from imagegate.adapters.access_files import FileAccessReviews, load_access_rules
from imagegate.adapters.config_files import load_config
from imagegate.adapters.files import ImageStreamsFromObjects, load_image_streams
from imagegate.behaviours import integrated_registries
from imagegate.core import image_questions as ask
from imagegate.core.access import Access, AccessAnswer
from imagegate.core.evidence import Lookup
from imagegate.core.image_streams import RegistryHosts
from imagegate.core.plugin import Question
from imagegate.errors import InvalidPolicy
from imagegate.policy.findings import Severity
from imagegate.policy.lint import lint
from imagegate.policy.master_config import MasterConfig
from imagegate.service.look_up import Answerer
from imagegate.service.policy_set import PolicySet
from imagegate.settings import Settings
from imagegate.wiring.chosen import Chosen
from imagegate.wiring.plugins import configured_plugins

_log = logging.getLogger(__name__)

IMAGE_STREAM_QUESTIONS = {
    ask.StreamTag: "stream_tag",
    ask.Stream: "stream",
    ask.StreamImage: "stream_image",
    ask.Image: "image",
    ask.PullSpecHolders: "pull_spec_holders",
    ask.Namespace: "namespace",
}
"""Question -> method of the ports ``ImageStreams`` and ``Namespaces``."""


class Inputs:
    """Reads the documents, and keeps what of them is not policy: image streams, images, namespaces."""

    def __init__(self, chosen: Chosen) -> None:
        self._chosen = chosen
        self._files: tuple[Path, ...] = tuple(chosen.files())
        self.images = ImageStreamsFromObjects()
        self.access = FileAccessReviews()

    def files(self) -> tuple[Path, ...]:
        """Everything whose change means reading again."""
        return self._files

    def load(self) -> PolicySet:
        """Read everything.

        Raises:
            ConfigError: something is wrong; what was read before stays.
        """
        settings = self._chosen.settings()
        config = _config(settings)
        paths = tuple(map(Path, settings.images))
        self._files = (*_documents(self._chosen, settings, config), *paths)
        images = load_image_streams(paths, hosts=_hosts(settings, config)) if paths else ImageStreamsFromObjects()
        access = FileAccessReviews(load_access_rules(Path(settings.access_rules)) if settings.access_rules else ())
        plugins = configured_plugins(settings, config)
        for name in config.ignored_plugins:
            _log.info("admission plug-in %s is none of imagegate's", name)
        policies = PolicySet(
            plugins=plugins,
            version=_version(settings, _documents(self._chosen, settings, config)),
            warnings=tuple(_warnings(settings, config)),
        )
        self.images, self.access = images, access
        return policies

    def answerers(self) -> dict[type[Question], Answerer]:
        """Who answers questions about image streams and rights: what was read last."""
        answerers: dict[type[Question], Answerer] = {
            question: Answerer(self._answer(method), immediate=True)
            for question, method in IMAGE_STREAM_QUESTIONS.items()
        }
        answerers[Access] = Answerer(self._access, immediate=True)
        return answerers

    def _access(self, question: Access, *, deadline_s: float) -> Lookup[AccessAnswer]:
        return self.access.access(question, deadline_s=deadline_s)

    def _answer(self, method: str) -> Any:
        def answer(question: Any, *, deadline_s: float) -> Any:
            return getattr(self.images, method)(question, deadline_s=deadline_s)

        return answer


def _config(settings: Settings) -> MasterConfig:
    if not settings.config:
        return MasterConfig()
    return load_config(Path(settings.config), settings.profile, strict_yaml=settings.strict_yaml)


def _warnings(settings: Settings, config: MasterConfig) -> Iterator[str]:
    """What lint says of the documents, but for what is only good to know."""
    named = bool(integrated_registries(settings, config.import_policy))
    for finding in lint(config, settings.profile, has_integrated_registry=named):
        if finding.severity is not Severity.INFO:
            yield str(finding)


def _hosts(settings: Settings, config: MasterConfig) -> RegistryHosts | None:
    internal = next(iter(integrated_registries(settings, config.import_policy)), "")
    external = next(iter(config.import_policy.external_registry_hostnames), "")
    return RegistryHosts(internal, external) if internal or external else None


def _documents(chosen: Chosen, settings: Settings, config: MasterConfig) -> Iterator[Path]:
    """The files that hold settings and policy."""
    yield from chosen.files()
    if settings.config:
        yield Path(settings.config)
    if settings.access_rules:
        yield Path(settings.access_rules)
    yield from map(Path, config.located_files)
    yield from map(Path, settings.policies)


def _version(settings: Settings, files: Iterator[Path]) -> str:
    """SHA-256 over the settings and the contents of the documents; where they lie does not matter."""
    digest = hashlib.sha256(settings.profile.encode())
    for path in files:
        inside = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
        for each in inside:
            try:
                content = each.read_bytes()
            except OSError as error:
                raise InvalidPolicy(f"{each}: cannot be read: {error.strerror or error}") from error
            digest.update(f"{len(content)}\0".encode())
            digest.update(content)
    return digest.hexdigest()
