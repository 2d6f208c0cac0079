"""``imagegate lint``: errors and doubtful places in policy documents."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from imagegate.cli.check.select import Patterns
from imagegate.cli.lint.files import UNREADABLE, files_of, lint_content, lint_paths
from imagegate.cli.lint.output import FORMATS, summary
from imagegate.cli.options import FILE, FILE_OR_FOLDER, file_options
from imagegate.cli.output import say
from imagegate.cli.outputs import Output, chosen_outputs, output_options, write_outputs
from imagegate.core.profile import Profile
from imagegate.documents.lint.findings import Severity
from imagegate.documents.yaml.source import DOCUMENT_MAX_BYTES

_EXAMPLE = """\b
Examples:
  imagegate lint /etc/origin/master/master-config.yaml policies/
  imagegate lint --stdin --stdin-filename policies/team.yaml < buffer
"""


@click.command(epilog=_EXAMPLE)
@click.argument("paths", nargs=-1, type=FILE_OR_FOLDER, metavar="PATH...")
@click.option(
    "--profile",
    type=click.Choice([each.value for each in Profile]),
    default="documented",
    show_default=True,
    help="Behaviour to follow.",
)
@file_options
@click.option("--strict-yaml", is_flag=True, help="Refuse domainName: *.example.com without quotes.")
@click.option(
    "--no-start", is_flag=True, help="Check neither the files that settings name, nor whether serve would start."
)
@click.option("--warnings-are-errors", "-W", is_flag=True, help="Exit with 1 for warnings too.")
@click.option("--quiet", "-q", is_flag=True, help="Hide informational findings.")
@click.option("--fix", is_flag=True, help="Show, as a diff, what can be fixed without a change of any verdict.")
@click.option("--write", is_flag=True, help="With --fix: change the files.")
@click.option("--stdin", "from_stdin", is_flag=True, help="Check the text on standard input, for editors.")
@click.option(
    "--stdin-filename",
    type=FILE,
    default=Path("<stdin>"),
    help="Name of that text in findings; files that it names are looked for beside it.",
)
@output_options(list(FORMATS), "text")
def lint(
    paths: tuple[Path, ...],
    profile: str,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    strict_yaml: bool,
    no_start: bool,
    warnings_are_errors: bool,
    quiet: bool,
    fix: bool,
    write: bool,
    from_stdin: bool,
    stdin_filename: Path,
    outputs: tuple[Output, ...],
    output_file: Path | None,
) -> int:
    """Find mistakes in policies and settings.

    Found are files that do not load, rules that can never match, and policies that lock everyone out. PATH is a
    master-config.yaml, an ImagePolicyConfig, a settings file, ClusterImagePolicy and ImagePolicy objects, or a folder
    of these. With a settings file, lint refuses whatever serve would refuse, but for what needs the cluster or the
    network: that is named. Files are found as by check.

    --fix takes out what is repeated or never decides, and quotes patterns: it prints a diff; --write changes the files
    instead.

    Exit code: 0 no error, 1 something is an error, or --fix has something to fix, 2 usage, or something that cannot be
    read.
    """
    chosen_formats = chosen_outputs(outputs, output_file)
    patterns = Patterns.of(include, exclude)
    if write and not fix:
        raise click.UsageError("--write belongs to --fix")
    if fix and not from_stdin and paths:
        from imagegate.cli.lint.fix import fix_files

        return fix_files(files_of(paths, patterns), Profile(profile), write=write)
    if fix or from_stdin is bool(paths):
        text = "name files and folders" if fix else "name files and folders, or give one text with --stdin"
        raise click.UsageError(text)
    if from_stdin:
        content = sys.stdin.buffer.read(DOCUMENT_MAX_BYTES + 1)
        found = lint_content(content, stdin_filename, Profile(profile), strict_yaml=strict_yaml)
    else:
        found = lint_paths(paths, Profile(profile), strict_yaml=strict_yaml, patterns=patterns, starts=not no_start)
    shown = [finding for finding in found if not (quiet and finding.severity is Severity.INFO)]
    write_outputs(chosen_formats, lambda name, _: FORMATS[name](shown))
    if all(each.file is not None or each.format == "text" for each in chosen_formats):
        say(summary(shown), err=True)
    if any(finding.code == UNREADABLE for finding in found):
        return 2
    failing = {Severity.ERROR, Severity.WARNING} if warnings_are_errors else {Severity.ERROR}
    return int(any(finding.severity in failing for finding in found))
