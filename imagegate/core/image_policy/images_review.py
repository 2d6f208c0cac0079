"""One decision of the image policy: the verdict on each image, collected into denials and rewrites.

Source: docs/spec/image-policy.md 4 to 10; openshift/apiserver-library-go, pkg/admission/imagepolicy.
"""

from __future__ import annotations

from dataclasses import replace

from imagegate.core.admission.answer_reader import NOT_LOOKED_UP, AnswerReader
from imagegate.core.admission.decision import Decision, Denial, DenialCode, PatchOp, Softened, pointer
from imagegate.core.admission.request import AdmissionRequest, Phase
from imagegate.core.admission.trace import Trace
from imagegate.core.admission.workload import DOCKER_IMAGE, ImageUse
from imagegate.core.image_policy.attributes import Attributes, Unresolved
from imagegate.core.image_policy.behaviour import Behaviour
from imagegate.core.image_policy.coverage import Plan
from imagegate.core.image_policy.execution_rules import CompiledRule, RuleList, RuleResult
from imagegate.core.image_policy.messages import (
    bad_name_detail,
    cannot_change,
    documented_detail,
    invalid_status,
    unknown_detail,
    unresolved_detail,
    unresolved_hint,
    upstream_detail,
)
from imagegate.core.image_policy.request import PolicyRequest
from imagegate.core.image_policy.resolution import Resolver
from imagegate.core.image_policy.trace import trace_hint, trace_image, trace_request
from imagegate.core.image_policy.unmet import nearest_rule, rejection_hint
from imagegate.core.image_policy.verdict_cache import Verdict, VerdictCache
from imagegate.errors import InvalidReference

NAME = "image-policy"
NOT_REWRITTEN = "it names an image stream, but is not rewritten, and a node reads it as another image"


class ImagesReview:
    """One decision: goes through the images in order, as the original does, and collects denials and rewrites."""

    def __init__(
        self,
        request: AdmissionRequest,
        plan: Plan,
        work: PolicyRequest,
        reader: AnswerReader,
        behaviour: Behaviour,
        trace: Trace | None,
        cache: VerdictCache | None,
    ) -> None:
        self._request = request
        self._plan = plan
        self._work = work
        self._reader = reader
        self._behaviour = behaviour
        self._trace = trace
        self._plain_resolver: Resolver | None = None
        self._privileged_resolver: Resolver | None = None
        self._excluded = work.exclusions(reader) if cache is None else cache.exclusions(request, work, reader)
        self._verdict_cache = cache if self._excluded.are_none else None
        self.is_repeatable = self._verdict_cache is not None
        """True if every verdict was certain and the same for every user: a request like this is decided alike."""
        self._mutating = request.phase is Phase.MUTATE and work.may_rewrite
        self._cache_key = (request.resources, request.namespace, work.resolve_all)
        self._denials: list[Denial] = []
        self._rewrites: list[PatchOp] = []
        self._warnings: list[str] = []
        self._softened: list[Softened] = []
        self._rules: dict[str, None] = {}
        self._seen: dict[tuple[str, str, str], Denial | None] = {}

    def decide(self) -> Decision:
        """The decision over all changed images."""
        if self._trace is not None:
            trace_request(self._trace, self._request, self._plan, self._excluded)
        for use in self._work.uses:
            self._decide_image(use)
        annotations = {}
        if self._excluded.used:
            annotations["ignored-rules"] = ",".join(sorted(self._excluded.used))
        if self._denials:
            denials = tuple(self._denials)
            return Decision(
                plugin=NAME,
                denials=denials,
                status=invalid_status(self._request, denials),
                warnings=tuple(self._warnings),
                softened=tuple(self._softened),
                rules=tuple(self._rules),
                annotations=annotations,
            )
        return Decision(
            plugin=NAME,
            rewrites=tuple(self._rewrites),
            warnings=tuple(self._warnings),
            softened=tuple(self._softened),
            rules=tuple(self._rules),
            annotations=annotations,
        )

    def _decide_image(self, use: ImageUse) -> None:
        if use.unknown:
            if self._plan.fatal or self._names_matter:
                self._deny(use, DenialCode.UNRESOLVED, "", unknown_detail(use.unknown))
            return
        key = use.reference
        if key in self._seen and self._remember_repeat(use, self._seen[key]):
            return
        held = self._work.held(use, fixed=self._plan.fixed_on_update) if self._mutating else ""
        restored = self._restored(use, held) if held else None
        verdict = restored or self._verdict(use, rewriting=held is None)
        if verdict.outcome is None:
            self._seen[key] = self._deny_unresolved(use, verdict)
            return
        if restored and held:
            self._rewrite(use, held)
        elif held is None and self._rewrites_to(use, verdict):
            self._rewrite(use, verdict.exact)
            if self._behaviour.dedupe_by_rewritten_reference:
                key = (DOCKER_IMAGE, "", verdict.exact)
        self._seen[key] = self._note(use, verdict, verdict.outcome)

    def _restored(self, use: ImageUse, held: str) -> Verdict | None:
        """The verdict on a tag in an immutable place, if it still resolves to the image that the place ``held``.

        Then the old image is written back, the update changes nothing there, and applying a manifest twice works. A
        tag that now resolves to another image stays as written, for the API server to refuse, with a warning.
        """
        if not self._behaviour.restores_pinned or (use.kind == DOCKER_IMAGE and "@" in use.name):
            return None
        verdict = self._verdict(use, rewriting=True)
        if not self._rewrites_to(use, verdict):
            return None
        digest = self._digest(held)
        if held == verdict.exact or (digest and digest == verdict.attributes.name.id):
            return verdict
        if digest:
            self._warnings.append(cannot_change(use, self._request.kind))
        return None

    def _digest(self, text: str) -> str:
        try:
            return self._resolver.parse(text).id
        except InvalidReference:
            return ""

    def _verdict(self, use: ImageUse, *, rewriting: bool) -> Verdict:
        """The verdict on the image, from the cache while the snapshot is the same."""
        cache = self._verdict_cache
        if cache is None:
            return self._new_verdict(use, rewriting=rewriting)
        key = (self._cache_key, rewriting, use.reference)
        verdict = cache.verdicts.get(key)
        if verdict is None:
            verdict = self._new_verdict(use, rewriting=rewriting)
            certain = verdict.attributes.doubt is None and (verdict.error is None or not verdict.error.failed)
            if certain and not self._resolver.is_personal:
                cache.verdicts.put(key, verdict)
            else:
                self.is_repeatable = False
        return verdict

    def _new_verdict(self, use: ImageUse, *, rewriting: bool) -> Verdict:
        """The verdict, and what a denial tells of the rules."""
        verdict = self._evaluated(use, rewriting=rewriting)
        is_told = self._behaviour.names_nearest_rule or self._trace is not None
        if not is_told or verdict.outcome is None or verdict.outcome.accepted or verdict.bad_name:
            return verdict
        return verdict._replace(hint=self._hint(use, verdict, verdict.outcome))

    def _hint(self, use: ImageUse, verdict: Verdict, outcome: RuleResult) -> str:
        """Why the reject rule matches, or the nearest accept rule does not, as the user sees the image."""
        if outcome.rule is not None:
            hidden = verdict.second_look  # of what imagegate alone sees only the rule is told
            return "" if hidden else rejection_hint(outcome.rule, verdict.attributes, self._behaviour)
        rules = self._plan.rules
        if rules is None or self._bad_name(use):  # no registry is known of what is no reference
            return ""
        near = nearest_rule(rules, verdict.attributes, self._excluded, self._behaviour)
        return near.hint if near is not None else ""

    def _evaluated(self, use: ImageUse, *, rewriting: bool) -> Verdict:
        """Resolve, then apply the rules; look a second time where imagegate may see more than the user."""
        attributes, error = self._resolve(use)
        refused = self._resolver.was_refused
        looks_again = self._plan.attempts and self._resolver.needs_second_look(use)
        rules = self._plan.rules
        if error is not None and self._plan.fatal:
            return Verdict(attributes, error, None, "", "")
        if rules is None:
            return Verdict(attributes, error, RuleResult(True), "", attributes.name.exact)
        outcome = self._apply_rules(rules, attributes)
        if outcome.in_doubt:
            return _in_doubt(attributes, outcome)
        if outcome.accepted and attributes.local_rewrite and self._stays_local(use, attributes, rewriting=rewriting):
            as_pulled = Unresolved(NOT_REWRITTEN)
            seen = self._resolver.best_effort(use, as_pulled)
            result = self._apply_rules(rules, seen)
            if result.in_doubt:
                return _in_doubt(seen, result)
            if not result.accepted:
                return Verdict(seen, as_pulled, result, "", seen.name.exact)
        bad_name = self._bad_name(use) if outcome.accepted else ""
        if bad_name:
            outcome = RuleResult(False)
        verdict = Verdict(attributes, error, outcome, bad_name, attributes.name.exact)
        if outcome.accepted and looks_again:
            return self._second_look(use, rules, verdict, refused)
        return verdict

    def _second_look(self, use: ImageUse, rules: RuleList, first: Verdict, refused: bool) -> Verdict:
        """Apply the rules to an accepted image as imagegate itself sees it, with its own rights.

        Every reject rule that matches then rejects. Where the user lacked rights, the rules must accept it as well:
        fewer rights never lead to a milder verdict. Messages show nothing of what imagegate saw but the rule.
        """
        seen = self._own.resolve(use)
        if seen is None:
            seen = Unresolved(NOT_LOOKED_UP, failed=True)
        if isinstance(seen, Unresolved):
            seen = self._own.best_effort(use, seen)
        result = self._apply_rules(rules, seen, rejects_only=not refused)
        if result.in_doubt:
            return _in_doubt(first.attributes, result)
        if not result.accepted:
            return first._replace(outcome=result, second_look=True)
        assert first.outcome is not None  # noqa: S101 - only what was accepted is looked at again
        softened = dict.fromkeys((*first.outcome.softened, *result.softened))
        return first._replace(outcome=first.outcome._replace(softened=tuple(softened)))

    def _apply_rules(self, rules: RuleList, attributes: Attributes, *, rejects_only: bool = False) -> RuleResult:
        """The result of the rules; ``rejects_only``: no accept rule is needed."""
        if attributes.doubt is None and not self._excluded.in_doubt and not rejects_only:
            return rules.decide(attributes, self._excluded)
        return rules.weigh(attributes, self._excluded, self._excluded.uncertain, rejects_only=rejects_only)

    def _stays_local(self, use: ImageUse, attributes: Attributes, *, rewriting: bool) -> bool:
        """True if a container keeps a name that only imagegate reads as an image stream tag."""
        if use.kind != DOCKER_IMAGE or not self._behaviour.judges_what_is_pulled:
            return False
        return not (rewriting and attributes.name.exact and self._plan.rewrites(local=True))

    @property
    def _own(self) -> Resolver:
        if self._privileged_resolver is None:
            self._privileged_resolver = self._work.resolver(self._reader, own=True)
        return self._privileged_resolver

    @property
    def _names_matter(self) -> bool:
        """True if the result of the rules depends on the image at all."""
        rules = self._plan.rules
        return rules is not None and any(each.rule.reject or each.rule.has_conditions for each in rules.rules)

    @property
    def _resolver(self) -> Resolver:
        if self._plain_resolver is None:
            self._plain_resolver = self._work.resolver(self._reader)
        return self._plain_resolver

    def _remember_repeat(self, use: ImageUse, earlier: Denial | None) -> bool:
        """True if a repeated image is done. A rewritten image is not: each of its places is rewritten."""
        if self._behaviour.dedupe_by_rewritten_reference:
            return True
        if earlier is None:
            return not self._mutating
        self._deny(use, earlier.code, earlier.rule, earlier.because, earlier.hint)
        return True

    def _resolve(self, use: ImageUse) -> tuple[Attributes, Unresolved | None]:
        if not self._plan.attempts:
            return self._resolver.best_effort(use, None), None
        resolution = self._resolver.resolve(use)
        if isinstance(resolution, Attributes):
            return resolution, None
        if resolution is None:
            resolution = Unresolved(NOT_LOOKED_UP, failed=True)
        return self._resolver.best_effort(use, resolution), resolution

    def _rewrites_to(self, use: ImageUse, verdict: Verdict) -> bool:
        """True if the plan replaces the image by its resolved reference."""
        if verdict.error is not None or not verdict.exact:
            return False
        name = verdict.attributes.name
        if not self._plan.rewrites(local=verdict.attributes.local_rewrite):
            return False
        only_drops_tag = use.kind == DOCKER_IMAGE and bool(name.id and name.tag)
        return not (self._behaviour.keep_tag_beside_digest and only_drops_tag)

    def _rewrite(self, use: ImageUse, text: str) -> None:
        if use.kind == DOCKER_IMAGE and use.name == text and not use.namespace:
            return
        at = pointer(use.field)
        if not use.field.endswith(".from"):
            self._rewrites.append(PatchOp("replace", at, text))
            return
        self._rewrites.append(PatchOp("add", f"{at}/kind", DOCKER_IMAGE))
        self._rewrites.append(PatchOp("add", f"{at}/name", text))
        if use.namespace:
            self._rewrites.append(PatchOp("remove", f"{at}/namespace"))

    def _note(self, use: ImageUse, verdict: Verdict, outcome: RuleResult) -> Denial | None:
        """Record the result of the rules; the denial, if there is one."""
        if self._trace is not None:
            trace_image(
                self._trace,
                use,
                verdict.attributes,
                verdict.error,
                self._plan.rules,
                self._excluded,
                outcome,
                self._behaviour,
                second_look=verdict.second_look,
            )
            trace_hint(self._trace, use, verdict.hint)
        for rule in outcome.softened:
            self._note_softened(use, rule)
        if outcome.rule is not None:
            self._rules[outcome.rule.rule.name or outcome.rule.label] = None
        if outcome.accepted:
            return None
        if verdict.bad_name:
            return self._deny(use, DenialCode.INVALID_IMAGE_NAME, "", bad_name_detail(verdict.bad_name))
        code = DenialCode.REJECTED_BY_RULE if outcome.rule is not None else DenialCode.NO_RULE_ALLOWS
        label = outcome.rule.label if outcome.rule is not None else ""
        if self._behaviour.upstream_messages:
            because = upstream_detail(verdict.error, validating=self._request.phase is Phase.VALIDATE)
        else:
            resource = str(self._request.request_resource)
            because = documented_detail(outcome.rule, verdict.attributes, self._told(verdict.error), resource)
        return self._deny(use, code, label, because, verdict.hint if self._behaviour.names_nearest_rule else "")

    def _told(self, error: Unresolved | None) -> Unresolved | None:
        """A failed resolution, unless nothing was looked up and no rule could have used the result."""
        rules = self._plan.rules
        if error is not None and error.elsewhere and rules is not None and not rules.accepts_by_image:
            return None
        return error

    def _note_softened(self, use: ImageUse, rule: CompiledRule) -> None:
        """Record what a rule of mode warn or audit would have denied."""
        denial = Denial(
            code=DenialCode.REJECTED_BY_RULE,
            image=use.name,
            at=use.error_field,
            rule=rule.label,
            because=f"image {use.name} would be rejected by rule {rule.rule.name!r}",
        )
        softened = Softened(rule.rule.mode or "", rule.rule.name or rule.label, denial)
        self._softened.append(softened)
        if softened.mode == "warn":
            self._warnings.append(softened.text)

    def _bad_name(self, use: ImageUse) -> str:
        """Reason why the image is not a reference; empty for a reference, and for a blank that is filled in later."""
        if use.kind != DOCKER_IMAGE or not self._behaviour.refuses_bad_names or not use.name.strip():
            return ""
        try:
            self._resolver.parse(use.name)
        except InvalidReference as error:
            return str(error)
        return ""

    def _deny_unresolved(self, use: ImageUse, verdict: Verdict) -> Denial:
        error = verdict.error or Unresolved("")
        code = DenialCode.LOOK_UP_FAILED if error.failed else DenialCode.UNRESOLVED
        if self._behaviour.upstream_messages:
            because = upstream_detail(error, validating=self._request.phase is Phase.VALIDATE)
        else:
            because = unresolved_detail(error)
        if self._trace is not None:
            seen = verdict.attributes
            trace_image(self._trace, use, seen, error, None, self._excluded, RuleResult(False), self._behaviour)
        rule = "resolveImages" if self._plan.fatal else ""
        hint = unresolved_hint(error) if self._behaviour.names_nearest_rule else ""
        return self._deny(use, code, rule, because, hint)

    def _deny(self, use: ImageUse, code: DenialCode, rule: str, because: str, hint: str = "") -> Denial:
        denial = Denial(code=code, image=use.name, at=use.error_field, rule=rule, because=because, hint=hint)
        self._denials.append(replace(denial, because=f"{because} ({use.within})") if use.within else denial)
        return denial


def _in_doubt(attributes: Attributes, outcome: RuleResult) -> Verdict:
    return Verdict(attributes, Unresolved(outcome.in_doubt, failed=True), None, "", "")
