"""Runs suites of policy tests: the failures of every case, and the rules that decided nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from imagegate.adapters.files.cluster import read_text
from imagegate.cli.check.run import Result
from imagegate.cli.check.yaml_text import BadManifest
from imagegate.cli.output import yaml_text
from imagegate.cli.outputs import write_file
from imagegate.cli.policy_tests.expectations import Failure, failures_of
from imagegate.cli.policy_tests.inputs import read_bounded
from imagegate.cli.policy_tests.prepared import Connect, PreparedCase, PreparedSuite, prepare
from imagegate.core.words import counted
from imagegate.documents.policy_tests.lock import Lock, lock_document, read_lock
from imagegate.documents.policy_tests.read import read_suites
from imagegate.documents.policy_tests.suite import Place
from imagegate.documents.yaml.source import DOCUMENT_MAX_BYTES, decode_utf8
from imagegate.errors import ConfigError, InvalidInput
from imagegate.service.review.reviewer import Reviewer
from imagegate.wiring.rules_in_force import RuleName, rule_names

PATTERNS = ("imagegate-test.yaml", "imagegate-test.yml", "*.imagegate-test.yaml", "*.imagegate-test.yml")
"""Files of a folder that are suites."""
LOCK = "imagegate-test.lock"
"""Beside the suites of a folder."""
LOCK_NOTE = "For policy tests, as servers said it; imagegate test --update-lock asks them anew."


class CaseResult(NamedTuple):
    """The result of one case."""

    suite: str
    file: str
    line: int
    name: str
    failures: tuple[Failure, ...] = ()
    objects: tuple[Result, ...] = ()
    seconds: float = 0.0


class RuleCoverage(NamedTuple):
    """A rule, and the number of cases that it decided."""

    policy: str
    rule: str
    cases: int


@dataclass(slots=True)
class TestReport:
    """The results of all suites."""

    __test__ = False  # pytest looks for classes that are called Test...

    cases: list[CaseResult] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    """Suites that cannot be run: ``FILE:LINE: FIELD: why``."""
    passed_over: list[str] = field(default_factory=list)
    coverage: list[RuleCoverage] = field(default_factory=list)
    survivors: list[str] = field(default_factory=list)
    """Changes of rules that no case noticed."""
    mutants: int | None = None
    """Changes that were tried; None: none were asked for."""

    @property
    def failed(self) -> list[CaseResult]:
        """Cases with a failure."""
        return [case for case in self.cases if case.failures]

    def exit_code(self, *, covers: bool) -> int:
        """0 passed, 1 failed, 2 a suite cannot be run, or there is no test.

        Args:
            covers: a rule that decided nothing is a failure.
        """
        if self.errors or not self.cases:
            return 2
        return 1 if self.failed or self.survivors or (covers and self.idle) else 0

    @property
    def idle(self) -> list[RuleCoverage]:
        """Rules that decided nothing."""
        return [each for each in self.coverage if not each.cases]


def load_suites(
    files: Iterable[Path], report: TestReport, *, use_lock: bool = True, connect: Connect | None = None
) -> list[PreparedSuite]:
    """Every suite of the files; what is wrong goes to the errors of ``report``."""
    prepared: list[PreparedSuite] = []
    locks: dict[Path, Lock] = {}
    for file in files:
        try:
            folder = file.parent
            if folder not in locks:
                locks[folder] = read_lock_file(folder / LOCK) if use_lock else Lock(str(folder / LOCK))
            suites = read_suites(read_text(file), str(file))
        except ConfigError as error:
            report.errors += error.lines
            continue
        for suite in suites:
            try:
                prepared.append(prepare(suite, locks[folder], connect))
            except ConfigError as error:
                report.errors += error.lines
    return prepared


def read_lock_file(path: Path) -> Lock:
    """A lock file; an empty lock if there is no such file.

    Raises:
        ConfigError: it cannot be read, or is wrong.
    """
    if not os.path.lexists(path):
        return Lock(str(path))
    content = read_bounded(path, DOCUMENT_MAX_BYTES, Place(str(path), 1, "lock file"))
    return read_lock(decode_utf8(content, str(path)), str(path))


def update_locks(prepared: Sequence[PreparedSuite]) -> list[str]:
    """Write the lock files beside the suites with what was looked up; a line about each.

    What these suites did not ask for stays, but for entries about digests that a tag has no more.

    Raises:
        ConfigError: the present lock file is wrong.
        CannotWrite: a file cannot be written.
    """
    looked_up: dict[Path, Lock] = {}
    for suite in prepared:
        looked_up.setdefault(Path(suite.suite.file).parent, Lock()).add(suite.looked_up)
    lines = []
    for folder, found in looked_up.items():
        path = folder / LOCK
        after = read_lock_file(path)
        before = lock_document(after)
        changed = sum(after.images.get(name) != digest for name, digest in found.images.items())
        after.add(found)
        document = lock_document(after)
        if document != before:
            write_file(path, f"# {LOCK_NOTE}\n{yaml_text(document)}")
        lines.append(f"{path}: {counted(len(after.images), 'image')}, {changed} new or changed{_evidence(found)}")
    return lines


def _evidence(found: Lock) -> str:
    """Other look-ups of the run."""
    parts = [
        counted(number, what)
        for number, what in (
            (sum(len(each.blobs) for each in found.signatures.values()), "signature"),
            (sum(bool(each.files) for each in found.trust.values()), "repository with trust data"),
            (len(found.advisor), "status of Vulnerability Advisor"),
        )
        if number
    ]
    return f"; {', '.join(parts)}" if parts else ""


def run_suites(prepared: Sequence[PreparedSuite], report: TestReport) -> None:
    """Run every case once."""
    decided: dict[tuple[str, ...], dict[RuleName, int]] = {}
    for suite in prepared:
        counts = decided.setdefault(suite.policy, {})
        for name in rule_names(suite.service.policies.current.plugins):
            counts.setdefault(name, 0)
        reviewer = suite.reviewer()
        for case in suite.cases:
            result = run_case(suite, case, reviewer)
            report.cases.append(result)
            rules = {rule for each in result.objects for rule in each.rules}
            for name in counts:
                counts[name] += name.decides_as in rules
    for policy, counts in decided.items():
        shown = ", ".join(filter(None, policy))
        report.coverage += (RuleCoverage(shown, name.label, cases) for name, cases in counts.items())


def run_case(suite: PreparedSuite, prepared: PreparedCase, reviewer: Reviewer) -> CaseResult:
    """Decide the objects of a case, and compare."""
    started = time.perf_counter()
    case = prepared.case
    failures: list[Failure] = []
    results: list[Result] = []
    try:
        for given in prepared.inputs:
            for result in given.results(reviewer, prepared.options):
                results.append(result)
                failures += failures_of(case, result)
    except (InvalidInput, BadManifest) as error:
        failures.append(Failure(case.place, f"not decided: {error}"))
    seconds = time.perf_counter() - started
    return CaseResult(
        suite.suite.name, case.place.file, case.place.line, case.name, tuple(failures), tuple(results), seconds
    )
