"""``imagegate scan``: a running cluster, or objects exported from one, under the policies of now."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import click

from imagegate.cli.colour import colour_option
from imagegate.cli.options import FILE_OR_FOLDER, SharedOptions, chosen, chosen_options, file_options
from imagegate.cli.outputs import Output, chosen_outputs, output_options, write_outputs
from imagegate.core.profile import Profile
from imagegate.errors import ConfigError, InvalidInput

if TYPE_CHECKING:  # what takes time to import is imported when it is used
    from imagegate.cli.check.run import CheckOptions
    from imagegate.cli.scan.tally import Tally
    from imagegate.wiring.runtime import Runtime

DEFAULT_NAMESPACE = "default"
"""Of objects in files that name none."""
FORMATS = ("table", "images", "json", "yaml", "policyreport")

_EXAMPLES = """\b
Examples:
  imagegate scan --settings imagegate.yaml                       the cluster of the settings
  imagegate scan --settings imagegate.yaml -o images             every image: trust, security status, verdict
  imagegate scan --settings imagegate.yaml -n shop -o policyreport | kubectl apply -f -
  kubectl get pods,deployments -A -o yaml | imagegate scan --config master-config.yaml -
"""


@click.command(epilog=_EXAMPLES)
@click.argument("paths", nargs=-1, type=FILE_OR_FOLDER, metavar="[PATH]...")
@chosen_options
@click.option("-n", "--namespace", "namespaces", multiple=True, help="Scan this namespace only; may be repeated.")
@file_options
@output_options(FORMATS, "table")
@colour_option
def scan(
    paths: tuple[Path, ...],
    namespaces: tuple[str, ...],
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    outputs: tuple[Output, ...],
    output_file: Path | None,
    color: str,
    **named: Unpack[SharedOptions],
) -> int:
    """Find what runs and would be denied if it were created now.

    Policies decide when objects are created: images that were marked later, registries that were struck from a list,
    signatures that expired are found here, grouped by image and reason. Without PATH, the cluster of the settings is
    scanned: its pods, and what makes pods. PATH holds exported objects; - is standard input.

    Exit code: 0 nothing is denied, 1 something is, 2 usage, configuration, or something that cannot be
    read, 3 denied only because evidence was not available.
    """
    from imagegate.cli.output import say, say_error
    from imagegate.cli.scan.images import ImageRows
    from imagegate.cli.scan.render import render, summary
    from imagegate.cli.scan.tally import Tally
    from imagegate.wiring.runtime import build

    chosen_formats = chosen_outputs(outputs, output_file)
    service = build(replace(chosen(named), manifests=True))
    if not service.policies.current.plugins:
        raise ConfigError("no policy to scan with: name one with --config, --policies or --settings")
    formats = {each.format for each in chosen_formats}
    tally = Tally(
        keeps_results="policyreport" in formats, images=ImageRows() if formats & {"images", "json", "yaml"} else None
    )
    if paths:
        _scan_files(service, paths, include, exclude, namespaces, tally)
    else:
        _scan_cluster(service, namespaces, tally)
    for line in (*tally.notes, *tally.errors):
        say_error(line)
    write_outputs(chosen_formats, lambda name, colour: render(tally, name, colour=colour), colour=color)
    if all(each.file is not None for each in chosen_formats):
        say(summary(tally), err=True)
    return tally.exit_code


def _scan_files(
    service: Runtime,
    paths: tuple[Path, ...],
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    namespaces: tuple[str, ...],
    tally: Tally,
) -> None:
    from imagegate.cli.check.run import run_check
    from imagegate.cli.check.select import Patterns

    report = run_check(service.reviewer, paths, _options(service, tally, patterns=Patterns.of(include, exclude)))
    for found in report.results:
        result = found._replace(namespace=found.namespace or DEFAULT_NAMESPACE)
        if not namespaces or result.namespace in namespaces:
            tally.add(result)
    tally.errors += report.errors
    tally.notes += report.passed_over
    if not tally.objects and not tally.errors:
        tally.errors.append(f"nothing was scanned: no object is in {', '.join(namespaces)}")


def _scan_cluster(service: Runtime, namespaces: tuple[str, ...], tally: Tally) -> None:
    from imagegate.cli.check.manifests import Manifest
    from imagegate.cli.check.run import check_manifest
    from imagegate.cli.check.templates import Made
    from imagegate.wiring.live_objects import each_live_object

    options = _options(service, tally)

    def judge(document: dict[str, Any]) -> None:
        try:
            tally.add(check_manifest(service.reviewer, Made(Manifest("cluster", 1, document)), options))
        except InvalidInput as error:
            metadata = document.get("metadata")
            name = metadata.get("name", "") if isinstance(metadata, dict) else ""
            tally.errors.append(f"{document['kind']} {name} cannot be judged: {error}")

    each_live_object(service.settings, namespaces, judge)
    if not tally.objects and not tally.errors:
        tally.errors.append("nothing was scanned: the cluster runs nothing there")


def _options(service: Runtime, tally: Tally, **more: Any) -> CheckOptions:
    from imagegate.cli.check.run import CheckOptions

    lists_images = tally.images is not None
    templates = service.settings.profile is not Profile.OPENSHIFT_4
    return CheckOptions(templates=templates, explain=lists_images, images=lists_images, **more)
