"""``imagegate replay``: recorded requests under the policies of today, or under two policies side by side."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Unpack

import click

from imagegate.cli.colour import colour_option
from imagegate.cli.options import FILE_OR_FOLDER, SharedOptions, chosen, chosen_options
from imagegate.cli.outputs import Output, chosen_outputs, output_options, write_outputs
from imagegate.errors import ConfigError
from imagegate.service.review.reviewer import Reviewer
from imagegate.wiring.choices import StartupOptions

FORMATS = ("table", "json", "yaml", "junit")
OFFLINE = "replay asks no server; --online does"

_EXAMPLES = """\b
Examples:
  imagegate replay --settings imagegate.yaml audit.log audit-2026-11-27.log.gz
  imagegate replay --config new.yaml --against today.yaml reviews.jsonl
  kubectl logs deployment/imagegate | imagegate replay --settings imagegate.yaml -
"""


@click.command(epilog=_EXAMPLES)
@click.argument("paths", nargs=-1, required=True, type=FILE_OR_FOLDER, metavar="FILE...")
@chosen_options
@click.option(
    "--against",
    type=FILE_OR_FOLDER,
    metavar="FILE",
    help="Policy to compare with: settings, master-config or policies. [the recorded verdicts]",
)
@click.option("--online", is_flag=True, help="Ask registries, signature stores and scanners.")
@click.option(
    "--webhook",
    "webhooks",
    multiple=True,
    metavar="NAME",
    help="Count denials by this webhook as recorded denials, too.",
)
@click.option(
    "--top", type=click.IntRange(min=0), default=20, show_default=True, help="Groups of each change in the table."
)
@output_options(FORMATS, "table")
@colour_option
@click.option("--jobs", type=click.IntRange(min=1), help="Number of processes. [one per processor]")
def replay(
    paths: tuple[Path, ...],
    against: Path | None,
    online: bool,
    webhooks: tuple[str, ...],
    top: int,
    outputs: tuple[Output, ...],
    output_file: Path | None,
    color: str,
    jobs: int | None,
    **named: Unpack[SharedOptions],
) -> int:
    """Decide recorded requests again, under another policy.

    FILE holds AdmissionReviews, events of a Kubernetes audit log, or imagegate's decision log: JSON lines, or one
    document; a folder of them, or - for standard input; gzip is recognised. Verdicts are compared with the recorded
    ones, or with those of another policy; requests that would newly be denied or allowed are listed.

    Exit code: 0 nothing newly denied, 1 something newly denied, 2 usage,
    configuration, a record that cannot be read, or nothing to replay, 3 a verdict depends on what was not looked up.
    """
    from imagegate.adapters.files.walk import Document, Fault
    from imagegate.cli.check.select import Patterns, walk
    from imagegate.cli.output import say, say_error
    from imagegate.cli.replay.pieces import SUFFIXES, size_of
    from imagegate.cli.replay.progress import ReplayProgress
    from imagegate.cli.replay.render import exit_code, render, summary
    from imagegate.cli.replay.run import Replayer, run_replay

    chosen_formats = chosen_outputs(outputs, output_file)
    choices = chosen(named)
    reviewer = _reviewer(choices, "to replay under", online=online)
    other = None if against is None else _reviewer(_other(choices, against), f"in {against}", online=online)
    compared_with = "the recorded verdicts" if against is None else f"those under {against}"
    met = list(walk(paths, Patterns(SUFFIXES)))
    files = [each for each in met if isinstance(each, Document)]
    for each in met:
        if not isinstance(each, Document | Fault):
            say_error(str(each))
    with ReplayProgress(size_of(files)) as progress:
        found = run_replay(Replayer(reviewer, other, frozenset(webhooks)), files, jobs=jobs, progress=progress)
    for each in met:
        if isinstance(each, Fault):
            found.tally.add_broken(each.path, each.why)
    for line in found.tally.troubles:
        say_error(line)
    if found.tally.broken > len(found.tally.troubles):
        say_error(f"{found.tally.broken - len(found.tally.troubles):,} more records cannot be read")
    if not found.tally.replayed:
        say_error("nothing was replayed: no record holds a request that can be decided again")
    write_outputs(
        chosen_formats,
        lambda name, colour: render(found, name, compared_with, top=top, colour=colour),
        colour=color,
    )
    if all(each.file is not None for each in chosen_formats):
        say(summary(found, compared_with), err=True)
    return exit_code(found.tally)


def _reviewer(choices: StartupOptions, where: str, *, online: bool) -> Reviewer:
    from imagegate.wiring.offline import offline_answerers
    from imagegate.wiring.runtime import build

    service = build(choices, evidence=None if online else offline_answerers(OFFLINE))
    if not service.policies.current.plugins:
        raise ConfigError(f"no policy {where}: name one with --config, --policies or --settings")
    return service.reviewer


def _other(choices: StartupOptions, against: Path) -> StartupOptions:
    """The same options with another policy: its document tells which option it stands for.

    Raises:
        ConfigError: it is none of the documents that hold policies.
    """
    from imagegate.cli.lint.kinds import CONFIG, POLICIES, SETTINGS, option_for

    kind = option_for(against)
    if kind == SETTINGS:
        return StartupOptions(settings_file=against, profile=choices.profile)
    if kind == CONFIG:
        return replace(choices, config=against)
    if kind == POLICIES:
        return replace(choices, policies=(against,))
    raise ConfigError(f"{against}: no settings, no master-config or ImagePolicyConfig, and no policies")
