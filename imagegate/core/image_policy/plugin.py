"""The ImagePolicy plug-in: allows or denies images, and rewrites tags to digests.

Source: docs/spec/image-policy.md 4 to 10; openshift/apiserver-library-go, pkg/admission/imagepolicy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from imagegate.core.admission.answer_reader import AnswerReader
from imagegate.core.admission.decision import Decision, Denial, DenialCode
from imagegate.core.admission.object_faults import fault_denials, faults, told
from imagegate.core.admission.owners import controller_reference
from imagegate.core.admission.plugin import Answers, Question
from imagegate.core.admission.request import AdmissionRequest, GroupKind, Phase
from imagegate.core.admission.trace import Trace
from imagegate.core.admission.workload import InvalidObject, inconsistency
from imagegate.core.image_policy.behaviour import Behaviour, ControllerOwned
from imagegate.core.image_policy.config import ImagePolicyConfig
from imagegate.core.image_policy.coverage import Coverage
from imagegate.core.image_policy.execution_rules import UpstreamPanic
from imagegate.core.image_policy.images_review import NAME, ImagesReview
from imagegate.core.image_policy.messages import (
    forbidden_status,
    no_images,
    types_differ,
)
from imagegate.core.image_policy.request import PolicyRequest
from imagegate.core.image_policy.verdict_cache import IMAGES_MAX, DecisionKey, VerdictCache
from imagegate.core.kube.status import Status

CRASHED = "the original server crashes on this image (profile openshift-4)"


class ImagePolicyPlugin:
    """The plug-in, made from one ImagePolicyConfig. Immutable; shared by all threads.

    Args:
        config: the policy, with defaults filled in.
        behaviour: the choices of profile and settings.
        kinds: the kinds whose images are known; None: every kind of ``core.admission.workload``.
    """

    __slots__ = ("_coverage", "_kinds", "_verdict_cache", "behaviour", "config")

    def __init__(
        self, config: ImagePolicyConfig, behaviour: Behaviour, *, kinds: frozenset[GroupKind] | None = None
    ) -> None:
        self.config = config
        self.behaviour = behaviour
        self._kinds = kinds
        self._coverage = Coverage(config, behaviour)
        self._verdict_cache = VerdictCache(None)

    @property
    def name(self) -> str:
        """``image-policy``."""
        return NAME

    def covers(self, request: AdmissionRequest) -> bool:
        """True if any rule of either kind covers the request (docs/spec/image-policy.md 4 steps 1 to 4)."""
        if request.operation not in ("CREATE", "UPDATE"):
            return False
        if request.object is None and not self.behaviour.refuse_inconsistent:
            return False
        if request.sub_resource and not self._checks_sub_resource(request):
            return False
        if request.namespace in self.behaviour.exempt_namespaces:
            return False
        if self._coverage.plan(request.resources) is None:
            return False
        skip = self.behaviour.controller_owned is ControllerOwned.SKIP
        return not (skip and controller_reference(request.object or {}) is not None)

    def questions(self, request: AdmissionRequest, answers: Answers) -> Iterable[Question]:
        """Namespace and owner first, then the look-ups of each image, round by round."""
        plan = self._coverage.plan(request.resources)
        if plan is None:
            return ()
        try:
            work = PolicyRequest(request, self.behaviour)
        except InvalidObject:
            return ()
        reader = AnswerReader(answers, final=False)
        for question in work.first_questions():
            reader(question)
        if plan.attempts and not work.is_exempt:
            resolver, own = work.resolver(reader), work.resolver(reader, own=True)
            for use in dict.fromkeys(work.uses):
                if use.unknown:
                    continue
                resolution = resolver.resolve(use)
                if resolution is not None and resolver.needs_second_look(use):
                    own.resolve(use)
        return reader.missing

    def decide(
        self,
        request: AdmissionRequest,
        answers: Answers,
        *,
        now: datetime,  # noqa: ARG002 - no rule of this plug-in depends on the time
        trace: Trace | None = None,
    ) -> Decision:
        """Check every image of the object against the rules; rewrite in the mutating pass."""
        plan = self._coverage.plan(request.resources)
        if plan is None:
            return _ALLOWED
        if self.behaviour.refuse_inconsistent and (because := inconsistency(request)):
            return _denied_object(request, DenialCode.INVALID_OBJECT, because)
        try:
            work = PolicyRequest(request, self.behaviour)
        except InvalidObject as error:
            return self._denied_faults(request, error)
        if work.mismatched:
            return _denied_object(
                request, DenialCode.INVALID_OBJECT, types_differ(request.kind, request.old_object, self.behaviour)
            )
        if work.no_images or (self._kinds is not None and request.kind not in self._kinds):
            if work.may_lack_template and self.behaviour.template_optional:
                return _ALLOWED
            return _denied_object(request, DenialCode.INVALID_OBJECT, no_images(request.kind, self.behaviour))
        reader = AnswerReader(answers, final=True)
        if work.is_exempt or work.is_trusted(reader):
            return Decision(plugin=NAME, annotations={"skipped": work.skip_reason})
        try:
            cache = self._cache_for(answers) if trace is None else None
            key = None if cache is None else _decision_key(request, work)
            if cache is None or key is None:
                return ImagesReview(request, plan, work, reader, self.behaviour, trace, cache).decide()
            decision = cache.decisions.get(key)
            if decision is None:
                review = ImagesReview(request, plan, work, reader, self.behaviour, trace, cache)
                decision = review.decide()
                if review.is_repeatable and decision.allowed:
                    cache.decisions.put(key, decision)
            return decision
        except UpstreamPanic as crash:
            return _crashed(request, str(crash))

    def _denied_faults(self, request: AdmissionRequest, error: InvalidObject) -> Decision:
        """The denial of an object that cannot be read, with all its faults; the original stops at the first."""
        if self.behaviour.upstream_messages:
            return _denied_object(request, DenialCode.INVALID_OBJECT, str(error))

        def read(document: Mapping[str, Any]) -> object:
            return PolicyRequest(replace(request, object=document), self.behaviour)

        found = faults(error, read, request.object or {})
        return Decision(plugin=NAME, denials=fault_denials(found), status=forbidden_status(request, told(found)))

    def _cache_for(self, answers: Answers) -> VerdictCache | None:
        """Cached verdicts that are still valid; None where answers have no snapshot or reading changes later ones."""
        snapshot = answers.snapshot
        if snapshot is None or self.behaviour.cache_forgets_integrated:
            return None
        cache = self._verdict_cache
        if cache.snapshot is not snapshot:
            cache = self._verdict_cache = VerdictCache(snapshot)
        return cache

    def _checks_sub_resource(self, request: AdmissionRequest) -> bool:
        return (
            self.behaviour.extent.ephemeral_containers
            and request.sub_resource == "ephemeralcontainers"
            and request.resource.resource == "pods"
        )


def _decision_key(request: AdmissionRequest, work: PolicyRequest) -> DecisionKey | None:
    """The key for the decision on a new object; None where more than the key decides."""
    if request.operation != "CREATE" or request.sub_resource or len(work.uses) > IMAGES_MAX:
        return None
    mutating = request.phase is Phase.MUTATE and work.may_rewrite
    return DecisionKey(request.resources, request.namespace, work.resolve_all, mutating, work.uses)


_ALLOWED = Decision(plugin=NAME)


def _denied_object(request: AdmissionRequest, code: DenialCode, because: str) -> Decision:
    denial = Denial(code=code, image="", at="", rule="", because=because)
    return Decision(plugin=NAME, denials=(denial,), status=forbidden_status(request, because))


def _crashed(request: AdmissionRequest, panic: str) -> Decision:
    denial = Denial(code=DenialCode.INTERNAL_ERROR, image="", at="", rule="", because=f"{CRASHED}: {panic}")
    status = Status(code=500, reason="InternalError", message=f"Internal error occurred: {panic}", name=request.name)
    return Decision(plugin=NAME, denials=(denial,), status=status)
