"""Findings about a settings file: whether a service would start with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from imagegate.documents.lint.findings import Finding, Severity
from imagegate.documents.lint.remarks import findings_of_error
from imagegate.documents.yaml.nodes import Node
from imagegate.errors import ConfigError

IMPORT_ONLY = (
    "nothing judges Pods: without an image policy, ClusterImagePolicy objects or AlwaysPullImages, every image may run;"
    " the import list alone stops no Pod"
)


def start_findings(file: Path, root: Node) -> Iterator[Finding]:
    """Faults that ``serve`` would refuse, what was not checked, and whether anything judges Pods.

    Args:
        file: the settings file.
        root: its document.
    """
    from imagegate.settings.places import line_of_setting  # what takes time to import is imported when it is used
    from imagegate.web.start import check_server
    from imagegate.wiring.choices import StartupOptions
    from imagegate.wiring.rehearsal import not_checked, rehearse

    name = str(file)
    chosen = StartupOptions(settings_file=file, environ={})
    try:
        settings = chosen.settings()
    except ConfigError as error:
        yield from findings_of_error(error, name)
        return
    errors: list[Finding] = []
    policies = None
    try:
        with chosen.placing():
            check_server(settings)
    except ConfigError as error:
        errors += findings_of_error(error, name)
    try:
        policies = rehearse(file)
    except ConfigError as error:
        errors += findings_of_error(error, name)
    yield from dict.fromkeys(errors)
    for setting, why in not_checked(settings):
        yield Finding(
            Severity.INFO, name, line_of_setting(root, setting), setting, f"not checked: {why}", "not-checked"
        )
    if policies is not None and "import-gate" in policies.names and not policies.judges_pods:
        yield nothing_judges_pods(name, root.line)


def nothing_judges_pods(file: str, line: int) -> Finding:
    """A configuration of imports alone."""
    return Finding(Severity.WARNING, file, line, "", IMPORT_ONLY, "nothing-judges-pods")
