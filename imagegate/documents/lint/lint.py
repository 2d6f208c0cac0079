"""Probable mistakes in a configuration that loads.

The same function serves ``imagegate lint`` and the warnings at start. Nothing is fetched, and no finding changes
what a configuration means.
"""

from __future__ import annotations

from imagegate.core.profile import Profile
from imagegate.documents.lint.execution_rules import lint_rules
from imagegate.documents.lint.findings import Finding
from imagegate.documents.lint.import_list import lint_imports
from imagegate.documents.lint.remarks import findings_of_remarks
from imagegate.documents.master_config import MasterConfig


def lint(config: MasterConfig, profile: Profile, *, has_integrated_registry: bool = False) -> list[Finding]:
    """The doubtful places in ``config``, in the order of files and lines.

    Args:
        config: what was read.
        profile: whose behaviour is followed.
        has_integrated_registry: the settings name one, so ``config`` need not.
    """
    findings = [
        *findings_of_remarks(config.warnings),
        *lint_rules(config, profile, has_integrated_registry=has_integrated_registry),
        *lint_imports(config, profile),
    ]
    return sorted(findings, key=lambda finding: (finding.file != config.file, finding.file, finding.line))
