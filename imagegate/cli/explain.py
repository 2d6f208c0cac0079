"""``imagegate explain``: the verdict of all policies on one image, with every rule and look-up."""

from __future__ import annotations

import time
from typing import Any, Unpack

import click

from imagegate.cli.options import SharedOptions, chosen, chosen_options
from imagegate.core.admission.request import User
from imagegate.core.admission.trace import Trace
from imagegate.errors import ConfigError, InvalidInput
from imagegate.service.review.both_passes import TwoPassResult, creation, review_manifest
from imagegate.service.review.explanation import Explanation, explanation, lines

_EXAMPLE = """\b
Examples:
  imagegate explain --settings imagegate.yaml --namespace shop docker.io/library/nginx:1.27
  imagegate explain --config master-config.yaml --import --insecure reg.mydomain.com/app:v1
"""


@click.command(epilog=_EXAMPLE)
@click.argument("image")
@chosen_options
@click.option("-n", "--namespace", default="default", show_default=True, help="Namespace of the pod.")
@click.option("--as-user", default="", metavar="NAME", help="User that creates the pod.")
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
    namespace: str,
    as_user: str,
    as_group: tuple[str, ...],
    as_import: bool,
    insecure: bool,
    output: str,
    **named: Unpack[SharedOptions],
) -> int:
    """Explain why a pod with IMAGE is allowed, rewritten or denied: every rule, every look-up, and the time it took.

    Exit code as for check: 0 allowed, 1 denied, 2 usage or configuration, 3 denied only for lack of evidence.
    """
    from imagegate.wiring.runtime import build

    if not image.strip():
        raise InvalidInput("IMAGE is empty: name an image, such as docker.io/library/nginx:1.27")
    service = build(chosen(named))
    if not service.policies.current.plugins:
        raise ConfigError("no policy to explain with: name one with --config, --policies or --settings")
    if as_import:
        from imagegate.cli.import_list import gate_in_force, print_import_explanation

        gate = gate_in_force(service.policies.current)
        return print_import_explanation(gate, image, insecure=insecure, output=output)
    request = creation(_pod(image, namespace), uid="explain", user=User(name=as_user, groups=as_group))
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
