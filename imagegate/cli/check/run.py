"""Reads and decides manifests, in several processes if there are many."""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from imagegate.adapters.files.input import read_file
from imagegate.cli.check.manifests import BadManifest, Manifest, read_manifests, split_documents
from imagegate.cli.check.not_covered import why_not_covered
from imagegate.cli.check.select import STANDARD_INPUT, Selected, select_files
from imagegate.cli.check.templates import Made, Unsettled, made_objects, unsettled
from imagegate.cli.output import quoted_word
from imagegate.core.admission.decision import LACK_OF_EVIDENCE, Denial
from imagegate.core.admission.request import User
from imagegate.core.admission.trace import Trace
from imagegate.errors import InvalidInput
from imagegate.service.review.both_passes import TwoPassResult, creation, review_manifest
from imagegate.service.review.made_pods import PodResult, judge_made_pods
from imagegate.service.review.reviewer import Reviewer

ALLOWED, REWRITTEN, DENIED, UNKNOWN, NOT_COVERED = "allowed", "rewritten", "denied", "unknown", "not covered"
NOT_LOOKED_INTO = "not looked into"
"""An object of a Template of which too little is known."""
FILE_MAX_BYTES = 256 * 1024 * 1024
_PARALLEL_FROM_BYTES = 200_000
_FILES_A_JOB = 64


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
    stored: Mapping[str, Any] | None = None
    """The object as it would be stored, with ``CheckOptions.rewrite``."""
    seconds: float = 0.0
    """How long it took to decide."""
    reasons: tuple[str, ...] = ()
    """Why it is not covered, or not looked into."""
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
    """Folders that were skipped: ``path: why``."""
    parameters: set[str] = field(default_factory=set)
    """Names of the parameters of all Templates that were read."""

    def add(self, other: Report) -> None:
        """Add the results of a part."""
        self.results += other.results
        self.errors += other.errors
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
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    explain: bool = False
    rewrite: bool = False
    templates: bool = True
    """Judge the Pods that objects make, too."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Values for parameters of Templates."""


class _Text(NamedTuple):
    """A piece of a file; None: the whole file, still to be read."""

    file: str
    text: str | None = None
    first_line: int = 1
    named: bool = True
    """See ``Selected``."""


def run_check(reviewer: Reviewer, paths: Iterable[Path], options: CheckOptions, *, jobs: int | None = None) -> Report:
    """Check everything below ``paths``.

    Args:
        jobs: processes; None: one per processor, if the input is large.

    Raises:
        InvalidInput: a path is not there.
    """
    selection = select_files(paths, options.include, options.exclude)
    processes = jobs or len(os.sched_getaffinity(0))
    report = Report(errors=selection.errors, passed_over=selection.passed_over)
    pieces, size = _pieces(selection.files, processes, report)
    if processes > 1 and (jobs is not None or size >= _PARALLEL_FROM_BYTES) and len(pieces) > 1:
        parts = _in_processes(reviewer, pieces, options, processes)
    else:
        parts = _in_this_process(reviewer, pieces, options)
    for part in parts:
        report.add(part)
    unknown = options.parameters.keys() - report.parameters
    report.errors += (f"--param {name}: no Template has a parameter of this name" for name in sorted(unknown))
    if not report.results and not report.errors:
        report.errors.append("nothing was checked: the named files contain no object")
    return report


def _pieces(files: Sequence[Selected], processes: int, report: Report) -> tuple[list[_Text], int]:
    """The files to check, large ones cut, and their approximate size in bytes; unreadable files are reported."""
    pieces: list[_Text] = []
    total = 0
    for path, named in files:
        name = str(path)
        size = _PARALLEL_FROM_BYTES if name == STANDARD_INPUT else _size(name)
        total += size
        if name != STANDARD_INPUT and (processes < 2 or size < _PARALLEL_FROM_BYTES):
            pieces.append(_Text(name, named=named))
            continue
        try:
            text = _read(name, named=named)
        except BadManifest as error:
            report.errors.append(str(error))  # at once: standard input cannot be read again
            continue
        cuts = split_documents(text, processes * 4 if len(text) >= _PARALLEL_FROM_BYTES else 1)
        pieces += (_Text(_shown(name), part, line) for part, line in cuts)
    return pieces, total


def _size(name: str) -> int:
    try:
        return os.stat(name).st_size  # noqa: PTH116 - quicker
    except OSError:
        return 0  # reported where it is read


def _shown(name: str) -> str:
    return "<stdin>" if name == STANDARD_INPUT else name


def _read(name: str, *, named: bool) -> str:
    """The content of a file or of standard input.

    Raises:
        BadManifest: it cannot be read, is too large or not UTF-8.
    """
    try:
        if name == STANDARD_INPUT:
            content = sys.stdin.buffer.read(FILE_MAX_BYTES + 1)
        else:
            content = read_file(name, FILE_MAX_BYTES, named=named)
    except OSError as error:
        raise BadManifest(f"{name}:1: cannot be read: {error.strerror or error}") from error
    if len(content) > FILE_MAX_BYTES:
        raise BadManifest(f"{_shown(name)}:1: larger than {FILE_MAX_BYTES} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadManifest(f"{_shown(name)}:{line}: not UTF-8 (byte {error.start})") from error


def _in_this_process(reviewer: Reviewer, pieces: Sequence[_Text], options: CheckOptions) -> Iterator[Report]:
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


_shared: tuple[Reviewer, CheckOptions] | None = None
"""Inherited by forked processes: documents are compiled once, in the parent."""


def _in_processes(
    reviewer: Reviewer, pieces: Sequence[_Text], options: CheckOptions, processes: int
) -> Iterator[Report]:
    import multiprocessing  # imported when used: a check of a few files starts no process
    from concurrent.futures import ProcessPoolExecutor

    global _shared
    _shared = (reviewer, options)
    gc.collect()
    gc.freeze()
    try:
        jobs = _batches(pieces, processes)
        context = multiprocessing.get_context("fork")  # documents are compiled once, here
        with ProcessPoolExecutor(processes, mp_context=context, initializer=gc.disable) as pool:
            yield from pool.map(_check_batch, jobs)
    finally:
        gc.unfreeze()
        _shared = None


def _batches(pieces: Sequence[_Text], processes: int) -> list[Sequence[_Text]]:
    size = max(1, min(_FILES_A_JOB, len(pieces) // (processes * 4)))
    return [pieces[start : start + size] for start in range(0, len(pieces), size)]


def _check_batch(pieces: Sequence[_Text]) -> Report:
    if _shared is None:
        raise RuntimeError("not a process of run_check")
    reviewer, options = _shared
    report = Report()
    for piece in pieces:
        report.add(_check_piece(reviewer, piece, options))
    return report


def _check_piece(reviewer: Reviewer, piece: _Text, options: CheckOptions) -> Report:
    report = Report()
    try:
        text = _read(piece.file, named=piece.named) if piece.text is None else piece.text
        for manifest in read_manifests(text, piece.file, first_line=piece.first_line):
            _check_made(reviewer, manifest, options, report)
    except BadManifest as error:
        report.errors.append(str(error))
    return report


def _check_made(reviewer: Reviewer, manifest: Manifest, options: CheckOptions, report: Report) -> None:
    """Decide one object, or those that it makes as a Template; results and errors are added to ``report``."""
    try:
        for made in made_objects(manifest, options.parameters, report.parameters):
            place = f"{made.manifest.file}:{made.manifest.line}"
            unknown = [doubt.why for doubt in made.doubts if not doubt.has_no_value]
            if options.rewrite and unknown:
                report.errors.append(f"{place}: --rewrite cannot print this object: {unknown[0]}")
            try:
                report.results.append(check_manifest(reviewer, made, options))
            except InvalidInput as error:
                report.errors.append(f"{place}: {error}")
    except BadManifest as error:  # the rest of the file is read
        report.errors.append(str(error))


def check_manifest(reviewer: Reviewer, made: Made, options: CheckOptions) -> Result:
    """Decide one object.

    Raises:
        InvalidInput: an API server would not accept the object.
    """
    started = time.perf_counter()
    manifest = made.manifest
    trace = Trace() if options.explain else None
    request = creation(
        manifest.object, uid=f"{manifest.file}:{manifest.line}", namespace=options.namespace, user=options.user
    )
    both = review_manifest(reviewer, request, trace=trace)
    pods = judge_made_pods(reviewer, request) if options.templates else None
    nothing = both.finds_nothing
    problems = () if nothing else _problems(manifest, both)
    if pods is not None and not pods.result.finds_nothing:
        problems += _problems_of_pods(manifest, pods, {(each.plugin, each.at) for each in problems})
        nothing = False
    metadata = manifest.object.get("metadata") or {}
    result = Result(
        file=manifest.file,
        line=manifest.line,
        api_version=manifest.object["apiVersion"],
        kind=request.kind.kind,
        namespace=metadata.get("namespace") or "",
        name=request.name or metadata.get("generateName") or "",
        verdict=_verdict(both, pods, problems),
        problems=problems,
        warnings=() if nothing else _warnings(both, pods),
        rewrites=_rewrites(manifest, both) if both.mutating.patch else (),
        steps=tuple(trace.to_json()) if trace is not None else (),
        stored=both.validating.object if options.rewrite and both.allowed else None,
        seconds=time.perf_counter() - started,
        rules=both.rules if pods is None else tuple(dict.fromkeys((*both.rules, *pods.result.rules))),
    )
    if result.verdict == NOT_COVERED:
        why = why_not_covered(result.api_version, result.kind, templates=options.templates)
        result = result._replace(reasons=(why,))
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
    return Problem(line, plugin, mode, code, denial.image, denial.at, denial.rule, denial.because)


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
