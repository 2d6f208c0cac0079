"""``docs/messages.md``: the codes of denials and of lint, and what imagegate says of the objects in ``messages/``."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from imagegate.cli.policy_tests.run import TestReport, load_suites, run_suites
from imagegate.cli.reports.rule_help import _FINDINGS, DENIALS
from imagegate.core.admission.decision import DenialCode
from tests.reference_pages.circumstances import denials

SUITES = Path(__file__).parent / "messages" / "suites.yaml"
_HEAD = """# Messages

Every denial has a code, which is stable, and a sentence for the person who asked. `check` and `explain` print the code
in brackets behind the sentence; log, metrics and reports have it in a field: [all codes](exit-codes.md#denial-codes).

Each sentence below is what imagegate said when it was asked: about the objects in `tests/reference_pages/messages`, and
in the circumstances of `tests/reference_pages/circumstances.py`, such as a registry that does not answer. With
`messages.style: upstream` those of the image policy are word for word the original's, and nothing follows them.

"""
_LINT = """
## Findings of lint

| code | meaning |
|---|---|
"""


def document() -> str:
    """The whole page.

    Raises:
        LookupError: a code has no example.
    """
    said = examples()
    parts = [_HEAD]
    for code in DenialCode:
        if not said[code]:
            raise LookupError(code)
        help_ = DENIALS[code]
        parts.append(f"## {code.value}\n\n{help_.what}: {help_.remedy}.\n\n")
        parts.append("".join(f"> {sentence}\n>\n" for sentence in said[code]).removesuffix(">\n") + "\n")
    findings = "".join(f"| `{code}` | {meaning} |\n" for code, meaning in sorted(_FINDINGS.items()))
    return "".join(parts).rstrip("\n") + "\n" + _LINT + findings


def examples() -> dict[str, list[str]]:
    """Code -> the sentences of the denials with it, each once."""
    report = TestReport()
    prepared = load_suites([SUITES], report)
    assert report.errors == []
    run_suites(prepared, report)
    said: dict[str, list[str]] = defaultdict(list)
    for case in report.cases:
        for result in case.objects:
            for problem in result.problems:
                sentence = _escaped(problem.text)
                if sentence not in said[problem.code]:
                    said[problem.code].append(sentence)
    for denial in denials():
        said[denial.code].append(_escaped(denial.text))
    return said


def _escaped(text: str) -> str:
    """The text as Markdown shows it unchanged."""
    return "".join(f"\\{letter}" if letter in "*_<>`\\" else letter for letter in " ".join(text.split()))
