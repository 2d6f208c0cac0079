"""Start-up options and their order: command line, environment, settings file, samples."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from imagegate.adapters.files.documents import DiskDocuments
from imagegate.core.profile import Profile
from imagegate.documents.yaml.source import decode_utf8, read_source
from imagegate.errors import ConfigError, InvalidSettings
from imagegate.ports.documents import Documents
from imagegate.settings.enforcement import CisePathSettings
from imagegate.settings.load import SETTINGS_VARIABLE, Settings, load_settings
from imagegate.settings.places import placed


def _unchanged(found: Settings) -> Settings:
    return found


_CHECKOUT = Path(__file__).resolve().parent.parent.parent


def samples_folder() -> Path:
    """Folder of the sample configuration: ``config`` of the checkout, else where setup.cfg installs it (data_files)."""
    if (_CHECKOUT / "setup.cfg").is_file():
        return _CHECKOUT / "config"
    return Path(sys.prefix) / "share" / "imagegate"


def manifests_folder() -> Path:
    """Folder of the manifests that install imagegate in a cluster, one file for each kind of cluster."""
    if (_CHECKOUT / "setup.cfg").is_file():
        return _CHECKOUT / "openshift/install"
    return Path(sys.prefix) / "share" / "imagegate" / "manifests"


@dataclass(frozen=True, slots=True, kw_only=True)
class StartupOptions:
    """The start-up options of one command. ``settings`` reads the settings file anew each time."""

    settings_file: Path | None = None
    config: Path | None = None
    policies: tuple[Path, ...] = ()
    images: tuple[Path, ...] = ()
    profile: Profile | None = None
    samples: bool = False
    """Fall back on the samples where no configuration is named anywhere."""
    manifests: bool = False
    """Check workloads too where a cluster checks only the Pods that they create."""
    without_cluster: bool = False
    """Ask no cluster, also where the settings name one."""
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    adapted: Callable[[Settings], Settings] = _unchanged
    """Changes settings after they were read."""

    def settings(self, documents: Documents | None = None) -> Settings:
        """The settings in force.

        Args:
            documents: where to read the settings file; by default from disk.

        Raises:
            InvalidSettings: the settings file or the environment is wrong.
        """
        path, documents = self.settings_file, documents or DiskDocuments()
        found = load_settings(path, environ=self.environ, read=documents.read)
        if self.samples and not self.names_policies(found):
            found = load_settings(_sample_settings(documents), environ=self.environ, read=documents.read)
        policies = tuple(map(str, self.policies)) or found.policies
        cise = found.cise
        if self.manifests and (cise is not None or policies):
            cise = replace(cise or CisePathSettings(), pods_only=False)
        found = replace(
            found,
            profile=self.profile or found.profile,
            config=str(self.config) if self.config else found.config,
            policies=policies,
            images=tuple(map(str, self.images)) or found.images,
            cise=cise,
            cluster=None if self.without_cluster else found.cluster,
        )
        return self.adapted(found)

    @contextmanager
    def placing(self) -> Iterator[None]:
        """Give errors about settings the file and line of the setting."""
        try:
            yield
        except ConfigError as error:
            lines = self._placed(error)
            if lines == error.lines:
                raise
            raise InvalidSettings(*lines) from error

    def _placed(self, error: ConfigError) -> tuple[str, ...]:
        file = next(self.files(), None)
        if file is None:
            return error.lines
        try:
            documents = read_source(decode_utf8(DiskDocuments().read(file), str(file)), str(file)).documents
        except (OSError, ConfigError):  # that is what the error says
            return error.lines
        return placed(error.lines, documents[0], file) if documents else error.lines

    def names_policies(self, found: Settings | None = None) -> bool:
        """True if policies are named anywhere, so that the samples are not used."""
        if self.named_settings or self.config or self.policies:
            return True
        found = found or load_settings(None, environ=self.environ)
        return bool(found.config or found.policies)

    @property
    def named_settings(self) -> Path | None:
        """The settings file, if one is named."""
        named = self.environ.get(SETTINGS_VARIABLE, "")
        return self.settings_file or (Path(named) if named else None)

    def files(self) -> Iterator[Path]:
        """The settings file, for watching it."""
        if self.named_settings is not None:
            yield self.named_settings
        elif self.samples and not self.names_policies():
            yield samples_folder() / "imagegate.yaml"


def _sample_settings(documents: Documents) -> Path:
    """The settings file of the samples.

    Raises:
        InvalidSettings: there are none, as after ``pip install --target``.
    """
    folder = samples_folder()
    path = folder / "imagegate.yaml"
    if not documents.is_file(path):
        raise InvalidSettings(
            f"no policies are named, and the samples are not in {folder}: "
            f"name some with --config, --policies, --settings or {SETTINGS_VARIABLE}"
        )
    return path
