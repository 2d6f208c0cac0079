"""``imagegate lint``: errors and doubtful places in policy documents."""

from __future__ import annotations

from pathlib import Path

import click

from imagegate.cli.check.select import Patterns
from imagegate.cli.lint.files import UNREADABLE, lint_paths
from imagegate.cli.lint.output import FORMATS, summary
from imagegate.cli.options import FILE_OR_FOLDER, file_options
from imagegate.cli.output import say
from imagegate.cli.outputs import Output, chosen_outputs, output_options, write_outputs
from imagegate.core.profile import Profile
from imagegate.documents.lint.findings import Severity

_EXAMPLE = """\b
Example:
  imagegate lint /etc/origin/master/master-config.yaml policies/
"""


@click.command(epilog=_EXAMPLE)
@click.argument("paths", nargs=-1, required=True, type=FILE_OR_FOLDER, metavar="PATH...")
@click.option(
    "--profile",
    type=click.Choice([each.value for each in Profile]),
    default="documented",
    show_default=True,
    help="Behaviour to follow.",
)
@file_options
@click.option("--strict-yaml", is_flag=True, help="Refuse domainName: *.example.com without quotes.")
@click.option("--warnings-are-errors", "-W", is_flag=True, help="Exit with 1 for warnings too.")
@click.option("--quiet", "-q", is_flag=True, help="Hide informational findings.")
@output_options(list(FORMATS), "text")
def lint(
    paths: tuple[Path, ...],
    profile: str,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    strict_yaml: bool,
    warnings_are_errors: bool,
    quiet: bool,
    outputs: tuple[Output, ...],
    output_file: Path | None,
) -> int:
    """Check policies: files that do not load, rules that can never match, and policies that lock everyone out.

    PATH is a master-config.yaml, an ImagePolicyConfig, a settings file, ClusterImagePolicy and ImagePolicy objects,
    or a folder of these. Files are found as by check. Exit code 1 if anything is an error, 2 if something cannot be
    read.
    """
    chosen_formats = chosen_outputs(outputs, output_file)
    patterns = Patterns.of(include, exclude)
    found = lint_paths(paths, Profile(profile), strict_yaml=strict_yaml, patterns=patterns)
    shown = [finding for finding in found if not (quiet and finding.severity is Severity.INFO)]
    write_outputs(chosen_formats, lambda name, _: FORMATS[name](shown))
    if all(each.file is not None or each.format == "text" for each in chosen_formats):
        say(summary(shown), err=True)
    if any(finding.code == UNREADABLE for finding in found):
        return 2
    failing = {Severity.ERROR, Severity.WARNING} if warnings_are_errors else {Severity.ERROR}
    return int(any(finding.severity in failing for finding in found))
