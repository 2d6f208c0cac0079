"""The policies in force: one immutable set, replaced as a whole; the last good one stays in force."""

from __future__ import annotations

import enum
import logging
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

from imagegate.core.admission.decision import Decision, Denial, DenialCode
from imagegate.core.admission.plugin import Answers, Plugin, Question
from imagegate.core.admission.request import AdmissionRequest, Phase
from imagegate.core.admission.trace import Trace
from imagegate.core.kube.label_selector import LabelSelector
from imagegate.core.kube.status import Status
from imagegate.errors import ConfigError
from imagegate.service.review.lookups import Answerer

_log = logging.getLogger(__name__)


class Mode(enum.StrEnum):
    """Effect of a plug-in's denials. ``warn`` and ``audit`` never deny, and never change the object."""

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
        """Weakness of the mode in a namespace with ``labels``: 0 if it denies."""
        return _STRICTNESS.index(self.for_labels(labels))

    def strictest(self) -> Mode:
        """The mode to use if the namespace's labels cannot be looked up."""
        return min((self.default, *(mode for _, mode in self.by_namespace)), key=_STRICTNESS.index)


class RuleCounts(NamedTuple):
    """Size of a plug-in's policy, to tell a reload that changes a policy from one that loses it."""

    total: int = 0
    rejects: int = 0
    accepts: int = 0
    unconditional: int = 0
    """Accepting rules without a condition."""
    requirements: int = 0
    """Entries that require more than a matching name: signatures, reports."""
    enforced: int = 0
    """Rules that deny rather than warn."""
    namespaces: frozenset[str] = frozenset()
    """Namespaces with policies of their own."""
    content: Callable[[], frozenset[Hashable]] = frozenset
    """All rules as values, to tell which ones are still there."""


NO_RULES = RuleCounts()


@dataclass(frozen=True, slots=True)
class ConfiguredPlugin:
    """A plug-in and the modes of its denials."""

    plugin: Plugin
    modes: Modes = Modes()
    only_as: str = ""
    """Name of the only endpoint that runs it; empty: endpoints of the plug-in's own name, and those that run all."""
    rules: RuleCounts = NO_RULES
    watched_rules: int = 0
    """Rules of a cluster's policy objects, which ``rules`` does not count: objects are never half written."""
    settled: bool = False
    """True if its validating pass never differs for an object that its mutating pass allows unchanged."""
    warns_in: frozenset[Phase] = frozenset()
    """Passes in which it also judges the Pods that an admitted object makes, for warnings."""
    judges_alike: bool = False
    """True if an object that it covers is judged as its Pods will be, so that there is nothing left to warn of."""

    @property
    def rules_in_force(self) -> int:
        """Rules of documents and of a cluster's objects."""
        return self.rules.total + self.watched_rules

    @property
    def name(self) -> str:
        """Name that selects it."""
        return self.only_as or self.plugin.name


def _nothing() -> None:
    """There is nothing to do."""


_JUDGES_OF_PODS = frozenset(("image-policy", "always-pull", "cise"))


@dataclass(frozen=True)
class PolicySet:
    """Everything that decides, made from one reading of the documents. Shared by all threads."""

    plugins: tuple[ConfiguredPlugin, ...] = ()
    """In the order of the mutating pass."""
    version: str = ""
    """SHA-256 (hex) over the documents it was made from."""
    warnings: tuple[str, ...] = ()
    """Findings of ``lint`` about the documents that are not errors."""
    memory: Mapping[type[Question], Answerer] = field(default_factory=dict)
    """Adapters over the same documents. A review uses those of the policies it is decided by."""
    snapshot: Callable[[], object | None] | None = None
    """Token of the answers of ``memory`` now: see ``Answers.snapshot``."""
    begins: Callable[[], None] = _nothing
    """Called once, before these policies are put in force."""
    ending: str = "optional"
    """Proof that documents are complete: ``optional``, ``marker`` or ``checksum``."""
    weaker_after_s: float = 0
    """Seconds that documents of weaker policies must stay unchanged before they replace these."""
    renewal: Callable[[PolicySet], PolicySet] | None = None
    """Makes the same policies with a cluster's policy objects as they are now; the same set if none has changed."""
    outdated: Callable[[], bool] = lambda: False
    """True if something else than documents and policy objects has changed, so that they must be read again."""
    rule_places: Mapping[str, str] = field(default_factory=dict)
    """``FILE:LINE`` of ``executionRules[0]`` and the like, for commands that read the files; never in an answer."""
    objects: object = None
    """The policy objects in it, for ``renewal``."""

    def renewed(self) -> PolicySet:
        """These policies with a cluster's policy objects as they are now."""
        return self if self.renewal is None else self.renewal(self)

    @cached_property
    def names(self) -> frozenset[str]:
        """Names that select plug-ins."""
        return frozenset(each.name for each in self.plugins)

    @cached_property
    def every(self) -> tuple[ConfiguredPlugin, ...]:
        """Plug-ins that run if none is selected."""
        return tuple(each for each in self.plugins if not each.only_as)

    @cached_property
    def judges_pods(self) -> bool:
        """True if a plug-in that looks at the images of Pods is configured."""
        return not _JUDGES_OF_PODS.isdisjoint(each.plugin.name for each in self.plugins)

    def chain(self, names: Collection[str] | None) -> tuple[ConfiguredPlugin, ...]:
        """The plug-ins of ``names`` that are configured, in order; None: all."""
        if names is None:
            return self.every
        return tuple(each for each in self.plugins if each.name in names)


@dataclass(frozen=True)
class Unavailable(PolicySet):
    """Denies every request, whichever plug-ins are selected, because the policies cannot be read."""

    def chain(self, names: Collection[str] | None) -> tuple[ConfiguredPlugin, ...]:  # noqa: ARG002
        """All plug-ins, whatever is selected."""
        return self.plugins


def unavailable(why: str) -> Unavailable:
    """Policies of a process that could not read any: they deny everything."""
    return Unavailable((ConfiguredPlugin(_Denying(f"the policies cannot be read: {why}")),))


@dataclass(frozen=True, slots=True)
class _Denying:
    """A plug-in that denies everything."""

    because: str
    name: str = "policies"

    def covers(self, request: AdmissionRequest) -> bool:  # noqa: ARG002
        """Yes."""
        return True

    def questions(self, request: AdmissionRequest, answers: Answers) -> Iterable[Question]:  # noqa: ARG002
        """None."""
        return ()

    def decide(
        self,
        request: AdmissionRequest,  # noqa: ARG002
        answers: Answers,  # noqa: ARG002
        *,
        now: datetime,  # noqa: ARG002
        trace: Trace | None = None,  # noqa: ARG002
    ) -> Decision:
        """Denied, with code 500."""
        denial = Denial(code=DenialCode.INTERNAL_ERROR, image="", at="", rule="", because=self.because)
        status = Status(code=500, reason="InternalError", message=f"imagegate: {self.because}")
        return Decision(plugin=self.name, denials=(denial,), status=status)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Policies that are not put in force before there is a second reason."""

    since: datetime
    """Time since which the files have not changed."""
    reasons: tuple[str, ...]
    rules: tuple[str, ...]
    """``PLUGIN: BEFORE -> AFTER``."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Rules of each plug-in, if they were in force."""
    until: datetime | None = None
    """When they are put in force without SIGHUP; None: not at all."""

    def to_json(self) -> dict[str, Any]:
        """For operators and other processes; times in ISO 8601."""
        return {
            "since": self.since.isoformat(),
            "until": self.until and self.until.isoformat(),
            "reasons": list(self.reasons),
            "rules": list(self.rules),
            "counts": dict(self.counts),
        }

    def __str__(self) -> str:
        when = "SIGHUP puts it in force"
        if self.until is not None:
            when += f", or files that stay as they are until {self.until.isoformat(timespec='seconds')}"
        return "; ".join((*self.reasons, *self.rules)) + f"; {when}"


@dataclass(frozen=True, slots=True)
class ReloadState:
    """Result of the last attempt to read the documents."""

    at: datetime
    error: str = ""
    """Empty after a good one; else ``file:line: what``."""
    held: Held | None = None
    """Good documents that wait for a second reason."""
    restored: str = ""
    """Reason why the service started with stored documents, as long as they are in force; else empty."""


class PolicyHolder:
    """Holds the policy set in force. Reading ``current`` takes no lock.

    A set that cannot be read is never put in force: the last good one stays, and ``state`` says why.
    """

    def __init__(self, load: Callable[[], PolicySet], clock: Callable[[], datetime]) -> None:
        """Load for the first time.

        Raises:
            ConfigError: the documents are wrong, and there is no last good set.
        """
        self._clock = clock
        self._listener: Callable[[ReloadState], None] | None = None
        self.current = load()
        self.current.begins()
        self._state = ReloadState(clock())
        self._log_loaded()

    @property
    def state(self) -> ReloadState:
        """Result of the last attempt to read the documents."""
        return self._state

    @state.setter
    def state(self, state: ReloadState) -> None:
        self._state = state
        if self._listener is not None:
            self._listener(state)

    def listen(self, listener: Callable[[ReloadState], None]) -> None:
        """Call ``listener`` with the result of every attempt."""
        self._listener = listener

    def read(self, load: Callable[[], PolicySet]) -> PolicySet | str:
        """The result of ``load``, or the reason why it failed. Never raises."""
        try:
            return load()
        except ConfigError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - a bug in a reader must not take the last good set away
            _log.exception("unexpected error while reading policies")
            return f"internal error: {type(error).__name__}; see the log"

    def put(self, fresh: PolicySet) -> None:
        """Put policies in force."""
        fresh.begins()
        changed = fresh.version != self.current.version
        self.current = fresh
        self.state = ReloadState(self._clock())
        if changed:
            self._log_loaded()

    def renew(self) -> None:
        """Put policy objects of a cluster in force as they are now; how the documents were read stays as it was."""
        before, fresh = self.current, self.current.renewed()
        if fresh is before:
            return
        self.current = fresh
        self.state = self._state
        for warning in fresh.warnings:
            if warning not in before.warnings:
                _log.warning("%s", warning)
        if fresh.version != before.version:
            _log.info("policies of the cluster in force", extra={"version": fresh.version})

    def good(self) -> None:
        """The documents were read again, and are those in force."""
        self.state = ReloadState(self._clock())

    def restored(self, why: str) -> None:
        """Policies stored before the start are in force, since the files are wrong."""
        _log.error("policies of before the start are in force: %s", why, extra={"version": self.current.version})
        self.state = replace(self.state, restored=why)

    def keep(self, error: str) -> None:
        """The documents cannot be read: the last good ones stay in force."""
        if error != self.state.error:
            version = self.current.version
            _log.error("policies not reloaded, the last good ones stay in force: %s", error, extra={"version": version})
        self.state = ReloadState(self._clock(), error, restored=self.state.restored)

    def hold(self, held: Held) -> None:
        """Good documents wait for a second reason; what is in force stays."""
        if self.state.held is None or self.state.held.reasons != held.reasons:
            _log.error("policies not reloaded, they look like an accident: %s", held, extra={"rules": held.rules})
        self.state = ReloadState(self._clock(), held=held, restored=self.state.restored)

    def _log_loaded(self) -> None:
        for warning in self.current.warnings:
            _log.warning("%s", warning)
        _log.info(
            "policies in force",
            extra={"version": self.current.version, "plugins": sorted(self.current.names)},
        )
