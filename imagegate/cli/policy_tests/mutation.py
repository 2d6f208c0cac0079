"""Runs suites with one rule changed at a time: a change that no test notices could be made by mistake."""

from __future__ import annotations

from collections.abc import Sequence

from imagegate.cli.policy_tests.prepared import PreparedCase, PreparedSuite
from imagegate.cli.policy_tests.run import TestReport, run_case
from imagegate.wiring.mutations import Mutant, mutants


def run_mutations(prepared: Sequence[PreparedSuite], report: TestReport) -> None:
    """Try every change of one rule with the cases that pass without it.

    A change is noticed if a case of any suite of the same policy fails with it.
    """
    failed = {(case.file, case.line) for case in report.failed}
    noticed: dict[tuple[tuple[str, ...], str], bool] = {}
    for suite in prepared:
        cases = [case for case in suite.cases if (case.case.place.file, case.case.place.line) not in failed]
        for mutant in mutants(suite.service.policies.current.plugins):
            key = (suite.policy, mutant.change)
            noticed[key] = noticed.get(key, False) or _is_noticed(suite, mutant, cases)
    report.mutants = len(noticed)
    report.survivors = [
        f"{change}  ({', '.join(filter(None, policy))})" for (policy, change), is_seen in noticed.items() if not is_seen
    ]


def _is_noticed(suite: PreparedSuite, mutant: Mutant, cases: Sequence[PreparedCase]) -> bool:
    reviewer = suite.reviewer(mutant.plugins)
    return any(run_case(suite, case, reviewer).failures for case in cases)
