"""Builds everything that reviews, the image API and the console need."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, NamedTuple, ParamSpec

from imagegate.adapters.records.json_lines import JsonLines, lines_on
from imagegate.adapters.records.recent_records import RecentRecords
from imagegate.core.admission.access_review import AccessQuestion
from imagegate.core.admission.lookup import Lookup
from imagegate.core.admission.plugin import Question
from imagegate.core.admission.trace import Step, Trace
from imagegate.errors import InvalidSettings
from imagegate.service.health import Check
from imagegate.service.policies.policy_set import PolicyHolder
from imagegate.service.review.decision_log import DecisionLog
from imagegate.service.review.lookups import Answerer, Count, Deadline, LookUp
from imagegate.service.review.recording import Recording, Sink
from imagegate.service.review.reviewer import Recorder, Reviewer
from imagegate.settings.certificate import FILES
from imagegate.settings.load import Settings
from imagegate.wiring.choices import StartupOptions
from imagegate.wiring.documents import PolicyDocuments
from imagegate.wiring.guard import lockout_check
from imagegate.wiring.plugins import enforces_images
from imagegate.wiring.tracing import tracer
from imagegate.wiring.turns import turn_checks

if TYPE_CHECKING:
    from imagegate.adapters.http.circuits import Circuits
    from imagegate.adapters.http.client import HttpClient
    from imagegate.adapters.otel.tracer import OtelTracer
    from imagegate.ports.content_trust import TrustStates
    from imagegate.service.certificates.follower import CertificateFollower
    from imagegate.service.certificates.served import Serving
    from imagegate.service.denial_events.teller import DenialEvents
    from imagegate.service.guard.at_start import LockoutCheck
    from imagegate.service.policies.owner import PolicyOwner
    from imagegate.service.policies.sources import Beginning
    from imagegate.service.review.lookup_shares import Shares
    from imagegate.wiring.aggregation import Aggregation
    from imagegate.wiring.cluster import Cluster
    from imagegate.wiring.image_api import ImageService
    from imagegate.wiring.stores import OpenedStore

P = ParamSpec("P")
_log = logging.getLogger(__name__)

STORE = "store"
"""The check of the store."""
ACCESS_WITHIN_S = 5.0


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Runtime:
    """The parts of a running service that entry points use."""

    settings: Settings
    """As read at the start; those that affect decisions are read again with the documents."""
    policies: PolicyHolder
    look_up: LookUp
    reviewer: Reviewer
    recording: Recording
    recent: RecentRecords
    """The last decisions, if they are logged."""
    images: ImageService | None = None
    """The image API, where there is a store for it."""
    owner: PolicyOwner | None = None
    """Follows the files; None in commands that read them once."""
    circuits: Circuits | None = None
    """Circuit breakers of registries and other servers, where any are contacted."""
    cluster: Cluster | None = None
    """The cluster whose API is asked, if the settings name one."""
    denial_events: DenialEvents | None = None
    """Tells the owners of denied objects, if the settings want it."""
    tracer: OtelTracer | None = None
    """Traces reviews, if the settings want it."""
    certificate_follower: CertificateFollower | None = None
    """Brings the serving certificate from its Secret; None where it comes from files."""
    certificate: Serving | None = None
    """The serving certificate; None without TLS, or where another server serves it."""
    aggregation: Aggregation | None = None
    """Callers of the image API, where the cluster's API server hands requests on to it."""
    checks: list[Check] = field(default_factory=list)
    """Checks that ``/readyz`` reports."""
    ends: Callable[[], bool] = lambda: False
    """True once the service is stopping. Set by the server that runs it."""

    def store_trouble(self) -> str:
        """Why the store cannot be read; empty if it can, and where there is none."""
        return "" if self.images is None else self.images.store.trouble()

    def trace_watches(self, trace: Trace) -> None:
        """Add how old the copies of a cluster's objects are that a decision is made with."""
        for watch in () if self.cluster is None else self.cluster.watches():
            if watch.synced:
                outcome, because = "known", f"the API server was last heard from {watch.age_s:.0f} s ago"
            elif watch.asked:
                outcome, because = "not known", watch.failure
            else:
                continue
            trace.add("", Step("watched", watch.kind, outcome, because, {"objects": str(watch.objects)}))

    def not_ready(self) -> list[str]:
        """Problems that keep the service from serving, as ``NAME: PROBLEM``; empty if there are none."""
        return [f"{check.name}: {problem}" for check in self.checks if check.stops and (problem := check.problem())]

    def before_fork(self) -> None:
        """Load the newest policies, so that a process that is forked now starts with them."""
        if self.owner is not None:
            self.owner.catch_up()

    def start_worker(self, followed: Callable[[int, str], None]) -> None:
        """Follow the policies and the cluster from now on, in a process that serves.

        Args:
            followed: called from time to time with the generation of the policies in force and, if the files cannot be
                followed, the reason.
        """
        if self.owner is not None:
            self.owner.start(followed)
        if self.cluster is not None:
            self.cluster.start(self._renew)
        if self.certificate_follower is not None:
            self.certificate_follower.start()
        if self.aggregation is not None:
            self.aggregation.start()

    def _renew(self) -> None:
        """Put the policy objects of the cluster in force as they are now."""
        if self.owner is not None:
            self.owner.renew()

    def reload(self) -> None:
        """Read the files again at an operator's request: weaker policies are put in force at once."""
        if self.owner is not None:
            self.owner.reload()


def _placing(
    function: Callable[Concatenate[StartupOptions, P], Runtime],
) -> Callable[Concatenate[StartupOptions, P], Runtime]:
    """Errors about settings get file and line."""

    @wraps(function)
    def placed(chosen: StartupOptions, /, *positional: P.args, **named: P.kwargs) -> Runtime:
        with chosen.placing():
            return function(chosen, *positional, **named)

    return placed


@_placing
def build(
    chosen: StartupOptions,
    *,
    recorders: Sequence[Recorder] = (),
    sinks: Sequence[Sink] = (),
    count: Count | None = None,
    refused: Count | None = None,
    first_use: Callable[[], None] = lambda: None,
    log_decisions: bool = False,
    keeps_images: bool = False,
    follows: bool = False,
    shared: Path | None = None,
    evidence: Mapping[type[Question], Answerer] | None = None,
) -> Runtime:
    """Everything that reviews need. No thread is started.

    Args:
        recorders: called with every decision, by the thread that made it.
        sinks: get what is recorded of the decisions, in batches.
        count: called for every look-up.
        refused: called for every look-up that was refused; see ``LookUp``.
        first_use: called when an image's trust data is trusted without a pin.
        log_decisions: write a line for every decision to standard error.
        keeps_images: open the store, and serve the image API from it.
        follows: watch the files and, with a store, remember the policies in force over a restart.
        shared: a folder for the processes of one service; None: this process is the only one.
        evidence: answers to the questions about images, instead of registries and other servers; None: ask these.

    Raises:
        ConfigError: the settings or a document is wrong.
    """
    settings = _settings(chosen, follows=follows)
    cluster = _cluster(settings, follows=follows, keeps=keeps_images)
    store = _store(chosen, settings, cluster) if keeps_images else None
    inputs = PolicyDocuments(chosen, store, whole=keeps_images, cluster=cluster)
    check = lockout_check(cluster, clock=now)
    beginning = _beginning(chosen, settings, inputs, store, check) if follows else None
    policies = PolicyHolder(inputs.load if beginning is None else lambda: beginning.policies, now)
    answerers = inputs.answerers()
    if cluster is not None:
        answerers |= cluster.answerers()
    servers = None
    if evidence is not None:
        answerers |= evidence
    elif keeps_images or enforces_images(settings):
        servers = _servers(settings, inputs, _trust_states(settings, store, keeps=keeps_images), first_use)
        answerers |= servers.answerers
    shares = None if servers is None else servers.shares
    look_up = LookUp(answerers, shares=shares, count=count, refused=refused, snapshot=inputs.snapshot)
    recent = RecentRecords(shared)
    if log_decisions:
        sinks = (DecisionLog(JsonLines(lines_on(sys.stderr.fileno())), recent), *sinks)
    recording = Recording(time.time, *sinks)
    if sinks:
        recorders = (recording, *recorders)
    denial_events = cluster.denial_events(now) if cluster is not None and follows else None
    recorders = recorders if denial_events is None else (*recorders, denial_events)
    traces = tracer(settings.tracing) if follows else None
    reviewer = Reviewer(
        policies,
        look_up,
        clock=now,
        recorders=recorders,
        default_timeout_s=settings.server.default_timeout_s,
        denies_unconfigured=settings.server.unconfigured == "deny",
        tracer=traces,
    )
    service = Runtime(settings, policies, look_up, reviewer, recording, recent, cluster=cluster)
    service.denial_events, service.tracer = denial_events, traces
    service.circuits = None if servers is None else servers.http.circuits
    if cluster is not None and follows:
        service.checks += cluster.checks()
    if shared is not None and settings.server.certificate.source != FILES:
        service.certificate_follower = _certificate_follower(settings, shared)
        service.checks += service.certificate_follower.checks()
    if beginning is not None:
        _follow(service, chosen, inputs, beginning, shared, check, keeps=store is not None)
    if follows and keeps_images:
        service.aggregation = _aggregation(settings, cluster)
    if service.aggregation is not None:
        service.checks += service.aggregation.checks()
    if store is not None and servers is not None:
        service.images = _images(service, inputs, store, servers.http, shared)
        # It does not stop: without the store what must be looked up is denied; with no service ready, every pod is.
        service.checks.append(Check(STORE, service.store_trouble))
        service.checks += turn_checks(service.images.turn)
    return service


class _Servers(NamedTuple):
    """Registries and the other servers that are asked about images."""

    http: HttpClient
    shares: Shares
    answerers: Mapping[type[Question], Answerer]


def _servers(
    settings: Settings, inputs: PolicyDocuments, trust: TrustStates | None, first_use: Callable[[], None]
) -> _Servers:
    from imagegate.wiring.registries import evidence_answerers, http_client, look_up_shares  # when used: takes time

    http = http_client(settings)
    mirrors = inputs.mirrors  # those of the documents in force
    answerers = evidence_answerers(settings, http, trust, first_use=first_use, mirrors=mirrors)
    return _Servers(http, look_up_shares(settings), answerers)


def _store(chosen: StartupOptions, settings: Settings, cluster: Cluster | None) -> OpenedStore | None:
    from imagegate.wiring.stores import open_store

    return open_store(settings, chosen.environ, cluster, now=now)


def _cluster(settings: Settings, *, follows: bool, keeps: bool) -> Cluster | None:
    if settings.cluster is None:
        return None
    if settings.access_rules:
        raise InvalidSettings("accessRules: rights come from the cluster, since there is a cluster block: remove one")
    from imagegate.wiring.cluster import Cluster  # imports the Kubernetes client, which takes time and memory

    cluster = Cluster(settings, keeps=keeps)
    if not follows:
        cluster.list_once()
    return cluster


def _certificate_follower(settings: Settings, shared: Path) -> CertificateFollower:
    from imagegate.wiring.certificates import follower  # imports the Kubernetes client, which takes time and memory

    return follower(settings, shared, clock=now)


def _aggregation(settings: Settings, cluster: Cluster | None) -> Aggregation | None:
    if not settings.image_api.aggregation.enabled:
        return None
    from imagegate.wiring.aggregation import aggregation  # imports cryptography, which takes memory

    return aggregation(settings, cluster)


def _trust_states(settings: Settings, store: OpenedStore | None, *, keeps: bool) -> TrustStates | None:
    """The memory of the roots and versions of trust data; None: each process for itself, until it ends."""
    if not keeps:  # a command decides once
        return None
    folder = settings.cise.trust.store if settings.cise is not None else ""
    if folder:
        from imagegate.wiring.content_trust import trust_state_folder

        return trust_state_folder(Path(folder))
    if store is None:
        if settings.cise is not None:
            _log.warning(
                "roots and versions of trust data are remembered by each process alone, until it ends; name a file with"
                " store.path or a folder with cise.trust.store"
            )
        return None
    return store.trust_states()


def _settings(chosen: StartupOptions, *, follows: bool) -> Settings:
    if not follows:
        return chosen.settings()
    from imagegate.wiring.initial_policies import settings_at_start  # of the service alone: takes time to import

    return settings_at_start(chosen)


def _beginning(
    chosen: StartupOptions,
    settings: Settings,
    inputs: PolicyDocuments,
    store: OpenedStore | None,
    check: LockoutCheck,
) -> Beginning:
    from imagegate.wiring.initial_policies import begin, policy_folder

    state = None if store is None else policy_folder(chosen, settings)
    return begin(inputs.load, state, clock=now, check=check)


def _follow(
    service: Runtime,
    chosen: StartupOptions,
    inputs: PolicyDocuments,
    beginning: Beginning,
    shared: Path | None,
    check: LockoutCheck,
    *,
    keeps: bool,
) -> None:
    """Add the owner of the policies in force, and its checks to ``/readyz``."""
    from imagegate.wiring.initial_policies import owner, policy_folder

    state = policy_folder(chosen, service.settings) if keeps else None
    owned = service.owner = owner(service.policies, beginning, inputs, shared, state, clock=now, check=check)
    service.checks += [
        Check("policies", lambda: _policy_problem(service.policies)),
        Check("policy files", owned.watch_problem),
        Check("processes", owned.divergence),
        Check("kept policies", owned.state_problem),
        Check("lockout", lambda: check.problem(service.policies.current)),
    ]


def _policy_problem(policies: PolicyHolder) -> str:
    state = policies.state
    if state.restored:
        return f"policies of before the start are in force: {state.restored}: {state.error}"
    if state.error:
        return f"the files are wrong, the last good policies stay in force: {state.error}"
    return "" if state.held is None else f"policies wait for a second reason: {state.held}"


def _images(
    service: Runtime, inputs: PolicyDocuments, store: OpenedStore, http: HttpClient, shared: Path | None
) -> ImageService:
    from imagegate.wiring.image_api import image_service
    from imagegate.wiring.import_registry import import_registry
    from imagegate.wiring.turns import NoTurn, imports_turn

    settings = service.settings
    is_aggregated = service.aggregation is not None
    is_command = service.owner is None
    return image_service(
        store.objects,
        block=inputs.imports,
        hosts=lambda: inputs.hosts,
        policies=service.policies,
        reviewer=service.reviewer,
        registry=import_registry(
            settings,
            http,
            lambda: inputs.imports.additional_trusted_ca,
            mirrors=inputs.mirrors,
        ),
        access=_access(service.look_up) if settings.access_rules or is_aggregated else None,
        now=now,
        turn=NoTurn() if is_command else imports_turn(settings, service.cluster, store.own_turn, shared),
        cluster=service.cluster.host if service.cluster is not None and is_aggregated else None,
        node_secrets=lambda: inputs.node_secrets,
    )


def _access(look_up: LookUp) -> Callable[[AccessQuestion], Lookup[Any]]:
    return lambda question: look_up.look_up(question, Deadline.after(ACCESS_WITHIN_S))
