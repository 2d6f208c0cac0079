"""Admission of policy objects: what lint calls an error, or what would lock out guarded images, is refused.

The only change that is judged by what it leaves behind is that of ClusterImagePolicy and ImagePolicy. The image
policy of a master-config comes from a file, and is judged where it is loaded (``at_start``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from imagegate.core.admission.answer_reader import AnswerReader
from imagegate.core.admission.decision import Decision, Denial, DenialCode
from imagegate.core.admission.plugin import Answers, Question
from imagegate.core.admission.request import AdmissionRequest, GroupResource, Phase
from imagegate.core.admission.trace import Step, Trace
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.kube.status import Status
from imagegate.service.guard.guarded import Guarded
from imagegate.service.guard.lockout import Lockout, lockouts
from imagegate.service.policies.policy_set import ConfiguredPlugin

if TYPE_CHECKING:
    from imagegate.core.enforcement.plugin import CisePlugin
    from imagegate.core.enforcement.policy import ImagePolicyObject
    from imagegate.documents.lint.findings import Finding

NAME = "policy-guard"
GROUPS = ("portieris.cloud.ibm.com", "securityenforcement.admission.cloud.ibm.com")
RESOURCES = frozenset(
    GroupResource(group, resource) for group in GROUPS for resource in ("clusterimagepolicies", "imagepolicies")
)
NAMESPACE_CONTROLLER = "system:serviceaccount:kube-system:namespace-controller"
"""Empties namespaces that are deleted; their pods go with their policies."""
TOLD_MAX = 5
"""Lockouts that a message names one by one."""
OVERRIDE = 'to allow it nevertheless, set guard.lockout to "warn"'


@dataclass(frozen=True, slots=True)
class PolicyGuard:
    """The plug-in, made beside the plug-ins that it judges by. Validating pass only."""

    guarded: Guarded
    plugins: tuple[ConfiguredPlugin, ...] = ()
    """The plug-ins in force."""
    refuses: bool = True
    """False: lockouts are warnings."""
    cluster_domain: str = ""
    """For reading policies: see ``documents.image_policies.Reading``."""

    @property
    def enforcement(self) -> ConfiguredPlugin | None:
        """Image enforcement; None where it is off, so that policies have no effect."""
        return next((each for each in self.plugins if each.name == "cise"), None)

    @property
    def name(self) -> str:
        """``policy-guard``."""
        return NAME

    def covers(self, request: AdmissionRequest) -> bool:
        """True for changes of a policy's spec, and for its deletion."""
        return (
            request.phase is Phase.VALIDATE
            and request.resource in RESOURCES
            and not request.sub_resource
            and (request.operation in ("CREATE", "DELETE") or (request.operation == "UPDATE" and _changes(request)))
        )

    def questions(self, request: AdmissionRequest, answers: Answers) -> Iterable[Question]:
        """Images of the guarded namespaces that the policy governs."""
        reader = AnswerReader(answers, final=False)
        for question in self.guarded.questions(_governed(self, request)):
            reader(question)
        return reader.missing

    def decide(
        self, request: AdmissionRequest, answers: Answers, *, now: datetime, trace: Trace | None = None
    ) -> Decision:
        """Refused with every error of lint and every lockout; warnings of lint are shown to the user."""
        review = _Review.of(self, request)
        if review.errors:
            found = _refused(request, DenialCode.INVALID_OBJECT, review.errors)
        elif review.in_force is None or not review.governed:
            found = _allowed(review.warnings)
        else:
            found = self._judge(review, review.in_force, AnswerReader(answers, final=True), now)
        if trace is not None:
            because = "; ".join(denial.text for denial in found.denials)
            trace.add("", Step("policy", request.name, "denied" if because else "allowed", because))
        return found

    def _judge(self, review: _Review, in_force: ConfiguredPlugin, reader: AnswerReader, now: datetime) -> Decision:
        """The decision about a readable policy that governs guarded namespaces."""
        request = review.request
        if unavailable := _enforcement(in_force).policies.unavailable:
            return _refused(request, DenialCode.LOOK_UP_FAILED, [unavailable])
        known = self.guarded.known(review.governed, reader)
        if known.unknown and self.refuses:
            return _refused(request, DenialCode.LOOK_UP_FAILED, [*known.unknown, OVERRIDE])
        before = lockouts((in_force,), known.protected, now=now)
        found = lockouts((review.after(in_force),), known.protected, now=now)
        worse = _worse([each for each in found if each.certain], before, deletes=request.operation == "DELETE")
        if worse and self.refuses:
            return _refused(request, DenialCode.REJECTED_BY_RULE, [*_told(worse), _advice(worse)])
        unsure = [each.doubt for each in found if not each.certain]
        return _allowed([*review.warnings, *known.unknown, *_told(worse), *_told(unsure)])


@dataclass(frozen=True, slots=True)
class _Review:
    """One request: the policies before and after it."""

    guard: PolicyGuard
    request: AdmissionRequest
    in_force: ConfiguredPlugin | None
    """Image enforcement; None where it is off, so that policies have no effect."""
    policies: tuple[ImagePolicyObject, ...]
    """All of them after the request."""
    governed: tuple[str, ...]
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, guard: PolicyGuard, request: AdmissionRequest) -> _Review:
        """Read the object of the request."""
        in_force = guard.enforcement
        current = () if in_force is None else _enforcement(in_force).policies.policies
        errors, warnings, new = _read(guard, request, current)
        others = tuple(each for each in current if not _is(each, request))
        return cls(guard, request, in_force, (*others, *new), _governed(guard, request), errors, warnings)

    def after(self, in_force: ConfiguredPlugin) -> ConfiguredPlugin:
        """Image enforcement as it would be."""
        from imagegate.core.enforcement.selection import PolicySet  # takes time: imported when used

        plugin = _enforcement(in_force)
        changed = replace(plugin, policies=PolicySet(self.policies, plugin.settings.groups, before=plugin.policies))
        return replace(in_force, plugin=changed)


def _governed(guard: PolicyGuard, request: AdmissionRequest) -> tuple[str, ...]:
    """The guarded namespaces whose pods the policy of a request decides, or will decide no more."""
    configured = guard.enforcement
    if configured is None:
        return ()
    if request.resource.resource == "imagepolicies":
        leaves = request.operation == "DELETE" and request.user.name == NAMESPACE_CONTROLLER
        return tuple(name for name in guard.guarded.namespaces if name == request.namespace and not leaves)
    effective = _enforcement(configured).policies.effective
    of_cluster = (None, effective(""))
    return tuple(name for name in guard.guarded.namespaces if effective(name) in of_cluster)


def _enforcement(configured: ConfiguredPlugin) -> CisePlugin:
    from imagegate.core.enforcement.plugin import CisePlugin  # takes time: imported when used

    if not isinstance(configured.plugin, CisePlugin):
        raise TypeError(f"plug-in {configured.name} is not image enforcement")
    return configured.plugin


def _read(
    guard: PolicyGuard, request: AdmissionRequest, current: Sequence[ImagePolicyObject]
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[ImagePolicyObject, ...]]:
    """Errors and warnings of lint, and the policy of the request; none in a deletion."""
    if request.operation == "DELETE":
        return (), (), ()
    from imagegate.documents.image_policies import Reading
    from imagegate.documents.lint.findings import Severity
    from imagegate.documents.lint.one_policy import lint_policy_object

    reading = Reading(namespace=request.namespace, cluster_domain=guard.cluster_domain)
    findings, new = lint_policy_object(request.object, reading, current)
    errors = [_sentence(each) for each in findings if each.severity is Severity.ERROR]
    if new is not None and (request.kind != (new.group.value.partition("/")[0], new.kind)):
        errors.append(f"the object says it is a {new.kind} of {new.group.value}, the request {request.kind}")
    warnings = tuple(_sentence(each) for each in findings if each.severity is Severity.WARNING)
    return tuple(errors), warnings, () if new is None else (new,)


def _sentence(finding: Finding) -> str:
    return f"{finding.path}: {finding.text}" if finding.path else finding.text


def _changes(request: AdmissionRequest) -> bool:
    """False where the spec stays as it is: labels, finalizers, a deletion under way."""
    return (request.object or {}).get("spec") != (request.old_object or {}).get("spec")


def _is(policy: ImagePolicyObject, request: AdmissionRequest) -> bool:
    """True if a policy in force is the one that the request is about."""
    name = request.name or _name(request.object) or _name(request.old_object)
    group = policy.group.value.partition("/")[0]
    namespace = request.namespace if request.resource.resource == "imagepolicies" else ""
    return (group, policy.kind, policy.namespace, policy.name) == (*request.kind, namespace, name)


def _name(document: Mapping[str, Any] | None) -> str:
    metadata = (document or {}).get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    return name if isinstance(name, str) else ""


def _worse(found: Sequence[Lockout], before: Iterable[Lockout], *, deletes: bool) -> list[Lockout]:
    """The lockouts for which a change is refused.

    One that was there before is no reason where the change removes another, so that policies can be repaired one by
    one, and none against a deletion.
    """
    places, old = {each.place for each in found}, {each.place for each in before if each.certain}
    if deletes:
        return [each for each in found if each.place not in old]
    return [] if places < old else list(found)


def _told(found: Sequence[object]) -> list[str]:
    more = len(found) - TOLD_MAX
    return [*map(str, found[:TOLD_MAX]), *([f"and {more} more"] if more > 0 else [])]


def _advice(found: Sequence[Lockout]) -> str:
    namespaces = ", ".join(sorted({each.namespace for each in found}))
    return (
        f"without these images the cluster or imagegate may not start again: name them in repositories, or first"
        f" create an ImagePolicy that allows them in {namespaces}; {OVERRIDE}"
    )


def _allowed(warnings: Iterable[str]) -> Decision:
    return Decision(plugin=NAME, warnings=tuple(f"imagegate: {warning}" for warning in warnings))


def _refused(request: AdmissionRequest, code: DenialCode, problems: Sequence[str]) -> Decision:
    text = "; ".join(problems)
    label = f"{request.kind} {go_quote(request.name or _name(request.object) or _name(request.old_object))}"
    failed = code is DenialCode.LOOK_UP_FAILED
    status = Status(
        code=500 if failed else 422 if code is DenialCode.INVALID_OBJECT else 403,
        reason="InternalError" if failed else "Invalid" if code is DenialCode.INVALID_OBJECT else "Forbidden",
        message=f"{label} is refused: {text}",
        group=request.resource.group,
        kind=request.resource.resource,
        name=request.name,
    )
    denials = tuple(Denial(code=code, image="", at="", rule=NAME, because=problem) for problem in problems)
    return Decision(plugin=NAME, denials=denials, status=status)
