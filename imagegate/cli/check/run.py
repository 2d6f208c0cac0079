"""Reads and decides manifests, in several processes if there are many."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from imagegate.adapters.files.walk import in_chart
from imagegate.cli.check.explained import all_steps, explained_lines
from imagegate.cli.check.manifests import Manifest, read_manifests
from imagegate.cli.check.not_covered import unjudged, why_not_covered
from imagegate.cli.check.pieces import Piece, batches, first_pieces, pieces_of
from imagegate.cli.check.processes import in_processes
from imagegate.cli.check.read import passed_over, read_text
from imagegate.cli.check.rule_places import rule_at
from imagegate.cli.check.select import Patterns, walk
from imagegate.cli.check.template_secrets import secrets_of
from imagegate.cli.check.templates import Made, Unsettled, made_objects, unsettled
from imagegate.cli.check.yaml_text import BadManifest
from imagegate.cli.output import quoted_word
from imagegate.core.admission.decision import LACK_OF_EVIDENCE, Denial
from imagegate.core.admission.hint import told
from imagegate.core.admission.request import AdmissionRequest, User
from imagegate.core.admission.trace import Trace
from imagegate.core.admission.workload import run_images
from imagegate.core.openshift_templates.secret_values import Secrets
from imagegate.documents.foreign import TEMPLATE
from imagegate.errors import InvalidInput
from imagegate.service.review.both_passes import TwoPassResult, creation, review_manifest
from imagegate.service.review.made_pods import PodResult, judge_made_pods
from imagegate.service.review.reviewer import Reviewer

ALLOWED, REWRITTEN, DENIED, UNKNOWN, NOT_COVERED = "allowed", "rewritten", "denied", "unknown", "not covered"
NOT_LOOKED_INTO = "not looked into"
"""An object of a Template of which too little is known."""
NOT_JUDGED = (NOT_COVERED, NOT_LOOKED_INTO)


_ALL_FILES = Patterns()


class Problem(NamedTuple):
    """One denial and its line."""

    line: int
    plugin: str
    mode: str
    code: str
    image: str
    at: str
    rule: str
    because: str
    hint: str = ""
    rule_at: str = ""
    """``FILE:LINE`` of the rule that denies, or that the hint names; empty where it is not in a file."""

    @property
    def text(self) -> str:
        """As ``Denial.text``."""
        return told(self.because, self.hint)


class Rewrite(NamedTuple):
    """One change of the object."""

    line: int
    op: str
    path: str
    before: Any
    after: Any


class Result(NamedTuple):
    """The verdict on one object."""

    file: str
    line: int
    api_version: str
    kind: str
    namespace: str
    name: str
    verdict: str
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()
    rewrites: tuple[Rewrite, ...] = ()
    steps: tuple[dict[str, Any], ...] = ()
    explained: tuple[str, ...] = ()
    """The steps in sentences; see ``service.review.explanation``."""
    stored: Mapping[str, Any] | None = None
    """The object as it would be stored, with ``CheckOptions.rewrite``."""
    seconds: float = 0.0
    """How long it took to decide."""
    reasons: tuple[str, ...] = ()
    """Why it is not covered, or not looked into."""
    images: tuple[tuple[str, str], ...] = ()
    """Field path and name of each image, with ``CheckOptions.images``."""
    rules: tuple[str, ...] = ()
    """Names of the rules that decided about the object or the Pods that it makes."""

    @property
    def label(self) -> str:
        """``Kind namespace/name``."""
        kind, name = quoted_word(self.kind), quoted_word(self.name)
        return f"{kind} {quoted_word(self.namespace)}/{name}" if self.namespace else f"{kind} {name}"


@dataclass(slots=True)
class Report:
    """All results of one ``check``."""

    results: list[Result] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    """Files that are not manifests (``file:line: why``), and paths that cannot be read (``path: why``)."""
    passed_over: list[str] = field(default_factory=list)
    """Files and objects that were not read, or are not judged: ``path: passed over: why``."""
    parameters: set[str] = field(default_factory=set)
    """Names of the parameters of all Templates that were read."""

    def add(self, other: Report) -> None:
        """Add the results of a part."""
        self.results += other.results
        self.errors += other.errors
        self.passed_over += other.passed_over
        self.parameters |= other.parameters

    @property
    def denied(self) -> bool:
        """True if any object is denied."""
        return any(result.verdict in (DENIED, UNKNOWN) for result in self.results)

    @property
    def exit_code(self) -> int:
        """0 allowed, 1 denied, 2 unreadable or nothing to check, 3 denied only for lack of evidence."""
        if self.errors:
            return 2
        verdicts = {result.verdict for result in self.results}
        return 1 if DENIED in verdicts else 3 if UNKNOWN in verdicts else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOptions:
    """The options that turn manifests into requests, and those of the output."""

    namespace: str = "default"
    user: User = User()
    patterns: Patterns = _ALL_FILES
    skip_unknown: bool = False
    """Pass over what is no object of an API."""
    require_objects: bool = False
    """An error if no object is covered by a policy."""
    judges_pods: bool = True
    """A plug-in that looks at the images of Pods is configured; without one, Pods that nothing judges are an error."""
    explain: bool = False
    rewrite: bool = False
    images: bool = False
    """List the images of each object."""
    templates: bool = True
    """Judge the Pods that objects make, too."""
    rule_places: Mapping[str, str] = field(default_factory=dict)
    """See ``PolicySet.rule_places``."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Values for parameters of Templates."""


def run_check(reviewer: Reviewer, paths: Iterable[Path], options: CheckOptions, *, jobs: int | None = None) -> Report:
    """Check everything below ``paths``.

    Args:
        jobs: processes; None: one per processor, if the input is large.
    """
    processes = jobs or len(os.sched_getaffinity(0))
    report = Report()
    pieces = pieces_of(walk(paths, options.patterns), processes, report)
    first, is_large = first_pieces(pieces, jobs)
    if processes > 1 and is_large:
        batches_of = batches(chain(first, pieces))
        parts = in_processes(lambda batch: _check_batch(reviewer, batch, options), batches_of, processes)
    else:
        parts = _in_this_process(reviewer, chain(first, pieces), options)
    for part in parts:
        report.add(part)
    unknown = options.parameters.keys() - report.parameters
    report.errors += (f"--param {name}: no Template has a parameter of this name" for name in sorted(unknown))
    if not report.results and not report.errors:
        report.errors.append("nothing was checked: the named files contain no object")
    elif options.require_objects and all(result.verdict in NOT_JUDGED for result in report.results):
        report.errors.append("nothing was judged, and --require-objects is given: no policy covers any of the objects")
    if not options.judges_pods:
        uncovered = (each for each in report.results if each.verdict == NOT_COVERED)
        report.errors += unjudged((each.api_version, each.kind) for each in uncovered)
    return report


def _in_this_process(reviewer: Reviewer, pieces: Iterable[Piece], options: CheckOptions) -> Iterator[Report]:
    # Without the collector, which would look at every node of a large List again and again: half of the time.
    # What is read has no circles, so that nothing is lost by it.
    collects = gc.isenabled()
    gc.disable()
    try:
        for piece in pieces:
            yield _check_piece(reviewer, piece, options)
    finally:
        if collects:
            gc.enable()


def _check_batch(reviewer: Reviewer, pieces: Sequence[Piece], options: CheckOptions) -> Report:
    report = Report()
    for piece in pieces:
        report.add(_check_piece(reviewer, piece, options))
    return report


def _check_piece(reviewer: Reviewer, piece: Piece, options: CheckOptions) -> Report:
    report = Report()
    try:
        text = read_text(piece.file, named=piece.named) if piece.text is None else piece.text
    except BadManifest as error:
        report.errors.append(str(error))
        return report
    secrets = secrets_of(text, piece, options.namespace)
    for found in read_manifests(text, piece.file, first_line=piece.first_line):
        if isinstance(found, Manifest):
            _check_made(reviewer, found, options, report, secrets)
        elif remark := passed_over(found, skip_unknown=options.skip_unknown):
            report.passed_over.append(remark)
        else:
            report.errors.append(str(found))
    return report


def _check_made(
    reviewer: Reviewer, manifest: Manifest, options: CheckOptions, report: Report, secrets: Secrets
) -> None:
    """Decide one object, or those that it makes as a Template; results and errors are added to ``report``."""
    try:
        for made in made_objects(manifest, options.parameters, report.parameters, secrets):
            place = f"{made.manifest.file}:{made.manifest.line}"
            unknown = [doubt.why for doubt in made.doubts if not doubt.has_no_value]
            if options.rewrite and unknown:
                report.errors.append(f"{place}: --rewrite cannot print this object: {unknown[0]}")
            _check_one(reviewer, made, options, report)
    except BadManifest as error:  # the rest of the file is read
        report.errors.append(str(error))


def _check_one(reviewer: Reviewer, made: Made, options: CheckOptions, report: Report) -> None:
    result, why = None, ""
    try:
        result = check_manifest(reviewer, made, options)
    except InvalidInput as error:
        why = str(error)
    place = f"{made.manifest.file}:{made.manifest.line}"
    if _is_template(made.manifest, result):
        report.passed_over.append(f"{place}: passed over: {TEMPLATE}")
    elif result is None:
        report.errors.append(f"{place}: {why}")
    else:
        report.results.append(result)


def _is_template(manifest: Manifest, result: Result | None) -> bool:
    """True for a template of a chart that is YAML all the same, and faulty only where something is to be filled in."""
    if result is not None and not (result.problems and all("{{" in each.image for each in result.problems)):
        return False
    return in_chart(Path(manifest.file)) and "{{" in str(manifest.object)


def check_manifest(reviewer: Reviewer, made: Made, options: CheckOptions) -> Result:
    """Decide one object.

    Raises:
        InvalidInput: an API server would not accept the object.
    """
    manifest = made.manifest
    uid = f"{manifest.file}:{manifest.line}"
    request = creation(manifest.object, uid=uid, namespace=made.namespace or options.namespace, user=options.user)
    return check_request(reviewer, made, request, options)


def check_request(reviewer: Reviewer, made: Made, request: AdmissionRequest, options: CheckOptions) -> Result:
    """Decide one request about an object.

    Raises:
        InvalidInput: an API server would not accept the object.
    """
    started = time.perf_counter()
    manifest = made.manifest
    trace, of_pods = (Trace(), Trace()) if options.explain else (None, None)
    both = review_manifest(reviewer, request, trace=trace)
    pods = judge_made_pods(reviewer, request, trace=of_pods) if options.templates else None
    nothing = both.finds_nothing
    problems = () if nothing else _problems(manifest, both)
    if pods is not None and not pods.result.finds_nothing:
        problems += _problems_of_pods(manifest, pods, {(each.plugin, each.at) for each in problems})
        nothing = False
    if options.rule_places:
        at = options.rule_places
        problems = tuple(each._replace(rule_at=rule_at(each.rule, each.hint, at)) for each in problems)
    metadata = manifest.object.get("metadata") or {}
    result = Result(
        file=manifest.file,
        line=manifest.line,
        api_version=manifest.object.get("apiVersion") or "",
        kind=request.kind.kind,
        namespace=metadata.get("namespace") or "",
        name=request.name or metadata.get("generateName") or "",
        verdict=_verdict(both, pods, problems),
        problems=problems,
        warnings=() if nothing else _warnings(both, pods),
        rewrites=_rewrites(manifest, both) if both.mutating.patch else (),
        steps=() if trace is None else tuple(all_steps(trace, pods, of_pods)),
        explained=() if trace is None else tuple(explained_lines(both, trace, pods, of_pods)),
        stored=both.validating.object if options.rewrite and both.allowed else None,
        seconds=time.perf_counter() - started,
        images=run_images(request) if options.images else (),
        rules=both.rules if pods is None else tuple(dict.fromkeys((*both.rules, *pods.result.rules))),
    )
    if result.verdict == NOT_COVERED:
        result = result._replace(reasons=(why_not_covered(request, result.api_version, templates=options.templates),))
    return _with_doubts(result, unsettled(made)) if made.doubts else result


def _with_doubts(result: Result, doubts: Unsettled) -> Result:
    """The result, or what is certain of it although a Template's parameters are not all known."""
    if not doubts.doubts or (result.verdict == NOT_COVERED and not doubts.hides_identity):
        return result
    certain = () if doubts.hides_all else tuple(each for each in result.problems if not doubts.explains(each.at))
    if not doubts.unknown and len(certain) == len(result.problems):
        return result
    verdict = DENIED if any(each.mode == "enforce" for each in certain) else NOT_LOOKED_INTO
    return result._replace(verdict=verdict, problems=certain, rewrites=(), stored=None, reasons=doubts.reasons)


def _verdict(both: TwoPassResult, pods: PodResult | None, problems: Sequence[Problem]) -> str:
    hard = [problem for problem in problems if problem.mode == "enforce"]
    if hard or not both.allowed:
        lacking = hard and all(problem.code in LACK_OF_EVIDENCE for problem in hard)
        return UNKNOWN if lacking else DENIED
    if not both.covered and (pods is None or not pods.result.covered):
        return NOT_COVERED
    return REWRITTEN if both.patch else ALLOWED


def _problems(manifest: Manifest, both: TwoPassResult) -> tuple[Problem, ...]:
    hard = (_problem(manifest, plugin, "enforce", denial) for plugin, denial in both.denials)
    soft = (_problem(manifest, plugin, mode.value, denial) for mode, plugin, denial in both.soft_denials)
    return (*hard, *soft)


def _warnings(both: TwoPassResult, pods: PodResult | None) -> tuple[str, ...]:
    """Warnings about the object, and those about its Pods that are not the same."""
    of_pods = () if pods is None else (text for text in pods.warnings if text not in both.warnings)
    return (*both.warnings, *(f"{text} (said of the Pod that this object makes)" for text in of_pods))


def _problems_of_pods(manifest: Manifest, pods: PodResult, known: set[tuple[str, str]]) -> tuple[Problem, ...]:
    """Problems of the Pods that are not already problems of the object."""
    found = [*(("enforce", *each) for each in pods.denials)]
    found += [(mode.value, plugin, denial) for mode, plugin, denial in pods.soft_denials]
    return tuple(
        _problem(manifest, plugin, mode, denial) for mode, plugin, denial in found if (plugin, denial.at) not in known
    )


def _problem(manifest: Manifest, plugin: str, mode: str, denial: Denial) -> Problem:
    line = manifest.line_of(denial.at)
    code = denial.code.value
    return Problem(line, plugin, mode, code, denial.image, denial.at, denial.rule, denial.because, denial.hint)


def _rewrites(manifest: Manifest, both: TwoPassResult) -> tuple[Rewrite, ...]:
    found = []
    for op in both.patch:
        steps = [part.replace("~1", "/").replace("~0", "~") for part in op.path[1:].split("/")]
        line = manifest.line_of("".join(f"[{step}]" if step.isdecimal() else f".{step}" for step in steps))
        found.append(Rewrite(line, op.op, op.path, _at(manifest.object, steps), op.value))
    return tuple(found)


def _at(document: Any, steps: Sequence[str]) -> Any:
    for step in steps:
        if isinstance(document, dict):
            document = document.get(step)
        elif isinstance(document, list) and step.isdecimal() and int(step) < len(document):
            document = document[int(step)]
        else:
            return None
    return document if isinstance(document, str) else None
