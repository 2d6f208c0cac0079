"""``imagegate test``: suites of policy tests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from imagegate.cli.colour import colour_option
from imagegate.cli.options import FILE, FILE_OR_FOLDER, SharedOptions, chosen, chosen_options
from imagegate.cli.outputs import Output, chosen_outputs, output_options, write_outputs
from imagegate.cli.policy_tests.render import FORMATS
from imagegate.core.words import counted
from imagegate.settings.load import Settings
from imagegate.wiring.choices import StartupOptions

if TYPE_CHECKING:  # takes time to import
    from imagegate.cli.policy_tests.prepared import Connect
    from imagegate.service.policy_tests.locked import Servers

_EXAMPLES = """\b
Examples:
  imagegate test policies/
  imagegate test --init shop.imagegate-test.yaml --settings imagegate.yaml deploy/
  imagegate test -o table -o junit=report.xml --require-coverage shop.imagegate-test.yaml
"""


@click.command("test", epilog=_EXAMPLES)
@click.argument("suites", nargs=-1, type=FILE_OR_FOLDER, metavar="[SUITE]...")
@click.option(
    "--init", type=FILE, metavar="FILE", help="Write a new suite FILE from what the policy says of manifests now."
)
@chosen_options
@click.option("--require-coverage", is_flag=True, help="Fail if a rule of a policy decided no test.")
@click.option("--mutate", is_flag=True, help="Change one rule at a time; fail if no test notices.")
@click.option("--update-lock", is_flag=True, help="Ask registries and other servers, and write imagegate-test.lock.")
@output_options(FORMATS, "table")
@colour_option
@click.option("-q", "--quiet", is_flag=True, help="Show only what failed, in the table.")
def run_tests(
    suites: tuple[Path, ...],
    init: Path | None,
    require_coverage: bool,
    mutate: bool,
    update_lock: bool,
    outputs: tuple[Output, ...],
    output_file: Path | None,
    color: str,
    quiet: bool,
    **named: Unpack[SharedOptions],
) -> int:
    """Run suites of policy tests, without a network.

    With --init, SUITE names manifests. Images that no fixture of a suite describes have the digests, signatures and
    trust data of imagegate-test.lock beside it.

    SUITE is a file, or a folder in which and below imagegate-test.yaml and *.imagegate-test.yaml are suites; by default
    the current folder.

    Exit code: 0 all passed, 1 a test failed, a rule decided nothing with --require-coverage, or no
    test noticed a change with --mutate, 2 usage, a suite or policy that is wrong, or no test at all.
    """
    from imagegate.adapters.files.walk import Document, PassedOver
    from imagegate.cli.check.select import Patterns, walk
    from imagegate.cli.output import say, say_error
    from imagegate.cli.policy_tests.render import render, summary
    from imagegate.cli.policy_tests.run import PATTERNS, TestReport, load_suites, run_suites, update_locks

    choices = chosen(named)
    if init is not None:
        return _init(init, suites, choices, _servers if update_lock else None)
    if choices != chosen(_NOTHING_NAMED):
        raise click.UsageError("--config, --policies, --images, --settings, --profile: for --init; suites name them")
    chosen_formats = chosen_outputs(outputs, output_file)
    met = list(walk(suites or (Path(),), Patterns(PATTERNS)))
    passed_over = [str(each) for each in met if isinstance(each, PassedOver)]
    files = [each.path for each in met if isinstance(each, Document)]
    faults = [str(each) for each in met if not isinstance(each, Document | PassedOver)]
    report = TestReport(errors=faults, passed_over=passed_over)
    prepared = load_suites(files, report, use_lock=not update_lock, connect=_servers if update_lock else None)
    run_suites(prepared, report)
    if mutate:
        from imagegate.cli.policy_tests.mutation import run_mutations

        run_mutations(prepared, report)
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


def _servers(settings: Settings) -> Servers:
    """The servers, as the service asks them."""
    from imagegate.wiring.lock_servers import lock_servers

    return lock_servers(settings)


_NOTHING_NAMED = SharedOptions(config=None, policies=(), images=(), settings=None, profile=None)


def _init(file: Path, paths: tuple[Path, ...], choices: StartupOptions, connect: Connect | None) -> int:
    """Write a suite; 2 if a manifest is not in it."""
    from imagegate.cli.output import say, say_error
    from imagegate.cli.policy_tests.init import write_suite
    from imagegate.cli.policy_tests.run import update_locks

    if not paths:
        raise click.UsageError("--init needs manifests: name files or folders")
    written = write_suite(file, paths, choices, connect)
    for error in written.errors:
        say_error(error)
    if connect is not None:
        for line in update_locks([written.prepared]):
            say(line, err=True)
    say(f"{file}: {counted(written.cases, 'test')}")
    if written.missing:
        listed = ", ".join(written.missing)
        say(f"unknown, as fixtures.registry does not describe it: {listed}; --update-lock looks up digests", err=True)
    return 2 if written.errors else 0
