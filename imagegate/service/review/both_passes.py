"""Reviews of objects from files: make a request and run both passes, as an API server would."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from imagegate.core.admission.decision import Denial, PatchOp
from imagegate.core.admission.request import AdmissionRequest, GroupKind, GroupResource, Phase, User
from imagegate.core.admission.trace import Trace
from imagegate.errors import InvalidInput
from imagegate.service.policies.policy_set import Mode
from imagegate.service.review.response import Outcome
from imagegate.service.review.reviewer import Reviewer


class SoftDenial(NamedTuple):
    """A denial that is only reported: its plug-in is in mode ``warn`` or ``audit``."""

    mode: Mode
    plugin: str
    denial: Denial


class TwoPassResult(NamedTuple):
    """Results of the mutating pass over an object, and of the validating pass over the object as patched."""

    mutating: Outcome
    validating: Outcome

    @property
    def covered(self) -> bool:
        """True if any plug-in applied."""
        return bool(self.mutating.verdicts or self.validating.verdicts)

    @property
    def allowed(self) -> bool:
        """True if both passes allow."""
        return self.mutating.allowed and self.validating.allowed

    @property
    def rules(self) -> tuple[str, ...]:
        """Names of the rules that decided, or would have if they were enforced; each once."""
        decisions = [decision for outcome in self for decision, _ in outcome.verdicts]
        softened = (each.rule for decision in decisions for each in decision.softened)
        return tuple(dict.fromkeys([*(rule for each in decisions for rule in each.rules), *softened]))

    @property
    def finds_nothing(self) -> bool:
        """True if no plug-in denies in any mode, and none warns."""
        return not any(
            decision.denials or decision.warnings or decision.softened
            for outcome in self
            for decision, _ in outcome.verdicts
        )

    @property
    def only_lacks_evidence(self) -> bool:
        """True if every denial is only for lack of evidence: a look-up failed."""
        denied = [outcome for outcome in self if not outcome.allowed]
        return bool(denied) and all(outcome.only_lacks_evidence for outcome in denied)

    @property
    def denials(self) -> tuple[tuple[str, Denial], ...]:
        """Plug-in and denial; for a place that both passes deny, those of the first."""
        found: dict[tuple[str, str], list[Denial]] = {}
        for outcome in self:
            places = _denied_places(outcome)
            found.update((place, denials) for place, denials in places.items() if place not in found)
        return tuple((plugin, denial) for (plugin, _), denials in found.items() for denial in denials)

    @property
    def soft_denials(self) -> tuple[SoftDenial, ...]:
        """Denials that count only in mode ``enforce``."""
        found: dict[tuple[str, str, str], SoftDenial] = {}
        for decision, mode in (*self.mutating.verdicts, *self.validating.verdicts):
            for denial in decision.denials if mode is not Mode.ENFORCE else ():
                found.setdefault((decision.plugin, denial.at, denial.image), SoftDenial(mode, decision.plugin, denial))
            for each in decision.softened if mode is not Mode.AUDIT else ():
                if each.mode == Mode.AUDIT:  # of the others the warnings tell
                    place = (decision.plugin, each.denial.at, each.denial.rule)
                    found.setdefault(place, SoftDenial(Mode.AUDIT, decision.plugin, each.denial))
        return tuple(found.values())

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings of the plug-ins, without those that repeat soft denials."""
        found = [warning for outcome in self for verdict in outcome.verdicts for warning in verdict.decision.warnings]
        return tuple(dict.fromkeys(found))

    @property
    def patch(self) -> tuple[PatchOp, ...]:
        """Operations of the mutating pass; empty if anything is denied."""
        return self.mutating.patch if self.allowed else ()


def _denied_places(outcome: Outcome) -> dict[tuple[str, str], list[Denial]]:
    """Denials in mode ``enforce``, by plug-in and place."""
    found: dict[tuple[str, str], list[Denial]] = {}
    for verdict in outcome.verdicts:
        for denial in verdict.decision.denials if verdict.denies else ():
            found.setdefault((verdict.decision.plugin, denial.at), []).append(denial)
    return found


def review_manifest(reviewer: Reviewer, request: AdmissionRequest, *, trace: Trace | None = None) -> TwoPassResult:
    """Run both passes for ``request``, a request of the mutating pass.

    The validating pass runs only the plug-ins that may decide differently.
    """
    mutating = reviewer.decide(request, trace=trace)
    again = _again(request, mutating.object)
    # an unchanged object would be traced twice
    retraced = None if mutating.patch else trace
    validating = reviewer.decide(again, plugins=reviewer.validating(mutating), trace=retraced)
    return TwoPassResult(mutating, validating)


def _again(request: AdmissionRequest, left: Mapping[str, Any] | None) -> AdmissionRequest:
    """The request of the validating pass. Written out, because ``dataclasses.replace`` costs as much as a decision."""
    return AdmissionRequest(
        uid=request.uid,
        phase=Phase.VALIDATE,
        operation=request.operation,
        kind=request.kind,
        resource=request.resource,
        object=left,
        old_object=request.old_object,
        request_kind=request.request_kind,
        request_resource=request.request_resource,
        sub_resource=request.sub_resource,
        namespace=request.namespace,
        name=request.name,
        user=request.user,
        dry_run=request.dry_run,
        api_version=request.api_version,
    )


def creation(
    manifest: Mapping[str, Any], *, uid: str, namespace: str = "default", user: User = User(), dry_run: bool = False
) -> AdmissionRequest:
    """The request of the mutating pass for creating ``manifest``.

    Args:
        namespace: used if the manifest sets none.

    Raises:
        InvalidInput: it has no kind or version, or its metadata is not an object.
    """
    version, kind = manifest.get("apiVersion"), manifest.get("kind")
    if not isinstance(version, str) or not version or not isinstance(kind, str) or not kind:
        raise InvalidInput("apiVersion and kind are required")
    metadata = manifest.get("metadata", {})
    if not isinstance(metadata, dict):
        raise InvalidInput("metadata: expected an object")
    name, own = metadata.get("name") or "", metadata.get("namespace") or ""
    if not isinstance(name, str) or not isinstance(own, str):
        raise InvalidInput("metadata: expected name and namespace as strings")
    group_kind, group_resource = _types_of(version, kind)
    return AdmissionRequest(
        uid=uid,
        phase=Phase.MUTATE,
        operation="CREATE",
        kind=group_kind,
        resource=group_resource,
        object=manifest,
        request_kind=group_kind,
        request_resource=group_resource,
        namespace=own or namespace,
        name=name,
        user=user,
        dry_run=dry_run,
    )


# Bounded, because manifests may name any kind; few occur.
@lru_cache(maxsize=512)
def _types_of(version: str, kind: str) -> tuple[GroupKind, GroupResource]:
    group = version.rpartition("/")[0]
    return GroupKind(group, kind), GroupResource(group, plural(kind))


def plural(kind: str) -> str:
    """The resource of a kind, as Kubernetes guesses it (``meta.UnsafeGuessKindToResource``)."""
    lower = kind.lower()
    if lower.endswith("endpoints"):
        return lower
    if lower.endswith("s"):
        return f"{lower}es"
    return f"{lower[:-1]}ies" if lower.endswith("y") else f"{lower}s"
