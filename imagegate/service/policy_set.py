"""The policies in force: one immutable set, swapped whole, the last good one kept."""

from __future__ import annotations

import enum
import logging
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from imagegate.core.label_selector import LabelSelector
from imagegate.core.plugin import Plugin
from imagegate.errors import ConfigError

_log = logging.getLogger(__name__)


class Mode(enum.StrEnum):
    """What a denial of a plug-in does. ``warn`` and ``audit`` never deny, and never change the object."""

    ENFORCE = "enforce"
    WARN = "warn"
    """Admitted; the user sees the text as a warning."""
    AUDIT = "audit"
    """Admitted; the text goes to the API server's audit log only."""


_STRICTNESS = (Mode.ENFORCE, Mode.WARN, Mode.AUDIT)


@dataclass(frozen=True, slots=True)
class Modes:
    """The mode of one plug-in, which may differ by the labels of the request's namespace."""

    default: Mode = Mode.ENFORCE
    by_namespace: tuple[tuple[LabelSelector, Mode], ...] = ()
    """The first selector that matches decides."""

    def for_labels(self, labels: dict[str, str]) -> Mode:
        """The mode in a namespace with ``labels``."""
        for selector, mode in self.by_namespace:
            if selector.matches(labels):
                return mode
        return self.default

    def weakness(self, labels: dict[str, str]) -> int:
        """How little a denial counts in a namespace with ``labels``: 0 where it denies."""
        return _STRICTNESS.index(self.for_labels(labels))

    def strictest(self) -> Mode:
        """The mode where the namespace's labels cannot be had."""
        return min((self.default, *(mode for _, mode in self.by_namespace)), key=_STRICTNESS.index)


@dataclass(frozen=True, slots=True)
class ConfiguredPlugin:
    """A plug-in and how seriously it is taken."""

    plugin: Plugin
    modes: Modes = Modes()
    only_as: str = ""
    """Asked only where this name is asked for; empty: by the plug-in's own name, and where all are asked."""
    settled: bool = False
    """Of an object that its mutating pass allows as it is, its validating pass never says anything else."""

    @property
    def name(self) -> str:
        """What it is asked for by."""
        return self.only_as or self.plugin.name


@dataclass(frozen=True)
class PolicySet:
    """Everything that decides, made from one reading of the documents. Shared by all threads."""

    plugins: tuple[ConfiguredPlugin, ...] = ()
    """In the order of the mutating pass."""
    version: str = ""
    """SHA-256 (hex) over the documents it was made from."""
    warnings: tuple[str, ...] = ()
    """What ``lint`` would say of the documents, without being an error."""

    @cached_property
    def names(self) -> frozenset[str]:
        """The names by which plug-ins may be asked for."""
        return frozenset(each.name for each in self.plugins)

    @cached_property
    def every(self) -> tuple[ConfiguredPlugin, ...]:
        """The plug-ins that are asked where none is named."""
        return tuple(each for each in self.plugins if not each.only_as)

    def chain(self, names: Collection[str] | None) -> tuple[ConfiguredPlugin, ...]:
        """The plug-ins of ``names`` that are configured, in order; None: all."""
        if names is None:
            return self.every
        return tuple(each for each in self.plugins if each.name in names)


@dataclass(frozen=True, slots=True)
class ReloadState:
    """How the last attempt to read the documents ended."""

    at: datetime
    error: str = ""
    """Empty after a good one; else ``file:line: what``."""


class PolicyHolder:
    """Holds the policy set in force. Reading ``current`` takes no lock.

    A set that cannot be read is never put in force: the last good one stays, and ``state`` says why.
    """

    def __init__(self, load: Callable[[], PolicySet], clock: Callable[[], datetime]) -> None:
        """Load for the first time.

        Raises:
            ConfigError: the documents are wrong; there is no last good set to fall back on.
        """
        self._load = load
        self._clock = clock
        self._reloading = threading.Lock()
        self._listener: Callable[[bool], None] | None = None
        self.current = load()
        self.state = ReloadState(clock())
        self._log_loaded()

    def listen(self, listener: Callable[[bool], None]) -> None:
        """Have ``listener`` told after every reload whether it was good."""
        self._listener = listener

    def reload(self) -> bool:
        """Read the documents again; whether they were good. Never raises."""
        with self._reloading:
            good = self._reload()
            if self._listener is not None:
                self._listener(good)
            return good

    def _reload(self) -> bool:
        try:
            fresh = self._load()
        except ConfigError as error:
            return self._keep(str(error))
        except Exception as error:  # noqa: BLE001 - a bug in a reader must not take the last good set away
            _log.exception("unexpected error while reading policies")
            return self._keep(f"internal error: {type(error).__name__}; see the log")
        changed = fresh.version != self.current.version
        self.current = fresh
        self.state = ReloadState(self._clock())
        if changed:
            self._log_loaded()
        return True

    def _keep(self, error: str) -> bool:
        self.state = ReloadState(self._clock(), error)
        version = self.current.version
        _log.error("policies not reloaded, the last good ones stay in force: %s", error, extra={"version": version})
        return False

    def _log_loaded(self) -> None:
        for warning in self.current.warnings:
            _log.warning("%s", warning)
        _log.info(
            "policies in force",
            extra={"version": self.current.version, "plugins": sorted(self.current.names)},
        )
