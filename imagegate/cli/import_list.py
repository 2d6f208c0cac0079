"""The import list on the command line: ``explain --import`` and ``convert --imports-to-rules``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from imagegate.cli.output import json_text, say, yaml_text
from imagegate.core.import_gate.explain import IMPORTING, TAGGING, explain_import, is_admitted
from imagegate.core.import_gate.gate import ImportGate
from imagegate.core.import_gate.plugin import ImportGatePlugin
from imagegate.errors import ConfigError
from imagegate.service.policies.policy_set import PolicySet

_LINES_MAX = 60
"""Rules that do not match are left out of a table beyond this many lines."""


def gate_in_force(policies: PolicySet) -> ImportGate:
    """The gate of the configured import list.

    Raises:
        ConfigError: no import list is configured.
    """
    plugins = (configured.plugin for configured in policies.plugins)
    gate = next((plugin.gate for plugin in plugins if isinstance(plugin, ImportGatePlugin)), None)
    if gate is None or gate.allows_all:
        raise ConfigError("no allowedRegistriesForImport: everything may be imported; name a list with --config")
    return gate


def print_import_explanation(gate: ImportGate, image: str, *, insecure: bool, output: str) -> int:
    """Print which rule admits ``image`` by each way into an image stream; 0 if both admit it, else 1.

    Raises:
        InvalidReference: ``image`` is not an image reference.
    """
    trace = explain_import(gate, image, insecure=insecure)
    verdicts = {way: "allowed" if is_admitted(trace, way) else "denied" for way in (TAGGING, IMPORTING)}
    found: dict[str, Any] = {"image": image, "insecure": insecure, "verdicts": verdicts, "steps": trace.to_json()}
    if output == "json":
        click.echo(json_text(found), nl=False)
    elif output == "yaml":
        click.echo(yaml_text(found), nl=False)
    else:
        for way in (TAGGING, IMPORTING):
            say(f"{way}{' --insecure' if insecure else ''}: {verdicts[way]}")
            for line in _lines([step for step in found["steps"] if step["at"] == way]):
                say(f"  {line}")
    return 0 if set(verdicts.values()) == {"allowed"} else 1


def _lines(steps: list[dict[str, Any]]) -> list[str]:
    shown = [step for step in steps if step["outcome"] != "not-matched"] if len(steps) > _LINES_MAX else steps
    lines = [_line(step) for step in shown]
    if len(shown) < len(steps):
        lines.insert(-1, f"{len(steps) - len(shown)} rules do not match (-o json lists them)")
    return lines


def _line(step: dict[str, Any]) -> str:
    because = step.get("because", "")
    if step["what"] == "import-rule":
        return f"{step['subject']}: {'matches' if step['outcome'] == 'matched' else because}"
    return f"{step['outcome']}: {because}"


def print_execution_rules(paths: Sequence[Path], *, patterns: bool) -> int:
    """Print an ImagePolicyConfig made from each configuration's import list; remarks go to standard error.

    Raises:
        ConfigError: a file is wrong.
    """
    from imagegate.adapters.files.config import load_config
    from imagegate.documents.convert.imports_to_rules import imports_to_rules

    documents = []
    for path in paths:
        block = load_config(path).import_policy
        found = imports_to_rules(
            block.allowed_registries_for_import,
            integrated_registry=block.internal_registry_hostname,
            patterns=patterns,
        )
        for remark in found.remarks:
            say(f"{path}: {remark}", err=True)
        documents.append(
            yaml_text({"kind": "ImagePolicyConfig", "apiVersion": "v1", "executionRules": list(found.execution_rules)})
        )
    click.echo("---\n".join(documents), nl=False)
    return 0
