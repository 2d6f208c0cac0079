"""The use case: an AdmissionReview in, an AdmissionReview out.

The command line, replay and the background scan go the same way through ``Reviewer.decide``.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from imagegate.core.admission.decision import Decision, Denial, DenialCode, PatchOp
from imagegate.core.admission.lookup import Absent, Found
from imagegate.core.admission.patch import apply_patch, fits
from imagegate.core.admission.plugin import Plugin
from imagegate.core.admission.request import API_VERSIONS, AdmissionRequest, Phase
from imagegate.core.admission.trace import Step, Trace
from imagegate.core.admission.workload import POD
from imagegate.core.image_streams.questions import Namespace
from imagegate.core.kube.status import Status
from imagegate.errors import InvalidReview
from imagegate.ports.tracing import Span, Tracer
from imagegate.service.policies.policy_set import Mode, Modes, PolicyHolder, PolicySet
from imagegate.service.review.lookups import Deadline, LookUp, MemoryAnswers, Steps, finish
from imagegate.service.review.pod_warnings import not_judged, warned_pod, warnings_about_pod
from imagegate.service.review.response import Outcome, PodWarning, Verdict, review_json, status_json
from imagegate.service.review.spans import describe_review, end_plugin, plugin_span

DEFAULT_TIMEOUT_S = 10.0
"""The API server's own default."""
SHARE_OF_TIMEOUT = 0.8
"""Look-ups may take this share of the caller's patience, so that a proper answer still arrives."""
INTERNAL_ERROR = "internal error; the service's log has the details"

_log = logging.getLogger(__name__)


class Recorder(Protocol):
    """Called for every decision: the decision log, metrics, the console."""

    def decided(self, outcome: Outcome, seconds: float) -> None:
        """Note one review that took ``seconds``."""


class _Frame(NamedTuple):
    """Shared by all decisions of one review: one set of policies, one deadline, one set of answers."""

    policy: PolicySet
    deadline: Deadline
    now: datetime
    known: MemoryAnswers
    span: Span | None
    """Of the review, if it is traced."""


class Reviewer:
    """Reviews admission requests under the policies in force. Safe for many threads."""

    def __init__(
        self,
        policies: PolicyHolder,
        look_up: LookUp,
        *,
        clock: Callable[[], datetime],
        recorders: Sequence[Recorder] = (),
        default_timeout_s: float = DEFAULT_TIMEOUT_S,
        denies_unconfigured: bool = True,
        tracer: Tracer | None = None,
    ) -> None:
        self._policies = policies
        self._look_up = look_up
        self._clock = clock
        self._recorders = tuple(recorders)
        self._default_timeout_s = default_timeout_s
        self._denies_unconfigured = denies_unconfigured
        self._tracer = tracer

    @property
    def is_traced(self) -> bool:
        """True if the ``traceparent`` of a request is of use."""
        return self._tracer is not None

    def validating(self, mutating: Outcome) -> frozenset[str]:
        """Plug-ins that the validating pass must run after ``mutating``.

        Where that denies, those that had nothing to say; where it left the object as it was, not those that
        would only say the same again; else all.
        """
        every = self._policies.current.every
        spoke = {verdict.decision.plugin: verdict.decision for verdict in mutating.verdicts}
        if not mutating.allowed:
            return frozenset(each.name for each in every if each.name not in spoke)
        if mutating.patch:
            return frozenset(each.name for each in every)
        return frozenset(
            each.name for each in every if not (each.settled and each.name in spoke and not spoke[each.name].rewrites)
        )

    def review(
        self, document: object, phase: Phase, plugins: Collection[str] | None = None, timeout_s: float | None = None
    ) -> dict[str, Any]:
        """Answer a decoded AdmissionReview, waiting in this thread; see ``review_in_steps``."""
        return finish(self.review_in_steps(document, phase, plugins, timeout_s))

    def review_in_steps(
        self,
        document: object,
        phase: Phase,
        plugins: Collection[str] | None = None,
        timeout_s: float | None = None,
        arrived: float | None = None,
        traceparent: str = "",
    ) -> Steps[dict[str, Any]]:
        """Answer a decoded AdmissionReview. Stops nowhere if memory answers all its questions.

        Whatever goes wrong unexpectedly is answered as a denial (code 500) that carries the request's uid.

        Args:
            plugins: names of the plug-ins to run; None means all that are configured.
            timeout_s: how long the caller waits altogether.
            arrived: when its first byte arrived, on the monotonic clock: the caller's time runs from there. None: now.
            traceparent: the header of the request, if it has one.

        Raises:
            InvalidReview: ``document`` cannot be answered at all.
        """
        started = time.perf_counter()
        span = None
        if self._tracer is not None:
            span = self._tracer.review(f"review {phase.value}", traceparent=traceparent, arrived=arrived)
        try:
            request = AdmissionRequest.parse(document, phase)
            frame = self._frame(timeout_s, arrived, span)
            outcome = yield from self._decide(frame, request, plugins, None)
            if outcome.allowed and request.kind != POD:
                outcome.pod_warnings = yield from self._warnings_about_pods(frame, request, plugins)
            answer = outcome.to_review()
            if span is not None:
                describe_review(span, outcome)
        except InvalidReview:
            raise
        except Exception:  # noqa: BLE001 - fail closed, with the traceback in the log
            _log.exception("review failed unexpectedly", extra={"uid": uid_of(document)})
            if span is not None:
                span.fail("internal error")
            return internal_error(document)
        finally:
            if span is not None:
                span.end()
        self._record(outcome, time.perf_counter() - started)
        return answer

    def decide(
        self,
        request: AdmissionRequest,
        *,
        plugins: Collection[str] | None = None,
        timeout_s: float | None = None,
        trace: Trace | None = None,
    ) -> Outcome:
        """Put ``request`` through the plug-ins, waiting in this thread; see ``decide_in_steps``."""
        return finish(self.decide_in_steps(request, plugins=plugins, timeout_s=timeout_s, trace=trace))

    def decide_in_steps(
        self,
        request: AdmissionRequest,
        *,
        plugins: Collection[str] | None = None,
        timeout_s: float | None = None,
        arrived: float | None = None,
        trace: Trace | None = None,
    ) -> Steps[Outcome]:
        """Put ``request`` through the plug-ins, each seeing the object as patched by those before it.

        A plug-in that fails unexpectedly counts as one that denies.
        """
        return (yield from self._decide(self._frame(timeout_s, arrived), request, plugins, trace))

    def _frame(self, timeout_s: float | None, arrived: float | None, span: Span | None = None) -> _Frame:
        policy = self._policies.current
        deadline = Deadline.after((timeout_s or self._default_timeout_s) * SHARE_OF_TIMEOUT, arrived)
        known = self._look_up.on_demand(policy.memory, policy.snapshot)
        known.span = span
        return _Frame(policy, deadline, self._clock(), known, span)

    def _decide(
        self, frame: _Frame, request: AdmissionRequest, plugins: Collection[str] | None, trace: Trace | None
    ) -> Steps[Outcome]:
        policy, deadline, now, known, span = frame
        verdicts: list[Verdict] = []
        patch: tuple[PatchOp, ...] = ()
        seen, applied = request, 0
        for configured in policy.chain(plugins):
            plugin = configured.plugin
            if not self._covers(plugin, request, trace):
                continue
            if applied < len(patch):  # only where another plug-in follows
                seen, applied = replace(seen, object=apply_patch(seen.object or {}, patch[applied:])), len(patch)
            if span is not None:
                known.span = plugin_span(span, plugin.name)
            decision = yield from self._ask(plugin, seen, deadline, known, now, trace)
            if span is not None and known.span is not None:
                end_plugin(known.span, decision)
                known.span = span
            mode = yield from self._mode(configured.modes, request.namespace, known, deadline)
            if decision.rewrites and mode is Mode.ENFORCE and request.phase is Phase.MUTATE:
                if fits(seen.object, decision.rewrites):
                    patch += decision.rewrites
                else:
                    _log.error("plug-in made a patch that does not fit", extra={"plugin": decision.plugin})
                    decision = _failed(decision.plugin)
            verdicts.append(Verdict(decision, mode))
        missing = _missing(plugins, policy.names)
        if missing and self._denies_unconfigured and request.operation in _CHANGES:
            verdicts.append(Verdict(_not_configured(missing, request), Mode.ENFORCE))
        allowed = not any(verdict.denies for verdict in verdicts)
        return Outcome(
            request=request,
            allowed=allowed,
            verdicts=tuple(verdicts),
            policy_version=policy.version,
            patch=patch if allowed else (),
            notes=(f"imagegate: {missing} not configured; nothing was checked",) if missing and allowed else (),
            trace=trace,
        )

    def _warnings_about_pods(
        self, frame: _Frame, request: AdmissionRequest, plugins: Collection[str] | None
    ) -> Steps[tuple[PodWarning, ...]]:
        """Warnings that the Pods of an admitted object would be denied. Whatever goes wrong, the object is admitted."""
        asked = [each for each in frame.policy.chain(plugins) if request.phase in each.warns_in]
        if not asked or request.operation not in _CHANGES or request.sub_resource:
            return ()
        found: list[PodWarning] = []
        try:
            pod = warned_pod(request)
            if pod is None:
                return ()
            for configured in asked:
                plugin = configured.plugin
                if configured.judges_alike and self._covers(plugin, request, None):
                    continue
                if not self._covers(plugin, pod.request, None):
                    continue
                decision = yield from self._ask(plugin, pod.request, frame.deadline, frame.known, frame.now, None)
                mode = yield from self._mode(configured.modes, request.namespace, frame.known, frame.deadline)
                found += warnings_about_pod(pod, request.kind.kind, decision, mode)
        except Exception:  # noqa: BLE001 - a warning is no reason to deny
            _log.exception("Pods of an object could not be judged", extra={"uid": request.uid})
            found.append(not_judged(request, INTERNAL_ERROR))
        return tuple(found)

    def _covers(self, plugin: Plugin, request: AdmissionRequest, trace: Trace | None) -> bool:
        """True if the plug-in applies; one that cannot tell is asked to decide, and handles it there."""
        try:
            covered = plugin.covers(request)
        except Exception:  # noqa: BLE001 - fail closed
            _log.exception("plug-in failed unexpectedly", extra={"plugin": plugin.name, "uid": request.uid})
            covered = True
        if trace is not None:
            trace.add("", Step("plug-in", plugin.name, "covered" if covered else "not-covered"))
        return covered

    def _ask(
        self,
        plugin: Plugin,
        request: AdmissionRequest,
        deadline: Deadline,
        known: MemoryAnswers,
        now: datetime,
        trace: Trace | None,
    ) -> Steps[Decision]:
        """The plug-in's decision: in one pass where memory answers everything, else after its questions."""
        try:
            if trace is None:
                known.missed = False
                decision = plugin.decide(request, known, now=now)
                if not known.missed:
                    return decision
            yield from self._look_up.answers_in_steps(plugin, request, deadline, known)
            return plugin.decide(request, known, now=now, trace=trace)
        except Exception:  # noqa: BLE001 - fail closed, and let the other plug-ins speak
            _log.exception("plug-in failed unexpectedly", extra={"plugin": plugin.name, "uid": request.uid})
            return _failed(plugin.name)

    def _mode(self, modes: Modes, namespace: str, known: MemoryAnswers, deadline: Deadline) -> Steps[Mode]:
        if not modes.by_namespace or not namespace:
            return modes.default
        question = Namespace(namespace)
        answer = known.get(question)
        if answer is None:
            steps = self._look_up.look_up_in_steps(question, deadline, known.answerers, known.span)
            answer = known[question] = yield from steps
        if isinstance(answer, Found):
            return modes.for_labels(labels_of(answer.value))
        # Absent: a source of all namespaces says so. Nobody's namespace is Unlisted, and may have any labels.
        return modes.for_labels({}) if isinstance(answer, Absent) else modes.strictest()

    def _record(self, outcome: Outcome, seconds: float) -> None:
        for recorder in self._recorders:
            try:
                recorder.decided(outcome, seconds)
            except Exception:  # noqa: BLE001 - the decision stands, recorded or not
                _log.exception("decision could not be recorded", extra={"uid": outcome.request.uid})


def labels_of(resource: object) -> dict[str, str]:
    """The labels of a Kubernetes object; empty if it has none."""
    metadata = resource.get("metadata") if isinstance(resource, dict) else None
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    return labels if isinstance(labels, dict) else {}


def uid_of(document: object) -> str:
    """The uid of an AdmissionReview that may be anything."""
    request = document.get("request") if isinstance(document, dict) else None
    uid = request.get("uid") if isinstance(request, dict) else None
    return uid if isinstance(uid, str) else ""


def internal_error(document: object) -> dict[str, Any]:
    """The response to an unexpected error: denied, code 500, with the request's uid."""
    version = document.get("apiVersion") if isinstance(document, dict) else None
    response = {"uid": uid_of(document), "allowed": False, "status": status_json(_INTERNAL_STATUS)}
    return review_json(version if version in API_VERSIONS else API_VERSIONS[0], response)


_INTERNAL_STATUS = Status(code=500, reason="InternalError", message=f"imagegate: {INTERNAL_ERROR}")


def _failed(plugin: str) -> Decision:
    because = f"{plugin}: {INTERNAL_ERROR}"
    return Decision(
        plugin=plugin,
        denials=(Denial(code=DenialCode.INTERNAL_ERROR, image="", at="", rule="", because=because),),
        status=replace(_INTERNAL_STATUS, message=f"imagegate: {because}"),
    )


def _missing(asked: Collection[str] | None, configured: frozenset[str]) -> str:
    """The plug-ins of an endpoint of which none is configured; empty if one is."""
    return ", ".join(sorted(asked)) if asked and configured.isdisjoint(asked) else ""


_CHANGES = ("CREATE", "UPDATE")


def _not_configured(plugins: str, request: AdmissionRequest) -> Decision:
    """The denial at an endpoint that judges nothing: a lost setting must not turn the webhook off unseen."""
    because = (
        f"{plugins} not configured, so nothing was checked: configure it, remove the webhook that asks for it, or set"
        " server.unconfigured to allow"
    )
    kind = request.kind
    return Decision(
        plugin=plugins,
        denials=(Denial(code=DenialCode.NOT_CONFIGURED, image="", at="", rule="", because=because),),
        status=Status(
            code=403,
            reason="Forbidden",
            message=f"imagegate: {because}",
            group=kind.group,
            kind=kind.kind,
            name=request.name,
        ),
    )
