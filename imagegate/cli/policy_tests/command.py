"""``imagegate test``: suites of policy tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from imagegate.cli.colour import colour_option
from imagegate.cli.options import FILE_OR_FOLDER
from imagegate.cli.outputs import Output, chosen_outputs, output_options, write_outputs
from imagegate.cli.policy_tests.render import FORMATS
from imagegate.core.admission.lookup import Lookup
from imagegate.core.enforcement.questions import ManifestDigest
from imagegate.settings.load import Settings

_EXAMPLES = """\b
Examples:
  imagegate test policies/
  imagegate test -o table -o junit=report.xml --require-coverage shop.imagegate-test.yaml
"""


@click.command("test", epilog=_EXAMPLES)
@click.argument("suites", nargs=-1, type=FILE_OR_FOLDER, metavar="[SUITE]...")
@click.option("--require-coverage", is_flag=True, help="Fail if a rule of a policy decided no test.")
@click.option("--update-lock", is_flag=True, help="Ask registries for digests, and write imagegate-test.lock.")
@output_options(FORMATS, "table")
@colour_option
@click.option("-q", "--quiet", is_flag=True, help="Show only what failed, in the table.")
def run_tests(
    suites: tuple[Path, ...],
    require_coverage: bool,
    update_lock: bool,
    outputs: tuple[Output, ...],
    output_file: Path | None,
    color: str,
    quiet: bool,
) -> int:
    """Run suites of policy tests, without a network.

    Images that no fixture of a suite describes have the digests of imagegate-test.lock beside it.

    SUITE is a file, or a folder in which and below imagegate-test.yaml and *.imagegate-test.yaml are suites; by default
    the current folder. Exit code: 0 all passed, 1 a test failed or a rule decided nothing with --require-coverage,
    2 usage, a suite or policy that is wrong, or no test at all.
    """
    from imagegate.adapters.files.walk import Document, PassedOver
    from imagegate.cli.check.select import Patterns, walk
    from imagegate.cli.output import say, say_error
    from imagegate.cli.policy_tests.render import render, summary
    from imagegate.cli.policy_tests.run import PATTERNS, TestReport, load_suites, run_suites, update_locks

    chosen_formats = chosen_outputs(outputs, output_file)
    met = list(walk(suites or (Path(),), Patterns(PATTERNS)))
    passed_over = [str(each) for each in met if isinstance(each, PassedOver)]
    files = [each.path for each in met if isinstance(each, Document)]
    faults = [str(each) for each in met if not isinstance(each, Document | PassedOver)]
    report = TestReport(errors=faults, passed_over=passed_over)
    prepared = load_suites(files, report, use_lock=not update_lock, resolve=_registries if update_lock else None)
    run_suites(prepared, report)
    if update_lock:
        for line in update_locks(prepared):
            say(line, err=True)
    for line in (*report.passed_over, *report.errors):
        say_error(line)
    write_outputs(
        chosen_formats,
        lambda name, colour: render(report, name, colour=colour, quiet=quiet, covers=require_coverage),
        colour=color,
    )
    if not quiet and all(each.file is not None for each in chosen_formats):
        say(summary(report), err=True)
    return report.exit_code(covers=require_coverage)


def _registries(settings: Settings) -> Callable[[ManifestDigest, float], Lookup[str]]:
    """Look-ups of digests as the service makes them."""
    from imagegate.wiring.registries import evidence_answerers, http_client

    ask = evidence_answerers(settings, http_client(settings))[ManifestDigest].ask
    return lambda question, deadline_s: ask(question, deadline_s=deadline_s)
