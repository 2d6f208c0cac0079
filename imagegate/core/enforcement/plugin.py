"""The CISE plug-in: ClusterImagePolicy and ImagePolicy of both groups at admission.

Source: docs/spec/enforcement.md 6 to 16.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache

from imagegate.core.admission.answer_reader import AnswerReader
from imagegate.core.admission.decision import Decision, Denial, DenialCode, PatchOp
from imagegate.core.admission.hint import short
from imagegate.core.admission.lookup import Found
from imagegate.core.admission.object_faults import fault_denials, faults
from imagegate.core.admission.plugin import Answers, Question
from imagegate.core.admission.request import AdmissionRequest, Phase
from imagegate.core.admission.trace import HINT, Step, Trace
from imagegate.core.admission.workload import ImageUse, InvalidObject
from imagegate.core.enforcement.behaviour import CiseSettings, Parents, Rewriting
from imagegate.core.enforcement.evaluate import evaluate_requirements
from imagegate.core.enforcement.explain import trace_policies, trace_requirements, trace_selection
from imagegate.core.enforcement.image import CiseImage, invalid_image_text, parse_image
from imagegate.core.enforcement.messages import Sentence, broken_policy_text, status_message
from imagegate.core.enforcement.nearest import failed_hint, no_policy_hint
from imagegate.core.enforcement.policy import Entry
from imagegate.core.enforcement.requirement import Check, PullSource, Refused
from imagegate.core.enforcement.rewrite_record import RewriteRecords
from imagegate.core.enforcement.rewriting import ImageVerdict, Rewriter, metadata_paths
from imagegate.core.enforcement.selection import (
    AllowedImageCache,
    EffectivePolicy,
    NoEntryReason,
    PolicySet,
    no_entry_text,
    select,
)
from imagegate.core.enforcement.simple_requirement import SimpleCheck
from imagegate.core.enforcement.trust_requirement import TrustCheck
from imagegate.core.enforcement.verdict_cache import CachedVerdict, VerdictCache
from imagegate.core.enforcement.vulnerability_requirement import VulnerabilityCheck
from imagegate.core.enforcement.workload import (
    CREATE,
    EPHEMERAL_CONTAINERS,
    PODS,
    RESOURCES,
    UPDATE,
    Workload,
    allowed_rules,
    has_parent_kind,
    parent_question,
    parent_vouches,
    read_workload,
    unsupported_text,
)
from imagegate.core.kube.status import Status
from imagegate.errors import InvalidReference

NAME = "cise"


class Hook(enum.Enum):
    """The endpoint of a request (docs/spec/enforcement.md 18)."""

    ANY = "any"
    """Used by /mutate and /validate; anything that is not a workload is ignored."""
    ADMIT = "admit"
    """Everything in one call, in place of Portieris; anything that is not a workload is denied, as at the next two."""
    TRUST = "trust"
    """Selection, signatures, trust and the rewrite; no vulnerability report."""
    VA = "va"
    """All checks, and vulnerability reports; never a rewrite."""


CHECKS: tuple[Check, ...] = (SimpleCheck(), TrustCheck(), VulnerabilityCheck())
"""In the order of evaluation; the first refusal ends the evaluation of an image."""


@dataclass(frozen=True, slots=True)
class CisePlugin:
    """The plug-in, made from one set of policies. Immutable; shared by all threads."""

    policies: PolicySet
    settings: CiseSettings
    record_key: bytes = field(default=b"", repr=False)
    """Shared by all replicas; without it records of rewrites are neither written nor read.

    Source: docs/spec/enforcement.md 15.2.
    """
    hook: Hook = Hook.ANY
    checks: Sequence[Check] = CHECKS
    key_lasts: bool = True
    """True if ``record_key`` stays the same after a restart. Templates outlive the process that rewrote them."""
    applied: tuple[Check, ...] = field(init=False, repr=False)
    """The ``checks`` that run at this endpoint."""
    rewrite_records: RewriteRecords = field(init=False, repr=False)
    # One cache for each effective policy, so that it is bounded by the policies. Without a lock: threads that meet an
    # effective policy at the same moment may each make a cache, of which one is lost.
    _allowed_images: dict[EffectivePolicy, AllowedImageCache] = field(init=False, repr=False, default_factory=dict)
    verdict_cache: VerdictCache = field(init=False, repr=False, compare=False, default_factory=VerdictCache)
    """Cached results of this endpoint."""

    def __post_init__(self) -> None:
        without = VulnerabilityCheck.kind if self.hook is Hook.TRUST else ""
        # The only way to set a computed field of a frozen dataclass.
        object.__setattr__(self, "applied", tuple(check for check in self.checks if check.kind != without))
        object.__setattr__(self, "rewrite_records", RewriteRecords(self.record_key))

    def for_hook(self, hook: Hook) -> CisePlugin:
        """The same plug-in for another endpoint."""
        return replace(self, hook=hook)

    @property
    def name(self) -> str:
        """``cise``."""
        return NAME

    def covers(self, request: AdmissionRequest) -> bool:
        """True if the request creates or changes something that can contain images."""
        if request.operation not in (CREATE, UPDATE):
            return False
        if request.sub_resource and not (request.sub_resource == EPHEMERAL_CONTAINERS and request.resource == PODS):
            return False
        if request.resource not in RESOURCES:
            return self.hook is not Hook.ANY
        return request.resource == PODS or not self.settings.pods_only

    def questions(self, request: AdmissionRequest, answers: Answers) -> Iterable[Question]:
        """Look-ups that the parent, the entries' requirements and the pull secrets still need."""
        if request.resource not in RESOURCES or request.namespace in self.settings.reserved_namespaces:
            return ()
        effective = None if self.policies.unavailable else self.policies.effective(request.namespace)
        verifies = self.settings.parents is Parents.VERIFY
        if not verifies and (effective is None or effective.only_names):
            return ()
        if effective is not None and allowed_rules(request, self.allowed_images(effective)) is not None:
            return ()
        try:
            workload = read_workload(request)
        except InvalidObject:
            return ()
        reader = AnswerReader(answers, final=False)
        if workload.unchanged or self._passes_unread(request, workload, reader) or reader.missing:
            return reader.missing
        review = _Review(self, request, workload, reader)
        for use in workload.uses:
            review.decide_image(use)
        return reader.missing

    def decide(
        self,
        request: AdmissionRequest,
        answers: Answers,
        *,
        now: datetime,  # noqa: ARG002 - evidence is verified with the verifier's clock
        trace: Trace | None = None,
    ) -> Decision:
        """Check every image of the object against its entry; rewrite in the mutating pass."""
        if request.namespace in self.settings.reserved_namespaces:
            return Decision(plugin=NAME, annotations={"bypass": "reserved-namespace"})
        if request.resource not in RESOURCES:
            return _denied_object(DenialCode.INVALID_OBJECT, unsupported_text(request))
        if trace is None and not self.policies.unavailable:
            effective = self.policies.effective(request.namespace)
            rules = None if effective is None else allowed_rules(request, self.allowed_images(effective))
            if rules is not None:
                return _allowed(rules)
        try:
            workload = read_workload(request)
        except InvalidObject as error:
            return _denied_faults(request, error)
        if workload.unchanged:
            return Decision(plugin=NAME, annotations={"skipped": "images-unchanged"})
        reader = AnswerReader(answers, final=True)
        if self._passes_unread(request, workload, reader):
            return Decision(plugin=NAME, annotations={"bypass": "parent"})
        if trace is not None:
            trace_policies(trace, self.policies, request.namespace)
        return _Review(self, request, workload, reader, trace).decide()

    def allowed_images(self, effective: EffectivePolicy) -> AllowedImageCache:
        """The images that an effective policy is known to allow under these settings."""
        found = self._allowed_images.get(effective)
        if found is None:
            found = self._allowed_images[effective] = AllowedImageCache()
        return found

    def _passes_unread(self, request: AdmissionRequest, workload: Workload, reader: AnswerReader) -> bool:
        """True if the object is admitted because of its parent (docs/spec/enforcement.md 10.3)."""
        document = request.object or {}
        match self.settings.parents:
            case Parents.EXAMINE:
                return False
            case Parents.TRUST:
                return has_parent_kind(document)
        question = None if self.settings.pods_only else parent_question(document, request.namespace)
        if question is None:
            return False
        answer = reader(question)
        return isinstance(answer, Found) and parent_vouches(answer.value, document, workload)


class _Review:
    """One request under one set of policies."""

    def __init__(
        self,
        plugin: CisePlugin,
        request: AdmissionRequest,
        workload: Workload,
        reader: AnswerReader,
        trace: Trace | None = None,
    ) -> None:
        self._plugin = plugin
        self._settings = plugin.settings
        self._request = request
        self._workload = workload
        self._reader = reader
        self._trace = trace
        self._resolved = plugin.rewrite_records.resolved(
            request.object or {}, request.namespace, metadata_paths(workload)
        )
        self._pulls = PullSource(request.namespace, workload.spec, workload.is_pod, plugin.settings.node_secrets)
        self._verdict_cache = plugin.verdict_cache if trace is None and reader.final else None
        self._cache_key = self._pulls.cache_key if self._verdict_cache is not None else ()

    def decide(self) -> Decision:
        """The decision over all images."""
        verdicts = [verdict for use in self._workload.uses if (verdict := self.decide_image(use)) is not None]
        denials = tuple(denial for verdict in verdicts for denial in verdict.denials)
        rules = tuple(dict.fromkeys(v.result.entry.rule for v in verdicts if v.result is not None))
        if denials:
            sentences = [Sentence(denial.image, denial.because, denial.hint) for denial in denials]
            status = Status(
                code=0, reason="", message=status_message(sentences, one_image=len(self._workload.uses) == 1)
            )
            return Decision(plugin=NAME, denials=denials, status=status, rules=rules)
        return _allowed(rules, *self._rewriter.rewrites(verdicts))

    def decide_image(self, use: ImageUse) -> ImageVerdict | None:
        """The result for one image; None while answers are awaited."""
        if not use.name.strip():
            return self._blank(use)
        record = self._resolved.get(use.name)
        key = (use.name, None if record is None else record.original, self._cache_key)
        if self._verdict_cache is not None:
            cached = self._verdict_cache.get(key, self._reader.answers)
            if cached is not None:
                return ImageVerdict(use, cached.image, cached.result)
            self._reader.used = []
        try:
            written = parse_image(use.name)
            image = parse_image(record.original) if record is not None else written
        except InvalidReference as error:
            text = invalid_image_text(use.name)
            self._note(use, "invalid", str(error))
            return self._denied(use, "", Refused(DenialCode.INVALID_IMAGE_NAME, text), short(str(error)))
        if self._trace is not None:
            trace_selection(self._trace, use, self._plugin.policies, self._request.namespace, image.original)
        selected = select(self._plugin.policies, self._request.namespace, image.original, image, self._settings)
        if isinstance(selected, NoEntryReason):
            return self._denied(use, "", self._no_entry(selected, use.name), self._nearest_hint(selected, image))
        result = evaluate_requirements(
            selected.entry,
            self._plugin.applied,
            self._reader,
            namespace=self._request.namespace,
            written=use.name,
            image=image,
            pinned=written.digest,
            pulls=self._pulls,
            settings=self._settings,
        )
        if result is None:
            return None
        if not result.entry.requires:
            if record is None:
                self._add_allowed(use.name, result.entry)
        elif self._verdict_cache is not None and not result.refused:
            self._verdict_cache.add(key, CachedVerdict(image, result, tuple(self._reader.used or ())))
        if self._trace is not None:
            trace_requirements(self._trace, use, image, selected, result)
        denials = tuple(
            self._denial(use, result.entry.rule, refused, failed_hint(result, refused) if self._tells else "")
            for refused in result.refused
        )
        return ImageVerdict(use, image, result, denials)

    def _add_allowed(self, image: str, entry: Entry) -> None:
        effective = self._plugin.policies.effective(self._request.namespace)
        if effective is not None:
            self._plugin.allowed_images(effective).add(image, entry.rule)

    def _blank(self, use: ImageUse) -> ImageVerdict:
        """The result for a blank image, which an image trigger or a later webhook may fill in until a Pod is final."""
        if self._workload.is_pod and self._request.phase is Phase.VALIDATE:
            refused = Refused(DenialCode.INVALID_IMAGE_NAME, invalid_image_text(use.name))
            return self._denied(use, "", refused, "it is empty, and nothing has filled it in")
        return ImageVerdict(use)

    def _no_entry(self, reason: NoEntryReason, image: str) -> Refused:
        if reason is NoEntryReason.UNAVAILABLE:
            return Refused(DenialCode.LOOK_UP_FAILED, self._plugin.policies.unavailable)
        effective = self._plugin.policies.effective(self._request.namespace)
        if reason is NoEntryReason.BROKEN and effective is not None:
            return Refused(DenialCode.INVALID_POLICY, broken_policy_text(image, "; ".join(effective.broken)))
        code = DenialCode.NO_POLICY if reason is NoEntryReason.NO_POLICIES else DenialCode.NO_MATCHING_REPOSITORY
        return Refused(code, no_entry_text(reason, self._request.namespace, image, self._settings))

    @property
    def _tells(self) -> bool:
        """True if somebody is told more than the original's sentence."""
        return self._settings.names_nearest_rule or self._trace is not None

    def _nearest_hint(self, reason: NoEntryReason, image: CiseImage) -> str:
        if reason is NoEntryReason.NO_POLICIES:
            return no_policy_hint(self._request.namespace)
        if reason not in (NoEntryReason.NO_MATCH_IN_CLUSTER, NoEntryReason.NO_MATCH_IN_NAMESPACE) or not self._tells:
            return ""
        effective = self._plugin.policies.effective(self._request.namespace)
        found = effective.nearest(image.original) if effective is not None else None
        return found.hint if found is not None else ""

    def _denied(self, use: ImageUse, rule: str, refused: Refused, hint: str = "") -> ImageVerdict:
        self._note(use, "denied", refused.text)
        return ImageVerdict(use, denials=(self._denial(use, rule, refused, hint),))

    def _denial(self, use: ImageUse, rule: str, refused: Refused, hint: str) -> Denial:
        if hint and self._trace is not None:
            self._trace.add(use.field, Step(HINT, use.name, "told", hint))
        told = hint if self._settings.names_nearest_rule else ""
        return Denial(code=refused.code, image=use.name, at=use.field, rule=rule, because=refused.text, hint=told)

    def _note(self, use: ImageUse, outcome: str, because: str) -> None:
        if self._trace is not None:
            self._trace.add(use.field, Step("image", use.name, outcome, because))

    @property
    def _rewriter(self) -> Rewriter:
        return Rewriter(
            self._request,
            self._workload,
            self._plugin.policies,
            self._settings,
            self._plugin.rewrite_records,
            may_rewrite=self._may_rewrite,
            keeps_records=self._keeps_records,
        )

    @property
    def _keeps_records(self) -> bool:
        """True if a record stays valid for as long as the object needs it.

        An update of ephemeral containers stores nothing else. A template creates Pods for months: a record that a
        restart invalidates would deny them all.
        """
        plugin = self._plugin
        return (
            bool(plugin.record_key) and not self._request.sub_resource and (self._workload.is_pod or plugin.key_lasts)
        )

    @property
    def _may_rewrite(self) -> bool:
        """True in the mutating pass, if the settings allow it."""
        if self._request.phase is not Phase.MUTATE or self._plugin.hook is Hook.VA:
            return False
        rewriting = self._settings.rewriting
        return not (rewriting is Rewriting.NEVER or (rewriting is Rewriting.PODS and not self._workload.is_pod))


def _allowed(rules: tuple[str, ...], rewrites: tuple[PatchOp, ...] = (), warnings: tuple[str, ...] = ()) -> Decision:
    """The decision that allows with these. One object for equal ones: what is recorded of it is then made once."""
    try:
        return _allowed_once(rules, rewrites, warnings)
    except TypeError:  # a patch with an object as its value, which cannot be a key
        return Decision(plugin=NAME, rewrites=rewrites, warnings=warnings, rules=rules)


@lru_cache(maxsize=1024)
def _allowed_once(rules: tuple[str, ...], rewrites: tuple[PatchOp, ...], warnings: tuple[str, ...]) -> Decision:
    return Decision(plugin=NAME, rewrites=rewrites, warnings=warnings, rules=rules)


def _denied_faults(request: AdmissionRequest, error: InvalidObject) -> Decision:
    """The denial of an object that cannot be read, with all its faults."""
    found = faults(error, lambda document: read_workload(replace(request, object=document)), request.object or {})
    message = status_message([Sentence("", str(each)) for each in found])
    return Decision(plugin=NAME, denials=fault_denials(found), status=Status(code=0, reason="", message=message))


def _denied_object(code: DenialCode, text: str) -> Decision:
    """The denial of the object as a whole."""
    denial = Denial(code=code, image="", at="", rule="", because=text)
    return Decision(
        plugin=NAME, denials=(denial,), status=Status(code=0, reason="", message=status_message([Sentence("", text)]))
    )
