"""``imagegate explain``: the verdict of all policies on one image, with every rule and look-up."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import click

from imagegate.cli.options import FILE_OR_FOLDER, SharedOptions, chosen, chosen_options
from imagegate.core.admission.request import User
from imagegate.core.admission.trace import Trace
from imagegate.core.profile import Profile
from imagegate.errors import ConfigError, InvalidInput
from imagegate.service.review.both_passes import TwoPassResult, creation, review_manifest
from imagegate.service.review.explanation import Explanation, explanation, lines

if TYPE_CHECKING:
    from imagegate.wiring.runtime import Runtime

_EXAMPLE = """\b
Examples:
  imagegate explain --settings imagegate.yaml --namespace shop docker.io/library/nginx:1.27
  imagegate explain --config master-config.yaml --import --insecure reg.mydomain.com/app:v1
  imagegate explain --settings imagegate.yaml -f deploy.yaml Deployment/web
"""


@click.command(epilog=_EXAMPLE)
@click.argument("image", required=False, default="", metavar="[IMAGE | KIND/NAME]")
@chosen_options
@click.option(
    "-f",
    "--filename",
    "files",
    multiple=True,
    type=FILE_OR_FOLDER,
    metavar="PATH",
    help="Explain the objects of manifests instead; - is standard input. KIND/NAME selects one.",
)
@click.option(
    "-p", "--param", "parameters", multiple=True, metavar="NAME=VALUE", help="With -f: value of a Template's parameter."
)
@click.option(
    "-n",
    "--namespace",
    default="default",
    show_default=True,
    help="Namespace of the pod, and of objects that set none.",
)
@click.option("--as-user", default="", metavar="NAME", help="User that creates the pod or the objects.")
@click.option("--as-group", multiple=True, metavar="NAME", help="Group of that user; may be repeated.")
@click.option("--import", "as_import", is_flag=True, help="Show which rule of the import list admits IMAGE instead.")
@click.option("--insecure", is_flag=True, help="With --import: assume that --insecure is set.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json", "yaml"]),
    default="table",
    show_default=True,
    help="Output format.",
)
def explain(
    image: str,
    files: tuple[Path, ...],
    parameters: tuple[str, ...],
    namespace: str,
    as_user: str,
    as_group: tuple[str, ...],
    as_import: bool,
    insecure: bool,
    output: str,
    **named: Unpack[SharedOptions],
) -> int:
    """Explain why an image is allowed, rewritten or denied.

    A pod with IMAGE is judged; every rule, every look-up and the time it took are shown. With -f the objects of
    manifests are explained, the Pods that they make, and the objects of Templates whose parameters have values; a
    TemplateInstance takes those of its Secret, if that is in the files.

    Exit code as for check: 0 allowed, 1 denied, 2 usage or configuration, 3 denied only for lack of evidence.
    """
    from imagegate.wiring.runtime import build

    _check_usage(image, files, parameters, as_import=as_import)
    service = build(replace(chosen(named), manifests=bool(files)))
    if not service.policies.current.plugins:
        raise ConfigError("no policy to explain with: name one with --config, --policies or --settings")
    user = User(name=as_user, groups=as_group)
    if files:
        return _explain_files(service, files, image, parameters, namespace, user, output)
    if as_import:
        from imagegate.cli.import_list import gate_in_force, print_import_explanation

        gate = gate_in_force(service.policies.current)
        return print_import_explanation(gate, image, insecure=insecure, output=output)
    request = creation(_pod(image, namespace), uid="explain", user=user)
    trace = Trace()
    service.trace_watches(trace)
    started = time.perf_counter()
    both = review_manifest(service.reviewer, request, trace=trace)
    found = _found(image, namespace, both, trace, time.perf_counter() - started)
    explained = explanation(both, trace.steps)
    found["policies"] = service.policies.current.version
    click.echo(_text(found, explained, output), nl=False)
    if both.allowed:
        return 0
    return 3 if both.only_lacks_evidence else 1


def _check_usage(image: str, files: tuple[Path, ...], parameters: tuple[str, ...], *, as_import: bool) -> None:
    if files and as_import:
        raise click.UsageError("--import explains an image, not the objects of -f")
    if parameters and not files:
        raise click.UsageError("--param gives values to Templates: name their files with -f")
    if not image.strip() and not files:
        raise InvalidInput(
            "IMAGE is empty: name an image, such as docker.io/library/nginx:1.27, or a manifest with -f deploy.yaml"
        )


def _explain_files(
    service: Runtime,
    files: tuple[Path, ...],
    wanted: str,
    parameters: tuple[str, ...],
    namespace: str,
    user: User,
    output: str,
) -> int:
    from imagegate.cli.check.run import CheckOptions
    from imagegate.cli.check.templates import parameter_values
    from imagegate.cli.explain_objects import explain_objects, object_lines, objects_json
    from imagegate.cli.output import json_text, safe_line, say_error, yaml_text

    options = CheckOptions(
        namespace=namespace,
        user=user,
        explain=True,
        templates=service.settings.profile is not Profile.OPENSHIFT_4,
        parameters=parameter_values(parameters),
        rule_places=service.policies.current.rule_places,
    )
    report = explain_objects(service.reviewer, files, wanted, options)
    for line in (*report.passed_over, *report.errors):
        say_error(line)
    version = service.policies.current.version
    if output == "table":
        texts = (*object_lines(report, namespace), f"Policies {version[:12]}")
        click.echo("".join(f"{safe_line(line)}\n" for line in texts), nl=False)
    else:
        document = objects_json(report, version)
        click.echo(json_text(document) if output == "json" else yaml_text(document), nl=False)
    return report.exit_code


def _pod(image: str, namespace: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "explain-", "namespace": namespace},
        "spec": {"containers": [{"name": "explained", "image": image}]},
    }


def _found(image: str, namespace: str, both: TwoPassResult, trace: Trace, seconds: float) -> dict[str, Any]:
    denials = [{"plugin": plugin, "mode": "enforce", **_denial(denial)} for plugin, denial in both.denials] + [
        {"plugin": plugin, "mode": mode.value, **_denial(denial)} for mode, plugin, denial in both.soft_denials
    ]
    verdict = "denied" if not both.allowed else "rewritten" if both.patch else "allowed"
    return {
        "image": image,
        "namespace": namespace,
        "verdict": verdict if not both.only_lacks_evidence else "unknown",
        "runs": next((op.value for op in both.patch if op.path == "/spec/containers/0/image"), image),
        "denials": denials,
        "warnings": list(both.warnings),
        "steps": trace.to_json(),
        "milliseconds": round(seconds * 1000, 1),
    }


def _denial(denial: Any) -> dict[str, str]:
    return {"code": denial.code.value, "rule": denial.rule, "because": denial.because, "hint": denial.hint}


def _text(found: dict[str, Any], explained: Explanation, output: str) -> str:
    from imagegate.cli.output import json_text, safe_line, yaml_text

    if output == "json":
        return json_text(found)
    if output == "yaml":
        return yaml_text(found)
    return "".join(f"{safe_line(line)}\n" for line in _lines(found, explained))


def _lines(found: dict[str, Any], explained: Explanation) -> list[str]:
    first = f"{found['image']} in namespace {found['namespace']}: {found['verdict']}"
    runs = [f"runs as {found['runs']}"] if found["runs"] != found["image"] else []
    last = f"Policies {found['policies'][:12]}, decided in {found['milliseconds']} ms"
    return [first, *runs, *lines(explained), last]
