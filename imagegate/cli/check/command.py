"""``imagegate check``: the verdict of every configured plug-in on manifests."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Unpack

import click

from imagegate.cli.colour import colour_option, has_colour
from imagegate.cli.options import FILE_OR_FOLDER, SharedOptions, chosen, chosen_options, file_options
from imagegate.cli.outputs import Output, chosen_outputs, output_options, write_outputs
from imagegate.core.admission.request import User
from imagegate.core.profile import Profile
from imagegate.errors import ConfigError

FORMATS = ("table", "json", "yaml", "junit", "sarif", "policyreport", "github", "gitlab")
REWRITE_FORMATS = {"table": "yaml", "yaml": "yaml", "json": "json"}
"""With --rewrite: -o -> the format of the objects."""

_EXAMPLES = """\b
Examples:
  imagegate check --config master-config.yaml deploy/
  kustomize build overlays/live | imagegate check --settings imagegate.yaml -o sarif -
  imagegate check --settings imagegate.yaml -o table -o junit=report.xml deploy/
"""


@click.command(epilog=_EXAMPLES)
@click.argument("paths", nargs=-1, required=True, type=FILE_OR_FOLDER, metavar="PATH...")
@chosen_options
@click.option(
    "-n", "--namespace", default="default", show_default=True, help="Namespace for objects that do not set one."
)
@click.option("--as-user", default="", metavar="NAME", help="User that creates the objects.")
@click.option("--as-group", multiple=True, metavar="NAME", help="Group of that user; may be repeated.")
@file_options
@click.option("--skip-unknown", is_flag=True, help="Skip documents that are no Kubernetes objects, with a line each.")
@click.option("--require-objects", is_flag=True, help="Fail if no object is judged by any policy.")
@click.option(
    "--templates/--no-templates",
    default=None,
    help="Judge also the Pods that objects make.  [default: yes, but for profile openshift-4]",
)
@click.option(
    "-p", "--param", "parameters", multiple=True, metavar="NAME=VALUE", help="Value of a parameter of Templates."
)
@click.option("--explain", is_flag=True, help="Show every rule that was tried and why it matched or not.")
@click.option("--rewrite", is_flag=True, help="Print the objects as they would be stored, unless one is denied.")
@output_options(FORMATS, "table")
@colour_option
@click.option("-q", "--quiet", is_flag=True, help="Show only what is not allowed, in the table.")
@click.option("--jobs", type=click.IntRange(min=1), help="Number of processes. [one per processor]")
def check(
    paths: tuple[Path, ...],
    namespace: str,
    as_user: str,
    as_group: tuple[str, ...],
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    skip_unknown: bool,
    require_objects: bool,
    templates: bool | None,
    parameters: tuple[str, ...],
    explain: bool,
    rewrite: bool,
    outputs: tuple[Output, ...],
    output_file: Path | None,
    color: str,
    quiet: bool,
    jobs: int | None,
    **named: Unpack[SharedOptions],
) -> int:
    """Check manifests against every configured policy.

    The verdicts are those that an API server would get on creating the objects. PATH is a file, a folder, or - for
    standard input. Of folders, files *.yaml, *.yml and *.json are read, each once. Hidden folders, links that lead out
    of PATH, kustomizations and unrendered parts of Helm charts are skipped, each with a line on standard error.

    Exit code: 0 all allowed, 1 something denied, 2 usage, configuration, an unreadable manifest or folder, a folder
    without manifests, or no object at all, 3 denied only because evidence was not available.
    """
    from imagegate.cli.check.render import render, stored_objects, summary
    from imagegate.cli.check.run import CheckOptions, run_check
    from imagegate.cli.check.select import Patterns
    from imagegate.cli.check.templates import parameter_values
    from imagegate.cli.output import say, say_error
    from imagegate.wiring.runtime import build

    chosen_formats = chosen_outputs(outputs, output_file)
    if rewrite:
        _check_rewrite_formats(chosen_formats)
    choices = replace(chosen(named), manifests=True)
    service = build(choices)
    if not service.policies.current.plugins:
        raise ConfigError("no policy to check against: name one with --config, --policies or --settings")
    options = CheckOptions(
        namespace=namespace,
        user=User(name=as_user, groups=as_group),
        patterns=Patterns.of(include, exclude),
        skip_unknown=skip_unknown,
        require_objects=require_objects,
        judges_pods=service.policies.current.judges_pods,
        templates=service.settings.profile is not Profile.OPENSHIFT_4 if templates is None else templates,
        explain=explain,
        rewrite=rewrite,
        parameters=parameter_values(parameters),
        rule_places=service.policies.current.rule_places,
    )
    report = run_check(service.reviewer, paths, options, jobs=jobs)
    for line in (*report.passed_over, *report.errors):
        say_error(line)
    if rewrite and not report.denied and not report.errors:
        write_outputs(chosen_formats, lambda name, _: stored_objects(report, REWRITE_FORMATS[name]), colour=color)
    elif rewrite:
        click.echo(render(report, "table", colour=has_colour(color, sys.stderr), quiet=quiet), err=True, nl=False)
    else:
        write_outputs(
            chosen_formats, lambda name, colour: render(report, name, colour=colour, quiet=quiet), colour=color
        )
        if not quiet and all(each.file is not None for each in chosen_formats):
            say(summary(report), err=True)
    return report.exit_code


def _check_rewrite_formats(outputs: tuple[Output, ...]) -> None:
    wrong = [each.format for each in outputs if each.format not in REWRITE_FORMATS]
    if wrong:
        raise click.UsageError(f"--rewrite prints objects: -o yaml or json, not {wrong[0]}")
