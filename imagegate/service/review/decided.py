"""The fields of a review that are recorded: never the object, never a secret.

Most reviews of a cluster differ only in who asked for which object. All other fields are those of the review's kind,
which is made once, encoded once, and counted by identity.
"""

from __future__ import annotations

import itertools
import json
import re
import weakref
from collections.abc import Iterable
from typing import Any, NamedTuple, TypedDict

import orjson

from imagegate.core.admission.decision import Decision, Denial, PatchOp, field_path
from imagegate.service.policies.policy_set import Mode
from imagegate.service.review.response import SOFTENED, Outcome, PodWarning, Verdict

LISTED_MAX = 20
"""Longest list in a record: a line stays short however many images an object has."""
TEXT_MAX = 512
"""Longest string of a list, in characters."""
PLACES_MAX_BYTES = 2000
"""Longest list of places in a record, encoded. Lines of several processes on one pipe stay whole up to 4096 bytes."""
WARNINGS_MAX_BYTES = 1200
"""Longest list of warnings about Pods in a record, encoded: beside a list of places a line still stays whole."""
FIELD_MAX = 1024
"""Longest field of a request, in characters, where they are longer altogether. Kubernetes' names are shorter."""
CACHED_MAX = 1024
CACHED_MAX_BYTES = 2 * 1024 * 1024
_SIZE_BYTES = 512
"""Memory of one ``Decided`` without its strings."""
_DIGEST = re.compile(r"[^@\"]*@([a-z0-9]+:[0-9a-f]+)")


class PluginRecord(TypedDict, total=False):
    """One plug-in's part of a record."""

    plugin: str
    verdict: str
    mode: str
    rules: list[str]
    codes: list[str]
    images: list[str]
    """Denied images as written."""
    softened: list[str]
    """Rules that matched in mode ``warn`` or ``audit``: ``RULE (MODE): IMAGE``."""
    denials: list[dict[str, str]]
    """The first denials: ``at``, ``image``, ``rule``, ``code``, ``because``, ``hint``."""
    rewrites: list[dict[str, str]]
    """The first images that were written back: ``at`` and the image ``to`` which it was changed."""


class PluginResult(NamedTuple):
    """The result of one plug-in, as it is counted."""

    plugin: str
    word: str
    """As ``Verdict.word``."""
    counted: tuple[tuple[str, str], ...]
    """Word and rule, for each rule that decided or softened."""
    is_denied: bool
    code: str
    """Of the first denial."""
    bypass: str


class ReviewKind:
    """The fields that many reviews share. Compared by identity. Refers to no request and no decision."""

    __slots__ = ("head", "phase", "pod_warnings", "results", "size", "tail")

    def __init__(self, outcome: Outcome) -> None:
        request = outcome.request
        self.phase = request.phase
        self.results = tuple(map(_result, outcome.verdicts))
        self.pod_warnings = tuple(
            (each.plugin, str(request.kind), each.denial.code.value) for each in outcome.pod_warnings
        )
        """Plug-in, kind of the object and code of each warning about its Pods."""
        head = {
            "level": "info",
            "logger": "imagegate.decision",
            "message": "allowed" if outcome.allowed else "denied",
        }
        tail: dict[str, Any] = {
            "phase": request.phase.value,
            "operation": request.operation[:FIELD_MAX],
            "resource": str(request.request_resource)[:FIELD_MAX],
            "dryRun": request.dry_run,
            "allowed": outcome.allowed,
            "decisions": list(map(_plugin_record, outcome.verdicts)),
            "policyVersion": outcome.policy_version[:12],
        }
        if request.sub_resource:
            tail["subResource"] = request.sub_resource[:FIELD_MAX]
        if outcome.patch and (digests := _digests(outcome)):
            tail["digests"] = digests
        if outcome.pod_warnings:
            told = _first(map(_pod_warning_record, outcome.pod_warnings), WARNINGS_MAX_BYTES)
            tail["podWarnings"] = told
            if left_out := len(outcome.pod_warnings) - len(told):
                tail["podWarningsLeftOut"] = left_out
        self.head = encoded(head)[1:-1]
        """Members of the record's JSON object, without braces."""
        self.tail = encoded(tail)[1:-1]
        rules = itertools.chain.from_iterable(each.counted for each in self.results)
        self.size = _SIZE_BYTES + len(self.tail) + sum(len(rule) for _, rule in rules)


class Decided(NamedTuple):
    """One review, as it is recorded."""

    kind: ReviewKind
    now: float
    """Seconds since 1970."""
    seconds: float
    """Time that the answer took."""
    uid: str
    namespace: str
    name: str
    user: str
    size: int
    """Bytes of memory, about; ``kind`` counted as if it were not shared."""


class Kinds:
    """The kinds of reviews, cached: reviews that are answered from memory share their decisions.

    Threads that miss at once make the same kind twice, so there is no lock. A decision is not kept in memory by being
    cached here.
    """

    def __init__(self) -> None:
        self._kinds: dict[tuple[object, ...], tuple[ReviewKind, tuple[weakref.ref[Decision], ...]]] = {}
        self._bytes = 0

    def decided(self, outcome: Outcome, now: float, seconds: float) -> Decided:
        """The fields of ``outcome`` that are recorded. Keeps neither its request nor its decisions in memory."""
        request = outcome.request
        uid, namespace, name, user = request.uid, request.namespace, request.name, request.user.name
        size = len(uid) + len(namespace) + len(name) + len(user)
        if size > FIELD_MAX:
            uid, namespace, name, user = (text[:FIELD_MAX] for text in (uid, namespace, name, user))
            size = len(uid) + len(namespace) + len(name) + len(user)
        kind = self._kind(outcome)
        return Decided(kind, now, seconds, uid, namespace, name, user, size + kind.size)

    def _kind(self, outcome: Outcome) -> ReviewKind:
        if outcome.pod_warnings:  # rare, and not in the key
            return ReviewKind(outcome)
        request, verdicts = outcome.request, outcome.verdicts
        key = (
            id(request.phase),  # the hash of an enumeration's member is a call in Python
            request.operation,
            request.request_resource,
            request.sub_resource,
            request.dry_run,
            outcome.policy_version,
            outcome.allowed,
            *[id(decision) for decision, _ in verdicts],
            *[mode for _, mode in verdicts],
        )
        known = self._kinds.get(key)
        if known is not None:
            for verdict, reference in zip(verdicts, known[1], strict=True):
                if reference() is not verdict[0]:  # another one, at the address of one that is gone
                    break
            else:
                return known[0]
        kind = ReviewKind(outcome)
        if len(self._kinds) >= CACHED_MAX or self._bytes > CACHED_MAX_BYTES:
            self._kinds, self._bytes = {}, 0
        if sum(map(len, (request.operation, request.sub_resource, *request.request_resource))) <= FIELD_MAX:
            self._kinds[key] = kind, tuple(weakref.ref(decision) for decision, _ in verdicts)
            self._bytes += kind.size
        return kind


def _result(verdict: Verdict) -> PluginResult:
    decision, word = verdict.decision, verdict.word
    counted = [(word, rule) for rule in decision.rules or ("",)]
    counted += [(SOFTENED[Mode(each.mode)], each.rule) for each in decision.softened]
    return PluginResult(
        plugin=decision.plugin,
        word=word,
        counted=tuple(counted),
        is_denied=bool(decision.denials),
        code=decision.denials[0].code.value if decision.denials else "",
        bypass=decision.annotations.get("bypass", ""),
    )


def _plugin_record(verdict: Verdict) -> PluginRecord:
    decision = verdict.decision
    part: PluginRecord = {"plugin": decision.plugin, "verdict": verdict.word, "mode": verdict.mode.value}
    if decision.rules:
        part["rules"] = _some(decision.rules)
    if decision.denials:
        part["codes"] = _some(denial.code.value for denial in decision.denials)
        part["images"] = _some(denial.image for denial in decision.denials if denial.image)
        part["denials"] = _first(map(_denial_record, decision.denials))
    if verdict.word == "rewritten" and (rewrites := _first(_rewrite_records(decision.rewrites))):
        part["rewrites"] = rewrites
    if decision.softened:
        part["softened"] = _some(f"{each.rule} ({each.mode}): {each.denial.image}" for each in decision.softened)
    return part


def _denial_record(denial: Denial) -> dict[str, str]:
    fields = {
        "at": denial.at,
        "image": denial.image,
        "rule": denial.rule,
        "code": denial.code.value,
        "because": denial.because,
        "hint": denial.hint,
    }
    return {key: text[:TEXT_MAX] for key, text in fields.items() if text}


def _pod_warning_record(warning: PodWarning) -> dict[str, str]:
    named = {"plugin": warning.plugin} if warning.plugin else {}
    return named | _denial_record(warning.denial)


def _rewrite_records(rewrites: Iterable[PatchOp]) -> Iterable[dict[str, str]]:
    for path, value in ((op.path, op.value) for op in rewrites):
        if isinstance(value, str) and path.startswith("/spec/"):
            yield {"at": field_path(path)[:TEXT_MAX], "to": value[:TEXT_MAX]}


def _first(places: Iterable[dict[str, str]], most_bytes: int = PLACES_MAX_BYTES) -> list[dict[str, str]]:
    """The first few that fit into ``most_bytes``."""
    found: list[dict[str, str]] = []
    size = 0
    for place in itertools.islice(places, LISTED_MAX):
        size += len(encoded(place))
        if size > most_bytes:
            break
        found.append(place)
    return found


def _digests(outcome: Outcome) -> list[str]:
    """Digests that images were rewritten to."""
    values = (op.value for op in outcome.patch)
    return _some(found[1] for value in values if isinstance(value, str) and (found := _DIGEST.fullmatch(value)))


def _some(texts: Iterable[str]) -> list[str]:
    """The first few distinct ones."""
    return list(dict.fromkeys(text[:TEXT_MAX] for text in texts))[:LISTED_MAX]


def encoded(value: Any) -> bytes:
    """``value`` as JSON."""
    try:
        return orjson.dumps(value)
    except TypeError:  # a string that is not Unicode
        return json.dumps(value, separators=(",", ":")).encode("ascii")
